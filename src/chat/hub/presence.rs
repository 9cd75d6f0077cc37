//! Joining rooms and leaving them, and who hears of it.
//!
//! A room announces each join, leave and change of name while it is small: it has no more members than the presence limit,
//! and a list of them fits [`MAX_LISTING`](super::super::room::MAX_LISTING). A `json` member got the list with its
//! `joined`, and keeps it by these. A room that is larger sends its number of members in their place, at most once a
//! second; when it is small again it sends the list in the place of the number, and from then on announces as before.
//! So a list is complete from when it was sent until a number is.

use super::{
    super::{
        ClientId, Format, Now, Outbox, Payload, Resume, RoomId,
        json::{Event, Members},
        lines::Line,
        name,
        refusal::{Refusal, quoted},
        room::Mode,
    },
    Hub,
};

/// What somebody who joins a room hears besides what everybody does.
#[derive(Clone, Copy, Default)]
pub(super) struct Arrival<'a> {
    /// What it has heard before (`json`).
    pub resume: Option<Resume<'a>>,
    /// What went wrong on the way (`lines`).
    pub notice: Option<&'a Refusal>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Join,
    Leave,
}

impl Hub {
    /// The room of that name, for somebody who is about to be [admitted](Hub::admit).
    pub(super) fn open_room(&mut self, room: &str) -> Result<RoomId, Refusal> {
        let room = name::room(room, self.settings.max_room).map_err(Refusal::BadRoom)?;
        self.rooms.find_or_create(&room, self.settings.max_rooms, &mut self.rng)
    }

    /// The room of that name, if it exists.
    pub(super) fn find_room(&self, name: &str) -> Option<RoomId> {
        self.rooms.find(name).or_else(|| {
            let tidied = name::room(name, self.settings.max_room).ok()?;
            self.rooms.find(&tidied)
        })
    }

    /// The room a client means: the one it names, or the only one it is in.
    pub(super) fn room_of(&self, client: ClientId, named: Option<&str>) -> Result<RoomId, Refusal> {
        let memberships = &self.clients.present(client.slot).memberships;
        if let Some(name) = named {
            let room = self.find_room(name).filter(|&room| memberships.contains(room));
            return room.ok_or_else(|| Refusal::NotInRoom(quoted(name)));
        }
        memberships.only().ok_or_else(|| match memberships.len() {
            0 => Refusal::InNoRoom,
            rooms => Refusal::RoomRequired { rooms },
        })
    }

    /// Puts a client in a room it is not in: first the others hear of it, then the client does, then it hears the room.
    pub(super) fn admit(
        &mut self,
        client: ClientId,
        room: RoomId,
        arrival: Arrival<'_>,
        now: Now,
        out: &mut impl Outbox,
    ) {
        self.rooms.revive(room);
        let format = self.clients.present(client.slot).format;
        if format != Format::Raw {
            self.announce(Change::Join, client, room, now, out);
        }
        let newcomer = self.clients.present_mut(client.slot);
        let index = self.rooms.get_mut(room).add(client.slot, format, &newcomer.name);
        newcomer.memberships.insert(room, index);
        match format {
            Format::Json => self.send_joined(client, room, arrival.resume, now, out),
            Format::Lines => {
                let newcomer = self.clients.present(client.slot);
                Line::Welcome { name: &newcomer.name }.write(&self.settings.time_zone, &mut self.scratch);
                out.send(client, Payload::Text(&self.scratch));
                if let Some(notice) = arrival.notice {
                    self.refuse(client, notice, None, out);
                }
                self.replay(client, room, now, out);
            }
            Format::Html => self.replay(client, room, now, out),
            Format::Raw => {}
        }
        out.subscribe(client, room.channel(format));
    }

    /// Takes a client out of a room it is in, and tells those who stay.
    pub(super) fn depart(&mut self, client: ClientId, room: RoomId, now: Now, out: &mut impl Outbox) {
        let leaver = self.clients.present_mut(client.slot);
        let format = leaver.format;
        let Some(index) = leaver.memberships.remove(room) else { return };
        out.unsubscribe(client, room.channel(format));
        if let Some(moved) = self.rooms.get_mut(room).remove(index, format, &leaver.name) {
            self.clients.present_mut(moved).memberships.set_index(room, index);
        }
        if format != Format::Raw {
            self.announce(Change::Leave, client, room, now, out);
        }
        let left = self.rooms.get_mut(room);
        if left.is_empty() {
            self.schedule.cancel(room, &mut left.presence.online);
            self.rooms.retire(room);
        }
    }

    /// Announces somebody who is not subscribed to the room yet, or no longer.
    fn announce(&mut self, change: Change, client: ClientId, id: RoomId, now: Now, out: &mut impl Outbox) {
        let room = self.rooms.get_mut(id);
        let client = self.clients.present(client.slot);
        let newcomers = usize::from(change == Change::Join);
        let is_small = room.is_small(self.settings.presence_limit, (newcomers > 0).then_some(&*client.name));
        match room.presence.mode {
            Mode::Listed if is_small => {}
            // Nobody has a list or a number.
            _ if !room.hears(Format::Json) => return room.presence.mode = Mode::of(is_small),
            Mode::Listed | Mode::Counted => {
                if !is_small {
                    room.presence.mode = Mode::Counted;
                }
                return self.count(id, newcomers, now, out);
            }
        }
        let Hub { rooms, settings, scratch, cost, .. } = self;
        let room = rooms.get(id);
        let listeners = |format| room.listeners(format);
        let online = room.members.len() + newcomers;
        let since = room.offset;
        if room.hears(Format::Json) {
            let (room, uid, name) = (&*room.name, client.uid, &*client.name);
            match change {
                Change::Join => Event::Join { room, uid, name, online },
                Change::Leave => Event::Leave { room, uid, name, online },
            }
            .write(scratch);
            out.publish(id.channel(Format::Json), since, Payload::Text(scratch));
            cost.notice(listeners(Format::Json), scratch.len());
        }
        if room.hears(Format::Lines) {
            let name = &*client.name;
            match change {
                Change::Join => Line::Welcome { name },
                Change::Leave => Line::Logout { time: now.time, name },
            }
            .write(&settings.time_zone, scratch);
            out.publish(id.channel(Format::Lines), since, Payload::Text(scratch));
            cost.notice(listeners(Format::Lines), scratch.len());
        }
    }

    /// [Publishes](Hub::publish_presence) how many the members are or who they are, now or when it may.
    pub(super) fn count(&mut self, id: RoomId, newcomers: usize, now: Now, out: &mut impl Outbox) {
        if self.schedule.change(id, &mut self.rooms.get_mut(id).presence.online, now.instant) {
            self.publish_presence(id, newcomers, out);
        }
    }

    /// Announces the number of members and newcomers of a room or, if it has become small, all its members.
    pub(super) fn publish_presence(&mut self, id: RoomId, newcomers: usize, out: &mut impl Outbox) {
        let room = self.rooms.get_mut(id);
        // Who is not in the room yet is on no list.
        let is_small = newcomers == 0 && room.is_small(self.settings.presence_limit, None);
        room.presence.mode = Mode::of(is_small);
        if !room.hears(Format::Json) {
            return;
        }
        let online = room.members.len() + newcomers;
        let members = Members { slots: &room.members, clients: &self.clients };
        match room.presence.mode {
            Mode::Listed => Event::Who { room: &room.name, online, members },
            Mode::Counted => Event::Online { room: &room.name, online },
        }
        .write(&mut self.scratch);
        out.publish(id.channel(Format::Json), room.offset, Payload::Text(&self.scratch));
    }
}
