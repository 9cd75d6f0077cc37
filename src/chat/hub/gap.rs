//! What a client is told that was left out for a while because it read too slowly.

use std::fmt;

use super::{
    super::{ClientId, Format, Outbox, Payload, RoomId, html, json::Event, lines::Line, room::Mode},
    Hub,
};

impl Hub {
    /// A client hears a room again of which it has heard nothing after offset `since`. It is told at this place which
    /// messages those were: `json` by a `gap`, `lines` and `html` by a notice; `raw` cannot be told. As it may have
    /// missed comings, goings and changes of name too, a `json` client is then told who is there now: by `who` in a
    /// room that tells of those, else by `online`.
    pub fn catch_up(&mut self, client: ClientId, room: RoomId, since: u64, out: &mut impl Outbox) {
        let Some(late) = self.clients.get(client).filter(|late| late.memberships.contains(room)) else {
            return;
        };
        let format = late.format;
        let missed = Missed { since, until: self.rooms.get(room).offset };
        if missed.count() > 0 && format != Format::Raw {
            self.send_gap(client, format, room, &missed, out);
        }
        if format == Format::Json {
            self.send_presence(client, room, out);
        }
    }

    fn send_gap(
        &mut self,
        client: ClientId,
        format: Format,
        room: RoomId,
        missed: &Missed,
        out: &mut impl Outbox,
    ) {
        let Hub { rooms, settings, scratch, .. } = self;
        match format {
            Format::Json => {
                let room = &*rooms.get(room).name;
                Event::Gap { room, from: missed.since + 1, to: missed.until }.write(scratch);
            }
            Format::Lines => Line::Notice(missed).write(&settings.time_zone, scratch),
            Format::Html | Format::Raw => html::write_notice(missed, scratch),
        }
        out.send(client, Payload::Text(scratch));
    }

    fn send_presence(&mut self, client: ClientId, id: RoomId, out: &mut impl Outbox) {
        let room = self.rooms.get(id);
        if room.presence.mode == Mode::Listed {
            return self.send_members(client, id, out);
        }
        Event::Online { room: &room.name, online: room.members.len() }.write(&mut self.scratch);
        out.send(client, Payload::Text(&self.scratch));
    }
}

/// The messages of a room after one offset up to another, which a client has not heard.
struct Missed {
    since: u64,
    until: u64,
}

impl Missed {
    fn count(&self) -> u64 {
        self.until - self.since
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            1 => f.write_str("… 1 message was left out: you read too slowly."),
            count => write!(f, "… {count} messages were left out: you read too slowly."),
        }
    }
}
