//! A room, some of whose members do not read, or hardly.

use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::recorder::Recorder;
use super::{Broadcast, Work};
use crate::ws::Message;
use std::ops::Range;

/// How often who reads slowly reads, in nanoseconds.
const SIP: u64 = 100_000_000;

/// A broadcast to members that read, beside others that do not.
#[derive(Debug)]
pub struct Slow<'a> {
    room: Broadcast<'a>,
    /// The clients of this thread that do not read.
    slow: Range<usize>,
    /// Bytes a second that they read nevertheless.
    rate: u64,
    has_begun: bool,
    next_sip: u64,
}

impl<'a> Slow<'a> {
    /// Those of this thread's clients that do not read are `slow`, or read `rate` bytes a second.
    pub fn new(room: Broadcast<'a>, slow: Range<usize>, rate: u64) -> Slow<'a> {
        Slow { room, slow, rate, has_begun: false, next_sip: 0 }
    }
}

impl Work for Slow<'_> {
    fn send_due(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        if !self.has_begun {
            self.has_begun = true;
            self.next_sip = now + SIP;
            self.slow.clone().for_each(|client| crowd.stall(client));
        }
        let due = self.room.send_due(crowd, now);
        if self.rate == 0 {
            return due;
        }
        while self.next_sip <= now {
            self.next_sip += SIP;
            for client in self.slow.clone() {
                crowd.read_some(client, (self.rate * SIP / 1_000_000_000) as usize, self);
            }
        }
        Some(due.map_or(self.next_sip, |due| due.min(self.next_sip)))
    }

    /// Who has not read learns what became of its connection.
    fn finish(&mut self, crowd: &mut Crowd<'_>) -> bool {
        for client in self.slow.clone() {
            crowd.resume(client, self);
        }
        !self.slow.is_empty()
    }

    fn recorder(&mut self) -> &mut Recorder {
        self.room.recorder()
    }
}

impl Behaviour for Slow<'_> {
    fn open(&mut self, _: usize, _: u64, _: &mut Pen<'_>) {}

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>) {
        if !self.slow.contains(&client) {
            self.room.hear(client, message, now, pen);
        }
    }

    fn lose(&mut self, _: usize) {}
}
