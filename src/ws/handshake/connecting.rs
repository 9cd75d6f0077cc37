//! The client's side of the opening handshake, step by step.

use super::client::{Offered, check_response};
use super::{ClientRequest, InvalidField, MAX_ANSWER, Opened, ResponseError};
use crate::ws::deflate::Params;
use crate::ws::{Codec, Config, Connection, Role};

/// How a response begins, whatever its minor version.
const BEGINNING: &[u8] = b"HTTP/1.";

/// A client's connection whose opening handshake is in progress.
///
/// The order of calls: write [`output`](Connecting::output), then [`Connecting::receive`] until it returns a
/// [`Connection`]; what is left of the input are its first frames. After an error, the client closes the TCP
/// connection; the body of a refusal may follow, see [`Refused::push`](super::Refused::push).
#[derive(Debug)]
pub struct Connecting {
    nonce: [u8; 16],
    subprotocols: Vec<String>,
    deflate: Vec<Params>,
    max_message: usize,
    output: Vec<u8>,
    written: usize,
    received: Vec<u8>,
    /// Where the response begins, after interim responses.
    start: usize,
    /// Where the last line of `received` begins.
    line_start: usize,
    /// Whether the status line is complete.
    has_status_line: bool,
}

impl Connecting {
    /// Creates the request, with a new random key.
    pub fn new(
        request: &ClientRequest<'_>,
        config: &Config,
        codec: &mut Codec,
    ) -> Result<Connecting, InvalidField> {
        let nonce = codec.random.next();
        let mut output = Vec::new();
        request.encode(nonce, &mut output)?;
        Ok(Connecting {
            nonce,
            subprotocols: request.subprotocols.iter().map(|&name| name.to_owned()).collect(),
            deflate: request.deflate.to_vec(),
            max_message: config.max_message,
            output,
            written: 0,
            received: Vec::new(),
            start: 0,
            line_start: 0,
            has_status_line: false,
        })
    }

    /// Returns the bytes to write to the socket: what is left of the request.
    pub fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// Removes the first `len` bytes of the output, which the caller has written.
    pub fn wrote(&mut self, len: usize) {
        self.written = self.written.saturating_add(len).min(self.output.len());
    }

    /// Returns what was received of the response, to explain an error.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Consumes bytes from the front of `input` up to the end of the response head, of at most [`MAX_ANSWER`] bytes.
    /// Returns `None` if more are needed.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Result<Option<(Connection, Opened)>, ResponseError> {
        while !input.is_empty() {
            let room = MAX_ANSWER - self.received.len();
            let line_len = input.iter().position(|&byte| byte == b'\n').map_or(input.len(), |at| at + 1);
            let (piece, rest) = std::mem::take(input).split_at_mut(line_len.min(room));
            *input = rest;
            self.received.extend_from_slice(piece);
            if self.may_be_decided()
                && let Some(opened) = self.check()?
            {
                let config = Config { max_message: self.max_message, ..Config::default() };
                let connection = Connection::new(Role::Client, opened.deflate.as_ref(), &config, Vec::new());
                return Ok(Some((connection, opened)));
            }
        }
        Ok(None)
    }

    fn check(&mut self) -> Result<Option<Opened>, ResponseError> {
        let offered = Offered { nonce: self.nonce, subprotocols: &self.subprotocols, deflate: &self.deflate };
        let before = self.start;
        let opened = check_response(&offered, &self.received, &mut self.start)?;
        if self.start > before {
            self.has_status_line = false;
        }
        Ok(opened)
    }

    /// Returns true if the bytes may be a complete response or show an error: parsing after every read would take time
    /// that grows with the square of the length.
    fn may_be_decided(&mut self) -> bool {
        let line = &self.received[self.line_start..];
        let is_complete = line.ends_with(b"\n");
        let is_empty = matches!(line, b"\n" | b"\r\n");
        if !self.has_status_line {
            let start = &line[..line.len().min(BEGINNING.len())];
            let is_odd = !BEGINNING.starts_with(start) && !b"\r\n".starts_with(line) && line != b"\n";
            self.has_status_line = is_complete && !is_empty;
            let is_ended = self.has_status_line;
            if is_complete {
                self.line_start = self.received.len();
            }
            return is_odd || is_ended || self.received.len() == MAX_ANSWER;
        }
        if is_complete {
            self.line_start = self.received.len();
        }
        is_empty || self.received.len() == MAX_ANSWER
    }
}
