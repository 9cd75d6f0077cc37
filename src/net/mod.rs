//! The event loop: sockets, connections, queues and timeouts. It moves bytes and knows nothing of chat.
//!
//! Each connection has two halves that share one slot: an input half (received bytes that are not handled
//! yet) and an output half, the sink in [`outbound`] (bytes to be sent). A handler for the input of one
//! connection can therefore write to the output of any connection.
//!
//! One iteration of the loop, a tick, runs these steps: poll, give turns to connections with input, wake the application
//! if another thread asked for it, expire timers, free memory, remove ended connections, accept new ones, report
//! connections that have caught up, flush, log.
//!
//! | what | decides | knows nothing of |
//! |---|---|---|
//! | [`System`] | when sockets are ready and what time it is; simulated in tests | connections |
//! | `turns` | whose input is handled next, and when a tick ends | sockets |
//! | `fanout` | which bytes of its groups a member has not received, and which group is written to next | sockets |
//! | `memory` | how much is kept for all peers | connections |
//! | [`inbox()`] | what other threads hand to the loop | sockets |
//! | [`outbound`] | the order of what is sent to a connection, and what becomes of slow readers | input |
//!
//! Removing comes before accepting, so that freed places can be reused at once. Handlers only enqueue output.
//! Slots are freed only when ended connections are removed, and a [`ConnId`] carries a generation, so a stale
//! event or a late timer never affects the next connection in the same slot.

mod endpoint;
mod event_loop;
mod fanout;
mod inbox;
mod listener;
#[cfg(feature = "measure")]
pub mod measure;
mod memory;
pub mod outbound;
pub mod queue;
mod shed;
mod signals;
mod system;
pub mod timers;
mod turns;

pub use endpoint::Endpoint;
pub use event_loop::{EventLoop, Exit};
pub use inbox::{Inbox, Post, Wake, inbox};
pub use outbound::Outbound;
pub use shed::Cause;
pub use system::{Mio, Readiness, Ready, Socket, System};

use crate::ws::head::{self, Request, Response};
use crate::ws::{Message, handshake};
use std::time::{Duration, Instant};

/// Identifies a connection, including one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// Index of the connection: small, and reused after the connection has ended.
    pub slot: u32,
    /// Counts accepted connections, so that connections that use the same slot at different times differ.
    pub generation: u32,
}

impl ConnId {
    /// Returns the token under which the system reports readiness of the connection.
    fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    fn of_token(token: u64) -> ConnId {
        ConnId { slot: token as u32, generation: (token >> 32) as u32 }
    }
}

impl std::fmt::Display for ConnId {
    /// Writes the connection's serial number, as the log shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.generation)
    }
}

/// A set of connections that receive the same messages. The application chooses the numbers, which should be
/// small and without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(pub u32);

/// What to do with a connection that reads more slowly than messages arrive for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Close it with 1013.
    Close,
    /// Skip messages to its groups until it has caught up. A connection that reads nothing at all is closed.
    Drop,
}

/// The point at which a slow connection stopped receiving the messages of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The group whose messages were skipped.
    pub group: GroupId,
    /// The position of the first skipped message, as passed to [`Outbound::publish`].
    pub position: u64,
}

/// The application on top of the event loop. Its handlers enqueue output and return; they never block.
///
/// `T` is the socket of a connection, which no handler touches.
pub trait App<T: Socket> {
    /// The application's state of one WebSocket connection.
    type Session;

