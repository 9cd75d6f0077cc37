//! Members of a room that read slowly or not at all.

use super::super::clients::ClientPool;
use super::super::network::Network;
use super::super::time::{Nanos, Time};
use super::Finish;
use super::extended::{Behaviour, Members};

/// How often a slow reader reads.
const READ_INTERVAL: Nanos = Nanos::millis(100);

/// Members that read at a limited rate.
pub(crate) struct SlowReaders {
    /// Bytes per second that each member reads. 0: the members do not read.
    rate: u64,
    next_read: Time,
}

impl SlowReaders {
    /// Creates the behaviour of members that read `rate` bytes per second each.
    pub fn new(rate: u64) -> SlowReaders {
        SlowReaders { rate, next_read: Time::ZERO }
    }
}

impl Behaviour for SlowReaders {
    fn start<N: Network>(&mut self, members: &mut Members<'_>, pool: &mut ClientPool<'_, N>, now: Time) {
        self.next_read = now + READ_INTERVAL;
        members.further.clone().for_each(|client| pool.stall(client));
    }

    fn run_due<N: Network>(
        &mut self,
        members: &mut Members<'_>,
        pool: &mut ClientPool<'_, N>,
        now: Time,
    ) -> Option<Time> {
        if self.rate == 0 {
            return None;
        }
        if self.next_read <= now {
            // A late read covers the time since it was due.
            let late = now.since(self.next_read) + READ_INTERVAL;
            self.next_read = now + READ_INTERVAL;
            let bytes = (self.rate as f64 * late.as_secs_f64()) as usize;
            for client in members.further.clone() {
                pool.read_some(client, bytes.max(1), members);
            }
        }
        Some(self.next_read)
    }

    /// Resumes reading, so that lost connections are noticed.
    fn finish<N: Network>(&mut self, members: &mut Members<'_>, pool: &mut ClientPool<'_, N>) -> Finish {
        for client in members.further.clone() {
            pool.resume(client, members);
        }
        if members.further.is_empty() { Finish::Done } else { Finish::Silence }
    }
}
