//! The output of one connection that its socket has not accepted yet.

use super::Socket;
use crate::ws::frame::Header;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Number of chunks passed to one `writev`.
const CHUNKS_PER_WRITE: usize = 64;

/// A queue of chunks. Each is a run of whole frames and shares its memory with the queues of other members of
/// the room. HTTP responses come before the first frame; the handshake response shares a chunk with the
/// frames that directly follow it.
///
/// Invariant: every chunk begins at the start of a frame or response and has bytes left to write.
#[derive(Debug, Default)]
pub struct OutboundQueue {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are already written.
    written: usize,
    /// Bytes left to write, in all chunks.
    len: usize,
    /// Bytes of `len` that belong to answers.
    answers: usize,
    /// Index of the chunk that answers the newest ping, until its first byte is written.
    pong: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    bytes: Bytes,
    is_answer: bool,
}

/// The result of a flush.
#[derive(Debug, PartialEq, Eq)]
pub enum Flush {
    /// Everything was written.
    Drained,
    /// The socket accepts no more for now.
    Blocked,
}

impl OutboundQueue {
    /// Appends a run of whole frames from other connections, of which `written` bytes are already written.
    pub fn push(&mut self, chunk: Bytes, written: usize) {
        self.push_chunk(Chunk { bytes: chunk, is_answer: false }, written);
    }

    /// Appends answers to the connection's own input, of which `written` bytes are already written.
    pub fn push_answers(&mut self, chunk: Bytes, written: usize) {
        self.push_chunk(Chunk { bytes: chunk, is_answer: true }, written);
    }

    fn push_chunk(&mut self, chunk: Chunk, written: usize) {
        let waiting = chunk.bytes.len() - written;
        if waiting == 0 {
            return;
        }
        debug_assert!(written == 0 || self.chunks.is_empty(), "only the first chunk may be partly written");
        self.written += written;
        self.len += waiting;
        self.answers += if chunk.is_answer { waiting } else { 0 };
        self.chunks.push_back(chunk);
    }

    /// Inserts a pong before the first chunk that is not partly written, or replaces an older pong. A pong
    /// therefore does not wait for a queue that never drains, and at most one is queued however many pings
    /// arrive.
    pub fn set_pong(&mut self, frame: Bytes) {
        self.len += frame.len();
        if let Some(at) = self.pong {
            self.len -= std::mem::replace(&mut self.chunks[at].bytes, frame).len();
            return;
        }
        let begun = usize::from(self.written > 0);
        let responses =
            self.chunks.iter().skip(begun).take_while(|chunk| frame_end(&chunk.bytes, 0).is_none());
        let at = begun + responses.count();
        self.chunks.insert(at, Chunk { bytes: frame, is_answer: false });
        self.pong = Some(at);
    }

    /// Inserts a frame directly after the partly written one and drops everything else. Returns false and
    /// changes nothing while an HTTP response is queued: a response must not be dropped, and frames must
    /// follow it.
    pub fn overtake(&mut self, frame: Bytes) -> bool {
        let mut partly_written = self.chunks.front().cloned().unwrap_or_default();
        let Some(end) = frame_end(&partly_written.bytes, self.written) else { return false };
        partly_written.bytes.truncate(end);
        let written = self.written;
        *self = OutboundQueue::default();
        self.push_chunk(partly_written, written);
        self.push(frame, 0);
        true
    }

    /// Returns the number of bytes left to write.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns how many of the bytes left to write belong to answers.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// Returns how many of the bytes left to write came from other connections.
    pub fn from_others(&self) -> usize {
        self.len - self.answers
    }

