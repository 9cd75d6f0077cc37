//! A WebSocket connection after its opening handshake: receiving, sending and closing.

use super::codec::Codec;
use super::deflate::Params;
use super::frame::{self, MAX_CONTROL, Opcode};
use super::head::Limits;
use super::output::Output;
use super::{CloseCode, Error, Event, Message, Protocol, Role};
use std::fmt;

/// What a connection accepts from its peer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest message accepted, in bytes after decompression: 1 MiB by default. A longer one closes the connection
    /// with code 1009. [`Config::NO_LIMIT`] lets a peer use all memory. 0 is treated as 1.
    pub max_message: usize,
    /// Whether a server accepts compression (RFC 7692): true by default. A client decides it with
    /// [`ClientRequest::deflate`](super::handshake::ClientRequest::deflate).
    pub deflate: bool,
    /// Whether a server lets a client refer to earlier messages when it compresses, which saves bytes and costs 48 KiB
    /// for each connection: false by default.
    pub keeps_client_context: bool,
    /// Limits on the request head that a server accepts.
    pub head: Limits,
}

impl Config {
    /// The value of [`Config::max_message`] for messages of any length.
    pub const NO_LIMIT: usize = usize::MAX;
}

impl Default for Config {
    fn default() -> Config {
        Config { max_message: 1 << 20, deflate: true, keeps_client_context: false, head: Limits::default() }
    }
}

/// How far a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages can be sent and received.
    Open,
    /// This end has sent a close frame and waits for the peer's. Messages are still received, none can be sent.
    Closing,
    /// Nothing more is received or sent. Once the [output](Connection::output) is written, a server closes the TCP
    /// connection, and a client waits until the server has closed it, for a limited time (§7.1.1).
    Closed(ClosedBy),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The peer sent a close frame first.
    Peer,
    /// This end sent a close frame, and the peer answered it.
    Own,
    /// The peer violated the protocol or a limit. [`Connection::receive`] returns the error.
    Error,
    /// The stream ended before the closing handshake was complete. Messages may be missing.
    EndOfStream,
}

/// Why something cannot be sent. Nothing was added to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// A close frame was sent or received before, or the connection has failed.
    NotOpen,
    /// The payload of a ping is longer than 125 bytes (§5.5).
    PingTooLong,
    /// The code is not allowed in a close frame (§7.4).
    InvalidCloseCode(CloseCode),
    /// The last part of a message was not sent yet, so no other message can begin (§5.4).
    MessageUnfinished,
    /// A part of a text follows a part of a binary message, or the reverse.
    OtherType,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::NotOpen => f.write_str("the connection is not open"),
            SendError::PingTooLong => f.write_str("a ping has more than 125 bytes"),
            SendError::InvalidCloseCode(code) => write!(f, "close code {} is not allowed", code.0),
            SendError::MessageUnfinished => f.write_str("the last part of a message was not sent yet"),
            SendError::OtherType => f.write_str("a part has another type than the first part of the message"),
        }
    }
}

impl std::error::Error for SendError {}

/// A connection after its opening handshake, of either end.
///
/// It is created by [`Accepting`](super::handshake::Accepting) or [`Connecting`](super::handshake::Connecting). The
/// caller passes received bytes to [`receive`](Connection::receive) and writes [`output`](Connection::output) to its
/// socket. Pings, close frames and violations of the protocol are answered in the output. The payload of an answer to a
/// close frame is the same code, without a reason; the answer to a violation is
/// [`Error::close_code`] with the text of the error. Each comes after what was sent before.
///
/// Messages are compressed if that was negotiated and makes them shorter. Each is compressed on its own, which every
/// agreement allows, so a connection needs no memory for it.
#[derive(Debug)]
pub struct Connection {
    receiver: Protocol,
    output: Output,
    state: State,
    error: Option<Error>,
    /// The type of the message whose last part was not sent yet.
    unfinished: Option<Opcode>,
    /// Base-2 logarithm of the window for compression; `None` if messages are sent uncompressed.
    window_bits: Option<u8>,
}

impl Connection {
    /// Creates the connection of a server for which an opening handshake was done elsewhere. `agreed` is the
    /// compression in the response.
    pub fn server(agreed: Option<&Params>, config: &Config) -> Connection {
        Connection::new(Role::Server, agreed, config, Vec::new())
    }

    /// Creates the connection of a client for which an opening handshake was done elsewhere. `agreed` is the
    /// compression in the response.
    pub fn client(agreed: Option<&Params>, config: &Config) -> Connection {
        Connection::new(Role::Client, agreed, config, Vec::new())
    }

    /// Creates a connection whose output begins with `output`.
    pub(super) fn new(role: Role, agreed: Option<&Params>, config: &Config, output: Vec<u8>) -> Connection {
        // The protocol takes 0 for no limit.
        let max_message = if config.max_message == Config::NO_LIMIT { 0 } else { config.max_message.max(1) };
        Connection {
            receiver: Protocol::new(role, max_message).with_deflate(agreed),
            output: Output::new(role, output),
            state: State::Open,
            error: None,
            unfinished: None,
            window_bits: agreed.map(|params| match role {
                Role::Server => params.server_max_window_bits.unwrap_or(15),
                Role::Client => params.client_window_bits(),
            }),
        }
    }

