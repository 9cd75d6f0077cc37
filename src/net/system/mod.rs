//! What the event loop asks of the operating system: readiness, sockets, signals and the time.
//!
//! The loop is generic over it, so that a simulated system can take the place of the real one ([`Mio`]).

mod mio;

pub use self::mio::Mio;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The operating system, as the event loop sees it.
pub trait System {
    /// A connection of this system.
    type Socket: Socket;

    /// Returns the time. It never goes back.
    fn now(&self) -> Instant;

    /// Waits until something is ready or the timeout is over, and appends what is ready to `ready`. Returns whether as
    /// much was reported as fits, so that more may be left. Fails with `Interrupted` if a signal ended the wait.
    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<bool>;

    /// Returns the addresses of the listeners, with the ports that the system chose. Their indices name the listeners.
    fn addresses(&self) -> &[SocketAddr];

    /// Accepts a connection that waits at a listener.
    fn accept(&mut self, listener: usize) -> io::Result<(Self::Socket, SocketAddr)>;

    /// Accepts a connection in the place of the spare descriptor, which is kept back for when there are no others.
    fn accept_with_spare(&mut self, listener: usize) -> Option<Self::Socket>;

    /// Keeps a descriptor back again, once the connection that took its place has ended.
    fn renew_spare(&mut self);

    /// Reports readiness of a socket from now on, edge-triggered, for reading and for writing, under this token.
    fn watch(&mut self, socket: &mut Self::Socket, token: u64) -> io::Result<()>;

    /// Closes the listeners.
    fn stop_listening(&mut self);

    /// Returns the signals that have arrived since the last call.
    fn signals(&mut self) -> Vec<i32>;
}

/// What a poll reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A signal has arrived.
    Signal,
    /// Another thread has woken the loop.
    Woken,
    /// Connections may wait at the listener of this index.
    Listener(usize),
    /// A socket has become ready.
    Socket(Readiness),
}

/// What a socket has become ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// As passed to [`System::watch`].
    pub token: u64,
    /// There may be bytes to read.
    pub is_readable: bool,
    /// Bytes may be written.
    pub is_writable: bool,
    /// The peer has ended its side, or the connection has failed.
    pub is_closed: bool,
}

/// A connected socket that never blocks.
pub trait Socket: io::Read + io::Write {
    /// Shuts down the write direction: the peer sees the end of the stream.
    fn shutdown_write(&mut self) -> io::Result<()>;
}
