//! A room whose members are all disconnected at once and reconnect.

use super::super::clients::{ClientPool, FrameWriter, Handler};
use super::super::network::Network;
use super::super::recorder::MessageRecorder;
use super::super::time::{Nanos, Time};
use super::{Broadcast, Ending, Workload};
use crate::ws::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Time before the second attempt to reconnect. It doubles with each attempt, up to the longest.
const FIRST_BACKOFF: Nanos = Nanos::millis(100);
const MAX_BACKOFF: Nanos = Nanos::secs(3);

/// A broadcast to members that are disconnected when measuring starts. A member's deliveries count from the
/// first message that it receives after it has reconnected.
pub(crate) struct Storm<'a> {
    room: Broadcast<'a>,
    /// Members reconnect within this time, each at a random moment.
    jitter: Nanos,
    has_started: bool,
    members: Vec<Member>,
    /// Disconnected members, with the time of their next attempt and the number of earlier attempts.
    away: Vec<(usize, Time, u32)>,
    rng: StdRng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// Not connected at the time of the storm.
    Absent,
    /// Not reconnected yet.
    Dropped,
    /// Connected again since this time. Older messages may be replayed.
    Back(Time),
    /// Has received a message due at this time, and expects all later ones.
    Served(Time),
}

impl<'a> Storm<'a> {
    /// `clients` is the number of clients of this thread.
    pub fn new(room: Broadcast<'a>, clients: usize, jitter: Nanos, seed: u64) -> Storm<'a> {
        Storm {
            room,
            jitter,
            has_started: false,
            members: vec![Member::Absent; clients],
            away: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    fn starts_at(&self) -> Time {
        self.room.span().measured_from
    }

    fn drop_all<N: Network>(&mut self, pool: &mut ClientPool<'_, N>, now: Time) {
        self.has_started = true;
        for client in 0..self.members.len() {
            if pool.is_open(client) {
                pool.drop_connection(client);
                self.members[client] = Member::Dropped;
                self.room.results().dropped += 1;
                let pause = self.rng.random_range(0..=self.jitter.get());
                self.away.push((client, now + Nanos::new(pause), 0));
            }
        }
    }

    /// Reconnects members that are due. Returns the time of the next attempt.
    fn reconnect<N: Network>(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        let Storm { away, rng, .. } = self;
        away.retain_mut(|(client, due, attempts)| {
            if pool.is_open(*client) {
                return false;
            }
            if *due <= now && pool.is_absent(*client) {
                pool.connect(*client, now);
                let backoff = FIRST_BACKOFF.get() << (*attempts).min(10);
                let backoff = backoff.min(MAX_BACKOFF.get());
                *due = now + Nanos::new(rng.random_range(backoff..=2 * backoff));
                *attempts += 1;
            } else if *due <= now {
                // Its handshake is still in progress.
                *due = now + FIRST_BACKOFF;
            }
            true
        });
        away.iter().map(|(_, due, _)| *due).min()
    }
}

impl<N: Network> Workload<N> for Storm<'_> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        if !self.has_started && now >= self.starts_at() {
            self.drop_all(pool, now);
        }
        let due = self.room.run_due(pool, now);
        if now >= self.room.board().until() {
            return due;
        }
        let next = if self.has_started { self.reconnect(pool, now) } else { Some(self.starts_at()) };
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
        // The expected deliveries are not known yet.
        recorder.missing = 0;
        recorder
    }

    fn is_sent(&self) -> bool {
        Workload::<N>::is_sent(&self.room)
    }
}

impl Handler for Storm<'_> {
    fn on_open(&mut self, client: usize, now: Time, _: &mut FrameWriter<'_>) {
        if self.members[client] == Member::Dropped {
            self.members[client] = Member::Back(now);
            let time = now.since(self.starts_at());
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
                let time = now.since(self.starts_at());
                self.room.results().served.record(time);
                self.room.begin_member(client, &first.marker);
                self.room.on_message(client, message, now, writer)
            }
            Member::Served(since) if due >= since => self.room.on_message(client, message, now, writer),
            // A message from before its return.
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
        if self.has_started {
            let pause = self.rng.random_range(FIRST_BACKOFF.get()..=2 * FIRST_BACKOFF.get());
            self.away.push((client, now + Nanos::new(pause), 1));
        }
    }
}
