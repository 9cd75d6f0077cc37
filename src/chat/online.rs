//! When a room that only counts its members may tell the number again: at most once a second a room.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::RoomId;

const INTERVAL: Duration = Duration::from_secs(1);

/// A room's own part of the schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Online {
    told: Option<Instant>,
    waiting: Option<Instant>,
}

/// The rooms that wait to tell their number. Ordered, because a room waits from its last notice, not from its change.
#[derive(Debug, Default)]
pub(super) struct Schedule(BTreeSet<(Instant, RoomId)>);

impl Schedule {
    /// The number has changed. True: tell it now; false: [`take`](Schedule::take) will name the room in due time.
    pub fn change(&mut self, room: RoomId, online: &mut Online, now: Instant) -> bool {
        if online.waiting.is_some() {
            return false;
        }
        match online.told.map(|told| told + INTERVAL) {
            Some(next) if next > now => {
                online.waiting = Some(next);
                self.0.insert((next, room));
                false
            }
            _ => {
                online.told = Some(now);
                true
            }
        }
    }

    pub fn due(&self) -> Option<Instant> {
        self.0.first().map(|&(at, _)| at)
    }

    /// A room whose time has come; the caller passes its part to [`tell`](Online::tell).
    pub fn take(&mut self, now: Instant) -> Option<RoomId> {
        let &(at, _) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first().map(|(_, room)| room)
    }

    /// There is nobody left to tell.
    pub fn cancel(&mut self, room: RoomId, online: &mut Online) {
        if let Some(at) = online.waiting.take() {
            self.0.remove(&(at, room));
        }
    }
}

impl Online {
    /// The number is told at `now`.
    pub fn tell(&mut self, now: Instant) {
        *self = Online { told: Some(now), waiting: None };
    }
}
