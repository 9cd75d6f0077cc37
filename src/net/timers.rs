//! Timeouts. All timeouts of one kind are equally long, so that the first to start is the first to fall
//! due: a FIFO, not a heap. Starting, restarting and stopping cost a few list links, and nothing wakes up
//! while nothing is due.

use std::time::{Duration, Instant};

/// The running timeouts of one kind, at most one a slot.
///
/// A doubly linked list through an array that is indexed by slot, in order of start.
#[derive(Debug)]
pub struct Fifo {
    /// `None`: the timeout is turned off; the order of start is kept all the same.
    timeout: Option<Duration>,
    origin: Instant,
    links: Vec<Link>,
    first: u32,
    last: u32,
    len: usize,
}

/// No slot: the end of the list.
const NONE: u32 = u32::MAX;
/// In `Link::started`: the slot has no timeout running.
const IDLE: u64 = u64::MAX;
/// [`Fifo::touch`] leaves a timeout alone that started less than this part of its length ago.
const TOUCH_PART: u32 = 64;

#[derive(Clone, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// In microseconds since `origin`.
    started: u64,
}

impl Fifo {
    /// Timeouts of this length; zero turns them off.
    pub fn new(timeout: Duration, origin: Instant) -> Fifo {
        let timeout = (!timeout.is_zero()).then_some(timeout);
        Fifo { timeout, origin, links: Vec::new(), first: NONE, last: NONE, len: 0 }
    }

    /// Starts the slot's timeout, or starts it anew.
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

    /// Starts the slot's timeout unless it is running.
    pub fn start_once(&mut self, slot: u32, now: Instant) {
        if !self.is_running(slot) {
            self.start(slot, now);
        }
    }

    /// Starts the slot's timeout anew if it has been running for a while: a cheaper [`Fifo::start`] for what
    /// happens often, exact to a 64th of the timeout.
    pub fn touch(&mut self, slot: u32, now: Instant) {
        let Some(timeout) = self.timeout else { return };
        let recent = timeout.as_micros() as u64 / u64::from(TOUCH_PART);
        let started = self.links.get(slot as usize).map_or(IDLE, |link| link.started);
        if started == IDLE || started + recent <= self.micros(now) {
            self.start(slot, now);
        }
    }

    /// Stops the slot's timeout, if it is running.
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

    /// Whether the slot's timeout is running.
    pub fn is_running(&self, slot: u32) -> bool {
        self.links.get(slot as usize).is_some_and(|link| link.started != IDLE)
    }

    /// The slot whose timeout has been running longest.
    pub fn oldest(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// How many are running.
    pub fn running(&self) -> usize {
        self.len
    }

    /// When the next one falls due.
    pub fn due(&self) -> Option<Instant> {
        let started = self.links.get(self.oldest()? as usize)?.started;
        Some(self.origin + Duration::from_micros(started) + self.timeout?)
    }

    /// Takes one that is due, if there is one.
    pub fn pop_due(&mut self, now: Instant) -> Option<u32> {
        if self.due()? > now {
            return None;
        }
        let slot = self.first;
        self.stop(slot);
        Some(slot)
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
    fn what_starts_first_falls_due_first_and_not_before_its_time() {
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
    fn starting_anew_goes_to_the_end_and_stopping_takes_out() {
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
    fn touching_moves_only_what_has_been_running_for_a_64th() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(64 * SECOND, origin);
        fifo.touch(0, origin);
        fifo.touch(0, origin + SECOND - Duration::from_micros(1));
        assert_eq!(fifo.due(), Some(origin + 64 * SECOND));
        fifo.touch(0, origin + SECOND);
        assert_eq!(fifo.due(), Some(origin + 65 * SECOND));
    }

    #[test]
    fn a_timeout_of_zero_is_never_due_but_keeps_the_order() {
        let origin = Instant::now();
        let mut fifo = Fifo::new(Duration::ZERO, origin);
        fifo.start(3, origin);
        fifo.start(1, origin);
        assert_eq!((fifo.due(), fifo.pop_due(origin + 1000 * SECOND)), (None, None));
        assert_eq!((fifo.oldest(), fifo.running()), (Some(3), 2));
    }
}
