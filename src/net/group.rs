//! A set of connections that receive the same bytes, and the batch of frames that is about to be sent to
//! them.

use bytes::BytesMut;
use std::time::Instant;

/// Size of a batch, in bytes, above which it is flushed at once.
const LARGE_BATCH: usize = 1 << 20;
/// Size of a batch times members, in bytes, above which it is flushed at once: a larger batch would make
/// other groups wait for tens of milliseconds.
const LARGE_FAN_OUT: usize = 32 << 20;

/// The members of one group, in the order in which they were accepted: the kernel processes its sockets
/// faster in that order than in a random one.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Sorted by generation, which increases with each accepted connection.
    members: Vec<Member>,
    /// Number of entries whose member has left and which are not removed yet.
    vacant: usize,
    /// Whole frames published since the last flush.
    pub(super) batch: BytesMut,
    /// The messages in the batch; recorded only if members may skip messages.
    pub(super) marks: Marks,
    /// Whether the group is in the list of groups with a batch.
    pub(super) is_listed: bool,
    /// The group was flushed recently; messages published before this time wait to share a write.
    pub(super) held_until: Option<Instant>,
    walks: u32,
}

/// Offset of each message in a batch, and the position that the application gave it.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(u32, u64)>);

impl Marks {
    pub(super) fn push(&mut self, begin: usize, position: u64) {
        self.0.push((begin as u32, position));
    }

    /// Returns the position of the first message at or after offset `begin`, and the number of messages from
    /// there on.
    pub(super) fn from(&self, begin: u32) -> Option<(u64, usize)> {
        let first = self.0.partition_point(|(start, _)| *start < begin);
        let (_, position) = self.0.get(first)?;
        Some((*position, self.0.len() - first))
    }
}

/// A member of the group. Kept small, so that walking the group touches few cache lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    generation: u32,
    pub(super) slot: u32,
    /// Offset in the batch of the first byte to send to this member. Bytes before it were published before
    /// the member joined or were already queued for it.
    pub(super) begin: u32,
}

/// Slot number of an entry whose member has left.
pub(super) const VACANT: u32 = u32::MAX;

impl Group {
    /// Adds a member, which receives messages published from now on. Does nothing if it is a member already.
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

    /// Removes a member. Its entry is only marked vacant, which costs one search; vacant entries are removed
    /// together once they are more than half of all.
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

    /// Returns true if the batch must be flushed before the end of the tick.
    pub(super) fn is_batch_over_limit(&self) -> bool {
        self.batch.len() > LARGE_BATCH || self.batch.len() * self.len() > LARGE_FAN_OUT
    }

    /// Returns the number of members.
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.vacant
    }

    /// Returns true if there are no members.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the offset of the part of the batch that a member has not received, and marks that part as
    /// received.
    pub(super) fn take_unsent(&mut self, generation: u32) -> u32 {
        let end = self.batch.len() as u32;
        match self.position(generation) {
            Ok(index) => std::mem::replace(&mut self.members[index].begin, end),
            Err(_) => end,
        }
    }

    /// Returns all entries to be visited by a flush, as two slices. The starting point differs each time, so
    /// that no member is always the last.
    pub(super) fn walk(&mut self) -> (&mut [Member], &mut [Member]) {
        self.walks = self.walks.wrapping_add(0x9E37_79B1); // 2³² divided by the golden ratio: a distant start
        let start = (u64::from(self.walks) * self.members.len() as u64) >> 32;
        let (before, from) = self.members.split_at_mut(start as usize);
        (from, before)
    }

    fn position(&self, generation: u32) -> Result<usize, usize> {
        self.members.binary_search_by_key(&generation, |member| member.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(group: &mut Group) -> Vec<u32> {
        let (from, before) = group.walk();
        let mut slots: Vec<u32> = from.iter().chain(before.iter()).map(|member| member.slot).collect();
        slots.retain(|slot| *slot != VACANT);
        slots.sort_unstable();
        slots
    }

    #[test]
    fn members_are_kept_in_accept_order() {
        let mut group = Group::default();
        for generation in [5, 9, 2, 7, 2] {
            group.insert(generation, generation * 10);
        }
        assert!(group.members.is_sorted_by_key(|member| member.generation));
        assert_eq!(slots(&mut group), [20, 50, 70, 90]);
    }

    #[test]
    fn vacant_entries_are_removed_and_members_may_rejoin() {
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
    fn a_member_receives_once_what_is_published_after_it_joined() {
        let mut group = Group::default();
        group.insert(1, 1);
        group.batch.extend_from_slice(b"first");
        group.insert(2, 2);
        group.batch.extend_from_slice(b"second");
        assert_eq!([group.take_unsent(1), group.take_unsent(1)], [0, 11]);
        group.batch.extend_from_slice(b"third");
        assert_eq!([group.take_unsent(2), group.take_unsent(1), group.take_unsent(3)], [5, 11, 16]);
    }

    #[test]
    fn marks_return_first_position_and_number_of_messages_after_an_offset() {
        let mut marks = Marks::default();
        for (begin, position) in [(0, 7), (5, 8), (11, 8)] {
            marks.push(begin, position);
        }
        assert_eq!([0, 5, 11].map(|begin| marks.from(begin)), [Some((7, 3)), Some((8, 2)), Some((8, 1))]);
        assert_eq!(marks.from(16), None);
    }
}
