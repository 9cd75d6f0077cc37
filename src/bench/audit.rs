//! Whether every member heard every message once and in order.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Stretches of missing numbers that are remembered of one member and sender. Beyond it, what comes late can no longer
/// be told from what comes twice.
const MAX_GAPS: usize = 4096;
/// Stretches remembered of all members of a thread together.
const MAX_GAPS_IN_ALL: usize = 1 << 20;

/// What the members of one thread have heard of each sender.
///
/// Exact as long as no member misses more than [`MAX_GAPS`] stretches of one sender's messages at a time.
#[derive(Debug)]
pub(crate) struct Audit {
    senders: usize,
    /// Per member and sender, the number after the highest heard.
    next: Vec<u32>,
    /// What was left out below that, and may still come.
    gaps: HashMap<usize, Gaps>,
    gaps_in_all: usize,
    /// Messages heard, each once per member.
    heard: u64,
    /// Not heard though a later one was: lost, or still to come.
    missing: u64,
    pub duplicated: u64,
    /// Heard after a later one of the same sender.
    pub reordered: u64,
    /// Duplicated or reordered: too far out of order to tell.
    pub unknown: u64,
}

#[derive(Debug, Default)]
struct Gaps {
    /// From the first number of each to the one after its last.
    ranges: BTreeMap<u32, u32>,
    /// There were more than could be remembered.
    is_incomplete: bool,
}

/// How a message stands to those heard before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    First,
    Again,
    Unknown,
}

impl Audit {
    pub fn new(members: usize, senders: usize) -> Audit {
        Audit {
            senders,
            next: vec![0; members * senders],
            gaps: HashMap::new(),
            gaps_in_all: 0,
            heard: 0,
            missing: 0,
            duplicated: 0,
            reordered: 0,
            unknown: 0,
        }
    }

    /// Bytes that an audit needs from the start.
    pub fn memory(members: usize, senders: usize) -> u64 {
        (members as u64).saturating_mul(senders as u64).saturating_mul(size_of::<u32>() as u64)
    }

