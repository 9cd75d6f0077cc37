//! Connections in memory: two bounded buffers, and the ways in which either side can end.

use super::system::{Shared, Source};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::Duration;
use throng::net::Socket;

/// How one side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    /// It sends nothing more.
    Finished,
    Reset,
}

/// A connection, as the kernel sees it.
#[derive(Debug)]
pub struct Pipe {
    pub client: usize,
    /// Sent by the client and not read by the server.
    pub to_server: VecDeque<u8>,
    /// Written by the server and not read by the client.
    pub to_client: VecDeque<u8>,
    /// Most bytes that `to_client` holds.
    pub capacity: usize,
    pub client_end: End,
    pub server_end: End,
    /// Set by `watch`.
    pub token: Option<u64>,
    /// A write was cut: the server is to be told when there is room again.
    pub awaits_room: bool,
    /// The socket accepts nothing until then, whatever its room.
    pub blocked_until: Duration,
    /// What changed since the last report.
    pub edges: Edges,
    pub is_listed: bool,
    /// The server has accepted it, and has not dropped it.
    pub is_held: bool,
    pub is_shut_down: bool,
    /// Whether chance cuts and blocks writes.
    pub has_faults: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    pub readable: bool,
    pub writable: bool,
}

impl Pipe {
    pub fn new(client: usize, capacity: usize, has_faults: bool) -> Pipe {
        Pipe {
            client,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity,
            client_end: End::Open,
            server_end: End::Open,
            token: None,
            awaits_room: false,
            blocked_until: Duration::ZERO,
            edges: Edges::default(),
            is_listed: false,
            is_held: false,
            is_shut_down: false,
            has_faults,
        }
    }

    /// What the system would report of it now: what can be read, written, and whether the peer has ended.
    pub fn levels(&self, now: Duration) -> (bool, bool, bool) {
        let is_over = self.client_end != End::Open;
        let is_reset = self.client_end == End::Reset;
        let is_readable = !self.to_server.is_empty() || is_over;
        let has_room = self.to_client.len() * 3 <= self.capacity * 2 && now >= self.blocked_until;
        (is_readable, has_room || is_reset, is_over)
    }
}

/// The server's end of a connection.
pub struct SimSocket {
    pub world: Shared,
    pub pipe: usize,
}

impl Read for SimSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let world = &mut *self.world.borrow_mut();
        world.enter();
        if world.chance.one_in(world.faults.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let pipe = &mut world.pipes[self.pipe];
        if pipe.to_server.is_empty() {
            return match pipe.client_end {
                End::Open => Err(ErrorKind::WouldBlock.into()),
                End::Finished => Ok(0),
                End::Reset => Err(ErrorKind::ConnectionReset.into()),
            };
        }
        let mut len = buffer.len().min(pipe.to_server.len());
        if len > 1 && world.chance.one_in(world.faults.short_read) {
            // As if the rest had arrived just after.
            len = world.chance.between(1, len - 1);
        }
        let len = pipe.to_server.read(&mut buffer[..len])?;
        let is_empty = pipe.to_server.is_empty();
        let client = pipe.client;
        if !is_empty && len < buffer.len() {
            world.mark_readable(self.pipe);
        }
        world.on_room_to_send(client);
        Ok(len)
    }
}

impl Write for SimSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let world = &mut *self.world.borrow_mut();
        world.enter();
        if world.chance.one_in(world.faults.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let pipe = &mut world.pipes[self.pipe];
        if pipe.is_shut_down {
            let client = pipe.client;
            world.fail(format!("client {client}: written to after its write direction was shut down"));
            return Err(ErrorKind::BrokenPipe.into());
        }
        if pipe.client_end == End::Reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let now = world.now;
        let room =
            if now < pipe.blocked_until { 0 } else { pipe.capacity.saturating_sub(pipe.to_client.len()) };
        let mut len = bytes.len().min(room);
        if pipe.has_faults && len > 0 && world.chance.one_in(world.faults.cut_write) {
            len = world.chance.below(len + 1);
            if len < bytes.len() {
                let pause = Duration::from_micros(world.chance.between(1, 30_000) as u64);
                world.pipes[self.pipe].blocked_until = now + pause;
                world.schedule_room(self.pipe, now + pause);
            }
        }
        let pipe = &mut world.pipes[self.pipe];
        pipe.awaits_room = len < bytes.len();
        if len == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.to_client.write_all(&bytes[..len])?;
        let client = pipe.client;
        world.on_bytes_for(client);
        Ok(len)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = Vec::new();
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        self.write(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for SimSocket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let world = &mut *self.world.borrow_mut();
        world.enter();
        let pipe = &mut world.pipes[self.pipe];
        pipe.is_shut_down = true;
        if pipe.client_end == End::Reset {
            return Err(ErrorKind::NotConnected.into());
        }
        if pipe.server_end == End::Open {
            pipe.server_end = End::Finished;
        }
        let client = pipe.client;
        world.on_bytes_for(client);
        Ok(())
    }
}

impl Drop for SimSocket {
    /// A socket that is closed with bytes unread sends a reset, which destroys what is on its way.
    fn drop(&mut self) {
        let Ok(mut world) = self.world.try_borrow_mut() else { return };
        let pipe = &mut world.pipes[self.pipe];
        pipe.is_held = false;
        if !pipe.to_server.is_empty() && pipe.client_end != End::Reset {
            pipe.server_end = End::Reset;
            pipe.to_client = VecDeque::new();
        } else if pipe.server_end == End::Open {
            pipe.server_end = End::Finished;
        }
        pipe.to_server = VecDeque::new();
        let (client, token) = (pipe.client, *pipe.token.get_or_insert(u64::MAX));
        world.stale_tokens.push(token);
        world.ready.retain(|source| *source != Source::Connection(self.pipe));
        world.pipes[self.pipe].is_listed = false;
        world.held -= 1;
        world.note(|| format!("server drops the connection of client {client}"));
        world.on_bytes_for(client);
    }
}
