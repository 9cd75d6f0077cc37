//! Groups of connections that receive the same bytes, each as a log. No sockets here.
//!
//! What is published to a group is appended to its log, at positions that count all bytes ever published to it. A
//! member is a connection and the position up to which it has received the log. A round writes to each member what was
//! published before the round began. It may be interrupted after any member and continued later, while members join
//! and leave and more is published; so no group, however large, delays other connections for long. When a round is
//! over, all members have what was published before it began, and that part of the log is dropped.

use super::GroupId;
use super::memory::Memory;
use crate::ws::Form;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes published and not sent, above which publishers wait until the group is sent.
const LONG_LOG: usize = 1 << 20;
/// The same times members. More would take tens of milliseconds to send.
const LARGE_FAN_OUT: usize = 32 << 20;
/// A round of at most this many members takes well under a millisecond.
const SMALL_GROUP: usize = 128;
/// Larger buffers are freed after use. In bytes.
const KEPT_BUFFER: usize = 256 << 10;
/// Number of empty buffers kept for the next logs.
const SPARE_BUFFERS: usize = 8;

/// The members of a group that use the same [`Form`] of messages, and so receive the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubgroupId(u32);

impl SubgroupId {
    pub(super) fn of(group: GroupId, form: Form) -> SubgroupId {
        SubgroupId(group.0 * Form::ALL.len() as u32 + form as u32)
    }

    pub(super) fn group(self) -> GroupId {
        GroupId(self.0 / Form::ALL.len() as u32)
    }
}

/// All groups, and which of them are to be sent next.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    /// Indexed by [`SubgroupId`].
    groups: Vec<Option<Box<Group>>>,
    /// Groups with unsent bytes that may be waiting for more ([`Group::held_until`]).
    published: Vec<SubgroupId>,
    /// Groups to send now. Small ones come first, since they delay the others least.
    small: VecDeque<SubgroupId>,
    large: VecDeque<SubgroupId>,
    /// How long after the start of its previous round a group waits for more, to send it in the same writes.
    coalesce: Duration,
    spare_buffers: Vec<BytesMut>,
}

/// The groups that are sent before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
}

impl Fanout {
    pub(super) fn new(coalesce: Duration) -> Fanout {
        Fanout { coalesce, ..Fanout::default() }
    }

    pub(super) fn get(&self, id: SubgroupId) -> Option<&Group> {
        self.groups.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: SubgroupId) -> Option<&mut Group> {
        self.groups.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, id: SubgroupId, generation: u32, slot: u32) {
        let index = id.0 as usize;
        if self.groups.len() <= index {
            self.groups.resize_with(index + 1, || None);
        }
        self.groups[index].get_or_insert_default().insert(generation, slot);
    }

    pub(super) fn remove(&mut self, id: SubgroupId, generation: u32) {
        let Some(entry) = self.groups.get_mut(id.0 as usize) else { return };
        let Some(group) = entry else { return };
        group.remove(generation);
        if group.is_empty() && group.state == State::Sent {
            *entry = None;
        }
    }

    /// Returns the group to append a message to, and plans to send it. `None` if it has no members.
    pub(super) fn publish(&mut self, id: SubgroupId) -> Option<&mut Group> {
        let group = self.groups.get_mut(id.0 as usize)?.as_deref_mut()?;
        if group.state == State::Sent {
            group.state = State::Published;
            self.published.push(id);
        }
        if group.log.tail.capacity() == 0
            && let Some(buffer) = self.spare_buffers.pop()
        {
            group.log.tail = buffer;
        }
        Some(group)
    }

    /// Lists the groups that need not wait for more messages any longer among those to send now.
    pub(super) fn release(&mut self, now: Instant) {
        let Fanout { groups, published, small, large, .. } = self;
        if published.len() > 1 {
            published.sort_unstable_by_key(|id| groups[id.0 as usize].as_ref().map(|group| group.len()));
        }
        published.retain(|id| {
            let Some(group) = groups[id.0 as usize].as_deref_mut() else { return false };
            if group.held_until.is_some_and(|until| now < until) && !group.is_congested() {
                return true;
            }
            group.state = State::Sending;
            if group.len() <= SMALL_GROUP {
                small.push_back(*id)
            } else {
                large.push_back(*id)
            }
            false
        });
    }

