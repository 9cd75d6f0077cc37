//! Compression of messages (permessage-deflate, RFC 7692).
//!
//! Both ends compress each message on its own, which every agreement allows. One compressor for each window size
//! therefore serves all connections, and a message for many clients is compressed once. What a peer compresses may refer
//! to earlier messages, if that was negotiated: a server decides it, and a client has to expect it unless its offer
//! excludes it. The connection then has an inflater of its own, of 48 KiB; all others share one.

mod params;

use params::SMALLEST_WINDOW;
pub use params::{NAME, Params};

use super::close::Error;
use bytes::BufMut;
use flate2::{Compress, Compression, Decompress, DecompressError, FlushCompress, FlushDecompress, Status};
use std::fmt;

/// Memory of an [`Inflater`] in use, in bytes.
pub const INFLATER_SIZE: usize = 48 << 10;

/// Size of the smallest message that is compressed, in bytes. Smaller ones save less than the compression
/// costs.
const SMALLEST_COMPRESSED: usize = 256;
/// Size of the largest message that is compressed, in bytes. Nobody else is served during compression.
const LARGEST_COMPRESSED: usize = 64 << 10;
/// Chosen with `benches/deflate.rs`: level 1 hardly compresses short messages, and higher levels save little
/// for their CPU time.
const LEVEL: u32 = 2;
/// Larger buffers are freed after use. In bytes.
const KEPT_BUFFER: usize = 64 << 10;

/// The end of each compressed message, which is not sent (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// The first byte of a stored block that is not the last one, at a byte boundary (RFC 1951 §3.2.4).
const STORED: u8 = 0x00;
/// An empty final block. It ends the stream if, and only if, the previous block is complete.
const PROBE: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];
/// The largest number of bytes that one compressed byte can produce.
const MAX_INFLATION_RATIO: usize = 1032;
/// Initial capacity for an inflated message, in bytes.
const INITIAL_CAPACITY: usize = 64 << 10;

/// Returns the length of the longest compressed form of a message of `limit` bytes: zlib's bound for its
/// worst settings. Longer input is not worth keeping. A peer that flushes after every few bytes could exceed
/// the bound, but none does.
pub(super) fn max_compressed_len(limit: usize) -> usize {
    limit + limit / 8 + limit / 64 + 64
}

/// Compresses messages, each on its own. Allocates about 300 KB at first use.
pub struct Compressor {
    window_bits: u8,
    state: Option<Compress>,
    compressed: Vec<u8>,
}

impl Compressor {
    /// Creates a compressor whose output can be inflated with a window of 2^`window_bits` bytes, 9 to 15.
    ///
    /// # Panics
    ///
    /// Panics if `window_bits` is not in this range. [`Compressors::for_window`] takes any number.
    pub fn new(window_bits: u8) -> Compressor {
        assert!((SMALLEST_WINDOW..=15).contains(&window_bits), "a window of 2^{window_bits} bytes");
        Compressor { window_bits, state: None, compressed: Vec::new() }
    }

    /// Allocates the compressor's memory and touches all of it by compressing noise.
    pub(super) fn prepare(&mut self) {
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let noise: Vec<u8> = noise.take(128 << 10).collect();
        let _not_shorter = self.compress(&noise);
    }

    /// Returns the payload of a compressed frame, or `None` if the message should be sent uncompressed.
    pub fn compress(&mut self, message: &[u8]) -> Option<&[u8]> {
        if !(SMALLEST_COMPRESSED..=LARGEST_COMPRESSED).contains(&message.len()) {
            return None;
        }
        let level = Compression::new(LEVEL);
        let state = match &mut self.state {
            Some(state) => {
                state.reset();
                state
            }
            none => none.insert(Compress::new_with_window_bits(level, false, self.window_bits)),
        };
        self.compressed.clear();
        self.compressed.shrink_to(KEPT_BUFFER);
        // Reserve room for the largest output. zlib-rs remembers output that did not fit, even across a
        // reset, until it has no room left and panics.
        self.compressed.reserve(max_compressed_len(message.len()));
        let result = state.compress_vec(message, &mut self.compressed, FlushCompress::Sync);
        if result.is_err() || self.compressed.len() == self.compressed.capacity() {
            self.state = None;
            return None;
        }
        let compressed = self.compressed.strip_suffix(&TAIL)?;
        (compressed.len() < message.len()).then_some(compressed)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").field("window_bits", &self.window_bits).finish_non_exhaustive()
    }
}

impl Compressor {
    /// Appends blocks that inflate to `part` whatever is before them, and after which any blocks may follow. A part that
    /// does not get shorter is stored.
    pub fn append_blocks(&mut self, part: &[u8], out: &mut Vec<u8>) {
        if let Some(compressed) = self.compress(part) {
            out.extend_from_slice(compressed);
            out.extend_from_slice(&TAIL);
            return;
        }
        for block in part.chunks(usize::from(u16::MAX)) {
            let len = block.len() as u16;
            out.push(STORED);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&(!len).to_le_bytes());
            out.extend_from_slice(block);
        }
    }

    /// Appends the end of a message that consists of blocks: what is left of an empty stored block without its
    /// `TAIL`.
    pub fn end_blocks(out: &mut impl BufMut) {
        out.put_u8(STORED);
    }
}

