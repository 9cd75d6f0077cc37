//! The sending half of a connection: frames that wait for the caller to write them.

use super::Codec;
use super::frame::{Header, MAX_HEADER, Opcode};
use super::mask;
use super::protocol::Role;

/// An empty buffer of more bytes than this is freed.
const KEPT_BUFFER: usize = 16 << 10;
/// While at least this many bytes wait, a pong waits too, so that a newer one can replace it.
const PONG_LIMIT: usize = 16 << 10;

/// Frames in the order in which they were sent.
#[derive(Debug)]
pub(super) struct Output {
    role: Role,
    bytes: Vec<u8>,
    /// Number of bytes that the caller has written.
    written: usize,
    /// The frame of the newest pong, if `bytes` was too long for it.
    pong: Option<Box<[u8]>>,
}

impl Output {
    /// Creates the output of a connection that begins with `bytes`.
    pub(super) fn new(role: Role, bytes: Vec<u8>) -> Output {
        Output { role, bytes, written: 0, pong: None }
    }

    /// Returns the bytes to write.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Removes the first `len` bytes.
    pub(super) fn wrote(&mut self, len: usize) {
        self.written = self.written.saturating_add(len).min(self.bytes.len());
        if self.waiting().len() < PONG_LIMIT
            && let Some(pong) = self.pong.take()
        {
            self.bytes.extend_from_slice(&pong);
        }
        if self.written == self.bytes.len() {
            self.written = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_BUFFER {
                self.bytes = Vec::new();
            }
        } else if self.written > KEPT_BUFFER && self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Exchanges the memory with that of `buffer` if both are empty.
    pub(super) fn swap(&mut self, buffer: &mut Vec<u8>) {
        if self.bytes.is_empty() && buffer.is_empty() {
            std::mem::swap(&mut self.bytes, buffer);
        }
    }

    /// Adds a frame with FIN.
    pub(super) fn push(&mut self, opcode: Opcode, payload: &[u8], codec: &mut Codec) {
        self.push_frame(true, opcode, payload, codec);
    }

    /// Adds an uncompressed frame.
    pub(super) fn push_frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8], codec: &mut Codec) {
        let payload_len = payload.len() as u64;
        let header = Header { fin, compressed: false, opcode, mask: self.key(codec), payload_len };
        write(&mut self.bytes, &header, payload);
    }

    /// Adds a message in one frame, compressed with a window of 2^`window_bits` bytes if that makes it shorter.
    pub(super) fn push_message(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        window_bits: Option<u8>,
        codec: &mut Codec,
    ) {
        let mask = self.key(codec);
        let compressor = window_bits.and_then(|bits| codec.compressors.for_window(bits));
        let compressed = compressor.and_then(|compressor| compressor.compress(payload));
        let sent = compressed.unwrap_or(payload);
        let compressed = compressed.is_some();
        let header = Header { fin: true, compressed, opcode, mask, payload_len: sent.len() as u64 };
        write(&mut self.bytes, &header, sent);
    }

    /// Adds a pong. If much is waiting, it may replace an earlier one, which is allowed (§5.5.3). So pings cannot make
    /// the output grow without limit.
    pub(super) fn push_pong(&mut self, payload: &[u8], codec: &mut Codec) {
        let payload_len = payload.len() as u64;
        let header =
            Header { fin: true, compressed: false, opcode: Opcode::Pong, mask: self.key(codec), payload_len };
        if self.waiting().len() < PONG_LIMIT {
            write(&mut self.bytes, &header, payload);
        } else {
            let mut pong = Vec::new();
            write(&mut pong, &header, payload);
            self.pong = Some(pong.into());
        }
    }

    /// Adds a close frame, after which nothing is sent.
    pub(super) fn push_close(&mut self, payload: &[u8], codec: &mut Codec) {
        self.pong = None;
        self.push(Opcode::Close, payload, codec);
    }

    /// Returns a masking key for the frame of a client.
    fn key(&self, codec: &mut Codec) -> Option<[u8; 4]> {
        match self.role {
            Role::Server => None,
            Role::Client => Some(codec.random.next()),
        }
    }
}

fn write(out: &mut Vec<u8>, header: &Header, payload: &[u8]) {
    out.reserve(MAX_HEADER + payload.len());
    header.encode(out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.mask {
        mask::apply(key, 0, &mut out[start..]);
    }
}
