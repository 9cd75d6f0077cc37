//! The state of one client.

use super::super::time::Time;
use crate::ws::Protocol;
use crate::ws::handshake::Refused;
use std::io::{self, ErrorKind, Write};

/// A client and its connection, if it has one.
pub(super) struct Client<S> {
    pub state: State<S>,
    /// Counts its connections, so that an event of an old one does not meet the new.
    pub generation: u32,
    /// What the socket has not taken yet, if anything.
    pub held: Option<Box<Held>>,
    /// It does not read by itself.
    pub is_stalled: bool,
    /// What the server wants to be told on the next connection (RFC 6265).
    pub cookies: Option<Box<str>>,
}

/// Frames that wait for the socket.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Number of bytes that the socket has taken.
    taken: usize,
    /// Messages that are not sent before it has taken all.
    messages: u32,
}

impl Held {
    pub fn push(&mut self, bytes: &[u8], messages: u32) {
        self.bytes.extend_from_slice(bytes);
        self.messages += messages;
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Offers it to the socket; the number of messages if all is taken.
    pub fn write(&mut self, stream: &mut impl Write) -> Option<u32> {
        self.taken += write_some(stream, &self.bytes[self.taken..]);
        (self.taken == self.bytes.len()).then_some(self.messages)
    }
}

/// How far a connection has come.
#[derive(Default)]
pub(super) enum State<S> {
    #[default]
    Absent,
    Opening(Box<Opening<S>>),
    Open(Open<S>),
    /// A close frame was sent; the server's is awaited.
    Closing(Open<S>),
}

/// A connection whose handshake is under way.
pub(super) struct Opening<S> {
    pub stream: S,
    pub since: Time,
    pub nonce: [u8; 16],
    pub is_connected: bool,
    pub head: Vec<u8>,
    /// The server has refused, and the rest of what it says is awaited.
    pub refused: Option<Box<Refused>>,
}

/// A connection whose handshake is over.
pub(super) struct Open<S> {
    pub stream: S,
    pub protocol: Protocol,
    /// Binary logarithm of the window for what the client sends, if compression was agreed on.
    pub window_bits: Option<u8>,
}

impl<S> Default for Client<S> {
    fn default() -> Client<S> {
        Client { state: State::Absent, generation: 0, held: None, is_stalled: false, cookies: None }
    }
}

impl<S> State<S> {
    pub fn stream(&mut self) -> Option<&mut S> {
        match self {
            State::Absent => None,
            State::Opening(opening) => Some(&mut opening.stream),
            State::Open(open) | State::Closing(open) => Some(&mut open.stream),
        }
    }

    /// The connection, if its handshake is over.
    pub fn opened(&mut self) -> Option<&mut Open<S>> {
        match self {
            State::Open(open) | State::Closing(open) => Some(open),
            State::Absent | State::Opening(_) => None,
        }
    }
}

/// Writes what the socket takes. If the connection is broken, reading tells.
pub(super) fn write_some(stream: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(more) => written += more,
        }
    }
    written
}

/// Why a connection failed or was lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server ended the connection.
    Ended,
    /// As people read it.
    Server(String),
    /// A limit of the machine that the clients run on.
    Client(String),
}

impl Cause {
    pub fn of(error: &io::Error) -> Cause {
        use nix::errno::Errno;
        let limit = |text: &str| Cause::Client(text.to_owned());
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) => {
                limit("this machine has no port left for the address (--source-ip gives more)")
            }
            Some(Errno::EMFILE) => limit("the file limit of this machine is reached (ulimit -n)"),
            Some(Errno::ENFILE) => limit("this machine has no file descriptor left (fs.file-max)"),
            Some(Errno::ENOBUFS | Errno::ENOMEM) => limit("this machine has no memory left for sockets"),
            _ => Cause::Server(match error.kind() {
                ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset by the server".to_owned(),
                ErrorKind::TimedOut => "connection timed out".to_owned(),
                _ => error.to_string(),
            }),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Cause::Ended => "ended by the server without a close frame",
            Cause::Server(text) | Cause::Client(text) => text,
        }
    }

    pub fn server(text: impl Into<String>) -> Cause {
        Cause::Server(text.into())
    }
}
