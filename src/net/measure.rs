//! A crowd without sockets, for `benches/layers`: what fan-out costs beside the system's `write`.

use super::outbound::Outbound;
use super::{ConnId, GroupId, Limits, Socket};
use crate::ws::Opcode;
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

const ROOM: GroupId = GroupId(0);

/// The members of one room, of which some refuse each message at first.
pub struct Crowd {
    out: Outbound<Void>,
    refusing: Vec<ConnId>,
    takes: Rc<Cell<bool>>,
}

/// Takes everything, unless it refuses just now.
struct Void {
    takes: Rc<Cell<bool>>,
}

impl Crowd {
    /// `refusing` is in percent.
    pub fn new(members: usize, refusing: usize) -> Crowd {
        let limits = Limits { coalesce: Duration::ZERO, ..Limits::default() };
        let mut crowd = Crowd {
            out: Outbound::new(&limits, Instant::now()),
            refusing: Vec::new(),
            takes: Rc::new(Cell::new(false)),
        };
        let always = Rc::new(Cell::new(true));
        for member in 0..members {
            let refuses = member % 100 < refusing;
            let takes = if refuses { &crowd.takes } else { &always };
            let conn = crowd.out.insert(Void { takes: Rc::clone(takes) });
            crowd.out.subscribe(conn, ROOM);
            crowd.refusing.extend(refuses.then_some(conn));
        }
        crowd
    }

    /// Says something to all. Those who refuse it take it when all others have it.
    pub fn hear(&mut self, text: &[u8]) {
        self.takes.set(false);
        self.out.publish(ROOM, 0, Opcode::Text, text);
        self.out.flush(Instant::now);
        while self.out.is_flushing() {
            self.out.flush(Instant::now);
        }
        self.takes.set(true);
        for conn in &self.refusing {
            self.out.writable(*conn);
        }
    }
}

impl io::Write for Void {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.takes.get() { Ok(bytes.len()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has nothing to read.
impl io::Read for Void {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Socket for Void {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
