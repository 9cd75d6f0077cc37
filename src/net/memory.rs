//! How much memory is kept for peers.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One account of the bytes that are kept for peers, on behalf of all connections together. Clones share the account.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<AtomicUsize>);

/// Bytes that are on the account until the last reference to them is dropped.
struct Kept {
    bytes: Bytes,
    memory: Memory,
}

impl Memory {
    /// Puts bytes on the account for as long as they are referred to.
    pub(super) fn keep(&self, bytes: impl Into<Bytes>) -> Bytes {
        let bytes = bytes.into();
        self.change(0, bytes.len());
        Bytes::from_owner(Kept { bytes, memory: self.clone() })
    }

    /// Notes that something that took `before` bytes takes `after` bytes now.
    pub(super) fn change(&self, before: usize, after: usize) {
        // Sums wrap around in between, but not in the end.
        self.0.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Returns the number of bytes on the account.
    pub(super) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.memory.change(self.bytes.len(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_bytes_count_once_and_until_the_last_reference_is_dropped() {
        let memory = Memory::default();
        let bytes = memory.keep(vec![1; 100]);
        let part = bytes.slice(90..);
        assert_eq!(memory.used(), 100);
        drop(bytes);
        assert_eq!((memory.used(), &part[..]), (100, &[1; 10][..]));
        drop(part);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn what_grows_and_shrinks_counts_as_it_is() {
        let memory = Memory::default();
        memory.change(0, 30);
        memory.change(30, 10);
        assert_eq!(memory.used(), 10);
        memory.change(10, 0);
        assert_eq!(memory.used(), 0);
    }
}
