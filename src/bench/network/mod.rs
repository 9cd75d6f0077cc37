//! What simulated clients need of the operating system: time, sockets and waiting for both.
//!
//! [`Sockets`] is the real one. In unit tests a simulated network takes its place, so that runs of many seconds take
//! milliseconds and end the same each time.

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

    /// Begins to connect. What becomes of it is told by readiness under `token`.
    fn connect(&mut self, dial: &Dial<'_>, token: usize) -> io::Result<Self::Stream>;

    /// Whether a connection has been established by now, or why it never will be.
    fn is_connected(&self, stream: &Self::Stream) -> io::Result<bool>;

    fn read(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<Received>;

    /// Waits until something is ready or `wait` is over, and appends what is ready.
    fn wait(&mut self, wait: Wait, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// Lets time pass without looking at the sockets.
    fn pause(&mut self, length: Nanos);

    /// Asks the system to acknowledge only every second segment, where it can.
    fn acknowledge_late(&self, _: &Self::Stream) {}
}

/// What was read from a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Number of bytes; 0 is the end.
    pub len: usize,
    /// When the last of them arrived.
    pub arrived: Time,
    /// When they were read.
    pub now: Time,
}

/// How to reach a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dial<'a> {
    pub address: SocketAddr,
    /// Where to connect from; `None` if the system is to choose.
    pub source: Option<IpAddr>,
    /// Bytes that the system takes in for a client that does not read; `None` for its default.
    pub receive_buffer: Option<usize>,
    /// TLS, and the host that the certificate has to be for.
    pub tls: Option<(&'a Tls, &'a str)>,
    /// Have the kernel stamp what arrives.
    pub is_stamped: bool,
}

/// How long to wait at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// To the millisecond: when to look around if nothing happens.
    pub at_most: Nanos,
    /// To the microsecond: when something is due.
    pub due: Option<Time>,
    /// Let what arrives shortly before `due` wait until then, which saves a wake-up. Arrivals have to be stamped, or they
    /// would count as late.
    pub gathers: bool,
}

/// A connection that has become ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub token: usize,
    pub is_readable: bool,
    pub is_writable: bool,
    /// The other side sends no more, or the connection is broken.
    pub is_closed: bool,
}
