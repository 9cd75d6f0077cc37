//! What the requests of `json` clients do.

use super::{
    super::{
        ClientId, Format, Now, Outbox, Payload, RoomId,
        json::{Event, Members},
        name,
        refusal::Refusal,
        request::{Action, Position, Request},
        settings::exceeds,
    },
    Arrival, Hub,
};

impl Hub {
    pub(super) fn receive_json(&mut self, client: ClientId, text: &str, now: Now, out: &mut impl Outbox) {
        let Request { id, action } = Request::parse(text);
        let id = id.as_deref();
        if let Err(refusal) = action.and_then(|action| self.act(client, &action, id, now, out)) {
            self.refuse(client, &refusal, id, out);
        }
    }

    fn act(
        &mut self,
        client: ClientId,
        action: &Action<'_>,
        id: Option<&str>,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        match action {
            Action::Say { room, text } => {
                let room = self.room_of(client, room.as_deref())?;
                self.say(client, room, text, id, now, out)
            }
            Action::Join { room, position } => self.join(client, room, position.as_ref(), now, out),
            Action::Leave { room } => self.leave(client, room.as_deref(), now, out),
            Action::Nick { name } => self.rename(client, name, now, out),
            Action::Who { room } => self.send_who(client, room.as_deref(), out),
            Action::Ping => {
                self.send_event(client, &Event::Pong, out);
                Ok(())
            }
        }
    }

    /// Of a room the client is in already, it is only told again where the room stands.
    fn join(
        &mut self,
        client: ClientId,
        name: &str,
        position: Option<&Position<'_>>,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let resume = position.map(Position::resume);
        let name = &name::room(name, self.settings.max_room).map_err(Refusal::BadRoom)?;
        let memberships = &self.clients.present(client.slot).memberships;
        if let Some(room) = self.rooms.find(name).filter(|&room| memberships.contains(room)) {
            // What it has not heard so far, if it reads too slowly, is in this answer or was given up with it.
            out.unsubscribe(client, room.channel(Format::Json));
            self.send_joined(client, room, resume, now, out);
            self.cost.repeats();
            out.subscribe(client, room.channel(Format::Json));
            return Ok(());
        }
        let limit = self.settings.max_rooms_joined;
        if exceeds(memberships.len() + 1, limit) {
            return Err(Refusal::TooManyRooms { limit });
        }
        let room = self.open_room(name)?;
        self.admit(client, room, Arrival { resume, notice: None }, now, out);
        Ok(())
    }

    fn leave(
        &mut self,
        client: ClientId,
        name: Option<&str>,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let room = self.room_of(client, name)?;
        let name = self.rooms.get(room).name.clone();
        self.depart(client, room, now, out);
        self.send_event(client, &Event::Left { room: &name }, out);
        Ok(())
    }

    fn send_who(
        &mut self,
        client: ClientId,
        name: Option<&str>,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let room = self.room_of(client, name)?;
        self.send_members(client, room, out);
        Ok(())
    }

    pub(super) fn send_members(&mut self, client: ClientId, room: RoomId, out: &mut impl Outbox) {
        let room = self.rooms.get(room);
        let slots = room.listed(self.settings.presence_limit, &self.clients);
        let members = Members { slots, clients: &self.clients };
        Event::Who { room: &room.name, online: room.members.len(), members }.write(&mut self.scratch);
        self.cost.answer(self.scratch.len());
        out.send(client, Payload::Text(&self.scratch));
    }

    fn send_event(&mut self, client: ClientId, event: &Event<'_>, out: &mut impl Outbox) {
        event.write(&mut self.scratch);
        out.send(client, Payload::Text(&self.scratch));
    }
}
