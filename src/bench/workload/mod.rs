//! What the clients of one thread do in a run, by scenario.

mod broadcast;
mod churn;
mod echo;
mod idle;
mod rooms;
mod schedule;
mod slow_readers;
mod storm;

pub(crate) use broadcast::{Broadcast, BroadcastConfig, Expects};
pub(crate) use churn::Churn;
pub(crate) use echo::{Echo, Loop};
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

/// Messages that are caught up with in one turn, so that a client that is late goes on reading meanwhile.
const MAX_CATCH_UP: usize = 1_000;

/// The part of a scenario that the clients of one thread play.
pub(crate) trait Workload<N: Network>: Handler {
    /// Does what is due, and returns when something is due next.
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time>;

    /// The run is over, and what was on the way has come. Returns what is to be waited for nevertheless.
    fn finish(&mut self, _: &mut ClientPool<'_, N>) -> Finish {
        Finish::Done
    }

    /// Nothing is sent any more. Counts what was not sent and what did not come.
    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending);

    /// What was measured so far.
    fn recorder(&mut self) -> &mut MessageRecorder;

    /// All that was due has been handled, sent or not.
    fn is_sent(&self) -> bool;
}

/// What is waited for when a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Done,
    /// The answers to pings.
    Pongs,
    /// That nothing comes any more.
    Silence,
}

/// When messages are due, and which of them are measured.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The first message, of the warm-up.
    pub start: Time,
    pub measured_from: Time,
    /// Nothing is due from here on.
    pub until: Time,
}

impl Span {
    pub fn measures(&self, due: Time) -> bool {
        self.measured_from <= due && due < self.until
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub at: Time,
    /// Whether the server sends a message to its sender too.
    pub sender_hears: bool,
}

/// What the threads tell one another about sending.
#[derive(Debug)]
pub(crate) struct Board {
    /// Nothing is due from here on: the end of the plan, or when it was interrupted.
    until: AtomicU64,
    /// Per sender, the number after the last message that its socket took.
    sent_up_to: Vec<AtomicU32>,
    /// Per sender, the number of the first message after it came back from a storm.
    resumed_at: Vec<AtomicU32>,
    /// The longest that a message was sent late.
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

    /// Ends the plan, unless it ends before.
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

/// The cause of messages that were not sent where nothing but the load tester held them back.
pub(crate) const LATE: &str = "the load tester was late";

/// Why a message that was due has not been sent.
fn unsent_cause<N: Network>(pool: &ClientPool<'_, N>, client: usize) -> &'static str {
    if !pool.is_open(client) {
        "the sender was not connected"
    } else if pool.is_blocked(client) {
        "the server did not read what the sender sent before"
    } else {
        LATE
    }
}
