//! A room whose members all lose their connection at once and come back.

use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::marker::Marker;
use super::super::recorder::Recorder;
use super::{Broadcast, Span, Work};
use crate::ws::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Between one attempt to come back and the next, in nanoseconds, and a part of chance.
const RETRY: u64 = 100_000_000;

/// A broadcast to members that are cut off when measuring begins.
#[derive(Debug)]
pub struct Storm<'a> {
    room: Broadcast<'a>,
    begins: u64,
    ends: u64,
    /// Clients come back within this time, each when chance says, in nanoseconds.
    jitter: u64,
    has_come: bool,
    /// Those that are not back, with the time of their next attempt.
    away: Vec<(usize, u64)>,
    /// When each came back; what was said before is replayed, if it comes.
    back_at: Vec<u64>,
    /// Those that have heard nothing new since.
    is_unserved: Vec<bool>,
    rng: StdRng,
}

impl<'a> Storm<'a> {
    /// The `clients` of one thread, in a storm when what is measured begins.
    pub fn new(room: Broadcast<'a>, span: &Span, clients: usize, jitter: u64, seed: u64) -> Storm<'a> {
        Storm {
            room,
            begins: span.measured.start,
            ends: span.measured.end,
            jitter,
            has_come: false,
            away: Vec::new(),
            back_at: vec![0; clients],
            is_unserved: vec![false; clients],
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn cut_all_off(&mut self, crowd: &mut Crowd<'_>, now: u64) {
        self.has_come = true;
        for client in 0..self.is_unserved.len() {
            if crowd.is_open(client) {
                crowd.drop_connection(client);
                self.is_unserved[client] = true;
                self.away.push((client, now + self.rng.random_range(0..=self.jitter)));
            }
        }
    }

    /// Lets those come back whose time it is; when that is next.
    fn bring_back(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        let Storm { away, rng, .. } = self;
        away.retain_mut(|(client, due)| {
            if crowd.is_open(*client) {
                return false;
            }
            if *due <= now {
                if crowd.is_absent(*client) {
                    crowd.connect(*client);
                }
                *due = now + RETRY + rng.random_range(0..RETRY);
            }
            true
        });
        away.iter().map(|(_, due)| *due).min()
    }
}

impl Work for Storm<'_> {
    fn send_due(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        let due = self.room.send_due(crowd, now);
        if now >= self.ends {
            return due;
        }
        if !self.has_come && now >= self.begins {
            self.cut_all_off(crowd, now);
        }
        let next = if self.has_come { self.bring_back(crowd, now) } else { Some(self.begins) };
        due.into_iter().chain(next).min()
    }

    fn recorder(&mut self) -> &mut Recorder {
        let recorder = self.room.recorder();
        // Who was away has not lost what was said meanwhile.
        recorder.missing = 0;
        recorder
    }
}

impl Behaviour for Storm<'_> {
    fn open(&mut self, client: usize, now: u64, _: &mut Pen<'_>) {
        self.back_at[client] = now;
        self.room.recorder().back.saturating_record(now.saturating_sub(self.begins).max(1));
    }

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>) {
        let Some(Marker { due, .. }) = self.room.marker(message) else { return };
        if due < self.back_at[client] {
            return;
        }
        if std::mem::take(&mut self.is_unserved[client]) {
            self.room.recorder().served.saturating_record((now - self.begins).max(1));
        }
        self.room.hear(client, message, now, pen);
    }

    fn lose(&mut self, client: usize) {
        if self.has_come {
            self.away.push((client, 0));
        }
    }
}
