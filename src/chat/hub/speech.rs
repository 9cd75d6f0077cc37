//! What is said in a room, and how it reaches every format: encoded once for each that somebody there hears.

use std::sync::Arc;

use super::{
    super::{
        ClientId, Excess, Format, Now, Outbox, Payload, RoomId, html, json::Event, lines::Line,
        message::Message, refusal::Refusal, request::message_of, text,
    },
    Hub,
};

impl Hub {
    /// Says `text` in a room the client is in.
    pub(super) fn say(
        &mut self,
        client: ClientId,
        id: RoomId,
        text: &str,
        mark: Option<&str>,
        now: Now,
        out: &mut impl Outbox,
    ) -> Result<(), Refusal> {
        let size = text::check(text, self.settings.max_text)?;
        if !self.rates.allows_in_room(self.rooms.get(id).said, now.instant) {
            out.note_rate_limited(Excess::Room);
            return Err(self.rate_limited(Excess::Room));
        }
        let Hub { rooms, clients, settings, scratch, cost, rates, .. } = self;
        let room = rooms.get_mut(id);
        let since = room.offset;
        room.offset += 1;
        let speaker = clients.present(client.slot);
        let room_name = Arc::clone(&room.name);
        let message = Message {
            room: &room_name,
            offset: room.offset,
            time: now.time,
            uid: speaker.uid,
            name: &speaker.name,
            text,
            id: mark,
        };
        let mut largest = 0;
        for format in [Format::Json, Format::Lines, Format::Html] {
            if !room.hears(format) {
                continue;
            }
            match format {
                Format::Json => Event::Message(message).write(scratch),
                Format::Lines => Line::Message(&message).write(&settings.time_zone, scratch),
                _ => html::write_message(&message, &settings.time_zone, scratch),
            }
            out.publish(id.channel(format), since, Payload::Text(scratch));
            cost.message(room.listeners(format), scratch.len());
            largest = largest.max(scratch.len());
        }
        rates.charge_room(&mut room.said, now.instant, largest);
        rooms.keep(id, &message, message.size(size), now.instant, settings);
        Ok(())
    }

    /// Passes a message on as it is, to those who asked for that, its sender too.
    pub(super) fn relay(&mut self, client: ClientId, payload: Payload<'_>, now: Now, out: &mut impl Outbox) {
        let Some(id) = self.clients.present(client.slot).memberships.only() else { return };
        let room = self.rooms.get_mut(id);
        if !self.rates.allows_in_room(room.said, now.instant) {
            return self.dismiss_by_rate(client, Excess::Room, now, out);
        }
        out.publish(id.channel(Format::Raw), room.offset, payload);
        self.cost.message(room.listeners(Format::Raw), payload.len());
        self.rates.charge_room(&mut room.said, now.instant, payload.len());
    }

    /// A message of an `html` client: an object with a `message`, or else the text as it is.
    pub(super) fn receive_html(&mut self, client: ClientId, text: &str, now: Now, out: &mut impl Outbox) {
        let said = message_of(text).and_then(|message| {
            let room = self.room_of(client, None)?;
            let text = text::without_controls(message.as_deref().unwrap_or(text));
            self.say(client, room, &text, None, now, out)
        });
        if let Err(refusal) = said {
            self.refuse(client, &refusal, None, out);
        }
    }
}
