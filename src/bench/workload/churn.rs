//! Members of a room that keep leaving and rejoining.

use super::super::clients::ClientPool;
use super::super::network::Network;
use super::super::pacer::Pacer;
use super::super::time::Time;
use super::extended::{Behaviour, Members};
use super::schedule::Next;
use super::{MAX_CATCH_UP, Schedule};

/// Members that disconnect and reconnect, one after the other.
pub(crate) struct Churn {
    schedule: Schedule,
    /// Clients whose closing handshake has finished.
    left: Vec<usize>,
}

impl Churn {
    /// Creates the behaviour of `own` members of this thread. The first of them has the number `first` among
    /// all `all` churners. From `start` on, `rate` of all churners leave per second.
    pub fn new(start: Time, rate: f64, own: usize, (first, all): (usize, usize)) -> Churn {
        let numbers = (first..first + own).map(|number| number as u32).collect();
        Churn { schedule: Schedule::new(Pacer::new(start, rate), numbers, all), left: Vec::new() }
    }
}

impl Behaviour for Churn {
    fn run_due<N: Network>(
        &mut self,
        members: &mut Members<'_>,
        pool: &mut ClientPool<'_, N>,
        now: Time,
    ) -> Option<Time> {
        let until = members.until();
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
                    let client = members.further.start + place;
                    members.recorder().departures += 1;
                    if pool.is_open(client) {
                        pool.leave(client);
                    } else if pool.is_absent(client) {
                        pool.connect(client, now);
                    } else {
                        // Its last handshake has not finished yet.
                        members.recorder().skipped_departures += 1;
                    }
                }
            }
        }
        Some(now)
    }

    fn on_left(&mut self, client: usize) {
        self.left.push(client);
    }
}