    /// Takes a group out in order to send it. It must be put back by [`Fanout::sent`] or [`Fanout::interrupted`].
    pub(super) fn next(&mut self, size: Size) -> Option<(SubgroupId, Box<Group>)> {
        loop {
            let id = match size {
                Size::Small => self.small.pop_front()?,
                Size::Large => self.large.pop_front()?,
            };
            if let Some(group) = self.groups[id.0 as usize].take() {
                return Some((id, group));
            }
        }
    }

    /// Puts a group back whose round is over. `began` is when the round began.
    pub(super) fn sent(&mut self, id: SubgroupId, mut group: Box<Group>, began: Instant) {
        group.state = State::Sent;
        group.held_until = Some(began + self.coalesce);
        if let Some(buffer) = group.log.drop_head()
            && self.spare_buffers.len() < SPARE_BUFFERS
        {
            self.spare_buffers.push(buffer);
        }
        if group.is_empty() {
            return;
        }
        if group.has_unsent() {
            group.state = State::Published;
            self.published.push(id);
        }
        self.groups[id.0 as usize] = Some(group);
    }

    /// Puts a group back whose round is to be continued, after those that wait for theirs.
    pub(super) fn interrupted(&mut self, id: SubgroupId, group: Box<Group>, size: Size) {
        self.groups[id.0 as usize] = Some(group);
        match size {
            Size::Small => self.small.push_front(id),
            Size::Large => self.large.push_back(id),
        }
    }

    /// Returns true if there are groups to send now.
    pub(super) fn is_sending(&self) -> bool {
        !self.small.is_empty() || !self.large.is_empty()
    }

    /// Returns true if so much is unsent in some group that publishers must wait.
    pub(super) fn is_congested(&self) -> bool {
        let listed = self.published.iter().chain(&self.small).chain(&self.large);
        listed.filter_map(|id| self.get(*id)).any(Group::is_congested)
    }

    /// Returns when the next group is to be sent that is waiting for more messages.
    pub(super) fn due(&self) -> Option<Instant> {
        self.published.iter().filter_map(|id| self.get(*id)?.held_until).min()
    }

    /// Returns true if there are no groups.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(Option::is_none)
    }
}

/// What is to be done with a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// All members have received everything.
    #[default]
    Sent,
    /// There are unsent bytes, which may wait for more.
    Published,
    /// It is to be sent now, or a round was interrupted.
    Sending,
}

/// The members of one group, in the order in which they were accepted: the kernel processes its sockets faster in that
/// order than in a random one.
#[derive(Debug, Default)]
pub(super) struct Group {
    state: State,
    /// Sorted by generation, which increases with each accepted connection.
    members: Vec<Member>,
    /// Number of entries whose member has left and which are not removed yet.
    vacant: usize,
    log: Log,
    /// The round that is under way.
    round: Option<Round>,
    held_until: Option<Instant>,
    rounds: u32,
}

/// A member of a group. Kept small, so that a round touches few cache lines.
#[derive(Clone, Copy, Debug)]
struct Member {
    generation: u32,
    slot: u32,
    /// The position up to which the log was written to this member or queued for it.
    seen: u64,
}

/// Slot number of an entry whose member has left.
const VACANT: u32 = u32::MAX;

/// A visit to each member. It begins at a different member each time, so that no member is always the last.
#[derive(Clone, Copy, Debug)]
struct Round {
    began: Instant,
    /// Generation at which it began, and at which it will end.
    first: u32,
    /// Generation at which it goes on.
    next: u32,
    /// It has reached the last member and gone on at the first.
    is_past_end: bool,
}

/// The bytes published to a group that not all members have received yet.
#[derive(Debug, Default)]
struct Log {
    /// Position of the first byte.
    start: u64,
    /// What the round under way writes.
    head: Bytes,
    /// The head is on the account of what is kept for peers.
    is_kept: bool,
    /// What was published since the round began.
    tail: BytesMut,
    /// Messages in head and tail; recorded only if members may skip messages.
    marks: VecDeque<Mark>,
}

