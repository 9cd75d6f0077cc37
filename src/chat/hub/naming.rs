//! The names of newcomers, changes of name, and who hears of those.

use super::{
    super::{
        ClientId, Entry, Format, Now, Outbox, Payload, RoomId,
        json::Event,
        lines::Line,
        name::Name,
        refusal::{Refusal, quoted},
        room::Mode,
    },
    Hub,
};

impl Hub {
    /// Takes a name for a newcomer: the one it wishes, or another and the reason. `raw` has none.
    pub(super) fn name_newcomer(&mut self, entry: &Entry<'_>) -> (Box<str>, Option<Refusal>) {
        if entry.format == Format::Raw {
            return (Box::default(), None);
        }
        if let Some(name) = entry.name.and_then(|wish| self.names.take_guest_again(wish)) {
            return (name, None);
        }
        let refusal = match entry.name.map(|wish| Name::parse(wish, self.settings.max_name)) {
            None => None,
            Some(Ok(name)) if self.names.take(&name) => return (name.shown.into(), None),
            Some(Ok(name)) => Some(Refusal::NameTaken(quoted(&name.shown))),
            Some(Err(fault)) => Some(Refusal::BadName(fault)),
        };
        (self.names.take_guest(&mut self.rng), refusal)
    }

    /// Gives a client the name it asks for, and announces that in its rooms that list their members. Of rooms that only
    /// count them, of none, and of a name that stays the same, only the client itself hears.
    pub(super) fn rename(
        &mut self,
        client: ClientId,
        wish: &str,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let current = &*self.clients.present(client.slot).name;
        let name: Box<str> = match wish.trim() == current {
            true => current.into(),
            false => {
                let name = Name::parse(wish, self.settings.max_name).map_err(Refusal::BadName)?;
                if !self.names.exchange(current, &name) {
                    return Err(Refusal::NameTaken(quoted(&name.shown)));
                }
                name.shown.into()
            }
        };
        let renamed = self.clients.present_mut(client.slot);
        let was = std::mem::replace(&mut renamed.name, name);
        let rooms: Vec<RoomId> = renamed.memberships.rooms().collect();
        if rooms.is_empty() || renamed.name == was {
            self.send_nick(client, None, &was, out);
            return Ok(());
        }
        for room in rooms {
            self.rename_in(client, room, &was, now, out);
        }
        Ok(())
    }

    fn rename_in(&mut self, client: ClientId, id: RoomId, was: &str, now: Now, out: &mut impl Outbox) {
        let room = self.rooms.get_mut(id);
        room.rename(was, &self.clients.present(client.slot).name);
        let is_small = room.is_small(self.settings.presence_limit, None);
        match room.presence.mode {
            Mode::Listed if is_small => return self.publish_nick(client, id, was, out),
            Mode::Listed => {
                room.presence.mode = Mode::Counted;
                self.count(id, 0, now, out);
            }
            // It may be small because of this.
            Mode::Counted if is_small => self.count(id, 0, now, out),
            Mode::Counted => {}
        }
        self.send_nick(client, Some(id), was, out);
    }

    fn send_nick(&mut self, client: ClientId, room: Option<RoomId>, was: &str, out: &mut impl Outbox) {
        let renamed = self.clients.present(client.slot);
        let name = &*renamed.name;
        if renamed.format == Format::Json {
            let room = room.map(|room| &*self.rooms.get(room).name);
            Event::Nick { room, uid: renamed.uid, name, was }.write(&mut self.scratch);
        } else {
            Line::Nick { name, was }.write(&self.settings.time_zone, &mut self.scratch);
        }
        out.send(client, Payload::Text(&self.scratch));
    }

    fn publish_nick(&mut self, client: ClientId, id: RoomId, was: &str, out: &mut impl Outbox) {
        let renamed = self.clients.present(client.slot);
        let name = &*renamed.name;
        let room = self.rooms.get(id);
        if room.hears(Format::Json) {
            Event::Nick { room: Some(&room.name), uid: renamed.uid, name, was }.write(&mut self.scratch);
            out.publish(id.channel(Format::Json), room.offset, Payload::Text(&self.scratch));
            self.cost.notice(room.listeners(Format::Json), self.scratch.len());
        }
        if room.hears(Format::Lines) {
            Line::Nick { name, was }.write(&self.settings.time_zone, &mut self.scratch);
            out.publish(id.channel(Format::Lines), room.offset, Payload::Text(&self.scratch));
            self.cost.notice(room.listeners(Format::Lines), self.scratch.len());
        }
    }
}