    /// Returns true if nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes until the queue is empty or the socket accepts no more.
    pub fn flush(&mut self, transport: &mut impl Socket) -> io::Result<Flush> {
        loop {
            let taken = match self.chunks.len() {
                0 => return Ok(Flush::Drained),
                1 => transport.write(&self.chunks[0].bytes[self.written..]),
                _ => {
                    let mut slices = [IoSlice::new(&[]); CHUNKS_PER_WRITE];
                    let filled = slices
                        .iter_mut()
                        .zip(&self.chunks)
                        .map(|(slice, chunk)| *slice = IoSlice::new(&chunk.bytes))
                        .count();
                    slices[0].advance(self.written);
                    transport.write_vectored(&slices[..filled])
                }
            };
            match taken {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flush::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn advance(&mut self, taken: usize) {
        self.len -= taken;
        let mut left = taken;
        while let Some(first) = self.chunks.front()
            && left > 0
        {
            let waiting = first.bytes.len() - self.written;
            let part = waiting.min(left);
            left -= part;
            self.answers -= if first.is_answer { part } else { 0 };
            self.written += part;
            if part == waiting {
                self.written = 0;
                self.chunks.pop_front();
                self.pong = self.pong.and_then(|at| at.checked_sub(1));
            }
        }
        self.pong = self.pong.filter(|at| *at > 0 || self.written == 0);
    }
}

/// Returns the end of the frame that contains byte `written` of a chunk, or `written` itself at a frame
/// boundary. Returns `None` for an HTTP response: its first byte, `H`, would be a compressed close frame,
/// which is never sent.
fn frame_end(chunk: &[u8], written: usize) -> Option<usize> {
    let mut end = 0;
    while end < chunk.len() {
        let (header, header_len) = Header::decode(&chunk[end..], true).ok()??;
        if end >= written {
            break;
        }
        end += header_len + header.payload_len as usize;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::super::test_pipe::Pipe;
    use super::*;
    use crate::ws::{Opcode, frame};

    fn text(text: &str) -> Bytes {
        let mut bytes = Vec::new();
        frame::encode(Opcode::Text, text.as_bytes(), &mut bytes);
        bytes.into()
    }

    fn compressed(payload: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        let payload_len = payload.len() as u64;
        Header { fin: true, compressed: true, opcode: Opcode::Text, mask: None, payload_len }
            .encode(&mut bytes);
        [&bytes, payload].concat().into()
    }

    /// Returns a queue of these chunks after a socket accepted `taken` bytes.
    fn blocked(chunks: &[Bytes], taken: usize) -> (OutboundQueue, Pipe) {
        let mut queue = OutboundQueue::default();
        for chunk in chunks {
            queue.push(chunk.clone(), 0);
        }
        let mut pipe = Pipe::with_room(taken);
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Blocked);
        assert_eq!(queue.len(), chunks.concat().len() - taken);
        (queue, pipe)
    }

    #[track_caller]
    fn assert_drains_to(mut queue: OutboundQueue, mut pipe: Pipe, all: &[Bytes]) {
        assert_eq!(queue.len(), all.concat().len() - pipe.written.len());
        pipe.room = usize::MAX;
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        assert_eq!(pipe.written, all.concat());
        assert!(queue.is_empty());
    }

    #[test]
    fn two_chunks_of_any_length_are_written_whole_by_writes_of_any_length() {
        for first in 1..6 {
            for second in 0..6 {
                for taken in 1..8 {
                    let mut queue = OutboundQueue::default();
                    let bytes: Vec<u8> = (0..first + second).collect();
                    queue.push(Bytes::copy_from_slice(&bytes[..first.into()]), 0);
                    queue.push(Bytes::copy_from_slice(&bytes[first.into()..]), 0);
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
    fn the_rest_of_a_partly_written_chunk_is_queued() {
        let chunk = [text("one"), text("two")].concat();
        for written in 0..=chunk.len() {
            let mut queue = OutboundQueue::default();
            queue.push(chunk.clone().into(), written);
            assert_eq!(queue.len(), chunk.len() - written);
            queue.push(text("three"), 0);
            let mut pipe = Pipe::taking(3);
            assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
            assert_eq!(pipe.written, [&chunk[written..], &text("three")].concat());
        }
    }

    #[test]
    fn a_blocked_socket_keeps_the_rest_in_order() {
        let chunks = [text("one"), text("two"), text("three")];
        for taken in 0..10 {
            let (mut queue, pipe) = blocked(&chunks[..2], taken);
            queue.push(chunks[2].clone(), 0);
            assert_drains_to(queue, pipe, &chunks);
        }
    }

    #[test]
    fn only_the_newest_pong_is_sent_and_before_chunks_not_yet_begun() {
        let chunks = [text("frame"), text("more"), text("most")];
        for taken in 0..chunks.concat().len() {
            let (mut queue, pipe) = blocked(&chunks, taken);
            queue.set_pong(text("an old pong"));
            queue.set_pong(text("pong"));
            let begun = [0, 7, 13].into_iter().filter(|start| *start < taken).count();
            let mut expected = chunks.to_vec();
            expected.insert(begun, text("pong"));
            assert_drains_to(queue, pipe, &expected);
        }
    }

    #[test]
    fn a_pong_that_has_begun_is_finished_and_the_next_one_follows() {
        for taken in 0..=6 {
            let (mut queue, mut pipe) = blocked(&[text("frame"), text("more")], 3);
            queue.set_pong(text("pong"));
            pipe.room = 4 + taken;
            assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Blocked);
            queue.set_pong(text("next"));
            let pongs = [text("pong"), text("next")];
            let pongs = &pongs[usize::from(taken == 0)..];
            assert_drains_to(queue, pipe, &[&[text("frame")], pongs, &[text("more")]].concat());
        }
        let (mut queue, mut pipe) = blocked(&[text("frame")], 3);
        pipe.room = usize::MAX;
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        queue.set_pong(text("pong"));
        assert_drains_to(queue, pipe, &[text("frame"), text("pong")]);
    }

    #[test]
    fn a_close_frame_overtakes_everything_after_the_partly_written_frame() {
        let frames = [text("one"), text(""), compressed(&[0x81; 300]), text("three")];
        let ends: Vec<usize> = (0..=frames.len()).map(|count| frames[..count].concat().len()).collect();
        for taken in 0..ends[4] {
            let (mut queue, pipe) = blocked(&[frames.concat().into(), text("four"), text("five")], taken);
            queue.set_pong(text("pong"));
            assert!(queue.overtake(text("close")));
            let finished = ends.iter().position(|end| *end >= taken).unwrap();
            assert_drains_to(queue, pipe, &[&frames[..finished], &[text("close")]].concat());
        }
    }

    #[test]
    fn bytes_of_answers_are_counted_exactly() {
        let chunks = [(text("one"), true), (text("other"), false), (text("last"), true)];
        let whole: Vec<bool> =
            chunks.iter().flat_map(|(chunk, is_answer)| vec![*is_answer; chunk.len()]).collect();
        for per_write in 1..=whole.len() {
            let mut queue = OutboundQueue::default();
            for (chunk, is_answer) in &chunks {
                match is_answer {
                    true => queue.push_answers(chunk.clone(), 0),
                    false => queue.push(chunk.clone(), 0),
                }
            }
            let mut pipe = Pipe { room: 0, ..Pipe::taking(per_write) };
            while !queue.is_empty() {
                let waiting = &whole[pipe.written.len()..];
                let answers = waiting.iter().filter(|is_answer| **is_answer).count();
                assert_eq!((queue.answers(), queue.from_others()), (answers, waiting.len() - answers));
                pipe.room = per_write;
                queue.flush(&mut pipe).unwrap();
            }
            assert_eq!((queue.answers(), queue.from_others()), (0, 0));
        }
    }

    #[test]
    fn nothing_overtakes_an_http_response() {
        let upgrade = Bytes::from_static(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
        let page = Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n");
        let chunks = [page, [upgrade, text("welcome")].concat().into(), text("more")];
        for taken in 0..chunks[..2].concat().len() {
            let (mut queue, pipe) = blocked(&chunks, taken);
            assert!(!queue.overtake(text("close")), "{taken}");
            queue.set_pong(text("pong"));
            let mut expected = chunks.to_vec();
            expected.insert(2, text("pong"));
            assert_drains_to(queue, pipe, &expected);
        }
    }
}
