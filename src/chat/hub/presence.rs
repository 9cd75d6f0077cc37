//! Coming to rooms and leaving them, and who hears of it.
//!
//! A room tells each coming, going and change of name while it is small, that is, up to the presence limit; when it is
//! large it only tells `json` members their number, at most once a second. Who comes or goes is counted in both cases,
//! so a room that grows past the limit and shrinks again tells of the same people in both directions. Lists of members
//! that clients keep are complete while a room stays small; after it was large, `who` gives a fresh one.

use super::{
    super::{
        ClientId, Format, Now, Outbox, Payload, Resume, RoomId, html,
        json::{Event, Members, Replay},
        lines::Line,
        name,
        refusal::{Refusal, quoted},
    },
    Hub,
};

/// What somebody who comes to a room is told beside what all are.
#[derive(Clone, Copy, Default)]
pub(super) struct Arrival<'a> {
    /// What it has heard before (`json`).
    pub resume: Option<Resume<'a>>,
    /// What went wrong on the way (`lines`).
    pub notice: Option<&'a Refusal>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Come,
    Go,
}

impl Hub {
    /// The room of that name, for somebody who is about to be [admitted](Hub::admit).
    pub(super) fn open_room(&mut self, room: &str) -> Result<RoomId, Refusal> {
        name::check_room(room, self.settings.max_room).map_err(Refusal::BadRoom)?;
        self.rooms.find_or_create(room, self.settings.max_rooms, &mut self.rng)
    }

    /// The room a client means: the one it names, or the only one it is in.
    pub(super) fn room_of(&self, client: ClientId, named: Option<&str>) -> Result<RoomId, Refusal> {
        let memberships = &self.clients.present(client.slot).memberships;
        if let Some(name) = named {
            let room = self.rooms.find(name).filter(|&room| memberships.contains(room));
            return room.ok_or_else(|| Refusal::NotInRoom(quoted(name)));
        }
        memberships.only().ok_or_else(|| match memberships.len() {
            0 => Refusal::InNoRoom,
            rooms => Refusal::RoomRequired { rooms },
        })
    }

    /// Puts a client in a room it is not in: first the others are told, then the client is, then it hears the room.
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
            let online = self.rooms.get(room).members.len() + 1;
            self.announce(Change::Come, client, room, online, now, out);
        }
        let index = self.rooms.get_mut(room).add(client.slot, format);
        self.clients.present_mut(client.slot).memberships.insert(room, index);
        match format {
            Format::Json => self.send_joined(client, room, arrival.resume, out),
            Format::Lines => {
                let newcomer = self.clients.present(client.slot);
                Line::Welcome { name: &newcomer.name }.write(&self.settings.time_zone, &mut self.scratch);
                out.send(client, Payload::Text(&self.scratch));
                if let Some(notice) = arrival.notice {
                    self.refuse(client, notice, None, out);
                }
                self.replay(client, room, out);
            }
            Format::Html => self.replay(client, room, out),
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
        if let Some(moved) = self.rooms.get_mut(room).remove(index, format) {
            self.clients.present_mut(moved).memberships.set_index(room, index);
        }
        if format != Format::Raw {
            let online = self.rooms.get(room).members.len();
            self.announce(Change::Go, client, room, online, now, out);
        }
        let left = self.rooms.get_mut(room);
        if left.is_empty() {
            self.schedule.cancel(room, &mut left.online);
            self.rooms.retire(room);
        }
    }

    /// Answers a `json` client that is in the room with where the room stands.
    pub(super) fn send_joined(
        &mut self,
        client: ClientId,
        id: RoomId,
        resume: Option<Resume<'_>>,
        out: &mut impl Outbox,
    ) {
        let room = self.rooms.get(id);
        let missed = resume.filter(|resume| {
            room.epoch == *resume.epoch
                && resume.since <= room.offset
                && room.history.holds_all_since(resume.since)
        });
        let listed = room.members.len() <= self.settings.presence_limit;
        let joined = Event::Joined {
            room: &room.name,
            epoch: room.epoch,
            offset: room.offset,
            recovered: missed.is_some(),
            online: room.members.len(),
            members: listed.then_some(Members { slots: &room.members, clients: &self.clients }),
            history: Replay { room, since: missed.map_or(0, |resume| resume.since) },
        };
        joined.write(&mut self.scratch);
        out.send(client, Payload::Text(&self.scratch));
    }

    /// Tells a room's `json` members how many they are.
    pub(super) fn publish_online(&mut self, id: RoomId, online: usize, out: &mut impl Outbox) {
        let room = self.rooms.get(id);
        if room.hears(Format::Json) {
            Event::Online { room: &room.name, online }.write(&mut self.scratch);
            out.publish(id.channel(Format::Json), room.offset, Payload::Text(&self.scratch));
        }
    }

    /// Whether a room of that many members only counts them.
    pub(super) fn is_large(&self, members: usize) -> bool {
        members > self.settings.presence_limit
    }

    /// Tells a room of somebody who is not subscribed to it yet, or no longer. `online` is the number after the change.
    fn announce(
        &mut self,
        change: Change,
        client: ClientId,
        id: RoomId,
        online: usize,
        now: Now,
        out: &mut impl Outbox,
    ) {
        let with_client = online + usize::from(change == Change::Go);
        if self.is_large(with_client) {
            let room = self.rooms.get_mut(id);
            if room.hears(Format::Json) && self.schedule.change(id, &mut room.online, now.instant) {
                self.publish_online(id, online, out);
            }
            return;
        }
        let Hub { rooms, clients, settings, scratch, .. } = self;
        let room = rooms.get(id);
        let client = clients.present(client.slot);
        let since = room.offset;
        if room.hears(Format::Json) {
            let (room, uid, name) = (&*room.name, client.uid, &*client.name);
            match change {
                Change::Come => Event::Join { room, uid, name, online },
                Change::Go => Event::Leave { room, uid, name, online },
            }
            .write(scratch);
            out.publish(id.channel(Format::Json), since, Payload::Text(scratch));
        }
        if room.hears(Format::Lines) {
            let name = &*client.name;
            match change {
                Change::Come => Line::Welcome { name },
                Change::Go => Line::Logout { time: now.time, name },
            }
            .write(&settings.time_zone, scratch);
            out.publish(id.channel(Format::Lines), since, Payload::Text(scratch));
        }
    }

    /// Sends the room's history message by message.
    fn replay(&mut self, client: ClientId, id: RoomId, out: &mut impl Outbox) {
        let Hub { rooms, clients, settings, scratch, .. } = self;
        let room = rooms.get(id);
        let format = clients.present(client.slot).format;
        for message in room.history.since(0, &room.name) {
            match format {
                Format::Lines => Line::Message(&message).write(&settings.time_zone, scratch),
                _ => html::write_message(&message, &settings.time_zone, scratch),
            }
            out.send(client, Payload::Text(scratch));
        }
    }
}
