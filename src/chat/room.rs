//! The rooms: who is in each, its history, and which room has to end to make place.
//!
//! A room begins with its first member. When the last has left it stays as long as it has a history, so that somebody
//! who returns finds it; the rooms that have been empty longest are the first to end when there are too many. When all
//! of them together remember too much, the one that remembers most forgets first, whether somebody is in it or not, so
//! that nobody can displace the history of a room by filling others.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use rand::rngs::StdRng;
use slab::Slab;

use crate::rate::Bucket;

use super::{
    Channel, Format, RoomId,
    client::{Clients, UNLISTED},
    history::History,
    json::listed_length,
    kept::Kept,
    message::Message,
    online::Online,
    refusal::Refusal,
    replay::Replays,
    settings::{Settings, exceeds},
    size::Size,
    token::Epoch,
};

/// Bytes of a list of members. The rest of a `joined` has place for the longest message that may be said.
pub(super) const MAX_LISTING: usize = 28 << 10;

/// What was written of histories for newcomers may take this share of the memory of histories.
const REPLAYS_SHARE: usize = 4;

pub(super) struct Room {
    pub name: Arc<str>,
    pub epoch: Epoch,
    /// Of the newest message; 0 before the first.
    pub offset: u64,
    /// Slots of all members but those of `raw`, in no order. Each member knows its index.
    pub members: Vec<u32>,
    /// Members of each format, those of `raw` too.
    listeners: [u32; Format::ALL.len()],
    /// What is left of the bytes that may be said in the room.
    pub said: Bucket,
    pub history: History,
    /// What was sent of it lately. Dropped when the last member leaves.
    replays: Option<Box<Replays>>,
    pub presence: Presence,
    /// Bytes of the list of members.
    listing: usize,
    /// The room's place among the empty ones.
    empty: Option<u64>,
    /// The time by which [`Kept`] knows the history.
    known_age: Option<Instant>,
}

/// How a room's members learn who is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Presence {
    pub mode: Mode,
    pub online: Online,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mode {
    /// By a list of all when they join, and each join, leave and change of name.
    #[default]
    Listed,
    /// By their number.
    Counted,
}

impl Mode {
    pub fn of(is_small: bool) -> Mode {
        if is_small { Mode::Listed } else { Mode::Counted }
    }
}

impl Room {
    /// Whether anybody would hear what is published to the room in this format.
    pub fn hears(&self, format: Format) -> bool {
        self.listeners[format as usize] > 0
    }

    /// The members that receive what is published to the room in this format.
    pub fn listeners(&self, format: Format) -> usize {
        self.listeners[format as usize] as usize
    }

    pub fn is_empty(&self) -> bool {
        self.listeners.iter().all(|&count| count == 0)
    }

    /// Whether all members can be listed, and with them somebody of that name.
    pub fn is_small(&self, presence_limit: usize, newcomer: Option<&str>) -> bool {
        let members = self.members.len() + usize::from(newcomer.is_some());
        members <= presence_limit && self.listing + newcomer.map_or(0, listed_length) <= MAX_LISTING
    }

    /// The members to list for somebody who asks: all if the room is small, else as many as can be listed.
    pub fn listed(&self, presence_limit: usize, clients: &Clients) -> &[u32] {
        if self.is_small(presence_limit, None) {
            return &self.members;
        }
        let mut bytes = 0;
        let fits = self.members.iter().take(presence_limit).take_while(|slot| {
            bytes += listed_length(&clients.present(**slot).name);
            bytes <= MAX_LISTING
        });
        &self.members[..fits.count()]
    }

    /// The bytes of the list of members.
    pub fn listing(&self) -> usize {
        self.listing
    }

    /// Drops what was written of messages that the room has forgotten.
    fn trim_replays(&mut self) {
        if let Some(replays) = &mut self.replays {
            replays.forget_before(&self.history);
        }
    }

    /// A member has another name.
    pub fn rename(&mut self, was: &str, name: &str) {
        self.listing = self.listing - listed_length(was) + listed_length(name);
    }

    /// Counts a newcomer, and returns its index among the members.
    pub fn add(&mut self, slot: u32, format: Format, name: &str) -> u32 {
        self.listeners[format as usize] += 1;
        if format == Format::Raw {
            return UNLISTED;
        }
        self.listing += listed_length(name);
        let index = u32::try_from(self.members.len()).expect("members are fewer than slots");
        self.members.push(slot);
        index
    }

    /// Removes a member, and returns the slot of the member that has its index now, if there is one.
    pub fn remove(&mut self, index: u32, format: Format, name: &str) -> Option<u32> {
        self.listeners[format as usize] -= 1;
        if index == UNLISTED {
            return None;
        }
        self.listing -= listed_length(name);
        self.members.swap_remove(index as usize);
        self.members.get(index as usize).copied()
    }
}

#[derive(Default)]
pub(super) struct Rooms {
    slab: Slab<Room>,
    by_name: HashMap<Arc<str>, RoomId>,
    /// Empty rooms with a history, longest empty first.
    empty: BTreeMap<u64, RoomId>,
    emptied: u64,
    kept: Kept,
    /// Rooms with replays, in the order in which they began.
    replayed: BTreeMap<u64, RoomId>,
    replays_begun: u64,
    replays_bytes: usize,
}

impl Rooms {
    pub fn get(&self, id: RoomId) -> &Room {
        &self.slab[id.index()]
    }

