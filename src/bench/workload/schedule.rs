//! The plan of one thread: which of its participants is to send, and when.

use super::super::pacer::{Pacer, Share};
use super::super::time::Time;

/// Events that go to all participants in turn, some of which belong to this thread.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pacer: Pacer,
    share: Share,
    /// Number of participants in all threads.
    participants: u64,
    /// Number of own events handled so far.
    handled: u64,
}

/// The next step of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// An event is due for the own participant with this index.
    Due(usize),
    /// The next event is due at this time.
    At(Time),
    /// Nothing is due any more.
    End,
}

impl Schedule {
    /// Creates the plan of `participants`. Those with the numbers `own` belong to this thread.
    pub fn new(pacer: Pacer, own: Vec<u32>, participants: usize) -> Schedule {
        let share = Share::new(own, participants as u32);
        Schedule { pacer, share, participants: participants as u64, handled: 0 }
    }

    /// Takes the next event if it is due at `now`. Nothing is due from `until` on.
    pub fn next(&mut self, now: Time, until: Time) -> Next {
        let Some((place, event)) = self.share.event(self.handled) else { return Next::End };
        match self.pacer.due(event) {
            due if due >= until => Next::End,
            due if due > now => Next::At(due),
            _ => {
                self.handled += 1;
                Next::Due(place)
            }
        }
    }

    /// Returns the due time of event `number` of a participant.
    pub fn due(&self, participant: usize, number: u32) -> Time {
        self.pacer.due(u64::from(number) * self.participants + participant as u64)
    }

    /// Returns the number of events of a participant that are due before `until`.
    pub fn count(&self, participant: usize, until: Time) -> u32 {
        self.pacer
            .count_before(until)
            .saturating_sub(participant as u64)
            .div_ceil(self.participants)
            .min(u64::from(u32::MAX)) as u32
    }

    /// Returns true if all own events due before `until` have been taken.
    pub fn is_done(&self, until: Time) -> bool {
        self.share.event(self.handled).is_none_or(|(_, event)| self.pacer.due(event) >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::time::Nanos;
    use super::*;

    #[test]
    fn participants_take_turns_and_events_have_fixed_due_times() {
        let millis = |millis| Time::ZERO + Nanos::millis(millis);
        let mut schedule = Schedule::new(Pacer::new(Time::ZERO, 100.0), vec![0, 2], 3);
        let until = millis(50);
        assert_eq!(schedule.next(millis(0), until), Next::Due(0));
        assert_eq!(schedule.next(millis(0), until), Next::At(millis(20)));
        assert_eq!(schedule.next(millis(45), until), Next::Due(1));
        assert!(!schedule.is_done(until));
        assert_eq!(schedule.next(millis(45), until), Next::Due(0));
        assert!(schedule.is_done(until));
        assert_eq!(schedule.next(millis(99), until), Next::End);
        assert_eq!([0, 1, 2].map(|participant| schedule.count(participant, until)), [2, 2, 1]);
        assert_eq!(schedule.due(1, 1), millis(40));
        assert_eq!(schedule.count(0, Time::ZERO), 0);
    }
}
