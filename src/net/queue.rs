//! What one connection is owed but its socket has not taken.

use super::Transport;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Chunks offered to the socket in one `writev`.
const CHUNKS_A_WRITE: usize = 64;

/// A queue of chunks, each a run of whole frames that is shared with the other members of a room.
///
/// Invariant: no chunk is empty; only the first may be partly written, so that every other chunk begins
/// where a frame begins.
#[derive(Debug, Default)]
pub struct OutboundQueue {
    chunks: VecDeque<Bytes>,
    /// Bytes of all chunks that wait.
    len: usize,
    /// Whether the first chunk is partly written.
    first_begun: bool,
    /// The answer to the newest ping; it goes out as soon as a frame may begin.
    pong: Option<Bytes>,
}

/// How a flush ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nothing is left.
    Drained,
    /// The socket takes no more for now.
    Blocked,
}

impl OutboundQueue {
    /// Appends a run of whole frames, or the rest of one of which `begun` says that its start is written.
    pub fn push(&mut self, chunk: Bytes, begun: bool) {
        if chunk.is_empty() {
            return;
        }
        debug_assert!(!begun || self.chunks.is_empty(), "only the first chunk may be partly written");
        self.first_begun |= begun;
        self.len += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// Sets the pong to be sent, in the place of an older one that has not gone out.
    pub fn set_pong(&mut self, frame: Bytes) {
        self.pong = Some(frame);
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.len + self.pong.as_ref().map_or(0, Bytes::len)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes until nothing is left or the socket takes no more.
    pub fn flush(&mut self, transport: &mut impl Transport) -> io::Result<Flush> {
        loop {
            if !self.first_begun
                && let Some(pong) = self.pong.take()
            {
                self.len += pong.len();
                self.chunks.push_front(pong);
            }
            let written = match self.chunks.len() {
                0 => return Ok(Flush::Drained),
                1 => transport.write(&self.chunks[0]),
                _ => {
                    let mut slices = [IoSlice::new(&[]); CHUNKS_A_WRITE];
                    let filled = slices
                        .iter_mut()
                        .zip(&self.chunks)
                        .map(|(slice, chunk)| *slice = IoSlice::new(chunk))
                        .count();
                    transport.write_vectored(&slices[..filled])
                }
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flush::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while let Some(first) = self.chunks.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.first_begun |= written > 0;
                return;
            }
            written -= first.len();
            self.chunks.pop_front();
            self.first_begun = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_pipe::Pipe;
    use super::*;

    #[test]
    fn every_pair_of_chunk_lengths_goes_out_whole_whatever_a_write_takes() {
        for first in 1..6 {
            for second in 0..6 {
                for taken in 1..8 {
                    let mut queue = OutboundQueue::default();
                    let bytes: Vec<u8> = (0..first + second).collect();
                    queue.push(Bytes::copy_from_slice(&bytes[..first.into()]), false);
                    queue.push(Bytes::copy_from_slice(&bytes[first.into()..]), false);
                    assert_eq!(queue.len(), bytes.len());
                    let mut pipe = Pipe::taking(taken);
                    assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
                    assert_eq!(pipe.written, bytes);
                    assert!(queue.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_blocked_socket_keeps_the_rest_in_order() {
        let mut queue = OutboundQueue::default();
        let mut pipe = Pipe::with_room(5);
        queue.push(Bytes::from_static(b"abcd"), false);
        queue.push(Bytes::from_static(b"efgh"), false);
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Blocked);
        assert_eq!(queue.len(), 3);
        queue.push(Bytes::from_static(b"ij"), false);
        pipe.room = 100;
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        assert_eq!(pipe.written, b"abcdefghij");
    }

    #[test]
    fn only_the_newest_pong_goes_out_and_never_inside_a_frame() {
        let mut queue = OutboundQueue::default();
        let mut pipe = Pipe::with_room(2);
        queue.push(Bytes::from_static(b"[frame]"), false);
        queue.push(Bytes::from_static(b"[more]"), false);
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Blocked);
        queue.set_pong(Bytes::from_static(b"[old]"));
        queue.set_pong(Bytes::from_static(b"[pong]"));
        assert_eq!(queue.len(), 5 + 6 + 6);
        for _ in 0..30 {
            pipe.room += 1;
            let _ = queue.flush(&mut pipe).unwrap();
        }
        assert_eq!(pipe.written, b"[frame][pong][more]");
        queue.set_pong(Bytes::from_static(b"[last]"));
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        assert!(pipe.written.ends_with(b"[more][last]"));
    }

    #[test]
    fn a_begun_frame_is_finished_before_a_pong() {
        let mut queue = OutboundQueue::default();
        queue.push(Bytes::from_static(b"rest]"), true);
        queue.set_pong(Bytes::from_static(b"[pong]"));
        let mut pipe = Pipe::taking(1);
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        assert_eq!(pipe.written, b"rest][pong]");
    }
}
