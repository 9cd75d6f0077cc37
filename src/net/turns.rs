//! Whose input is handled next. No sockets here.
//!
//! Connections that have something to read wait for a turn. What a turn costs is measured in time, and a connection
//! that takes more than its share of the loop is in debt until it has taken nothing for long enough. Connections in
//! debt have their turns after all others. So a connection can delay others by one of its turns, and not by all that
//! its limits permit it to ask for.

use super::ConnId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long turns take until sockets are polled again: what is quiet waits for that long while others are busy.
pub(super) const TICK: Duration = Duration::from_micros(500);
/// A connection may take one part in this of the time of the loop.
const SHARE: u32 = 100;
/// How long it may take this share in advance: a turn of a millisecond is no debt after a rest.
const ADVANCE: Duration = Duration::from_millis(100);
/// The longest debt.
const LONGEST: Duration = Duration::from_secs(10);
/// What a delivery counts that a message of the connection causes; it is made later, when the group is sent.
const DELIVERY: Duration = Duration::from_micros(3);

/// The connections that wait for a turn.
#[derive(Debug)]
pub(super) struct Turns {
    /// Debts are times since this.
    origin: Instant,
    /// Those that are not in debt, in order.
    first: VecDeque<ConnId>,
    in_debt: VecDeque<ConnId>,
}

/// Turns of one tick.
#[derive(Debug)]
pub(super) struct Tick {
    /// Turns left of each kind: those that waited when the tick began, so that each connection has one.
    first: usize,
    in_debt: usize,
    /// Whether a connection in debt had a turn.
    has_served_debt: bool,
    ends: Instant,
}

/// What a connection has taken of the loop's time: when its share has paid for that, in microseconds since the origin of
/// [`Turns`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Debt(u64);

impl Turns {
    pub(super) fn new(origin: Instant) -> Turns {
        Turns { origin, first: VecDeque::new(), in_debt: VecDeque::new() }
    }

    /// Adds a turn that began at `began`, took `time` and caused `deliveries`.
    pub(super) fn charge(&self, debt: &mut Debt, began: Instant, time: Duration, deliveries: usize) {
        let cost = time.saturating_add(DELIVERY.saturating_mul(deliveries as u32)).min(LONGEST);
        let began = self.micros(began);
        let paid = debt.0.max(began) + micros(cost * SHARE);
        debt.0 = paid.min(began + micros(LONGEST));
    }

    fn is_due(&self, debt: Debt, now: Instant) -> bool {
        self.micros(now) + micros(ADVANCE) < debt.0
    }

    fn micros(&self, time: Instant) -> u64 {
        micros(time.saturating_duration_since(self.origin))
    }

    /// Lets a connection wait for a turn. It must not wait already.
    pub(super) fn push(&mut self, conn: ConnId, debt: Debt, now: Instant) {
        if self.is_due(debt, now) { self.in_debt.push_back(conn) } else { self.first.push_back(conn) }
    }

    /// Returns true if no connection waits.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.in_debt.is_empty()
    }

    /// Begins the turns of a tick. While `is_congested`, connections in debt have none.
    pub(super) fn tick(&self, now: Instant, is_congested: bool) -> Tick {
        let in_debt = if is_congested { 0 } else { self.in_debt.len() };
        Tick { first: self.first.len(), in_debt, has_served_debt: false, ends: now + TICK }
    }

    /// Returns the connection whose turn it is, or `None` if the tick is over. A connection in debt has a turn in each
    /// tick, however many others wait.
    pub(super) fn next(&mut self, tick: &mut Tick, now: Instant) -> Option<ConnId> {
        let is_late = tick.ends <= now;
        if tick.first > 0 && !is_late {
            tick.first -= 1;
            return self.first.pop_front();
        }
        if tick.in_debt == 0 || is_late && tick.has_served_debt {
            return None;
        }
        tick.in_debt -= 1;
        tick.has_served_debt = true;
        self.in_debt.pop_front()
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn conn(slot: u32) -> ConnId {
        ConnId { slot, generation: slot }
    }

    fn in_debt(turns: &Turns, now: Instant) -> Debt {
        let mut debt = Debt::default();
        turns.charge(&mut debt, now, 2 * MS, 0);
        debt
    }

    fn slots(turns: &mut Turns, now: impl Fn(usize) -> Instant, is_congested: bool) -> Vec<u32> {
        let mut tick = turns.tick(now(0), is_congested);
        let mut slots = Vec::new();
        while let Some(conn) = turns.next(&mut tick, now(slots.len())) {
            slots.push(conn.slot);
        }
        slots
    }

    #[test]
    fn connections_in_debt_come_last_and_each_has_one_turn_a_tick() {
        let now = Instant::now();
        let mut turns = Turns::new(now);
        let debt = in_debt(&turns, now);
        turns.push(conn(0), debt, now);
        turns.push(conn(1), Debt::default(), now);
        turns.push(conn(2), debt, now);
        turns.push(conn(3), Debt::default(), now);
        assert_eq!(slots(&mut turns, |_| now, true), [1, 3], "publishers wait");
        let mut tick = turns.tick(now, false);
        turns.push(conn(4), debt, now);
        assert_eq!(turns.next(&mut tick, now), Some(conn(0)));
        assert_eq!(turns.next(&mut tick, now), Some(conn(2)));
        assert_eq!(turns.next(&mut tick, now), None, "the next tick is its");
        assert!(!turns.is_empty());
    }

    #[test]
    fn a_tick_ends_after_its_time_but_for_one_turn_of_a_connection_in_debt() {
        let now = Instant::now();
        let mut turns = Turns::new(now);
        let debt = in_debt(&turns, now);
        (0..10).for_each(|slot| turns.push(conn(slot), Debt::default(), now));
        (10..13).for_each(|slot| turns.push(conn(slot), debt, now));
        let clock = |turns: usize| now + turns as u32 * TICK / 2;
        assert_eq!(slots(&mut turns, clock, false), [0, 1, 10]);
        assert_eq!(slots(&mut turns, clock, false), [2, 3, 11]);
    }

    #[test]
    fn a_debt_is_paid_by_a_hundredth_of_the_time() {
        let now = Instant::now();
        let turns = Turns::new(now);
        let mut debt = Debt::default();
        turns.charge(&mut debt, now, MS, 0);
        assert!(!turns.is_due(debt, now), "a millisecond is taken in advance");
        turns.charge(&mut debt, now, Duration::from_micros(10), 0);
        assert!(turns.is_due(debt, now));
        assert!(!turns.is_due(debt, now + MS));
        turns.charge(&mut debt, now, Duration::ZERO, 10_000);
        assert!(turns.is_due(debt, now + Duration::from_secs(2)), "30 ms of deliveries");
        assert!(!turns.is_due(debt, now + Duration::from_secs(4)));
        turns.charge(&mut debt, now, Duration::MAX, usize::MAX);
        assert!(!turns.is_due(debt, now + LONGEST), "no debt lasts for ever");
    }
}