/// A message in the log.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Where it begins.
    begin: u64,
    /// The position that the application gave it.
    position: u64,
}

/// What a member has not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsent {
    /// Position of the first byte.
    pub(super) begin: u64,
    pub(super) len: usize,
}

impl Group {
    /// Adds a member, which receives messages published from now on. Does nothing if it is a member already.
    fn insert(&mut self, generation: u32, slot: u32) {
        let member = Member { generation, slot, seen: self.log.end() };
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
    fn remove(&mut self, generation: u32) {
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

    /// Returns the number of members.
    pub(super) fn len(&self) -> usize {
        self.members.len() - self.vacant
    }

    /// Returns true if there are no members.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns true if some bytes were not part of a round yet.
    fn has_unsent(&self) -> bool {
        !self.log.tail.is_empty()
    }

    /// Returns true if so much is unsent that publishers must wait.
    pub(super) fn is_congested(&self) -> bool {
        let unsent = self.log.tail.len();
        unsent > LONG_LOG || unsent * self.len() > LARGE_FAN_OUT
    }

    /// Returns the end of the log, to which frames are appended.
    pub(super) fn tail(&mut self) -> &mut BytesMut {
        &mut self.log.tail
    }

    /// Notes that the message at `position` begins at the end of the log.
    pub(super) fn mark(&mut self, position: u64) {
        let begin = self.log.end();
        self.log.marks.push_back(Mark { begin, position });
    }

    /// Returns the position of the first message in a part of the log, and the number of messages there.
    pub(super) fn messages(&self, part: Unsent) -> Option<(u64, usize)> {
        self.log.messages(part)
    }

    /// Returns a copy of the part of the log that a member has not received, and takes it as received.
    pub(super) fn take_unsent(&mut self, generation: u32) -> Option<(Unsent, Bytes)> {
        let index = self.position(generation).ok().filter(|index| self.members[*index].slot != VACANT)?;
        let end = self.log.end();
        let begin = std::mem::replace(&mut self.members[index].seen, end);
        let len = (end - begin) as usize;
        (len > 0).then(|| (Unsent { begin, len }, self.log.copy_from(begin)))
    }

    /// Begins a round if none is under way. Returns when the round began.
    pub(super) fn begin_round(&mut self, now: Instant) -> Instant {
        if let Some(round) = &self.round {
            return round.began;
        }
        self.rounds = self.rounds.wrapping_add(0x9E37_79B1); // 2³² divided by the golden ratio: a distant start
        let start = (u64::from(self.rounds) * self.members.len() as u64) >> 32;
        let first = self.members.get(start as usize).map_or(0, |member| member.generation);
        self.log.head = std::mem::take(&mut self.log.tail).freeze();
        self.round = Some(Round { began: now, first, next: first, is_past_end: false });
        now
    }

    /// Calls `send` for members that have not received all of the round, with their slot and what they have not
    /// received, until it returns false. Returns true once the round is over.
    pub(super) fn continue_round(&mut self, mut send: impl FnMut(&mut Visit<'_>) -> bool) -> bool {
        let Some(mut round) = self.round.take() else { return true };
        let end = self.log.start + self.log.head.len() as u64;
        loop {
            let from = self.members.partition_point(|member| member.generation < round.next);
            let to = match round.is_past_end {
                true => self.members.partition_point(|member| member.generation < round.first),
                false => self.members.len(),
            };
            for index in from..to.max(from) {
                let member = &mut self.members[index];
                if member.seen >= end || member.slot == VACANT {
                    continue;
                }
                let mut visit = Visit { slot: member.slot, begin: member.seen, log: &mut self.log };
                member.seen = end;
                if !send(&mut visit) {
                    round.next = member.generation.saturating_add(1);
                    self.round = Some(round);
                    return false;
                }
            }
            if round.is_past_end {
                break;
            }
            round.is_past_end = true;
            round.next = 0;
        }
        true
    }

    fn position(&self, generation: u32) -> Result<usize, usize> {
        self.members.binary_search_by_key(&generation, |member| member.generation)
    }
}

/// A member that a round has come to.
pub(super) struct Visit<'l> {
    pub(super) slot: u32,
    begin: u64,
    log: &'l mut Log,
}

impl Visit<'_> {
    /// Returns what the member has not received.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.log.head[(self.begin - self.log.start) as usize..]
    }

