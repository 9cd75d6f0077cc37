//! The state of one client.

use super::super::stream::Stream;
use crate::ws::Protocol;
use std::io::{self, ErrorKind, Write};

/// A client and its connection, if it has one.
#[derive(Default)]
pub(super) struct Client {
    pub state: State,
    /// Counts its connections, so that an event of an old one does not meet the new.
    pub generation: u32,
    /// What the socket refused.
    pub unsent: Vec<u8>,
    /// Nothing is read of itself.
    pub is_stalled: bool,
}

/// How far a connection has come.
#[derive(Default)]
pub(super) enum State {
    #[default]
    Absent,
    Opening(Box<Opening>),
    Open {
        stream: Stream,
        protocol: Protocol,
        deflate: bool,
    },
}

/// A connection whose handshake is under way.
pub(super) struct Opening {
    pub stream: Stream,
    pub since: u64,
    pub nonce: [u8; 16],
    pub is_connected: bool,
    pub head: Vec<u8>,
}

impl State {
    /// The connection, if there is one.
    pub fn stream(&mut self) -> Option<&mut Stream> {
        match self {
            State::Absent => None,
            State::Opening(opening) => Some(&mut opening.stream),
            State::Open { stream, .. } => Some(stream),
        }
    }
}

/// Writes what the socket takes. If the connection is broken, reading tells.
pub(super) fn write_some(stream: &mut Stream, bytes: &[u8]) -> usize {
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

/// Why a connection failed or was lost, as people read it.
pub(super) fn cause(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset by the server".to_owned(),
        ErrorKind::TimedOut => "connection timed out".to_owned(),
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => {
            "no port left on this address (--source-ip gives more)".to_owned()
        }
        _ => error.to_string(),
    }
}
