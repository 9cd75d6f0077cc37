//! How many connections the file limit allows.
//!
//! It limits a table of descriptors, which the threads of a process share. On Linux a thread can leave that for a table
//! of its own, so that each thread has the whole limit, and none of them waits for another when it looks one up.

use std::io;
use std::thread::Builder;

/// Descriptors of a table that are not connections.
const RESERVED: u64 = 64;
/// Threads that are started at most where nobody asked for a number.
const MOST_THREADS: usize = 256;

/// What the file limit allows.
#[derive(Clone, Copy, Debug)]
pub struct FileLimit {
    /// Connections of one table.
    connections: usize,
    /// Each thread can have its own.
    is_per_thread: bool,
}

impl FileLimit {
    /// The limit of this process, raised as far as it goes.
    pub fn raise() -> io::Result<FileLimit> {
        let limit = rlimit::increase_nofile_limit(u64::MAX)?;
        // Tried on a thread that ends at once: a container may forbid it.
        let is_per_thread = Builder::new().spawn(take_own_table)?.join().unwrap_or(false);
        Ok(FileLimit {
            connections: usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(usize::MAX),
            is_per_thread,
        })
    }

    /// The most connections, with so many threads if it was said how many.
    pub fn most_connections(&self, threads: Option<usize>) -> usize {
        let tables = if self.is_per_thread { threads.unwrap_or(MOST_THREADS) } else { 1 };
        self.connections.saturating_mul(tables)
    }

    /// How many threads the connections need: as many as was said, else `usual`, or more if the limit wants it.
    pub fn threads(&self, connections: usize, said: Option<usize>, usual: usize) -> Result<usize, String> {
        let possible = self.most_connections(said);
        if connections <= possible {
            let needed = if self.is_per_thread { connections.div_ceil(self.connections) } else { 1 };
            return Ok(said.unwrap_or(usual.max(needed)));
        }
        let more = if self.is_per_thread && said.is_some() { ", or allow more --threads" } else { "" };
        Err(format!(
            "{connections} connections are more than the {possible} that the file limit allows; raise it (ulimit -n){more}, \
             or run several clients"
        ))
    }
}

/// Lets the calling thread leave the table of the others, keeping what is open; whether that is possible.
pub fn take_own_table() -> bool {
    #[cfg(target_os = "linux")]
    return nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: FileLimit = FileLimit { connections: 1_000, is_per_thread: true };
    const ALL: FileLimit = FileLimit { connections: 1_000, is_per_thread: false };

    #[test]
    fn as_many_threads_are_taken_as_the_limit_wants() {
        for (connections, threads) in [(1, 2), (2_000, 2), (2_001, 3), (256_000, 256)] {
            assert_eq!(EACH.threads(connections, None, 2), Ok(threads), "{connections}");
        }
        assert_eq!(EACH.threads(3_000, Some(3), 2), Ok(3));
        assert_eq!(ALL.threads(1_000, None, 2), Ok(2));
        assert_eq!(ALL.threads(1_000, Some(5), 2), Ok(5));
    }

    #[test]
    fn what_the_limit_does_not_allow_is_said_before() {
        for (limit, connections, said, possible) in [
            (
                EACH,
                3_001,
                Some(3),
                "the 3000 that the file limit allows; raise it (ulimit -n), or allow more",
            ),
            (EACH, 256_001, None, "the 256000 that the file limit allows; raise it (ulimit -n), or run"),
            (ALL, 1_001, Some(3), "the 1000 that the file limit allows; raise it (ulimit -n), or run"),
        ] {
            let why = limit.threads(connections, said, 1).unwrap_err();
            assert!(why.contains(possible), "{why}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_with_a_table_of_their_own_use_the_same_numbers() {
        use std::collections::BTreeSet;
        use std::os::fd::AsRawFd;
        use std::sync::Barrier;
        let all_have_opened = Barrier::new(2);
        let open_some = || {
            assert!(take_own_table());
            let files: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
            all_have_opened.wait();
            files.iter().map(AsRawFd::as_raw_fd).collect::<BTreeSet<_>>()
        };
        let [one, other] = std::thread::scope(|scope| {
            [scope.spawn(open_some), scope.spawn(open_some)].map(|thread| thread.join().unwrap())
        });
        assert!(!one.is_disjoint(&other));
    }
}