/// A compressor for every window size, created at first use: each server may require another size.
#[derive(Debug, Default)]
pub struct Compressors([Option<Compressor>; 7]);

impl Compressors {
    /// Returns the compressor whose output can be inflated with a window of 2^`window_bits` bytes. There is
    /// none for 8: messages are then sent uncompressed, which is always allowed (RFC 7692 §6).
    pub fn for_window(&mut self, window_bits: u8) -> Option<&mut Compressor> {
        let place = self.0.get_mut(usize::from(window_bits).checked_sub(9)?)?;
        Some(place.get_or_insert_with(|| Compressor::new(window_bits)))
    }
}

/// Inflates messages. Allocates at most [`INFLATER_SIZE`] bytes at first use.
#[derive(Debug)]
pub struct Inflater {
    window_bits: u8,
    state: Option<Decompress>,
}

impl Default for Inflater {
    /// Creates an inflater with the largest window, which suits all senders.
    fn default() -> Inflater {
        Inflater::with_window(15)
    }
}

impl Inflater {
    /// Creates an inflater for a peer with a window of 2^`window_bits` bytes, 8 to 15. The smallest window
    /// used is 9, since zlib uses 9 where 8 is requested.
    pub fn with_window(window_bits: u8) -> Inflater {
        Inflater { window_bits: window_bits.clamp(9, 15), state: None }
    }

    /// Inflates `payload` to a message of at most `limit` bytes; 0 means no limit. With `keeps_context` the
    /// message may refer to earlier ones.
    pub fn inflate(&mut self, payload: &[u8], limit: usize, keeps_context: bool) -> Result<Vec<u8>, Error> {
        let state =
            self.state.get_or_insert_with(|| Decompress::new_with_window_bits(false, self.window_bits));
        if !keeps_context {
            state.reset(false);
        }
        let possible_len = (payload.len() + TAIL.len()).saturating_mul(MAX_INFLATION_RATIO);
        let max_len = if limit == 0 { possible_len } else { possible_len.min(limit) };
        let room = max_len.min(4 * payload.len()).min(INITIAL_CAPACITY);
        let mut inflation = Inflation { state, message: Vec::with_capacity(room), max_len, keeps_context };
        let is_whole = match inflation.feed(payload)? {
            // A block marked as final may only be followed by an empty block (§7.2.3.4).
            Some(rest) => {
                inflation.state.reset(false);
                matches!(rest, [] | [0x00])
            }
            None => {
                inflation.feed(&TAIL)?.is_none() && (keeps_context || inflation.feed(&PROBE)? == Some(&[]))
            }
        };
        if is_whole { Ok(inflation.message) } else { Err(Error::BadCompression) }
    }
}

/// The inflation of one message.
struct Inflation<'i> {
    state: &'i mut Decompress,
    message: Vec<u8>,
    /// Largest length allowed for the message, in bytes.
    max_len: usize,
    keeps_context: bool,
}

impl Inflation<'_> {
    /// Inflates `input`. If a final block ended in it, returns the input after that block.
    fn feed<'p>(&mut self, mut input: &'p [u8]) -> Result<Option<&'p [u8]>, Error> {
        loop {
            if self.message.len() == self.message.capacity() {
                self.grow()?;
            }
            let before = self.state.total_in();
            let status = self
                .state
                .decompress_vec(input, &mut self.message, FlushDecompress::Sync)
                .map_err(|error| self.reason(&error))?;
            input = &input[(self.state.total_in() - before) as usize..];
            if self.message.len() > self.max_len {
                return Err(Error::TooBig { limit: self.max_len });
            }
            match status {
                Status::StreamEnd => return Ok(Some(input)),
                _ if self.message.len() == self.message.capacity() => {}
                _ if input.is_empty() => return Ok(None),
                _ => return Err(Error::BadCompression),
            }
        }
    }

    /// Distinguishes messages of clients that ignore `client_no_context_takeover` from damaged ones: an operator can serve
    /// such clients.
    fn reason(&self, error: &DecompressError) -> Error {
        match error.message() {
            Some("invalid distance too far back") if !self.keeps_context => Error::LostContext,
            _ => Error::BadCompression,
        }
    }

    /// Doubles the capacity, up to one byte beyond the maximum, which detects longer messages. So memory follows what
    /// the message turns out to be, not what it could become. If the system has no more memory, the message is too big.
    fn grow(&mut self) -> Result<(), Error> {
        let len = self.message.len();
        let capacity = (2 * len + 64).min(self.max_len.saturating_add(1));
        self.message.try_reserve_exact(capacity - len).map_err(|_| Error::TooBig { limit: len })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