    /// A member hears the message of this number by this sender.
    pub fn hear(&mut self, member: usize, sender: usize, number: u32) -> Heard {
        let at = member * self.senders + sender;
        let next = self.next[at];
        if number >= next {
            if number > next {
                self.leave_out(at, next..number);
            }
            self.next[at] = number.saturating_add(1);
            self.heard += 1;
            return Heard::First;
        }
        let gaps = self.gaps.get_mut(&at);
        match gaps.map_or(Heard::Again, |gaps| gaps.take(number, &mut self.gaps_in_all)) {
            Heard::First => {
                self.reordered += 1;
                self.missing -= 1;
                self.heard += 1;
                Heard::First
            }
            Heard::Again => {
                self.duplicated += 1;
                Heard::Again
            }
            Heard::Unknown => {
                self.unknown += 1;
                Heard::Unknown
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

    /// Has a member begin anew with a sender: `first` is the next number that is expected. What it heard or missed
    /// before is forgotten.
    pub fn begin_at(&mut self, member: usize, sender: usize, first: u32) {
        let at = member * self.senders + sender;
        if let Some(gaps) = self.gaps.remove(&at) {
            self.gaps_in_all -= gaps.ranges.len();
        }
        self.next[at] = first;
    }

    /// The numbers below `total` that a member has not heard of a sender, as far as they are remembered.
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

    pub fn heard(&self) -> u64 {
        self.heard
    }
}

impl Gaps {
    /// Fills one number, if it is missing.
    fn take(&mut self, number: u32, in_all: &mut usize) -> Heard {
        let gap = self.ranges.range(..=number).next_back().map(|(start, end)| *start..*end);
        let Some(gap) = gap.filter(|gap| gap.contains(&number)) else {
            return if self.is_incomplete { Heard::Unknown } else { Heard::Again };
        };
        self.ranges.remove(&gap.start);
        *in_all -= 1;
        for part in [gap.start..number, number + 1..gap.end] {
            if !part.is_empty() {
                self.ranges.insert(part.start, part.end);
                *in_all += 1;
            }
        }
        Heard::First
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
            audit.hear(1, 1, *number);
        }
        let total = numbers.iter().max().map_or(0, |most| u64::from(*most) + 1);
        assert_eq!(audit.missing(), total - audit.heard());
        (audit.heard(), audit.duplicated, audit.reordered)
    }

    #[test]
    fn loss_duplicates_and_order_are_told_apart() {
        assert_eq!(counts(&[0, 1, 2, 3]), (4, 0, 0));
        assert_eq!(counts(&[0, 2, 3]), (3, 0, 0), "one lost");
        assert_eq!(counts(&[0, 1, 1, 1, 2]), (3, 2, 0), "one came three times");
        assert_eq!(counts(&[0, 2, 1, 3]), (4, 0, 1), "two changed places");
        assert_eq!(counts(&[5, 2, 0, 2, 6]), (4, 1, 2));
        assert_eq!(counts(&[3, 1, 1, 2, 0, 0]), (4, 2, 3));
    }

    #[test]
    fn members_and_senders_do_not_mix() {
        let mut audit = Audit::new(3, 2);
        for (member, sender) in [(0, 0), (0, 1), (2, 0), (2, 1)] {
            assert_eq!(audit.hear(member, sender, 0), Heard::First);
            assert_eq!(audit.hear(member, sender, 0), Heard::Again);
        }
        assert_eq!((audit.heard(), audit.duplicated, audit.reordered), (4, 4, 0));
    }

    #[test]
    fn beyond_the_bound_it_says_that_it_does_not_know() {
        let mut audit = Audit::new(1, 1);
        let odd = |gaps: usize| (0..gaps as u32).map(|number| 2 * number + 1);
        for number in odd(MAX_GAPS) {
            audit.hear(0, 0, number);
        }
        assert_eq!(audit.hear(0, 0, 0), Heard::First, "at the bound every gap is known");
        audit.hear(0, 0, 2 * MAX_GAPS as u32 + 1);
        audit.hear(0, 0, 2 * MAX_GAPS as u32 + 3);
        assert_eq!(audit.hear(0, 0, 2 * MAX_GAPS as u32 + 2), Heard::Unknown);
        assert_eq!(audit.hear(0, 0, 1), Heard::Unknown, "heard, but this can no longer be known");
        assert_eq!(audit.hear(0, 0, 2), Heard::First, "a gap that is remembered");
        assert_eq!((audit.duplicated, audit.unknown), (0, 2));
        assert!(audit.gaps[&0].ranges.len() <= MAX_GAPS);
    }

    #[test]
    fn a_member_that_begins_anew_owes_nothing_of_before() {
        let mut audit = Audit::new(1, 2);
        audit.hear(0, 1, 7);
        audit.begin_at(0, 1, 20);
        audit.hear(0, 1, 22);
        assert_eq!(Vec::from_iter(audit.missing_of(0, 1, 25)), [20..22, 23..25]);
        assert_eq!(audit.missing_of(0, 0, 2).next(), Some(0..2));
        assert_eq!(audit.gaps_in_all, 1);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(numbers in proptest::collection::vec(0..60u32, 0..200)) {
            let (mut audit, mut heard) = (Audit::new(1, 1), HashSet::new());
            for number in &numbers {
                let first = heard.insert(*number);
                prop_assert_eq!(audit.hear(0, 0, *number) == Heard::First, first);
            }
            prop_assert_eq!(audit.heard(), heard.len() as u64);
            let missing: Vec<u32> = audit.missing_of(0, 0, 60).flatten().collect();
            let expected: Vec<u32> = (0..60).filter(|number| !heard.contains(number)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert_eq!(audit.gaps_in_all, audit.gaps.values().map(|gaps| gaps.ranges.len()).sum::<usize>());
        }
    }
}
