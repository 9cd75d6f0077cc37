//! What the floor and the driver share: frames, as little of them as a measurement needs.
#![forbid(unsafe_code)]

use std::ops::Range;

/// A frame that lies whole at the start of what was read.
pub struct Frame {
    /// The first byte: final or not, and the kind.
    pub first: u8,
    pub mask: Option<[u8; 4]>,
    pub payload: Range<usize>,
}

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;

impl Frame {
    /// The frame that `input` starts with, if all of it is there.
    #[inline]
    pub fn first_of(input: &[u8]) -> Option<Frame> {
        let [first, second, rest @ ..] = input else { return None };
        let (length, length_bytes) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 8),
            short => (usize::from(short), 0),
        };
        let (mask, start) = match second & 0x80 {
            0 => (None, 2 + length_bytes),
            _ => (Some(*rest[length_bytes..].first_chunk()?), 6 + length_bytes),
        };
        let end = start.checked_add(length)?;
        (end <= input.len()).then_some(Frame { first: *first, mask, payload: start..end })
    }
}

/// Appends a frame, masked as a client has to.
pub fn append_masked(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    out.push(first);
    match payload.len() {
        length @ ..126 => out.push(0x80 | length as u8),
        length @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], MASK);
}

/// Masks or unmasks a payload.
#[inline]
pub fn mask(payload: &mut [u8], mask: [u8; 4]) {
    let mut chunks = payload.chunks_exact_mut(4);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask) {
        *byte ^= key;
    }
}
