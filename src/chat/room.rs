//! The rooms: who is in each, its history, and which room has to end to make place.
//!
//! A room begins with its first member. When the last has gone it stays as long as it has a history, so that somebody
//! who comes back finds it; the rooms that have been empty longest are the first to end when there are too many, or
//! when all of them together remember too much.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rand::rngs::StdRng;
use slab::Slab;

use super::{
    Channel, Format, RoomId,
    client::UNLISTED,
    history::History,
    message::Message,
    online::Online,
    refusal::Refusal,
    settings::{Settings, exceeds},
    token::Epoch,
};

pub(super) struct Room {
    pub name: Arc<str>,
    pub epoch: Epoch,
    /// Of the newest message; 0 before the first.
    pub offset: u64,
    /// Slots of all members but those of `raw`, in no order. Each member knows its index.
    pub members: Vec<u32>,
    /// Members of each format, those of `raw` too.
    listeners: [u32; Format::ALL.len()],
    pub history: History,
    pub online: Online,
    /// The room's place among the empty ones.
    empty: Option<u64>,
}

impl Room {
    /// Whether anybody would hear what is published to the room in this format.
    pub fn hears(&self, format: Format) -> bool {
        self.listeners[format as usize] > 0
    }

    pub fn is_empty(&self) -> bool {
        self.listeners.iter().all(|&count| count == 0)
    }

    /// Counts a newcomer, and gives its index among the members.
    pub fn add(&mut self, slot: u32, format: Format) -> u32 {
        self.listeners[format as usize] += 1;
        if format == Format::Raw {
            return UNLISTED;
        }
        let index = u32::try_from(self.members.len()).expect("members are fewer than slots");
        self.members.push(slot);
        index
    }

    /// Takes out a member; the slot of the member that has its index now, if there is one.
    pub fn remove(&mut self, index: u32, format: Format) -> Option<u32> {
        self.listeners[format as usize] -= 1;
        if index == UNLISTED {
            return None;
        }
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
    history_bytes: usize,
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
            history: History::default(),
            online: Online::default(),
            empty: None,
        };
        let id =
            RoomId(u32::try_from(self.slab.insert(room)).expect("rooms are fewer than their members' slots"));
        self.by_name.insert(name, id);
        Ok(id)
    }

    /// Somebody has come to the room.
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
        room.empty = Some(self.emptied);
        self.empty.insert(self.emptied, id);
        self.emptied += 1;
    }

    /// Remembers what was said in a room, and forgets what is then too much.
    pub fn keep(&mut self, id: RoomId, message: &Message<'_>, settings: &Settings) {
        let history = &mut self.slab[id.index()].history;
        self.history_bytes -= history.bytes();
        history.keep(message, settings.history_messages, settings.history_bytes);
        self.history_bytes += history.bytes();
        while exceeds(self.history_bytes, settings.history_total) {
            if self.end_longest_empty() {
                continue;
            }
            let history = &mut self.slab[id.index()].history;
            let before = history.bytes();
            if !history.forget_oldest() {
                break;
            }
            self.history_bytes -= before - history.bytes();
        }
    }

    fn end_longest_empty(&mut self) -> bool {
        let Some((_, id)) = self.empty.pop_first() else { return false };
        self.end(id);
        true
    }

    fn end(&mut self, id: RoomId) {
        let room = self.slab.remove(id.index());
        self.by_name.remove(&room.name);
        self.history_bytes -= room.history.bytes();
    }
}

impl RoomId {
    pub(super) fn channel(self, format: Format) -> Channel {
        Channel { room: self, format }
    }
}
