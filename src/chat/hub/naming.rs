//! The names of newcomers, changes of name, and who hears of those.

use super::{
    super::{
        ClientId, Entry, Format, Outbox, Payload, RoomId,
        json::Event,
        lines::Line,
        name,
        refusal::{Refusal, quoted},
    },
    Hub,
};

impl Hub {
    /// Takes a name for a newcomer: the one it wishes, or another and the reason. `raw` has none.
    pub(super) fn name_newcomer(&mut self, entry: &Entry<'_>) -> (Box<str>, Option<Refusal>) {
        if entry.format == Format::Raw {
            return (Box::default(), None);
        }
        let refusal = match entry.name.map(str::trim) {
            None => None,
            Some(wish) => match name::check_member(wish, self.settings.max_name) {
                Ok(()) if self.names.take(wish) => return (wish.into(), None),
                Ok(()) => Some(Refusal::NameTaken(quoted(wish))),
                Err(fault) => Some(Refusal::BadName(fault)),
            },
        };
        (self.names.take_guest(&mut self.rng), refusal)
    }

    /// Gives a client the name it asks for, and tells those in its small rooms; of large rooms, of none, and of a name
    /// that stays the same, only itself.
    pub(super) fn rename(
        &mut self,
        client: ClientId,
        wish: &str,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let wish = wish.trim();
        let current = &*self.clients.present(client.slot).name;
        let changes = wish != current;
        if changes {
            name::check_member(wish, self.settings.max_name).map_err(Refusal::BadName)?;
            if !self.names.same(wish, current) {
                if !self.names.take(wish) {
                    return Err(Refusal::NameTaken(quoted(wish)));
                }
                self.names.release(current);
            }
        }
        let renamed = self.clients.present_mut(client.slot);
        let was = std::mem::replace(&mut renamed.name, wish.into());
        let rooms: Vec<RoomId> = renamed.memberships.rooms().collect();
        if rooms.is_empty() || !changes {
            self.send_nick(client, None, &was, out);
            return Ok(());
        }
        for room in rooms {
            if self.is_large(self.rooms.get(room).members.len()) {
                self.send_nick(client, Some(room), &was, out);
            } else {
                self.publish_nick(client, room, &was, out);
            }
        }
        Ok(())
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
        }
        if room.hears(Format::Lines) {
            Line::Nick { name, was }.write(&self.settings.time_zone, &mut self.scratch);
            out.publish(id.channel(Format::Lines), room.offset, Payload::Text(&self.scratch));
        }
    }
}