    /// Returns the same, to be kept. The bytes are shared, and counted once.
    pub(super) fn keep(&mut self, memory: &Memory) -> Bytes {
        if !std::mem::replace(&mut self.log.is_kept, true) {
            self.log.head = memory.keep(std::mem::take(&mut self.log.head));
        }
        self.log.head.slice((self.begin - self.log.start) as usize..)
    }

    /// Returns the position of its first message, and the number of messages.
    pub(super) fn messages(&self) -> Option<(u64, usize)> {
        self.log.messages(Unsent { begin: self.begin, len: self.bytes().len() })
    }
}

impl Log {
    fn end(&self) -> u64 {
        self.start + (self.head.len() + self.tail.len()) as u64
    }

    fn copy_from(&self, begin: u64) -> Bytes {
        let begin = (begin - self.start) as usize;
        match begin.checked_sub(self.head.len()) {
            Some(begin) => Bytes::copy_from_slice(&self.tail[begin..]),
            None => [&self.head[begin..], &self.tail[..]].concat().into(),
        }
    }

    fn messages(&self, part: Unsent) -> Option<(u64, usize)> {
        let first = self.marks.partition_point(|mark| mark.begin < part.begin);
        let end = self.marks.partition_point(|mark| mark.begin < part.begin + part.len as u64);
        (first < end).then(|| (self.marks[first].position, end - first))
    }

    /// Drops the head, which every member has received. Returns its buffer, empty, unless a queue shares it.
    fn drop_head(&mut self) -> Option<BytesMut> {
        self.start += self.head.len() as u64;
        self.is_kept = false;
        let dropped = self.marks.partition_point(|mark| mark.begin < self.start);
        self.marks.drain(..dropped);
        let mut buffer = std::mem::take(&mut self.head).try_into_mut().ok()?;
        buffer.clear();
        (buffer.capacity() <= KEPT_BUFFER).then_some(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const COALESCE: Duration = Duration::from_millis(5);

    fn group(members: &[u32]) -> Group {
        let mut group = Group::default();
        members.iter().for_each(|generation| group.insert(*generation, *generation));
        group
    }

    /// Sends a whole round and returns what each slot received.
    fn send(group: &mut Group) -> HashMap<u32, Vec<u8>> {
        let mut received = HashMap::new();
        group.begin_round(Instant::now());
        assert!(group.continue_round(|visit| received.insert(visit.slot, visit.bytes().to_vec()).is_none()));
        group.log.drop_head();
        received
    }

    #[test]
    fn members_are_kept_in_accept_order() {
        let mut group = group(&[5, 9, 2, 7, 2]);
        assert_eq!(group.members.iter().map(|member| member.generation).collect::<Vec<_>>(), [2, 5, 7, 9]);
        group.tail().extend_from_slice(b"all");
        assert_eq!(send(&mut group).len(), 4);
    }

    #[test]
    fn vacant_entries_are_removed_and_members_may_rejoin() {
        let mut group = group(&(0..100).collect::<Vec<_>>());
        for generation in (0..100).filter(|generation| generation % 4 != 0) {
            group.remove(generation);
            group.remove(generation);
        }
        assert!(group.members.len() < 60);
        group.insert(3, 3);
        group.tail().extend_from_slice(b"all");
        let mut slots: Vec<u32> = send(&mut group).into_keys().collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..100).filter(|slot| slot % 4 == 0 || *slot == 3).collect::<Vec<_>>());
        (0..100).for_each(|generation| group.remove(generation));
        assert!(group.is_empty());
    }

    #[test]
    fn a_group_waits_for_more_after_a_round_and_then_is_sent() {
        let start = Instant::now();
        let mut fanout = Fanout::new(COALESCE);
        let id = SubgroupId(0);
        assert!(fanout.publish(id).is_none(), "it has no members");
        fanout.insert(id, 1, 1);
        fanout.publish(id).unwrap().tail().extend_from_slice(b"one");
        fanout.release(start);
        let (_, mut group) = fanout.next(Size::Small).unwrap();
        group.begin_round(start);
        assert!(group.continue_round(|_| true));
        fanout.sent(id, group, start);
        fanout.publish(id).unwrap().tail().extend_from_slice(b"two");
        fanout.release(start + COALESCE / 2);
        assert!(!fanout.is_sending());
        assert_eq!(fanout.due(), Some(start + COALESCE));
        fanout.release(start + COALESCE);
        assert!(fanout.is_sending());
        assert_eq!(fanout.due(), None);
    }

