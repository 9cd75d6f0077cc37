//! Frame headers (RFC 6455 §5.2): decoding headers and encoding frames.
//!
//! ```text
//!  0               1               2 … 9                    then
//! +-+-+-+-+-------+-+-------------+------------------------+-------------+---------
//! |F|R|R|R| opcode|M| length      | 126: 2 bytes more      | masking key | payload
//! |I|S|S|S|       |A| 0…125, else | 127: 8 bytes more      | if M        |
//! |N|V|V|V|       |S| 126 or 127  |                        |             |
//! ```

use super::close::{CloseCode, Error};
use super::mask;
use bytes::BufMut;

/// Length of the longest header: 2 bytes, 8 of length, 4 of masking key.
pub const MAX_HEADER: usize = 14;
/// Length of the longest payload of a control frame (§5.5).
pub const MAX_CONTROL: usize = 125;
/// Length of the longest reason in a close frame: the payload without the code.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL - 2;

/// Marks a compressed message.
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;

/// The type of a frame (§5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of an unfinished message.
    Continuation = 0x0,
    /// A text message, or the first fragment of one.
    Text = 0x1,
    /// A binary message, or the first fragment of one.
    Binary = 0x2,
    /// A step of the closing handshake.
    Close = 0x8,
    /// A request for a pong.
    Ping = 0x9,
    /// A reply to a ping, or an unsolicited heartbeat.
    Pong = 0xA,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Opcode, Error> {
        Ok(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            unknown => return Err(Error::UnknownOpcode(unknown)),
        })
    }

    /// Returns true for close, ping and pong. They are short, never fragmented, and allowed between the
    /// fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= 0x8
    }
}

/// A decoded frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last or only fragment of a message.
    pub fin: bool,
    /// Whether the message is compressed (RFC 7692 §6). Set on its first frame only.
    pub compressed: bool,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The masking key, if the frame is masked.
    pub mask: Option<[u8; 4]>,
    /// Length of the payload, in bytes.
    pub payload_len: u64,
}

