//! Who is connected, and where each of them stands in its rooms.

use std::slice;

use super::{ClientId, Format, RoomId, rate::Budget, token::Uid};

/// About a hundred bytes, since there may be hundreds of thousands.
pub(super) struct Client {
    pub generation: u32,
    pub format: Format,
    pub uid: Uid,
    /// Empty for `raw`, which has no names.
    pub name: Box<str>,
    pub memberships: Memberships,
    pub budget: Budget,
}

/// All clients, by slot.
#[derive(Default)]
pub(super) struct Clients(Vec<Option<Box<Client>>>);

impl Clients {
    /// `None` also for a later or earlier holder of the slot.
    pub fn get(&self, id: ClientId) -> Option<&Client> {
        self.0.get(id.slot as usize)?.as_deref().filter(|client| client.generation == id.generation)
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.0.get_mut(id.slot as usize)?.as_deref_mut().filter(|client| client.generation == id.generation)
    }

    /// A client of whom it is known that it is present.
    pub fn present(&self, slot: u32) -> &Client {
        self.0[slot as usize].as_deref().expect("a room's members are present")
    }

    pub fn present_mut(&mut self, slot: u32) -> &mut Client {
        self.0[slot as usize].as_deref_mut().expect("a room's members are present")
    }

    /// Who has the slot now.
    pub fn holder(&self, slot: u32) -> Option<ClientId> {
        let client = self.0.get(slot as usize)?.as_deref()?;
        Some(ClientId { slot, generation: client.generation })
    }

    pub fn insert(&mut self, slot: u32, client: Client) {
        let index = slot as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some(Box::new(client));
    }

    pub fn remove(&mut self, id: ClientId) -> Option<Box<Client>> {
        self.get(id)?;
        self.0[id.slot as usize].take()
    }
}

/// The rooms a client is in, with its index in each one's list of members. Sorted by room.
///
/// Nearly everybody is in one room and stays there, which needs no allocation.
#[derive(Default)]
pub(super) enum Memberships {
    #[default]
    None,
    One(Membership),
    Several(Vec<Membership>),
}

#[derive(Clone, Copy)]
pub(super) struct Membership {
    room: RoomId,
    index: u32,
}

impl Memberships {
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub fn rooms(&self) -> impl DoubleEndedIterator<Item = RoomId> {
        self.as_slice().iter().map(|membership| membership.room)
    }

    /// The room of a client that is in one only.
    pub fn only(&self) -> Option<RoomId> {
        match self.as_slice() {
            [membership] => Some(membership.room),
            _ => None,
        }
    }

    pub fn contains(&self, room: RoomId) -> bool {
        self.find(room).is_ok()
    }

    /// Adds a room the client is not in.
    pub fn insert(&mut self, room: RoomId, index: u32) {
        let Err(at) = self.find(room) else {
            unreachable!("a client joins a room once");
        };
        let new = Membership { room, index };
        match self {
            Memberships::None => *self = Memberships::One(new),
            Memberships::One(other) => {
                let mut both = vec![*other];
                both.insert(at, new);
                *self = Memberships::Several(both);
            }
            Memberships::Several(all) => all.insert(at, new),
        }
    }

    /// The client's index in the room's list of members has changed.
    pub fn set_index(&mut self, room: RoomId, index: u32) {
        let at = self.find(room).expect("a room's members know the room");
        match self {
            Memberships::None => {}
            Memberships::One(membership) => membership.index = index,
            Memberships::Several(all) => all[at].index = index,
        }
    }

    /// Removes a room, and gives the index the client had there.
    pub fn remove(&mut self, room: RoomId) -> Option<u32> {
        let at = self.find(room).ok()?;
        let index = self.as_slice()[at].index;
        match self {
            Memberships::Several(all) => _ = all.remove(at),
            Memberships::None | Memberships::One(_) => *self = Memberships::None,
        }
        Some(index)
    }

    fn find(&self, room: RoomId) -> Result<usize, usize> {
        self.as_slice().binary_search_by_key(&room, |membership| membership.room)
    }

    fn as_slice(&self) -> &[Membership] {
        match self {
            Memberships::None => &[],
            Memberships::One(membership) => slice::from_ref(membership),
            Memberships::Several(all) => all,
        }
    }
}

/// Stands for the index of a client that is not listed among the members.
pub(super) const UNLISTED: u32 = u32::MAX;
