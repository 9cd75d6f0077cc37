//! The activity of one thread's clients in each scenario.

mod broadcast;
mod churn;
mod echo;
mod extended;
mod idle;
mod rooms;
mod schedule;
mod slow_readers;
mod storm;

pub(crate) use broadcast::{Broadcast, BroadcastConfig, Expects};
pub(crate) use churn::Churn;
pub(crate) use echo::{Echo, Loop};
pub(crate) use extended::Extended;
pub(crate) use idle::Idle;
pub(crate) use rooms::Rooms;
pub(crate) use schedule::Schedule;
pub(crate) use slow_readers::SlowReaders;
pub(crate) use storm::Storm;

use super::clients::{ClientPool, Handler};
use super::network::Network;
use super::recorder::MessageRecorder;
use super::time::{Nanos, Time};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Largest number of overdue messages sent in one turn, so that a late client continues to read in between.
const MAX_CATCH_UP: usize = 1_000;

/// The part of a scenario that one thread's clients carry out.
pub(crate) trait Workload<N: Network>: Handler {
    /// Does what is due. Returns the time at which something is due next.
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time>;

    /// Called when no more messages are due and outstanding deliveries have arrived. Returns what to wait for
    /// in addition.
    fn finish(&mut self, _: &mut ClientPool<'_, N>) -> Finish {
        Finish::Done
    }

    /// Called when sending has ended. Counts unsent messages and missing deliveries.
    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending);

    /// Returns the measurements so far.
    fn recorder(&mut self) -> &mut MessageRecorder;

    /// Returns true if all due messages were handled, sent or not.
    fn is_sent(&self) -> bool;
}

/// What to wait for at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Done,
    /// Answers to pings.
    Pongs,
    /// Silence of the server.
    Silence,
}

/// When messages are due, and which of them are measured.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The due time of the first message, in the warm-up.
    pub start: Time,
    pub measured_from: Time,
    /// No message is due from this time on.
    pub until: Time,
}

impl Span {
    pub fn measures(&self, due: Time) -> bool {
        self.measured_from <= due && due < self.until
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub at: Time,
    /// Whether the server sends a message to its sender too.
    pub sender_receives: bool,
}

/// Information about sending that the threads share.
#[derive(Debug)]
pub(crate) struct Board {
    /// No message is due from this time on: the end of the plan, or the time of an interrupt.
    until: AtomicU64,
    /// Per sender, the number after the last message that its socket accepted.
    sent_up_to: Vec<AtomicU32>,
    /// Per sender, the number of its first message after it reconnected in a storm.
    resumed_at: Vec<AtomicU32>,
    /// Largest delay between the due time and the sending of a message.
    max_lag: AtomicU64,
}

impl Board {
    pub fn new(senders: usize, until: Time) -> Board {
        let numbers = || std::iter::repeat_with(AtomicU32::default).take(senders).collect();
        Board {
            until: AtomicU64::new(until.as_nanos()),
            sent_up_to: numbers(),
            resumed_at: numbers(),
            max_lag: AtomicU64::new(0),
        }
    }

    pub fn until(&self) -> Time {
        Time::from_nanos(self.until.load(Relaxed))
    }

    /// Ends the plan at `time`, unless it ends earlier.
    pub fn end_at(&self, time: Time) {
        self.until.fetch_min(time.as_nanos(), Relaxed);
    }

    fn sent(&self, sender: usize, up_to: u32) {
        self.sent_up_to[sender].store(up_to, Relaxed);
    }

    fn sent_up_to(&self, sender: usize) -> u32 {
        self.sent_up_to[sender].load(Relaxed)
    }

    fn resume(&self, sender: usize, at: u32) {
        self.resumed_at[sender].store(at, Relaxed);
    }

    fn resumed_at(&self, sender: usize) -> u32 {
        self.resumed_at[sender].load(Relaxed)
    }

    fn lagged(&self, lag: Nanos) {
        self.max_lag.fetch_max(lag.get(), Relaxed);
    }

    fn max_lag(&self) -> Nanos {
        Nanos::new(self.max_lag.load(Relaxed))
    }
}

/// The cause of unsent messages that only the load tester delayed.
pub(crate) const LATE: &str = "the load tester was late";

/// Returns why a due message was not sent.
fn unsent_cause<N: Network>(pool: &ClientPool<'_, N>, client: usize) -> &'static str {
    if !pool.is_open(client) {
        "the sender was not connected"
    } else if pool.is_blocked(client) {
        "the server did not read earlier messages of the sender"
    } else {
        LATE
    }
}
