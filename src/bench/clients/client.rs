//! The state of one client.

use super::super::time::Time;
use crate::ws::Connection;
use crate::ws::handshake::{Connecting, Refused};
use std::io::{self, ErrorKind, Write};

/// A client, and its connection if any.
pub(super) struct Client<S> {
    pub state: State<S>,
    /// Number of connections so far, so that an event of an old connection does not affect the current one.
    pub generation: u32,
    /// Number of messages that count as sent once the socket has accepted the output.
    pub unsent: u32,
    /// Whether the client reads only on request.
    pub is_stalled: bool,
    /// Cookies to send with the next connection (RFC 6265).
    pub cookies: Option<Box<str>>,
}

/// The state of a connection.
#[derive(Default)]
pub(super) enum State<S> {
    #[default]
    Absent,
    Opening(Box<Opening<S>>),
    Open(Open<S>),
    /// A close frame was sent. The server's close frame has not arrived yet.
    Closing(Open<S>),
}

/// A connection whose opening handshake is in progress.
pub(super) struct Opening<S> {
    pub stream: S,
    pub since: Time,
    pub connecting: Connecting,
    pub is_connected: bool,
    /// The server's refusal, whose body is not complete yet.
    pub refused: Option<Box<Refused>>,
}

/// A connection whose opening handshake is complete.
pub(super) struct Open<S> {
    pub stream: S,
    pub connection: Connection,
}

impl<S> Default for Client<S> {
    fn default() -> Client<S> {
        Client { state: State::Absent, generation: 0, unsent: 0, is_stalled: false, cookies: None }
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

    /// Writes as much output as the socket accepts. Returns true if none is left.
    pub fn write(&mut self) -> bool
    where
        S: Write,
    {
        match self {
            State::Absent => true,
            State::Opening(opening) if !opening.is_connected => true,
            State::Opening(opening) => {
                let written = write_some(&mut opening.stream, opening.connecting.output());
                opening.connecting.wrote(written);
                opening.connecting.output().is_empty()
            }
            State::Open(open) | State::Closing(open) => loop {
                let len = open.connection.output().len();
                if len == 0 {
                    return true;
                }
                let written = write_some(&mut open.stream, open.connection.output());
                open.connection.wrote(written);
                if written < len {
                    return false;
                }
            },
        }
    }

    /// Returns the number of bytes that the socket has not accepted yet.
    pub fn waiting(&self) -> usize {
        match self {
            State::Absent => 0,
            State::Opening(opening) if !opening.is_connected => 0,
            State::Opening(opening) => opening.connecting.output().len(),
            State::Open(open) | State::Closing(open) => open.connection.output().len(),
        }
    }

    /// Returns the connection if its opening handshake is complete.
    pub fn opened(&mut self) -> Option<&mut Open<S>> {
        match self {
            State::Open(open) | State::Closing(open) => Some(open),
            State::Absent | State::Opening(_) => None,
        }
    }
}

/// Writes as much as the socket accepts and returns the number of bytes. Errors are reported by reading.
fn write_some(stream: &mut impl Write, bytes: &[u8]) -> usize {
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

/// The reason why a connection failed or was lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server closed the connection.
    Ended,
    /// A cause on the server's side, in words.
    Server(String),
    /// A limit of the client machine.
    Client(String),
}

impl Cause {
    pub fn of(error: &io::Error) -> Cause {
        use nix::errno::Errno;
        let limit = |text: &str| Cause::Client(text.to_owned());
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EADDRNOTAVAIL | Errno::EADDRINUSE) => {
                limit("this machine has no free port for the address (add addresses with --source-ip)")
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
            Cause::Ended => "closed by the server without a close frame",
            Cause::Server(text) | Cause::Client(text) => text,
        }
    }

    pub fn server(text: impl Into<String>) -> Cause {
        Cause::Server(text.into())
    }
}
