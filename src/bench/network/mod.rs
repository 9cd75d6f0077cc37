//! The interface of simulated clients to the operating system: time, sockets and waiting.
//!
//! [`Sockets`] is the real implementation. Unit tests use a simulated network, so that runs of many seconds
//! take milliseconds and always have the same result.

#[cfg(test)]
pub(crate) mod simulated;
mod sockets;

pub(crate) use sockets::Sockets;

use super::time::{Nanos, Time};
use super::transport::Tls;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

/// Time, and non-blocking connections with edge-triggered readiness.
pub(crate) trait Network {
    type Stream: Write;

    fn now(&self) -> Time;

    /// Starts to connect. Readiness under `token` reports the result.
    fn connect(&mut self, dial: &Dial<'_>, token: usize) -> io::Result<Self::Stream>;

    /// Returns whether the connection is established yet, or why it failed.
    fn is_connected(&self, stream: &Self::Stream) -> io::Result<bool>;

    fn read(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<Received>;

    /// Waits until a socket is ready or `wait` is over, and appends what is ready.
    fn wait(&mut self, wait: Wait, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Lets time pass without polling the sockets.
    fn pause(&mut self, length: Nanos);

    /// Makes the system acknowledge only every second segment, where possible.
    fn acknowledge_late(&self, _: &Self::Stream) {}
}

/// The result of reading from a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Number of bytes; 0 is the end of the stream.
    pub len: usize,
    /// When the last bytes arrived.
    pub arrived: Time,
    /// When the bytes were read.
    pub now: Time,
}

/// How to reach a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dial<'a> {
    pub address: SocketAddr,
    /// The source address; `None` if the system chooses.
    pub source: Option<IpAddr>,
    /// Size of the kernel's receive buffer in bytes; `None` for the default.
    pub receive_buffer: Option<usize>,
    /// TLS, and the host to verify in the certificate.
    pub tls: Option<(&'a Tls, &'a str)>,
    /// Whether the kernel stamps arrivals.
    pub is_stamped: bool,
}

/// How long to wait at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Time after which to return without events, to the millisecond.
    pub at_most: Nanos,
    /// Time at which something is due, to the microsecond.
    pub due: Option<Time>,
    /// Whether data that arrives shortly before `due` may wait until then, which saves a wake-up. Arrivals
    /// must be stamped, or they would count as late.
    pub gathers: bool,
}

/// A connection that has become ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub token: usize,
    pub is_readable: bool,
    pub is_writable: bool,
    /// The peer sends no more, or the connection is broken.
    pub is_closed: bool,
}
