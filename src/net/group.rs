//! A set of connections that are sent the same bytes, and the batch of frames that they are about to be sent.

use bytes::BytesMut;
use std::time::Instant;

/// A batch is large over this, in bytes.
const LARGE_BATCH: usize = 1 << 20;
/// Or if it comes to more than this over all members: the others wait for it, some tens of milliseconds.
const LARGE_FAN_OUT: usize = 32 << 20;

/// The members of one group, in the order in which they were accepted: the kernel walks its sockets faster
/// in that order than at random.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Sorted by generation, which counts up with each connection accepted.
    members: Vec<Member>,
    /// Members that left and whose place has not been closed up.
    vacant: usize,
    /// Whole frames, published since the last flush.
    pub(super) batch: BytesMut,
    /// Of the messages in the batch, if somebody may miss one.
    pub(super) marks: Marks,
    /// Whether the group stands in the list of those that have a batch.
    pub(super) is_listed: bool,
    /// Was written to just now; what comes until then waits for company.
    pub(super) held_until: Option<Instant>,
    walks: u32,
}

/// Where the messages of a batch begin, and the position that the application gave each.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(u32, u64)>);

impl Marks {
    pub(super) fn push(&mut self, begin: usize, position: u64) {
        self.0.push((begin as u32, position));
    }

    /// Of the messages from `begin` on, the position of the first, and how many they are.
    pub(super) fn since(&self, begin: u32) -> Option<(u64, usize)> {
        let first = self.0.partition_point(|(start, _)| *start < begin);
        let (_, position) = self.0.get(first)?;
        Some((*position, self.0.len() - first))
    }
}

/// One member. Small, so that many stand in a cache line when the group is walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    generation: u32,
    pub(super) slot: u32,
    /// Where this member's part of the batch begins: what was published before it came, or what it has
    /// been given already, stands before.
    pub(super) begin: u32,
}

/// The slot of a vacant place.
pub(super) const VACANT: u32 = u32::MAX;

impl Group {
    /// Adds a member that hears what is published from now on; no effect if it is one.
    pub(super) fn insert(&mut self, generation: u32, slot: u32) {
        let member = Member { generation, slot, begin: self.batch.len() as u32 };
        if self.members.last().is_none_or(|last| last.generation < generation) {
            self.members.push(member);
            return;
        }
        match self.position(generation) {
            Ok(index) if self.members[index].slot == VACANT => {
                self.members[index] = member;
                self.vacant -= 1;
            }
            Ok(_) => {}
            Err(index) => self.members.insert(index, member),
        }
    }

    /// Takes a member out. Places are closed up once half of them are vacant, so that this costs a search and
    /// not a move of all that follow.
    pub(super) fn remove(&mut self, generation: u32) {
        let Ok(index) = self.position(generation) else { return };
        if self.members[index].slot == VACANT {
            return;
        }
        self.members[index].slot = VACANT;
        self.vacant += 1;
        if self.vacant > self.members.len() / 2 {
            self.members.retain(|member| member.slot != VACANT);
            self.members.shrink_to(self.members.len() * 2);
            self.vacant = 0;
        }
    }

    /// Whether the batch is to be flushed before the tick ends.
    pub(super) fn has_large_batch(&self) -> bool {
        self.batch.len() > LARGE_BATCH || self.batch.len() * self.len() > LARGE_FAN_OUT
    }

    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.vacant
    }

    /// Whether nobody is left.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the part of the batch begins that a member has not been given, which counts as given from now on.
    pub(super) fn take_part(&mut self, generation: u32) -> u32 {
        let end = self.batch.len() as u32;
        match self.position(generation) {
            Ok(index) => std::mem::replace(&mut self.members[index].begin, end),
            Err(_) => end,
        }
    }

    /// All places, to be walked for a flush: the two parts in turn. They begin somewhere else each time, so
    /// that nobody is always the last.
    pub(super) fn walk(&mut self) -> (&mut [Member], &mut [Member]) {
        self.walks = self.walks.wrapping_add(0x9E37_79B1); // the golden ratio of 2³²: far from where it was
        let start = (u64::from(self.walks) * self.members.len() as u64) >> 32;
        let (after, from) = self.members.split_at_mut(start as usize);
        (from, after)
    }

    fn position(&self, generation: u32) -> Result<usize, usize> {
        self.members.binary_search_by_key(&generation, |member| member.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(group: &mut Group) -> Vec<u32> {
        let (from, after) = group.walk();
        let mut slots: Vec<u32> = from.iter().chain(after.iter()).map(|member| member.slot).collect();
        slots.retain(|slot| *slot != VACANT);
        slots.sort_unstable();
        slots
    }

    #[test]
    fn members_stand_in_accept_order_however_they_come() {
        let mut group = Group::default();
        for generation in [5, 9, 2, 7, 2] {
            group.insert(generation, generation * 10);
        }
        assert!(group.members.is_sorted_by_key(|member| member.generation));
        assert_eq!(slots(&mut group), [20, 50, 70, 90]);
    }

    #[test]
    fn members_leave_and_come_back_and_places_are_closed_up() {
        let mut group = Group::default();
        for generation in 0..100 {
            group.insert(generation, generation);
        }
        for generation in (0..100).filter(|generation| generation % 4 != 0) {
            group.remove(generation);
            group.remove(generation);
        }
        assert!(group.members.len() < 60);
        group.insert(3, 3);
        let expected: Vec<u32> = (0..100).filter(|slot| slot % 4 == 0 || *slot == 3).collect();
        assert_eq!(slots(&mut group), expected);
        for generation in 0..100 {
            group.remove(generation);
        }
        assert!(group.is_empty());
    }

    #[test]
    fn a_member_gets_what_is_published_after_it_came_and_only_once() {
        let mut group = Group::default();
        group.insert(1, 1);
        group.batch.extend_from_slice(b"first");
        group.insert(2, 2);
        group.batch.extend_from_slice(b"second");
        assert_eq!([group.take_part(1), group.take_part(1)], [0, 11]);
        group.batch.extend_from_slice(b"third");
        assert_eq!([group.take_part(2), group.take_part(1), group.take_part(3)], [5, 11, 16]);
    }

    #[test]
    fn of_a_part_it_is_known_where_it_begins_and_how_many_messages_it_has() {
        let mut marks = Marks::default();
        for (begin, position) in [(0, 7), (5, 8), (11, 8)] {
            marks.push(begin, position);
        }
        assert_eq!([0, 5, 11].map(|begin| marks.since(begin)), [Some((7, 3)), Some((8, 2)), Some((8, 1))]);
        assert_eq!(marks.since(16), None);
    }
}
