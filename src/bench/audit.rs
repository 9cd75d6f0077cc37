//! Checks that every member received every message once and in order.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Largest number of gaps remembered per member and sender. Beyond it, late messages cannot be distinguished
/// from duplicates.
const MAX_GAPS: usize = 4096;
/// Largest number of gaps remembered for all members of a thread.
const MAX_GAPS_IN_ALL: usize = 1 << 20;

/// The messages that the members of one thread have received from each sender.
///
/// Exact as long as no member has more than [`MAX_GAPS`] gaps in the messages of one sender at a time.
#[derive(Debug)]
pub(crate) struct Audit {
    senders: usize,
    /// Per member and sender, the number after the highest one received.
    next: Vec<u32>,
    /// Numbers below `next` that were not received and may still arrive.
    gaps: HashMap<usize, Gaps>,
    gaps_in_all: usize,
    /// Messages received, each once per member.
    received: u64,
    /// Messages not received although a later one was: lost, or still to arrive.
    missing: u64,
    pub duplicated: u64,
    /// Messages received after a later one of the same sender.
    pub reordered: u64,
    /// Duplicated or reordered: too far out of order to distinguish.
    pub unknown: u64,
}

#[derive(Debug, Default)]
struct Gaps {
    /// The first number of each gap, and the number after its last.
    ranges: BTreeMap<u32, u32>,
    /// Whether some gaps were not remembered.
    is_incomplete: bool,
}

/// The relation of a message to those received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    Repeated,
    Unknown,
}

impl Audit {
    pub fn new(members: usize, senders: usize) -> Audit {
        Audit {
            senders,
            next: vec![0; members * senders],
            gaps: HashMap::new(),
            gaps_in_all: 0,
            received: 0,
            missing: 0,
            duplicated: 0,
            reordered: 0,
            unknown: 0,
        }
    }

    /// Returns the initial memory of an audit, in bytes.
    pub fn memory(members: usize, senders: usize) -> u64 {
        (members as u64).saturating_mul(senders as u64).saturating_mul(size_of::<u32>() as u64)
    }

    /// Records that a member received the message `number` of a sender.
    pub fn record(&mut self, member: usize, sender: usize, number: u32) -> Arrival {
        let at = member * self.senders + sender;
        let next = self.next[at];
        if number >= next {
            if number > next {
                self.leave_out(at, next..number);
            }
            self.next[at] = number.saturating_add(1);
            self.received += 1;
            return Arrival::First;
        }
        let gaps = self.gaps.get_mut(&at);
        match gaps.map_or(Arrival::Repeated, |gaps| gaps.take(number, &mut self.gaps_in_all)) {
            Arrival::First => {
                self.reordered += 1;
                self.missing -= 1;
                self.received += 1;
                Arrival::First
            }
            Arrival::Repeated => {
                self.duplicated += 1;
                Arrival::Repeated
            }
            Arrival::Unknown => {
                self.unknown += 1;
                Arrival::Unknown
            }
        }
    }

    fn leave_out(&mut self, at: usize, numbers: Range<u32>) {
        self.missing += u64::from(numbers.end - numbers.start);
        let gaps = self.gaps.entry(at).or_default();
        if gaps.ranges.len() < MAX_GAPS && self.gaps_in_all < MAX_GAPS_IN_ALL {
            gaps.ranges.insert(numbers.start, numbers.end);
            self.gaps_in_all += 1;
        } else {
            gaps.is_incomplete = true;
        }
    }

    /// Restarts the audit of a member and a sender, with `first` as the next number expected. Earlier
    /// messages and gaps are forgotten.
    pub fn begin_at(&mut self, member: usize, sender: usize, first: u32) {
        let at = member * self.senders + sender;
        if let Some(gaps) = self.gaps.remove(&at) {
            self.gaps_in_all -= gaps.ranges.len();
        }
        self.next[at] = first;
    }

    /// Returns the numbers below `total` that a member has not received from a sender, as far as they are
    /// remembered.
    pub fn missing_of(
        &self,
        member: usize,
        sender: usize,
        total: u32,
    ) -> impl Iterator<Item = Range<u32>> + '_ {
        let at = member * self.senders + sender;
        let gaps = self.gaps.get(&at).into_iter().flat_map(|gaps| &gaps.ranges);
        let gaps = gaps.map(|(start, end)| *start..*end);
        gaps.chain(std::iter::once(self.next[at]..total)).filter(|numbers| !numbers.is_empty())
    }

    pub fn missing(&self) -> u64 {
        self.missing
    }

    pub fn received(&self) -> u64 {
        self.received
    }
}