    /// Answers the head of an HTTP request. Nothing can be sent to the connection yet.
    fn on_request(
        &mut self,
        conn: ConnId,
        request: &Request<'_>,
        out: &mut Outbound<T>,
    ) -> Answer<Self::Session>;
    /// Answers a request on a connection that exceeds a limit on connections, such as a health check. `None` refuses it.
    fn on_refused(&mut self, request: &Request<'_>) -> Option<Response>;
    /// Called when a connection was upgraded. Messages sent here follow the handshake response.
    fn on_open(&mut self, conn: ConnId, session: &mut Self::Session, out: &mut Outbound<T>);
    /// Called for each message received.
    fn on_message(
        &mut self,
        conn: ConnId,
        session: &mut Self::Session,
        message: &Message<'_>,
        out: &mut Outbound<T>,
    );
    /// Called when a connection has caught up after messages to its groups were skipped. In each group of
    /// `missed`, it missed all messages from the given position up to now. It receives all messages published
    /// from now on.
    fn on_caught_up(
        &mut self,
        conn: ConnId,
        session: &mut Self::Session,
        missed: &[Missed],
        out: &mut Outbound<T>,
    );
    /// Called when a connection has ended or its closing handshake has begun. Nothing can be sent to it any
    /// more.
    fn on_close(&mut self, conn: ConnId, session: Self::Session, out: &mut Outbound<T>);
    /// Returns the time at which [`App::on_due`] is to be called.
    fn due(&self) -> Option<Instant>;
    /// Called after another thread has woken the loop, by a [`Post`] of an [`Inbox`] of the application. Returns true if it
    /// is to be called again after sockets were polled, because there is more than is to be done at once.
    fn on_wake(&mut self, _out: &mut Outbound<T>) -> bool {
        false
    }
    /// Called when the time returned by [`App::due`] is reached.
    fn on_due(&mut self, out: &mut Outbound<T>);
}

/// The answer to the head of a request.
#[derive(Debug)]
pub enum Answer<S> {
    /// Upgrade the connection to WebSocket.
    Upgrade {
        /// The server's side of the handshake.
        accepted: handshake::Accepted,
        /// Largest message accepted, in bytes. 0: no limit.
        max_message: usize,
        /// Passed to the handlers of the connection.
        session: S,
    },
    /// Send this response. The connection stays open if the request allows it.
    Reply(Response),
}

/// Limits on what peers may use of the event loop. 0 disables a limit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Limits on request heads.
    pub head: head::Limits,
    /// Time to receive a whole request head, from accept or, on a kept connection, from its first byte.
    pub head_timeout: Duration,
    /// Connections with an incomplete first request head. Beyond this the oldest is dropped.
    pub max_unfinished: usize,
    /// How long an HTTP connection may be idle between requests.
    pub keep_alive_timeout: Duration,
    /// Requests served on one HTTP connection.
    pub keep_alive_requests: u32,
    /// Time to receive a whole message or frame, from its first byte.
    pub message_timeout: Duration,
    /// Silence of a peer after which a ping is sent.
    pub ping_after: Duration,
    /// Time for the peer to send something after a ping.
    pub pong_timeout: Duration,
    /// How long to wait for the peer to complete the closing of a connection.
    pub close_timeout: Duration,
    /// What to do with a connection that exceeds one of the next three limits.
    pub slow: Slow,
    /// Bytes sent by others that may be queued for one connection at any time.
    pub max_queue: usize,
    /// Bytes sent by others that may be queued for one connection for longer than `high_water_timeout`.
    pub high_water: usize,
    /// How long a queue may stay above `high_water`.
    pub high_water_timeout: Duration,
    /// How long a socket may accept no byte while output is queued for it.
    pub stall_timeout: Duration,
    /// Stop reading from a connection while more than this many bytes of answers are queued for it.
    pub pause_above: usize,
    /// Resume reading when at most this many bytes of answers are queued.
    pub resume_below: usize,
    /// Whether compression may be negotiated. Its memory is allocated at start.
    pub deflate: bool,
    /// Connections at one time.
    pub max_connections: usize,
    /// Connections beyond a limit that are kept until their request has arrived and its answer was read. Beyond this they
    /// are closed at once.
    pub max_refused: usize,
    /// Connections from one address, except loopback.
    pub max_per_address: usize,
    /// Bytes kept for all peers together: messages being gathered, input that is held back, and output that waits.
    /// Beyond this those that hold the most are closed.
    pub max_memory: usize,
    /// How long a group that was just flushed waits for further messages, to send them in one write. 0: not
    /// at all.
    pub coalesce: Duration,
    /// How long to wait for connections to close after a signal.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    /// Returns the defaults that the command line shows.
    fn default() -> Limits {
        Limits {
            head: head::Limits { request_line: 8 << 10, head: 16 << 10, fields: 100 },
            head_timeout: Duration::from_secs(10),
            max_unfinished: 1000,
            keep_alive_timeout: Duration::from_secs(2),
            keep_alive_requests: 100,
            message_timeout: Duration::from_secs(60),
            ping_after: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            slow: Slow::Close,
            deflate: true,
            max_queue: 1 << 20,
            high_water: 256 << 10,
            high_water_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            pause_above: 256 << 10,
            resume_below: 64 << 10,
            max_connections: 0,
            max_refused: 16,
            max_per_address: 0,
            max_memory: 0,
            coalesce: Duration::from_millis(5),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
pub(crate) mod test_pipe {
    use std::io;

    /// A transport that accepts a given number of bytes.
    #[derive(Debug)]
    pub(crate) struct Pipe {
        pub(crate) written: Vec<u8>,
        /// Bytes accepted before it blocks.
        pub(crate) room: usize,
        /// Bytes accepted in one write.
        pub(crate) per_write: usize,
        pub(crate) writes: usize,
        /// Address of the bytes of the last write.
        pub(crate) last_written: *const u8,
        pub(crate) is_shut_down: bool,
    }

    impl Pipe {
        pub(crate) fn taking(per_write: usize) -> Pipe {
            Pipe {
                written: Vec::new(),
                room: usize::MAX,
                per_write,
                writes: 0,
                last_written: std::ptr::null(),
                is_shut_down: false,
            }
        }

        pub(crate) fn with_room(room: usize) -> Pipe {
            Pipe { room, ..Pipe::taking(usize::MAX) }
        }
    }

    impl io::Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            self.last_written = bytes.as_ptr();
            let taken = bytes.len().min(self.room).min(self.per_write);
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= taken;
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.write(&bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Has nothing to read.
    impl io::Read for Pipe {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl super::Socket for Pipe {
        fn shutdown_write(&mut self) -> io::Result<()> {
            self.is_shut_down = true;
            Ok(())
        }
    }
}