    pub fn get_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.slab[id.index()]
    }

    pub fn find(&self, name: &str) -> Option<RoomId> {
        self.by_name.get(name).copied()
    }

    /// The room of that name, whose caller puts somebody in it at once. A new one may cost an empty one its place.
    ///
    /// # Errors
    /// [`Refusal::RoomsFull`].
    pub fn find_or_create(
        &mut self,
        name: &str,
        max_rooms: usize,
        rng: &mut StdRng,
    ) -> Result<RoomId, Refusal> {
        if let Some(id) = self.find(name) {
            return Ok(id);
        }
        if exceeds(self.slab.len() + 1, max_rooms) && !self.end_longest_empty() {
            return Err(Refusal::RoomsFull { limit: max_rooms });
        }
        let name: Arc<str> = name.into();
        let room = Room {
            name: Arc::clone(&name),
            epoch: Epoch::random(rng),
            offset: 0,
            members: Vec::new(),
            listeners: [0; Format::ALL.len()],
            said: Bucket::default(),
            history: History::default(),
            replays: None,
            presence: Presence::default(),
            listing: 0,
            empty: None,
            known_age: None,
        };
        let id =
            RoomId(u32::try_from(self.slab.insert(room)).expect("rooms are fewer than their members' slots"));
        self.by_name.insert(name, id);
        Ok(id)
    }

    /// Somebody has joined the room.
    pub fn revive(&mut self, id: RoomId) {
        if let Some(place) = self.slab[id.index()].empty.take() {
            self.empty.remove(&place);
        }
    }

    /// The last has left the room, which ends now unless it has a history.
    pub fn retire(&mut self, id: RoomId) {
        let room = &mut self.slab[id.index()];
        if room.history.is_empty() {
            self.end(id);
            return;
        }
        room.members = Vec::new();
        self.drop_replays(id);
        let room = &mut self.slab[id.index()];
        room.empty = Some(self.emptied);
        self.empty.insert(self.emptied, id);
        self.emptied += 1;
    }

    /// Remembers what was said in a room, and forgets what is then too much.
    pub fn keep(&mut self, id: RoomId, message: &Message<'_>, size: Size, now: Instant, settings: &Settings) {
        let room = &mut self.slab[id.index()];
        let before = room.history.bytes();
        room.history.keep(message, size, now, settings.history_messages, settings.history_bytes);
        room.trim_replays();
        self.kept.resize(id, before, room.history.bytes());
        if room.known_age.is_none() && !settings.history_age.is_zero() {
            room.known_age = room.history.oldest();
            self.kept.age(id, None, room.known_age);
        }
        while exceeds(self.kept.bytes(), settings.history_total) {
            let Some(largest) = self.kept.largest() else { break };
            self.forget(largest, History::forget_oldest);
        }
    }

    /// Forgets the messages of a room that are `age` old, so that nobody hears of them.
    pub fn expire_room(&mut self, id: RoomId, now: Instant, age: Duration) {
        if !age.is_zero() {
            self.forget(id, |history| _ = history.expire(now, age, usize::MAX));
        }
    }

    /// Forgets messages that are `age` old, at most so many, in all rooms.
    pub fn expire(&mut self, now: Instant, age: Duration, most: usize) {
        let mut left = most;
        while left > 0
            && let Some(id) = self.kept.old(now, age)
        {
            self.forget(id, |history| left -= history.expire(now, age, left).clamp(1, left));
        }
    }

    /// When [`expire`](Rooms::expire) has something to do.
    pub fn due(&self, age: Duration) -> Option<Instant> {
        self.kept.due(age)
    }

    /// Lets a room forget, which ends it if nobody is in it and nothing is left.
    fn forget(&mut self, id: RoomId, forget: impl FnOnce(&mut History)) {
        let room = &mut self.slab[id.index()];
        let before = room.history.bytes();
        forget(&mut room.history);
        room.trim_replays();
        self.kept.resize(id, before, room.history.bytes());
        if let Some(known) = room.known_age {
            let oldest = room.history.oldest();
            room.known_age = oldest;
            self.kept.age(id, Some(known), oldest);
        }
        if room.history.is_empty() && room.empty.is_some() {
            self.end(id);
        }
    }

    /// Takes the replays of a room out of it, to be changed and [put back](Rooms::put_replays).
    pub fn take_replays(&mut self, id: RoomId) -> Box<Replays> {
        let replays = self.slab[id.index()].replays.take();
        replays.unwrap_or_else(|| {
            self.replays_begun += 1;
            self.replayed.insert(self.replays_begun, id);
            Box::new(Replays { place: self.replays_begun, ..Replays::default() })
        })
    }

    /// Puts the replays of a room back. If all take too much memory, the first that began are dropped.
    pub fn put_replays(&mut self, id: RoomId, mut replays: Box<Replays>, settings: &Settings) {
        let bytes = replays.bytes();
        self.replays_bytes = self.replays_bytes - replays.counted + bytes;
        replays.counted = bytes;
        self.slab[id.index()].replays = Some(replays);
        while exceeds(self.replays_bytes, settings.history_total / REPLAYS_SHARE)
            && let Some((_, &first)) = self.replayed.first_key_value()
        {
            self.drop_replays(first);
        }
    }

    fn drop_replays(&mut self, id: RoomId) {
        if let Some(replays) = self.slab[id.index()].replays.take() {
            self.replayed.remove(&replays.place);
            self.replays_bytes -= replays.counted;
        }
    }

    fn end_longest_empty(&mut self) -> bool {
        let Some((_, &id)) = self.empty.first_key_value() else { return false };
        self.end(id);
        true
    }

    fn end(&mut self, id: RoomId) {
        self.drop_replays(id);
        let room = self.slab.remove(id.index());
        self.by_name.remove(&room.name);
        self.kept.resize(id, room.history.bytes(), 0);
        self.kept.age(id, room.known_age, None);
        if let Some(place) = room.empty {
            self.empty.remove(&place);
        }
    }
}

impl RoomId {
    pub(super) fn channel(self, format: Format) -> Channel {
        Channel { room: self, format }
    }
}