impl Gaps {
    /// Fills one number if it is missing.
    fn take(&mut self, number: u32, in_all: &mut usize) -> Arrival {
        let gap = self.ranges.range(..=number).next_back().map(|(start, end)| *start..*end);
        let Some(gap) = gap.filter(|gap| gap.contains(&number)) else {
            return if self.is_incomplete { Arrival::Unknown } else { Arrival::Repeated };
        };
        self.ranges.remove(&gap.start);
        *in_all -= 1;
        for part in [gap.start..number, number + 1..gap.end] {
            if !part.is_empty() {
                self.ranges.insert(part.start, part.end);
                *in_all += 1;
            }
        }
        Arrival::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn counts(numbers: &[u32]) -> (u64, u64, u64) {
        let mut audit = Audit::new(3, 2);
        for number in numbers {
            audit.record(1, 1, *number);
        }
        let total = numbers.iter().max().map_or(0, |most| u64::from(*most) + 1);
        assert_eq!(audit.missing(), total - audit.received());
        (audit.received(), audit.duplicated, audit.reordered)
    }

    #[test]
    fn loss_duplicates_and_reordering_are_distinguished() {
        assert_eq!(counts(&[0, 1, 2, 3]), (4, 0, 0));
        assert_eq!(counts(&[0, 2, 3]), (3, 0, 0), "one lost");
        assert_eq!(counts(&[0, 1, 1, 1, 2]), (3, 2, 0), "one received three times");
        assert_eq!(counts(&[0, 2, 1, 3]), (4, 0, 1), "two swapped");
        assert_eq!(counts(&[5, 2, 0, 2, 6]), (4, 1, 2));
        assert_eq!(counts(&[3, 1, 1, 2, 0, 0]), (4, 2, 3));
    }

    #[test]
    fn members_and_senders_do_not_mix() {
        let mut audit = Audit::new(3, 2);
        for (member, sender) in [(0, 0), (0, 1), (2, 0), (2, 1)] {
            assert_eq!(audit.record(member, sender, 0), Arrival::First);
            assert_eq!(audit.record(member, sender, 0), Arrival::Repeated);
        }
        assert_eq!((audit.received(), audit.duplicated, audit.reordered), (4, 4, 0));
    }

    #[test]
    fn messages_beyond_the_remembered_gaps_are_unknown() {
        let mut audit = Audit::new(1, 1);
        let odd = |gaps: usize| (0..gaps as u32).map(|number| 2 * number + 1);
        for number in odd(MAX_GAPS) {
            audit.record(0, 0, number);
        }
        assert_eq!(audit.record(0, 0, 0), Arrival::First, "at the limit every gap is remembered");
        audit.record(0, 0, 2 * MAX_GAPS as u32 + 1);
        audit.record(0, 0, 2 * MAX_GAPS as u32 + 3);
        assert_eq!(audit.record(0, 0, 2 * MAX_GAPS as u32 + 2), Arrival::Unknown);
        assert_eq!(audit.record(0, 0, 1), Arrival::Unknown, "received before, which is no longer known");
        assert_eq!(audit.record(0, 0, 2), Arrival::First, "a gap that is remembered");
        assert_eq!((audit.duplicated, audit.unknown), (0, 2));
        assert!(audit.gaps[&0].ranges.len() <= MAX_GAPS);
    }

    #[test]
    fn a_restarted_member_has_no_earlier_gaps() {
        let mut audit = Audit::new(1, 2);
        audit.record(0, 1, 7);
        audit.begin_at(0, 1, 20);
        audit.record(0, 1, 22);
        assert_eq!(Vec::from_iter(audit.missing_of(0, 1, 25)), [20..22, 23..25]);
        assert_eq!(audit.missing_of(0, 0, 2).next(), Some(0..2));
        assert_eq!(audit.gaps_in_all, 1);
    }

    proptest! {
        #[test]
        fn results_equal_those_of_a_set(numbers in proptest::collection::vec(0..60u32, 0..200)) {
            let (mut audit, mut received) = (Audit::new(1, 1), HashSet::new());
            for number in &numbers {
                let first = received.insert(*number);
                prop_assert_eq!(audit.record(0, 0, *number) == Arrival::First, first);
            }
            prop_assert_eq!(audit.received(), received.len() as u64);
            let missing: Vec<u32> = audit.missing_of(0, 0, 60).flatten().collect();
            let expected: Vec<u32> = (0..60).filter(|number| !received.contains(number)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert_eq!(audit.gaps_in_all, audit.gaps.values().map(|gaps| gaps.ranges.len()).sum::<usize>());
        }
    }
}
