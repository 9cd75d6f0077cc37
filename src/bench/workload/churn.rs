//! A room in which some members come and go while others send.

use super::super::clients::{ClientPool, FrameWriter, Handler};
use super::super::network::Network;
use super::super::pacer::Pacer;
use super::super::recorder::MessageRecorder;
use super::super::time::Time;
use super::schedule::Next;
use super::{Broadcast, Ending, MAX_CATCH_UP, Schedule, Workload};
use crate::ws::Message;
use std::ops::Range;

/// A broadcast to members that stay, beside others that leave and come back one after the other.
pub(crate) struct Churn<'a> {
    room: Broadcast<'a>,
    /// The clients of this thread that come and go.
    churners: Range<usize>,
    schedule: Schedule,
    /// Those whose closing handshake is over.
    left: Vec<usize>,
}

impl<'a> Churn<'a> {
    /// `churners` are the clients of this thread that come and go. The first of them has the number `first` among all
    /// `all` churners, of which `rate` a second leave.
    pub fn new(
        room: Broadcast<'a>,
        churners: Range<usize>,
        rate: f64,
        (first, all): (usize, usize),
    ) -> Churn<'a> {
        let numbers = (first..first + churners.len()).map(|number| number as u32).collect();
        let schedule = Schedule::new(Pacer::new(room.span().start, rate), numbers, all);
        Churn { room, churners, schedule, left: Vec::new() }
    }

    fn leave_and_come_back<N: Network>(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        let until = self.room.board().until();
        for client in std::mem::take(&mut self.left) {
            if now < until {
                pool.connect(client, now);
            }
        }
        for _ in 0..MAX_CATCH_UP {
            match self.schedule.next(now, until) {
                Next::End => return None,
                Next::At(due) => return Some(due),
                Next::Due(place) => {
                    let client = self.churners.start + place;
                    self.room.results().departures += 1;
                    if pool.is_open(client) {
                        pool.leave(client);
                    } else if pool.is_absent(client) {
                        pool.connect(client, now);
                    } else {
                        // Its last handshake takes longer than its turn.
                        self.room.results().skipped_departures += 1;
                    }
                }
            }
        }
        Some(now)
    }
}

impl<N: Network> Workload<N> for Churn<'_> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        let due = [self.room.run_due(pool, now), self.leave_and_come_back(pool, now)];
        due.into_iter().flatten().min()
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

impl Handler for Churn<'_> {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        match self.churners.contains(&client) {
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

    fn on_left(&mut self, client: usize, _: Time) {
        self.left.push(client);
    }
}