    #[test]
    fn a_group_without_members_is_freed_once_nothing_of_it_is_planned() {
        let start = Instant::now();
        let mut fanout = Fanout::new(COALESCE);
        let id = SubgroupId(2);
        fanout.insert(id, 1, 1);
        fanout.remove(id, 1);
        assert!(fanout.is_empty());
        fanout.insert(id, 2, 1);
        fanout.publish(id).unwrap().tail().extend_from_slice(b"one");
        fanout.remove(id, 2);
        assert!(!fanout.is_empty());
        fanout.release(start);
        let (_, group) = fanout.next(Size::Small).unwrap();
        fanout.sent(id, group, start);
        assert!(fanout.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join(u32),
        Leave(u32),
        Publish(u8),
        Settle(u32),
        BeginRound,
        Continue(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0..12u32).prop_map(Step::Join),
            1 => (0..12u32).prop_map(Step::Leave),
            3 => any::<u8>().prop_map(Step::Publish),
            1 => (0..12u32).prop_map(Step::Settle),
            2 => Just(Step::BeginRound),
            3 => (0..6usize).prop_map(Step::Continue),
        ]
    }

    proptest! {
        /// However rounds are interrupted, each member receives once and in order what is published from the time it
        /// joins, as whole messages of which the positions are known.
        #[test]
        fn members_receive_exactly_their_part_of_the_log(steps in prop::collection::vec(step(), 0..120)) {
            let mut group = Group::default();
            let mut published: Vec<u8> = Vec::new();
            let mut members: HashMap<u32, (usize, Vec<u8>)> = HashMap::new();
            let finish = |group: &mut Group, members: &mut HashMap<u32, (usize, Vec<u8>)>, limit: usize| {
                let mut left = limit;
                let is_over = group.continue_round(|visit| {
                    let (position, count) = visit.messages().unwrap();
                    let member = members.get_mut(&visit.slot).unwrap();
                    assert_eq!(member.0 + member.1.len() / 3, position as usize);
                    assert_eq!(count * 3, visit.bytes().len());
                    member.1.extend_from_slice(visit.bytes());
                    left -= 1;
                    left > 0
                });
                if is_over {
                    group.log.drop_head();
                }
            };
            for step in steps {
                match step {
                    Step::Join(member) => {
                        group.insert(member, member);
                        members.entry(member).or_insert((published.len(), Vec::new()));
                    }
                    Step::Leave(member) => {
                        group.remove(member);
                        members.remove(&member);
                    }
                    Step::Publish(text) => {
                        group.mark(published.len() as u64);
                        published.push(text);
                        group.tail().extend_from_slice(&[text; 3]);
                    }
                    Step::Settle(member) => {
                        if let Some((member, (part, bytes))) =
                            members.get_mut(&member).zip(group.take_unsent(member))
                        {
                            assert_eq!(group.messages(part).unwrap().1 * 3, bytes.len());
                            member.1.extend_from_slice(&bytes);
                        }
                    }
                    Step::BeginRound => {
                        group.begin_round(Instant::now());
                    }
                    Step::Continue(limit) if limit > 0 && group.round.is_some() => {
                        finish(&mut group, &mut members, limit);
                    }
                    Step::Continue(_) => {}
                }
                assert_eq!(group.len(), members.len());
            }
            while group.round.is_some() {
                finish(&mut group, &mut members, usize::MAX);
            }
            group.begin_round(Instant::now());
            finish(&mut group, &mut members, usize::MAX);
            for (joined, received) in members.values() {
                let expected: Vec<u8> = published[*joined..].iter().flat_map(|text| [*text; 3]).collect();
                prop_assert_eq!(received, &expected);
            }
            prop_assert!(group.log.marks.is_empty() && group.log.end() == group.log.start);
        }
    }
}
