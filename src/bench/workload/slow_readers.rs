//! A room in which some members do not read, or hardly.

use super::super::clients::{ClientPool, FrameWriter, Handler};
use super::super::network::Network;
use super::super::recorder::MessageRecorder;
use super::super::time::{Nanos, Time};
use super::{Broadcast, Ending, Finish, Workload};
use crate::ws::Message;
use std::ops::Range;

/// How often a slow reader reads.
const READ_INTERVAL: Nanos = Nanos::millis(100);

/// A broadcast to members that read, beside others that do not.
pub(crate) struct SlowReaders<'a> {
    room: Broadcast<'a>,
    /// The clients of this thread that read slowly.
    slow: Range<usize>,
    /// Bytes a second that each of them reads.
    rate: u64,
    has_begun: bool,
    next_read: Time,
}

impl<'a> SlowReaders<'a> {
    /// `slow` are the clients of this thread that read `rate` bytes a second each.
    pub fn new(room: Broadcast<'a>, slow: Range<usize>, rate: u64) -> SlowReaders<'a> {
        SlowReaders { room, slow, rate, has_begun: false, next_read: Time::ZERO }
    }
}

impl<N: Network> Workload<N> for SlowReaders<'_> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        if !self.has_begun {
            self.has_begun = true;
            self.next_read = now + READ_INTERVAL;
            self.slow.clone().for_each(|client| pool.stall(client));
        }
        let due = self.room.run_due(pool, now);
        if self.rate == 0 {
            return due;
        }
        if self.next_read <= now {
            // One that was late reads what it is owed.
            let late = now.since(self.next_read) + READ_INTERVAL;
            self.next_read = now + READ_INTERVAL;
            let bytes = (self.rate as f64 * late.as_secs_f64()) as usize;
            for client in self.slow.clone() {
                pool.read_some(client, bytes.max(1), self);
            }
        }
        Some(due.map_or(self.next_read, |due| due.min(self.next_read)))
    }

    /// Slow readers learn what has become of their connections.
    fn finish(&mut self, pool: &mut ClientPool<'_, N>) -> Finish {
        for client in self.slow.clone() {
            pool.resume(client, self);
        }
        if self.slow.is_empty() { Finish::Done } else { Finish::Silence }
    }

    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        self.room.account(pool, ending);
    }

    fn recorder(&mut self) -> &mut MessageRecorder {
        Workload::<N>::recorder(&mut self.room)
    }

    fn is_sent(&self) -> bool {
        Workload::<N>::is_sent(&self.room)
    }
}

impl Handler for SlowReaders<'_> {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        match self.slow.contains(&client) {
            true => !self.room.read(message).is_empty(),
            false => self.room.on_message(client, message, now, writer),
        }
    }

    fn on_writable(&mut self, client: usize, writer: &mut FrameWriter<'_>) {
        self.room.on_writable(client, writer);
    }

    fn on_sent(&mut self, client: usize, messages: u32, now: Time) {
        self.room.on_sent(client, messages, now);
    }
}
