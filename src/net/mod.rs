//! The event loop: sockets, connections, queues and timeouts. It moves bytes and knows nothing of chat.
//!
//! A connection stands in two halves under one slot: an input (what it has sent that is not yet handled) and a sink
//! in [`outbound`] (what it is owed). So a handler of one connection's input can write to any connection's output.
//! A tick goes: poll → read and handle → timers → reap → accept → tell who has caught up → flush → log what was shed, so
//! that what was freed can be accepted anew. Handlers only enqueue; slots are freed only in reap, and a [`ConnId`] carries a generation, so that a stale
//! event or a late timer never meets a new connection.

mod event_loop;
mod group;
mod listener;
#[cfg(feature = "measure")]
pub mod measure;
pub mod outbound;
pub mod queue;
mod shed;
pub mod timers;

pub use event_loop::{EventLoop, Exit};
pub use outbound::Outbound;
pub use shed::Cause;

use crate::ws::head::{self, Request, Response};
use crate::ws::{Message, handshake};
use std::io;
use std::time::{Duration, Instant};

/// A connection, also after it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// Its place among the connections: small, and used again after the connection has ended.
    pub slot: u32,
    /// Counts up with each connection accepted; tells the holders of one slot apart.
    pub generation: u32,
}

impl std::fmt::Display for ConnId {
    /// As it stands in the log: the how-manieth connection it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.generation)
    }
}

/// A set of connections that are sent the same messages. The number is the application's to choose, small and
/// dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(pub u32);

/// What becomes of a connection that reads more slowly than it is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// It is closed with 1013.
    Close,
    /// What its groups are sent is left out until it has caught up. One that takes nothing at all is closed.
    Drop,
}

/// Where a connection ceased to hear a group, since it read too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The group.
    pub group: GroupId,
    /// That of the first message left out, as it was given to [`Outbound::publish`].
    pub position: u64,
}

/// The program on top of the loop. Its handlers enqueue output and return; they never block.
pub trait App {
    /// What the application keeps of each WebSocket connection.
    type Session;

    /// Answers a request head.
    fn on_request(&mut self, conn: ConnId, request: &Request<'_>) -> Answer<Self::Session>;
    /// A connection was upgraded; what is sent here follows the handshake's answer.
    fn on_open(&mut self, conn: ConnId, session: &mut Self::Session, out: &mut Outbound);
    /// A message came.
    fn on_message(
        &mut self,
        conn: ConnId,
        session: &mut Self::Session,
        message: &Message<'_>,
        out: &mut Outbound,
    );
    /// The connection has read on after messages to its groups were left out: of each of these groups all from a
    /// position on and up to now. What is published from now on it hears.
    fn on_caught_up(
        &mut self,
        conn: ConnId,
        session: &mut Self::Session,
        missed: &[Missed],
        out: &mut Outbound,
    );
    /// The connection has ended, or its closing handshake has begun: nothing can be sent to it any more.
    fn on_close(&mut self, conn: ConnId, session: Self::Session, out: &mut Outbound);
    /// When [`App::on_due`] wants to be called.
    fn due(&self) -> Option<Instant>;
    /// The time has come.
    fn on_due(&mut self, now: Instant, out: &mut Outbound);
}

/// The answer to a request head.
#[derive(Debug)]
pub enum Answer<S> {
    /// The connection speaks WebSocket from now on.
    Upgrade {
        /// What the client is told.
        accepted: handshake::Accepted,
        /// Limit on a message, in bytes; 0 turns it off.
        max_message: usize,
        /// Handed back with each message.
        session: S,
    },
    /// A response; the connection is kept if the request allows.
    Reply(Response),
}

/// What a connection's bytes go out through.
pub trait Transport: io::Write {
    /// Tells the peer that nothing follows.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

impl Transport for mio::net::TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// Limits on what peers can have of the loop. Zero turns one off.
#[derive(Clone, Debug)]
pub struct Limits {
    /// On request heads.
    pub head: head::Limits,
    /// For a whole request head, from accept or from its first byte on a kept connection.
    pub head_timeout: Duration,
    /// Connections whose first request head is unfinished; beyond it the oldest is dropped.
    pub max_unfinished: usize,
    /// Of a kept HTTP connection between requests.
    pub keep_alive_timeout: Duration,
    /// Requests on one HTTP connection.
    pub keep_alive_requests: u32,
    /// For a message or frame, from its first byte to its last.
    pub message_timeout: Duration,
    /// Silence of a peer after which it is pinged.
    pub ping_after: Duration,
    /// For a sign of life after a ping.
    pub pong_timeout: Duration,
    /// For the peer's part in closing a connection.
    pub close_timeout: Duration,
    /// What becomes of a connection beyond the next three limits.
    pub slow: Slow,
    /// Bytes that others may make wait for one connection.
    pub max_queue: usize,
    /// Bytes that others may make wait for one connection for a while only.
    pub high_water: usize,
    /// That while.
    pub high_water_timeout: Duration,
    /// For a connection with waiting bytes to take one.
    pub stall_timeout: Duration,
    /// A peer is not read from while more bytes of answers to it than this wait.
    pub pause_above: usize,
    /// Reading goes on when no more than this wait.
    pub resume_below: usize,
    /// Whether connections may be sent compressed messages: the memory for that is taken at the start.
    pub deflate: bool,
    /// Connections in all.
    pub max_connections: usize,
    /// Refused connections that are kept until the peer has read why; beyond it they end at once.
    pub max_refused: usize,
    /// Connections from one address; loopback does not count.
    pub max_per_address: usize,
    /// How long a group that was just flushed waits for more to send in one write. Zero: not at all.
    pub coalesce: Duration,
    /// For all connections to end after a signal.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    /// The limits that the command line shows.
    fn default() -> Limits {
        Limits {
            head: head::Limits { request_line: 8 << 10, head: 16 << 10, fields: 100 },
            head_timeout: Duration::from_secs(10),
            max_unfinished: 1000,
            keep_alive_timeout: Duration::from_secs(15),
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
            coalesce: Duration::from_millis(5),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
pub(crate) mod test_pipe {
    use std::io;

    /// A transport that takes what it is told to take.
    #[derive(Debug)]
    pub(crate) struct Pipe {
        pub(crate) written: Vec<u8>,
        /// Bytes it still takes before it blocks.
        pub(crate) room: usize,
        /// Bytes it takes in one write.
        pub(crate) per_write: usize,
        pub(crate) writes: usize,
        /// Where the bytes of the last write lay.
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

    impl super::Transport for Pipe {
        fn shutdown_write(&mut self) -> io::Result<()> {
            self.is_shut_down = true;
            Ok(())
        }
    }
}
