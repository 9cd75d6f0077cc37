//! What all histories together hold: their bytes, which of them is the largest, and which has the oldest message.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::RoomId;

/// Histories are searched for old messages at most so often in the time that messages are remembered.
const SEARCHES: u32 = 16;
/// Old messages are forgotten this long after their time at the latest. Nobody hears of them meanwhile.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Rooms by the size and the age of their histories. Rooms that remember nothing are not in it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: usize,
    by_size: BTreeSet<(usize, RoomId)>,
    /// The oldest message of a room was said at this time or later.
    by_age: BTreeSet<(Instant, RoomId)>,
    searched: Option<Instant>,
}

impl Kept {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes that a room's history had `before` bytes and has `after`.
    pub fn resize(&mut self, room: RoomId, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.bytes = self.bytes - before + after;
        if before > 0 {
            self.by_size.remove(&(before, room));
        }
        if after > 0 {
            self.by_size.insert((after, room));
        }
    }

    /// The room whose history has the most bytes.
    pub fn largest(&self) -> Option<RoomId> {
        self.by_size.last().map(|&(_, room)| room)
    }

    /// Notes when the oldest message of a room was said, `before` and now.
    pub fn age(&mut self, room: RoomId, before: Option<Instant>, after: Option<Instant>) {
        if let Some(before) = before {
            self.by_age.remove(&(before, room));
        }
        if let Some(after) = after {
            self.by_age.insert((after, room));
        }
    }

    /// A room that may hold messages that are `age` old at `now`.
    pub fn old(&mut self, now: Instant, age: Duration) -> Option<RoomId> {
        let found = self.by_age.first().filter(|(oldest, _)| now.saturating_duration_since(*oldest) >= age);
        if found.is_none() {
            self.searched = Some(now);
        }
        found.map(|&(_, room)| room)
    }

    /// When to search for old messages. One search for many rooms, so that idle rooms seldom wake anybody.
    pub fn due(&self, age: Duration) -> Option<Instant> {
        let first = self.by_age.first()?.0.checked_add(age)?;
        let delay = (age / SEARCHES).clamp(Duration::from_millis(1), MAX_DELAY);
        Some(self.searched.map_or(first, |searched| first.max(searched + delay)))
    }
}
