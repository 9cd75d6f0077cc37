//! Timeouts. All timeouts of one kind have the same length, so the first to start is the first to expire: a
//! FIFO suffices in place of a heap. Starting, restarting and stopping a timeout change a few list links, and
//! nothing wakes up before a timeout expires.

use std::time::{Duration, Instant};

/// The running timeouts of one kind, at most one per slot.
///
/// A doubly linked list in order of start, stored in an array that is indexed by slot.
#[derive(Debug)]
pub struct Fifo {
    /// `None` if the timeout is disabled. The order of start is kept in that case too.
    timeout: Option<Duration>,
    origin: Instant,
    links: Vec<Link>,
    first: u32,
    last: u32,
    len: usize,
}

/// Marks the end of the list.
const NONE: u32 = u32::MAX;
/// Value of `Link::started` for a slot without a running timeout.
const IDLE: u64 = u64::MAX;
/// [`Fifo::touch`] does nothing if the timeout started less than this fraction of its length ago.
const TOUCH_FRACTION: u32 = 64;

#[derive(Clone, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// Microseconds since `origin`.
    started: u64,
}

impl Fifo {
    /// Creates a set of timeouts of this length. 0 disables them.
    pub fn new(timeout: Duration, origin: Instant) -> Fifo {
        let timeout = (!timeout.is_zero()).then_some(timeout);
        Fifo { timeout, origin, links: Vec::new(), first: NONE, last: NONE, len: 0 }
    }

    /// Starts or restarts the timeout of a slot.
    pub fn start(&mut self, slot: u32, now: Instant) {
        self.stop(slot);
        let index = slot as usize;
        if self.links.len() <= index {
            self.links.resize(index + 1, Link { before: NONE, after: NONE, started: IDLE });
        }
        self.links[index] = Link { before: self.last, after: NONE, started: self.micros(now) };
        match self.last {
            NONE => self.first = slot,
            last => self.links[last as usize].after = slot,
        }
        self.last = slot;
        self.len += 1;
    }

    /// Starts the timeout of a slot unless it is running.
    pub fn start_once(&mut self, slot: u32, now: Instant) {
        if !self.is_running(slot) {
            self.start(slot, now);
        }
    }

    /// Restarts the timeout of a slot if it has been running for at least a 64th of its length. Cheaper than
    /// [`Fifo::start`] for frequent events.
    pub fn touch(&mut self, slot: u32, now: Instant) {
        let Some(timeout) = self.timeout else { return };
        let recent = timeout.as_micros() as u64 / u64::from(TOUCH_FRACTION);
        let started = self.links.get(slot as usize).map_or(IDLE, |link| link.started);
        if started == IDLE || started + recent <= self.micros(now) {
            self.start(slot, now);
        }
    }

    /// Stops the timeout of a slot if it is running.
    pub fn stop(&mut self, slot: u32) {
        if !self.is_running(slot) {
            return;
        }
        let link = &mut self.links[slot as usize];
        link.started = IDLE;
        let (before, after) = (link.before, link.after);
        match before {
            NONE => self.first = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.links[after as usize].before = before,
        }
        self.len -= 1;
    }

    /// Returns true if the timeout of a slot is running.
    pub fn is_running(&self, slot: u32) -> bool {
        self.links.get(slot as usize).is_some_and(|link| link.started != IDLE)
    }

    /// Returns the slot whose timeout has been running longest.
    pub fn oldest(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Returns when the timeout that has been running longest started.
    pub fn oldest_start(&self) -> Option<Instant> {
        let started = self.links.get(self.oldest()? as usize)?.started;
        Some(self.origin + Duration::from_micros(started))
    }

    /// Returns the number of running timeouts.
    pub fn running(&self) -> usize {
        self.len
    }

    /// Returns the time at which the next timeout expires.
    pub fn due(&self) -> Option<Instant> {
        Some(self.oldest_start()? + self.timeout?)
    }

    /// Removes an expired timeout and returns its slot, or `None` if none has expired.
    pub fn pop_due(&mut self, now: Instant) -> Option<u32> {
        if self.due()? > now {
            return None;
        }
        let slot = self.first;
        self.stop(slot);
        Some(slot)
    }

    /// Postpones all running timeouts by `time`.
    pub fn extend(&mut self, time: Duration) {
        self.origin += time;
    }

    fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn drain(fifo: &mut Fifo, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| fifo.pop_due(now)).collect()
    }

    #[test]
    fn timeouts_expire_in_order_of_start_and_not_early() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(10 * SECOND, origin);
        for (second, slot) in [(0, 5), (1, 0), (2, 9)] {
            fifo.start(slot, origin + second * SECOND);
        }
        assert_eq!(fifo.due(), Some(origin + 10 * SECOND));
        assert_eq!(drain(&mut fifo, origin + 10 * SECOND - Duration::from_millis(1)), [0u32; 0]);
        assert_eq!(drain(&mut fifo, origin + 11 * SECOND), [5, 0]);
        assert_eq!(fifo.oldest(), Some(9));
        assert_eq!(drain(&mut fifo, origin + 60 * SECOND), [9]);
        assert_eq!((fifo.due(), fifo.running()), (None, 0));
    }

    #[test]
    fn restarting_moves_a_timeout_to_the_end_and_stopping_removes_it() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(SECOND, origin);
        for slot in 0..5 {
            fifo.start(slot, origin);
        }
        fifo.start(0, origin + SECOND / 2);
        fifo.start_once(1, origin + SECOND / 2);
        fifo.stop(4);
        fifo.stop(2);
        fifo.stop(2);
        assert_eq!(fifo.running(), 3);
        assert_eq!(drain(&mut fifo, origin + SECOND), [1, 3]);
        assert_eq!(drain(&mut fifo, origin + 2 * SECOND), [0]);
    }

    #[test]
    fn extended_timeouts_expire_later_in_the_same_order() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(10 * SECOND, origin);
        fifo.start(0, origin);
        fifo.start(1, origin + SECOND);
        fifo.extend(60 * SECOND);
        assert_eq!(fifo.due(), Some(origin + 70 * SECOND));
        fifo.start(2, origin + 62 * SECOND);
        assert_eq!(drain(&mut fifo, origin + 71 * SECOND), [0, 1]);
        assert_eq!(fifo.due(), Some(origin + 72 * SECOND));
    }

    #[test]
    fn touching_restarts_only_timeouts_that_ran_for_a_64th_of_their_length() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(64 * SECOND, origin);
        fifo.touch(0, origin);
        fifo.touch(0, origin + SECOND - Duration::from_micros(1));
        assert_eq!(fifo.due(), Some(origin + 64 * SECOND));
        fifo.touch(0, origin + SECOND);
        assert_eq!(fifo.due(), Some(origin + 65 * SECOND));
    }

    #[test]
    fn a_timeout_of_zero_never_expires_but_keeps_the_order() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(Duration::ZERO, origin);
        fifo.start(3, origin);
        fifo.start(1, origin);
        assert_eq!((fifo.due(), fifo.pop_due(origin + 1000 * SECOND)), (None, None));
        assert_eq!((fifo.oldest(), fifo.running()), (Some(3), 2));
    }
}
