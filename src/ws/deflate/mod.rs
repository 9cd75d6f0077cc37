//! Compression of messages (permessage-deflate, RFC 7692).
//!
//! Nothing is remembered from one message to the next, so that one compressor and one inflater serve all
//! connections, and what many are sent is compressed once. Only the peer may keep the context of its own direction, if
//! that was agreed on; it costs an inflater of its own.

mod params;

pub use params::{NAME, Params};

use super::close::Error;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What an [`Inflater`] that has been used takes, in bytes.
pub const INFLATER_SIZE: usize = 48 << 10;

/// Messages below this many bytes go as they are: they gain less than compressing them costs.
const WORTHWHILE: usize = 256;
/// Messages above this many bytes go as they are, since nobody else is served while one is compressed.
const AFFORDABLE: usize = 1 << 20;
/// Chosen by `benches/deflate.rs`: 1 hardly compresses a short message, and higher ones gain little for their time.
const LEVEL: u32 = 2;
/// A buffer above this is given back after use, in bytes.
const KEPT_BUFFER: usize = 64 << 10;

/// What ends each compressed message and is not sent (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// An empty last block: it ends the stream if, and only if, the block before it has ended.
const PROBE: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];
/// The most that one compressed byte can become.
const MOST_INFLATED: usize = 1032;
/// Room made for what is inflated as long as little is known of its length, in bytes.
const FIRST_ROOM: usize = 64 << 10;

/// The longest compressed form that a message of `limit` bytes can have (zlib's own bound for its worst settings), so
/// that a longer one is not worth gathering. Peers that flush after every few bytes could exceed it, but nobody does.
pub(super) fn most_compressed(limit: usize) -> usize {
    limit + limit / 8 + limit / 64 + 64
}

/// Compresses messages, each on its own. It takes its memory, about 300 KB, when it is first used.
#[derive(Debug)]
pub struct Compressor {
    window_bits: u8,
    state: Option<Compress>,
    compressed: Vec<u8>,
}

impl Compressor {
    /// One whose output needs a window of at most 2^`window_bits` bytes, 9 to 15, to be inflated.
    pub fn new(window_bits: u8) -> Compressor {
        Compressor { window_bits, state: None, compressed: Vec::new() }
    }

    /// Takes its memory, all of which noise makes it touch.
    pub(super) fn prepare(&mut self) {
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let noise: Vec<u8> = noise.take(128 << 10).collect();
        let _not_shorter = self.compress(&noise);
    }

    /// The payload of a compressed frame; `None` if the message had better go as it is.
    pub fn compress(&mut self, message: &[u8]) -> Option<&[u8]> {
        if !(WORTHWHILE..=AFFORDABLE).contains(&message.len()) {
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
        // Room for all that can come out: zlib-rs keeps the place of what did not fit, across a reset too, until it
        // has no room left and panics.
        self.compressed.reserve(most_compressed(message.len()));
        let result = state.compress_vec(message, &mut self.compressed, FlushCompress::Sync);
        if result.is_err() || self.compressed.len() == self.compressed.capacity() {
            self.state = None;
            return None;
        }
        let compressed = self.compressed.strip_suffix(&TAIL)?;
        (compressed.len() < message.len()).then_some(compressed)
    }
}

/// Compressors of every window, each made when it is first used: servers may hold their clients to different ones.
#[derive(Debug, Default)]
pub struct Compressors([Option<Compressor>; 7]);

impl Compressors {
    /// The one whose output needs a window of at most 2^`window_bits` bytes. There is none for 8: messages then go as
    /// they are, as any message may (RFC 7692 §6).
    pub fn for_window(&mut self, window_bits: u8) -> Option<&mut Compressor> {
        let place = self.0.get_mut(usize::from(window_bits).checked_sub(9)?)?;
        Some(place.get_or_insert_with(|| Compressor::new(window_bits)))
    }
}

/// Inflates messages. It takes its memory, at most [`INFLATER_SIZE`], when it is first used.
#[derive(Debug)]
pub struct Inflater {
    window_bits: u8,
    state: Option<Decompress>,
}

impl Default for Inflater {
    /// One for all that can be sent.
    fn default() -> Inflater {
        Inflater::with_window(15)
    }
}

impl Inflater {
    /// One for a peer that has agreed to a window of 2^`window_bits` bytes, 8 to 15. Since zlib uses one of 9 where it
    /// was told 8, that is the least.
    pub fn with_window(window_bits: u8) -> Inflater {
        Inflater { window_bits: window_bits.clamp(9, 15), state: None }
    }

    /// The message of which `payload` is the compressed form, if it has at most `limit` bytes; 0 means no limit.
    /// It may refer to the messages before it only if `keeps_context`.
    pub fn inflate(&mut self, payload: &[u8], limit: usize, keeps_context: bool) -> Result<Vec<u8>, Error> {
        let state =
            self.state.get_or_insert_with(|| Decompress::new_with_window_bits(false, self.window_bits));
        if !keeps_context {
            state.reset(false);
        }
        let possible = (payload.len() + TAIL.len()).saturating_mul(MOST_INFLATED);
        let most = if limit == 0 { possible } else { possible.min(limit) };
        let room = most.min(4 * payload.len()).min(FIRST_ROOM);
        let mut inflation = Inflation { state, message: Vec::with_capacity(room), most };
        let is_whole = match inflation.feed(payload)? {
            // A block that is marked as the last may be followed by an empty one only (§7.2.3.4).
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

/// One message on its way.
struct Inflation<'i> {
    state: &'i mut Decompress,
    message: Vec<u8>,
    /// The longest that the message may become.
    most: usize,
}

impl Inflation<'_> {
    /// Inflates `input`. If a last block ended in it, what follows that.
    fn feed<'p>(&mut self, mut input: &'p [u8]) -> Result<Option<&'p [u8]>, Error> {
        loop {
            if self.message.len() == self.message.capacity() {
                self.grow();
            }
            let before = self.state.total_in();
            let status = self
                .state
                .decompress_vec(input, &mut self.message, FlushDecompress::Sync)
                .map_err(|_| Error::BadCompression)?;
            input = &input[(self.state.total_in() - before) as usize..];
            if self.message.len() > self.most {
                return Err(Error::TooBig { limit: self.most });
            }
            match status {
                Status::StreamEnd => return Ok(Some(input)),
                _ if self.message.len() == self.message.capacity() => {}
                _ if input.is_empty() => return Ok(None),
                _ => return Err(Error::BadCompression),
            }
        }
    }

    /// Doubles the room; once the message is long, makes as much as it can need, which costs nothing until it is
    /// used. One byte more than allowed tells that there is more.
    fn grow(&mut self) {
        let room = match self.message.len() {
            len if len < FIRST_ROOM => 2 * len + 64,
            _ => self.most + 1,
        };
        self.message.reserve_exact(room.min(self.most + 1) - self.message.len());
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
