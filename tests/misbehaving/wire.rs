//! The server side of RFC 6455, implemented separately: tests of the load tester must not share its code.

use std::io::{self, BufRead, ErrorKind, Read};
use tungstenite::handshake::derive_accept_key;

pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A complete message or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(text: impl Into<String>) -> Frame {
        Frame { opcode: TEXT, payload: text.into().into_bytes() }
    }

    pub fn close(code: u16, reason: &str) -> Frame {
        Frame { opcode: CLOSE, payload: [&code.to_be_bytes(), reason.as_bytes()].concat() }
    }

    pub fn as_text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// Encodes the frame as a server sends it, unmasked.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FIN | self.opcode];
        match self.payload.len() {
            len @ 0..126 => bytes.push(len as u8),
            len @ 126..65536 => {
                bytes.push(126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Decodes a masked frame at the start of `bytes`, if it is complete, and returns its length too.
    pub fn decode(bytes: &[u8]) -> io::Result<Option<(Frame, usize)>> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0xF0 != FIN || second & MASKED == 0 {
            return Err(io::Error::new(ErrorKind::InvalidData, "not a whole masked message"));
        }
        let length_bytes = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((length, rest)) = rest.split_at_checked(length_bytes) else { return Ok(None) };
        let length = match length {
            [] => usize::from(second & !MASKED),
            bytes => bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some(masked) = rest.get(..length) else { return Ok(None) };
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        Ok(Some((Frame { opcode: first & 0x0F, payload }, 2 + length_bytes + 4 + length)))
    }
}

/// Reads frames from a stream.
pub struct FrameReader<R> {
    stream: R,
    received: Vec<u8>,
    /// Number of bytes in `received` that were already decoded.
    taken: usize,
}

impl<R: Read> FrameReader<R> {
    pub fn new(stream: R) -> FrameReader<R> {
        FrameReader { stream, received: Vec::new(), taken: 0 }
    }

    /// Returns the next frame, or an error at the end of the connection.
    pub fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some((frame, length)) = Frame::decode(&self.received[self.taken..])? {
                self.taken += length;
                return Ok(frame);
            }
            self.received.drain(..self.taken);
            self.taken = 0;
            let mut piece = [0; 1 << 16];
            match self.stream.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => self.received.extend_from_slice(&piece[..length]),
            }
        }
    }

    pub fn stream(&mut self) -> &mut R {
        &mut self.stream
    }
}

/// The head of a request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub target: String,
    pub fields: Vec<(String, String)>,
}

impl Request {
    pub fn read(stream: &mut impl BufRead) -> io::Result<Request> {
        let mut request = Request::default();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => return Ok(request),
                line if request.target.is_empty() => {
                    request.target = line.split(' ').nth(1).unwrap_or("?").to_owned();
                }
                line => {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    request.fields.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
    }

    /// Returns all values of a header field.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| &**value).collect()
    }

    /// Returns the response that opens the connection, with the first subprotocol offered.
    pub fn switching(&self) -> String {
        let key = self.values("Sec-WebSocket-Key").first().map_or("", |key| key).to_owned();
        let subprotocol = self.values("Sec-WebSocket-Protocol").first().map_or(String::new(), |offered| {
            format!("Sec-WebSocket-Protocol: {}\r\n", offered.split(',').next().unwrap_or_default().trim())
        });
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{subprotocol}\r\n",
            derive_accept_key(key.as_bytes())
        )
    }
}
