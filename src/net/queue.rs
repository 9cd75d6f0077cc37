//! What one connection is owed but its socket has not taken.

use super::Transport;
use crate::ws::frame::Header;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Chunks offered to the socket in one `writev`.
const CHUNKS_A_WRITE: usize = 64;

/// A queue of chunks, each a run of whole frames that is shared with the other members of a room. Before the first
/// frame come HTTP responses; the handshake's shares a chunk with the frames right after it.
///
/// Invariant: every chunk begins where a frame or a response begins, and has bytes that wait.
#[derive(Debug, Default)]
pub struct OutboundQueue {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk is written.
    written: usize,
    /// Bytes of all chunks that wait.
    len: usize,
    /// Of these, answers.
    answers: usize,
    /// Which chunk is the answer to the newest ping, until its first byte is written.
    pong: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    bytes: Bytes,
    is_answer: bool,
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
    /// Appends a run of whole frames that others sent, of which `written` bytes are written.
    pub fn push(&mut self, chunk: Bytes, written: usize) {
        self.push_chunk(Chunk { bytes: chunk, is_answer: false }, written);
    }

    /// Appends answers to what the connection itself sent, of which `written` bytes are written.
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

    /// Puts a pong before the first chunk that has not begun, or in the place of an older one. So it does not wait
    /// for a queue that never drains, and however many pings there are, one pong waits.
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

    /// Puts a frame right after the one that is under way and drops all else that waits. `false`, and nothing has
    /// changed, while an HTTP response waits: it cannot be dropped, and frames go after it.
    pub fn overtake(&mut self, frame: Bytes) -> bool {
        let mut under_way = self.chunks.front().cloned().unwrap_or_default();
        let Some(end) = frame_end(&under_way.bytes, self.written) else { return false };
        under_way.bytes.truncate(end);
        let written = self.written;
        *self = OutboundQueue::default();
        self.push_chunk(under_way, written);
        self.push(frame, 0);
        true
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Of the bytes that wait, those of answers.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// Of the bytes that wait, those that others sent.
    pub fn from_others(&self) -> usize {
        self.len - self.answers
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes until nothing is left or the socket takes no more.
    pub fn flush(&mut self, transport: &mut impl Transport) -> io::Result<Flush> {
        loop {
            let taken = match self.chunks.len() {
                0 => return Ok(Flush::Drained),
                1 => transport.write(&self.chunks[0].bytes[self.written..]),
                _ => {
                    let mut slices = [IoSlice::new(&[]); CHUNKS_A_WRITE];
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

/// Where the frame ends that is under way in a chunk of which `written` bytes are written: there, if none is.
/// `None` in an HTTP response: its `H` would be a compressed close frame, which there is not.
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

    /// A queue of these chunks, offered to a socket that took so many bytes.
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
    fn assert_drains(mut queue: OutboundQueue, mut pipe: Pipe, all: &[Bytes]) {
        assert_eq!(queue.len(), all.concat().len() - pipe.written.len());
        pipe.room = usize::MAX;
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        assert_eq!(pipe.written, all.concat());
        assert!(queue.is_empty());
    }

    #[test]
    fn every_pair_of_chunk_lengths_goes_out_whole_whatever_a_write_takes() {
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
    fn of_a_chunk_that_was_written_in_part_the_rest_waits() {
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
            assert_drains(queue, pipe, &chunks);
        }
    }

    #[test]
    fn only_the_newest_pong_goes_out_before_what_has_not_begun() {
        let chunks = [text("frame"), text("more"), text("most")];
        for taken in 0..chunks.concat().len() {
            let (mut queue, pipe) = blocked(&chunks, taken);
            queue.set_pong(text("an old pong"));
            queue.set_pong(text("pong"));
            let begun = [0, 7, 13].into_iter().filter(|start| *start < taken).count();
            let mut expected = chunks.to_vec();
            expected.insert(begun, text("pong"));
            assert_drains(queue, pipe, &expected);
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
            assert_drains(queue, pipe, &[&[text("frame")], pongs, &[text("more")]].concat());
        }
        let (mut queue, mut pipe) = blocked(&[text("frame")], 3);
        pipe.room = usize::MAX;
        assert_eq!(queue.flush(&mut pipe).unwrap(), Flush::Drained);
        queue.set_pong(text("pong"));
        assert_drains(queue, pipe, &[text("frame"), text("pong")]);
    }

    #[test]
    fn a_close_frame_overtakes_all_but_the_rest_of_the_frame_under_way() {
        let frames = [text("one"), text(""), compressed(&[0x81; 300]), text("three")];
        let ends: Vec<usize> = (0..=frames.len()).map(|count| frames[..count].concat().len()).collect();
        for taken in 0..ends[4] {
            let (mut queue, pipe) = blocked(&[frames.concat().into(), text("four"), text("five")], taken);
            queue.set_pong(text("pong"));
            assert!(queue.overtake(text("close")));
            let finished = ends.iter().position(|end| *end >= taken).unwrap();
            assert_drains(queue, pipe, &[&frames[..finished], &[text("close")]].concat());
        }
    }

    #[test]
    fn answers_are_counted_apart_to_the_byte() {
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
            assert_drains(queue, pipe, &expected);
        }
    }
}