impl Header {
    /// Decodes the header at the start of `bytes` and returns its length too, or `None` if more bytes are
    /// needed. An error is reported as soon as the bytes show it. `deflate` says whether compressed messages
    /// are allowed.
    pub fn decode(bytes: &[u8], deflate: bool) -> Result<Option<(Header, usize)>, Error> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let fin = first & 0x80 != 0;
        let compressed = first & RSV1 != 0;
        if first & (RSV2 | RSV3) != 0 || compressed && !deflate {
            return Err(Error::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0x0f)?;
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(Error::ReservedBits);
        }
        if opcode.is_control() && !fin {
            return Err(Error::FragmentedControl);
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let short_len = second & 0x7f;
        if opcode.is_control() && usize::from(short_len) > MAX_CONTROL {
            return Err(Error::ControlTooLong);
        }
        let rest = &bytes[2..];
        let (payload_len, rest) = match short_len {
            126 => {
                let Some((len, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u64::from(u16::from_be_bytes(*len));
                if len < 126 {
                    return Err(Error::NonMinimalLength);
                }
                (len, rest)
            }
            127 => {
                let Some((len, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u64::from_be_bytes(*len);
                if len >> 63 != 0 {
                    return Err(Error::LengthTopBit);
                }
                if len <= u64::from(u16::MAX) {
                    return Err(Error::NonMinimalLength);
                }
                (len, rest)
            }
            short => (u64::from(short), rest),
        };
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let Some((key, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(*key), rest)
        };
        let header = Header { fin, compressed, opcode, mask, payload_len };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// Writes the header, with the length in its shortest form.
    pub fn encode(&self, out: &mut impl BufMut) {
        let rsv1 = if self.compressed { RSV1 } else { 0 };
        out.put_u8(u8::from(self.fin) << 7 | rsv1 | self.opcode as u8);
        let mask_bit = u8::from(self.mask.is_some()) << 7;
        match self.payload_len {
            len @ 0..=125 => out.put_u8(mask_bit | len as u8),
            len @ 126..=0xffff => {
                out.put_u8(mask_bit | 126);
                out.put_u16(len as u16);
            }
            len => {
                out.put_u8(mask_bit | 127);
                out.put_u64(len);
            }
        }
        if let Some(key) = self.mask {
            out.put_slice(&key);
        }
    }
}

/// Writes a message as one frame of a server, unmasked. A [`Connection`](super::Connection) does more: it also checks
/// that the frame may be sent.
///
/// # Panics
///
/// Panics if `out` has a fixed size, as a slice has, and is too short.
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut impl BufMut) {
    let payload_len = payload.len() as u64;
    Header { fin: true, compressed: false, opcode, mask: None, payload_len }.encode(out);
    out.put_slice(payload);
}

/// Writes a message as one frame of a client, masked with `key`, which no peer may be able to predict and which must be
/// new for each frame (§10.3). A [`Connection`](super::Connection) draws it from its [`Codec`](super::Codec).
pub fn encode_masked(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    encode_masked_as(false, opcode, payload, key, out);
}

/// Like [`encode_masked`], for a payload that a [`Compressor`](super::deflate::Compressor) has compressed.
pub fn encode_masked_compressed(opcode: Opcode, compressed: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    encode_masked_as(true, opcode, compressed, key, out);
}

fn encode_masked_as(compressed: bool, opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let payload_len = payload.len() as u64;
    Header { fin: true, compressed, opcode, mask: Some(key), payload_len }.encode(out);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(key, 0, &mut out[start..]);
}

/// Returns the payload of a close frame. A reason that is too long is cut at a character boundary.
pub fn close_payload(code: CloseCode, reason: &str) -> Vec<u8> {
    let end = reason.floor_char_boundary(MAX_CLOSE_REASON);
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.0.to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, payload_len: u64) -> Header {
        Header { fin, compressed: false, opcode, mask, payload_len }
    }

    /// Checks encoding and decoding, and that every prefix needs more bytes.
    fn check(expected: Header, bytes: &[u8]) {
        let mut encoded = Vec::new();
        expected.encode(&mut encoded);
        assert_eq!(encoded, bytes);
        for cut in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..cut], true), Ok(None), "cut at {cut}");
        }
        let mut with_payload = bytes.to_vec();
        with_payload.extend_from_slice(&[0xff; 3]);
        assert_eq!(Header::decode(&with_payload, true), Ok(Some((expected, bytes.len()))));
    }

    #[test]
    fn section_5_7_examples_and_all_length_forms_encode_and_decode() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        check(header(true, Opcode::Text, None, 5), b"\x81\x05");
        check(Header { compressed: true, ..header(true, Opcode::Text, None, 5) }, b"\xc1\x05");
        check(Header { compressed: true, ..header(false, Opcode::Binary, None, 5) }, b"\x42\x05");
        check(header(true, Opcode::Text, Some(key), 5), b"\x81\x85\x37\xfa\x21\x3d");
        check(header(false, Opcode::Text, None, 3), b"\x01\x03");
        check(header(true, Opcode::Continuation, None, 2), b"\x80\x02");
        check(header(true, Opcode::Ping, None, 5), b"\x89\x05");
        check(header(true, Opcode::Pong, Some(key), 5), b"\x8a\x85\x37\xfa\x21\x3d");
        check(header(true, Opcode::Close, None, 125), b"\x88\x7d");
        check(header(true, Opcode::Binary, None, 0), b"\x82\x00");
        check(header(true, Opcode::Binary, None, 126), b"\x82\x7e\x00\x7e");
        check(header(true, Opcode::Binary, None, 256), b"\x82\x7e\x01\x00");
        check(header(true, Opcode::Binary, None, 65535), b"\x82\x7e\xff\xff");
        check(header(true, Opcode::Binary, None, 65536), b"\x82\x7f\0\0\0\0\0\x01\0\0");
        check(
            header(true, Opcode::Binary, Some(key), u64::MAX >> 1),
            b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x37\xfa\x21\x3d",
        );
    }

    #[test]
    fn violations_of_sections_5_2_and_5_5_are_reported_at_the_first_byte_that_shows_them() {
        let table: &[(&[u8], Error)] = &[
            (b"\xc1", Error::ReservedBits),
            (b"\xa1", Error::ReservedBits),
            (b"\x91", Error::ReservedBits),
            (b"\x83", Error::UnknownOpcode(0x3)),
            (b"\x87", Error::UnknownOpcode(0x7)),
            (b"\x8b", Error::UnknownOpcode(0xb)),
            (b"\x8f", Error::UnknownOpcode(0xf)),
            (b"\x08", Error::FragmentedControl),
            (b"\x09", Error::FragmentedControl),
            (b"\x89\x7e", Error::ControlTooLong),
            (b"\x88\xff", Error::ControlTooLong),
            (b"\x81\x7e\x00\x7d", Error::NonMinimalLength),
            (b"\x81\xfe\x00\x00", Error::NonMinimalLength),
            (b"\x81\x7f\0\0\0\0\0\0\xff\xff", Error::NonMinimalLength),
            (b"\x81\x7f\x80\0\0\0\0\0\0\0", Error::LengthTopBit),
        ];
        for (bytes, error) in table {
            assert_eq!(Header::decode(bytes, false).as_ref(), Err(error), "{bytes:x?}");
            for cut in 0..bytes.len() {
                assert_eq!(Header::decode(&bytes[..cut], true), Ok(None), "{bytes:x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn only_the_first_frame_of_a_message_may_be_marked_compressed() {
        for first in [0x41, 0x42, 0xc1, 0xc2] {
            assert_eq!(Header::decode(&[first], true), Ok(None), "{first:#x}");
            assert_eq!(Header::decode(&[first], false), Err(Error::ReservedBits), "{first:#x}");
        }
        for first in [0x40, 0xc0, 0xc8, 0xc9, 0xca, 0xe1, 0xd1, 0xf2] {
            assert_eq!(Header::decode(&[first], true), Err(Error::ReservedBits), "{first:#x}");
        }
    }

    #[test]
    fn a_masked_frame_matches_the_rfc_example() {
        let mut out = Vec::new();
        encode_masked(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut out);
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    }

    #[test]
    fn a_close_reason_that_is_too_long_is_cut_at_a_character() {
        let payload = close_payload(CloseCode::POLICY, &"好".repeat(50));
        assert_eq!(payload.len(), 2 + 123);
        assert_eq!(&payload[2..], "好".repeat(41).as_bytes());
    }
}
