//! A room whose members all lose their connection at once and come back.

use super::super::clients::{ClientPool, FrameWriter, Handler};
use super::super::network::Network;
use super::super::recorder::MessageRecorder;
use super::super::time::{Nanos, Time};
use super::{Broadcast, Ending, Workload};
use crate::ws::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Before the second attempt to come back. It doubles with each attempt, up to the longest.
const FIRST_BACKOFF: Nanos = Nanos::millis(100);
const LONGEST_BACKOFF: Nanos = Nanos::secs(3);

/// A broadcast to members that are cut off when measuring begins. What a member has to receive counts from the first
/// message on that it receives after its return.
pub(crate) struct Storm<'a> {
    room: Broadcast<'a>,
    /// Members come back within this time, each at a random moment.
    jitter: Nanos,
    has_come: bool,
    members: Vec<Member>,
    /// Those that have no connection, with the time of their next attempt and how many went before.
    away: Vec<(usize, Time, u32)>,
    rng: StdRng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// It was not connected when the storm came.
    Absent,
    /// It has not come back.
    CutOff,
    /// It is connected again since then; what was sent before may be replayed.
    Back(Time),
    /// It has received something that was due then, and owes all that is due later.
    Served(Time),
}

impl<'a> Storm<'a> {
    /// `clients` is the number of clients of this thread.
    pub fn new(room: Broadcast<'a>, clients: usize, jitter: Nanos, seed: u64) -> Storm<'a> {
        Storm {
            room,
            jitter,
            has_come: false,
            members: vec![Member::Absent; clients],
            away: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn begins(&self) -> Time {
        self.room.span().measured_from
    }

    fn cut_all_off<N: Network>(&mut self, pool: &mut ClientPool<'_, N>, now: Time) {
        self.has_come = true;
        for client in 0..self.members.len() {
            if pool.is_open(client) {
                pool.drop_connection(client);
                self.members[client] = Member::CutOff;
                self.room.results().cut_off += 1;
                let pause = self.rng.random_range(0..=self.jitter.get());
                self.away.push((client, now + Nanos::new(pause), 0));
            }
        }
    }

    /// Has those connect whose time has come; when that is next.
    fn bring_back<N: Network>(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        let Storm { away, rng, .. } = self;
        away.retain_mut(|(client, due, attempts)| {
            if pool.is_open(*client) {
                return false;
            }
            if *due <= now && pool.is_absent(*client) {
                pool.connect(*client, now);
                let backoff = FIRST_BACKOFF.get() << (*attempts).min(10);
                let backoff = backoff.min(LONGEST_BACKOFF.get());
                *due = now + Nanos::new(rng.random_range(backoff..=2 * backoff));
                *attempts += 1;
            } else if *due <= now {
                // Its handshake is still under way.
                *due = now + FIRST_BACKOFF;
            }
            true
        });
        away.iter().map(|(_, due, _)| *due).min()
    }
}

impl<N: Network> Workload<N> for Storm<'_> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        if !self.has_come && now >= self.begins() {
            self.cut_all_off(pool, now);
        }
        let due = self.room.run_due(pool, now);
        if now >= self.room.board().until() {
            return due;
        }
        let next = if self.has_come { self.bring_back(pool, now) } else { Some(self.begins()) };
        due.into_iter().chain(next).min()
    }

    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        self.room.account(pool, ending);
        for client in 0..self.members.len() {
            if let Member::Served(since) = self.members[client] {
                self.room.account_member(client, since, ending);
            }
        }
    }

    fn recorder(&mut self) -> &mut MessageRecorder {
        let recorder = Workload::<N>::recorder(&mut self.room);
        // Nobody knows yet what members owe.
        recorder.missing = 0;
        recorder
    }

    fn is_sent(&self) -> bool {
        Workload::<N>::is_sent(&self.room)
    }
}

impl Handler for Storm<'_> {
    fn on_open(&mut self, client: usize, now: Time, _: &mut FrameWriter<'_>) {
        if self.members[client] == Member::CutOff {
            self.members[client] = Member::Back(now);
            let time = now.since(self.begins());
            self.room.results().back.record(time);
        }
        self.room.resume_sender(client);
    }

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        let Some(first) = self.room.read(message).first().copied() else { return false };
        let due = first.marker.due;
        match self.members[client] {
            Member::Back(since) if due >= since => {
                self.members[client] = Member::Served(due);
                let time = now.since(self.begins());
                self.room.results().served.record(time);
                self.room.begin_member(client, &first.marker);
                self.room.on_message(client, message, now, writer)
            }
            Member::Served(since) if due >= since => self.room.on_message(client, message, now, writer),
            // Of before its return.
            _ => true,
        }
    }

    fn on_writable(&mut self, client: usize, writer: &mut FrameWriter<'_>) {
        self.room.on_writable(client, writer);
    }

    fn on_sent(&mut self, client: usize, messages: u32, now: Time) {
        self.room.on_sent(client, messages, now);
    }

    fn on_lost(&mut self, client: usize, now: Time) {
        if self.has_come {
            let pause = self.rng.random_range(FIRST_BACKOFF.get()..=2 * FIRST_BACKOFF.get());
            self.away.push((client, now + Nanos::new(pause), 1));
        }
    }
}