    /// Consumes bytes from the front of `input` up to the end of the next event, and answers it in the output. Returns
    /// `None` when all of `input` is consumed.
    ///
    /// A caller may stop at any time, for example because the output is long: what `input` still holds was not handled,
    /// and must be the start of the next input. A byte must not be passed twice.
    ///
    /// An error closes the connection: a close frame is in the output, and every later call returns the same error.
    /// After a close frame, further bytes of the peer are ignored.
    pub fn receive<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        codec: &mut Codec,
    ) -> Result<Option<Event<'b>>, Error> {
        if let Some(error) = &self.error {
            *input = &mut [];
            return Err(error.clone());
        }
        let event = match self.receiver.receive(input, &mut codec.inflater) {
            Ok(event) => event,
            Err(error) => {
                if self.state == State::Open {
                    let payload = frame::close_payload(error.close_code(), &error.to_string());
                    self.output.push_close(&payload, codec);
                }
                self.state = State::Closed(ClosedBy::Error);
                self.error = Some(error.clone());
                return Err(error);
            }
        };
        match &event {
            Some(Event::Ping(payload)) if self.state == State::Open => self.output.push_pong(payload, codec),
            Some(Event::Close(close)) => match self.state {
                State::Open => {
                    let code = close.as_ref().map(|close| frame::close_payload(close.code, ""));
                    self.output.push_close(&code.unwrap_or_default(), codec);
                    self.state = State::Closed(ClosedBy::Peer);
                }
                State::Closing => self.state = State::Closed(ClosedBy::Own),
                State::Closed(_) => {}
            },
            _ => {}
        }
        Ok(event)
    }

    /// Records that the peer's stream has ended: a read returned 0 bytes, or failed. If no close frame has come before,
    /// the connection is now closed by [`ClosedBy::EndOfStream`].
    pub fn receive_end(&mut self) {
        if matches!(self.state, State::Open | State::Closing) {
            self.state = State::Closed(ClosedBy::EndOfStream);
            self.receiver.end();
        }
    }

    /// Drops all messages of the peer from now on, including an unfinished one, without keeping or inflating them:
    /// useful after [`Connection::close`]. Control frames are still handled.
    pub fn drop_messages(&mut self) {
        self.receiver.drop_messages();
    }

    /// Sends a message in one frame.
    pub fn send(&mut self, message: &Message<'_>, codec: &mut Codec) -> Result<(), SendError> {
        self.check_open()?;
        if self.unfinished.is_some() {
            return Err(SendError::MessageUnfinished);
        }
        self.output.push_message(message.opcode(), message.payload(), self.window_bits, codec);
        Ok(())
    }

    /// Sends a part of a message as a frame of its own, uncompressed. All parts of a message have the same type. Until
    /// the last part is sent, no other message can be, but pings can. A text can be split only between characters.
    pub fn send_part(
        &mut self,
        part: &Message<'_>,
        is_last: bool,
        codec: &mut Codec,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let opcode = match self.unfinished {
            None => part.opcode(),
            Some(first) if first == part.opcode() => Opcode::Continuation,
            Some(_) => return Err(SendError::OtherType),
        };
        self.unfinished = (!is_last).then_some(part.opcode());
        self.output.push_frame(is_last, opcode, part.payload(), codec);
        Ok(())
    }

    /// Sends a ping. The peer answers with a pong of the same payload, which has at most 125 bytes.
    pub fn ping(&mut self, payload: &[u8], codec: &mut Codec) -> Result<(), SendError> {
        self.check_open()?;
        if payload.len() > MAX_CONTROL {
            return Err(SendError::PingTooLong);
        }
        self.output.push(Opcode::Ping, payload, codec);
        Ok(())
    }

    /// Starts the closing handshake, after all that was sent before. A reason of more than 123 bytes is cut at a
    /// character boundary. Nothing can be sent afterwards. The caller should wait for the peer's answer for a limited
    /// time.
    pub fn close(&mut self, code: CloseCode, reason: &str, codec: &mut Codec) -> Result<(), SendError> {
        self.check_open()?;
        if !code.may_be_sent() {
            return Err(SendError::InvalidCloseCode(code));
        }
        self.output.push_close(&frame::close_payload(code, reason), codec);
        self.state = State::Closing;
        Ok(())
    }

    /// Returns the bytes to write to the socket. A caller reports how many it has written with
    /// [`Connection::wrote`].
    ///
    /// All that the caller sends is kept here until it is written. The peer can add only answers: close to 16 KiB of
    /// pongs, of which only the newest is kept when more is waiting, and one close frame.
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// Removes the first `len` bytes of the output, which the caller has written.
    pub fn wrote(&mut self, len: usize) {
        self.output.wrote(len);
    }

    /// Exchanges the memory of the output with that of `buffer`, if both are empty. If connections use one buffer in
    /// turn, swapping it in before work on a connection and out after it, then those without output own no buffer.
    pub fn swap_buffer(&mut self, buffer: &mut Vec<u8>) {
        self.output.swap(buffer);
    }

    /// Returns how far the connection is in its life.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns true if a frame or message of the peer is incomplete.
    pub fn is_unfinished(&self) -> bool {
        self.receiver.is_unfinished()
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.state == State::Open { Ok(()) } else { Err(SendError::NotOpen) }
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
