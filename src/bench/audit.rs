//! Whether every member heard every message once and in order.

use std::collections::HashMap;
use std::ops::Range;

/// Stretches of numbers that are remembered as missing, of one member and sender.
const MOST_HOLES: usize = 1024;

/// What one thread's members have heard of each sender.
#[derive(Debug)]
pub struct Audit {
    senders: usize,
    /// Of each member and sender, the number after the highest heard.
    next: Vec<u32>,
    /// What was left out below that, and may still come.
    holes: HashMap<usize, Vec<Range<u32>>>,
    /// Heard for the first time.
    heard: u64,
    /// Not heard, though a later one was.
    missing: u64,
    /// Heard once more.
    pub duplicated: u64,
    /// Heard after a later one.
    pub reordered: u64,
}

/// How a message stands to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// For the first time.
    First,
    /// Once more.
    Again,
}

impl Audit {
    /// Nobody has heard anything.
    pub fn new(members: usize, senders: usize) -> Audit {
        Audit {
            senders,
            next: vec![0; members * senders],
            holes: HashMap::new(),
            heard: 0,
            missing: 0,
            duplicated: 0,
            reordered: 0,
        }
    }

    /// A member hears the message of this number by this sender.
    pub fn hear(&mut self, member: usize, sender: usize, number: u32) -> Heard {
        let at = member * self.senders + sender;
        let next = &mut self.next[at];
        if number >= *next {
            if number > *next {
                self.missing += u64::from(number - *next);
                let holes = self.holes.entry(at).or_default();
                if holes.len() < MOST_HOLES {
                    holes.push(*next..number);
                }
            }
            *next = number.saturating_add(1);
            self.heard += 1;
            return Heard::First;
        }
        if self.fill(at, number) {
            self.reordered += 1;
            self.missing -= 1;
            self.heard += 1;
            return Heard::First;
        }
        self.duplicated += 1;
        Heard::Again
    }

    fn fill(&mut self, at: usize, number: u32) -> bool {
        let Some(holes) = self.holes.get_mut(&at) else { return false };
        let Some(index) = holes.iter().position(|hole| hole.contains(&number)) else { return false };
        let hole = holes.swap_remove(index);
        holes.extend([hole.start..number, number + 1..hole.end].into_iter().filter(|part| !part.is_empty()));
        true
    }

    /// Messages that members have not heard though they have heard later ones: lost, or still to come.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Messages that members have heard, each counted once a member.
    pub fn heard(&self) -> u64 {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(numbers: &[u32]) -> (u64, u64, u64) {
        let mut audit = Audit::new(3, 2);
        for number in numbers {
            audit.hear(1, 1, *number);
        }
        let most = numbers.iter().max().map_or(0, |most| u64::from(*most) + 1);
        assert_eq!(audit.missing(), most - audit.heard());
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
    fn a_server_that_leaves_out_every_other_message_costs_no_more_memory_for_ever() {
        let mut audit = Audit::new(1, 1);
        for number in (0..100_000).step_by(2) {
            audit.hear(0, 0, number);
        }
        assert!(audit.holes[&0].len() <= MOST_HOLES);
        assert_eq!(audit.heard(), 50_000);
    }
}
