//! Frames and texts as clients write and read them, without the code under test.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Appends a masked frame.
pub fn encode(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    header(first, payload.len(), out);
    let at = out.len();
    out.extend_from_slice(payload);
    if payload.len() < 126 {
        out[at..].iter_mut().zip(MASK.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Appends the header of a masked frame. Long payloads have a mask that changes nothing, which saves time.
pub fn header(first: u8, len: usize, out: &mut Vec<u8>) {
    out.push(first);
    match len {
        0..126 => out.push(0x80 | len as u8),
        126..65536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(if len < 126 { &MASK } else { &[0; 4] });
}

/// A frame of the server: its first byte, where its payload begins, and where it ends.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub first: u8,
    pub begin: usize,
    pub end: usize,
}

/// Reads the frame at the start of the bytes, if it is there as a whole.
pub fn decode(bytes: &[u8]) -> Result<Option<Frame>, String> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = first & 0x0F;
    if first & FIN == 0 || first & 0x30 != 0 || !matches!(opcode, TEXT | BINARY | CLOSE | PING | PONG) {
        return Err(format!("a frame begins with {first:#04x}"));
    }
    if second & 0x80 != 0 {
        return Err("a frame is masked".to_owned());
    }
    let (begin, len) = match second & 0x7F {
        126 => {
            let Some(len) = rest.first_chunk() else { return Ok(None) };
            (4, u64::from(u16::from_be_bytes(*len)))
        }
        127 => {
            let Some(len) = rest.first_chunk() else { return Ok(None) };
            (10, u64::from_be_bytes(*len))
        }
        len => (2, u64::from(len)),
    };
    if len > 1 << 24 || opcode >= CLOSE && len > 125 {
        return Err(format!("a frame with opcode {opcode} has {len} bytes"));
    }
    let end = begin + len as usize;
    Ok((bytes.len() >= end).then_some(Frame { first: *first, begin, end }))
}

pub fn inflate(compressed: &[u8]) -> Result<Vec<u8>, String> {
    let mut state = Decompress::new(false);
    let mut input = compressed.to_vec();
    input.extend([0, 0, 0xFF, 0xFF]);
    let mut inflated = Vec::with_capacity(4 * compressed.len() + 1024);
    loop {
        let before = state.total_in() as usize;
        state
            .decompress_vec(&input[before..], &mut inflated, FlushDecompress::Sync)
            .map_err(|error| format!("a compressed message is damaged: {error}"))?;
        if inflated.len() < inflated.capacity() {
            return Ok(inflated);
        }
        inflated.reserve(inflated.len());
    }
}

pub fn deflate(message: &[u8]) -> Vec<u8> {
    let mut state = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(message.len() + 256);
    state.compress_vec(message, &mut out, FlushCompress::Sync).expect("memory compresses");
    out.truncate(out.len() - 4);
    out
}

/// What a text is: said by a client in a room, and which one of its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    pub room: u8,
    pub client: usize,
    pub serial: usize,
    pub len: usize,
}

impl Tag {
    /// The text, of which no byte can change without notice.
    pub fn text(&self) -> String {
        let Tag { room, client, serial, len } = self;
        let mut text = format!("t{room}-{client}-{serial}-{len}-");
        let unit = format!("{client}.{serial}.");
        text.push_str(&unit.repeat(len / unit.len() + 1)[..*len]);
        text
    }

    /// What this text is; an error if it is none, or has changed.
    pub fn of(text: &str) -> Result<Tag, String> {
        let parse = || {
            let mut numbers = text.strip_prefix('t')?.splitn(5, '-').map_while(|part| part.parse().ok());
            let mut next = || numbers.next();
            Some(Tag { room: next()? as u8, client: next()?, serial: next()?, len: next()? })
        };
        let tag = parse().filter(|tag| tag.text() == text);
        tag.ok_or_else(|| format!("a text that nobody said: {:?}", &text[..text.len().min(80)]))
    }
}

/// The string value of a field of a JSON object whose strings have no escapes.
pub fn string<'t>(text: &'t str, field: &str) -> Option<&'t str> {
    let begin = text.find(&format!("\"{field}\":\""))? + field.len() + 4;
    let rest = &text[begin..];
    Some(&rest[..rest.find('"')?])
}

/// The numeric value of a field of a JSON object.
pub fn number(text: &str, field: &str) -> Option<u64> {
    let begin = text.find(&format!("\"{field}\":"))? + field.len() + 3;
    let rest = &text[begin..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
