//! The history of a room for somebody who joins it: in `json` a part of `joined`, else message by message.

use super::{
    super::{
        ClientId, Format, Now, Outbox, Payload, Resume, RoomId,
        history::{Measure, Tail},
        html,
        json::{self, Event, Members},
        lines::Line,
        message::Message,
        replay::covered,
        room::Mode,
        size::{MAX_FRAME, Size},
    },
    Hub,
};

impl Hub {
    /// Answers a `json` client that is in the room with where the room stands, in a frame of limited size.
    pub(super) fn send_joined(
        &mut self,
        client: ClientId,
        id: RoomId,
        resume: Option<Resume<'_>>,
        now: Now,
        out: &mut impl Outbox,
    ) {
        self.rooms.expire_room(id, now.instant, self.settings.history_age);
        let mut replays = self.rooms.take_replays(id);
        let room = self.rooms.get(id);
        let missed = resume.filter(|resume| {
            room.epoch == *resume.epoch
                && resume.since <= room.offset
                && room.history.holds_all_since(resume.since)
        });
        let members = Members { slots: &room.members, clients: &self.clients };
        let members = Some(members).filter(|_| room.presence.mode == Mode::Listed);
        let listing = members.as_ref().map_or(0, |_| room.listing());
        let taken = json::joined_envelope(Size::of(&room.name).json) + listing;
        let most = MAX_FRAME.saturating_sub(taken);
        let all = room.history.tail(0, most, Measure::Json);
        let tail = missed.map_or(all, |resume| match resume.since >= all.since {
            true => Tail { since: resume.since, is_cut: false },
            false => all,
        });
        let joined = Event::Joined {
            room: &room.name,
            epoch: room.epoch,
            offset: room.offset,
            recovered: missed.is_some() && !tail.is_cut,
            online: room.members.len(),
            members,
            history: [],
            more: tail.is_cut,
        };
        joined.write(&mut self.scratch);
        // Nothing that follows the history has a bracket.
        let at = self.scratch.rfind(']').expect("a `joined` has a history");
        let mut after = self.scratch.split_off(at);
        let before = &mut self.scratch;

        let range = (all.since, tail.since);
        replays.json.update(&room.history, &room.name, range, Measure::Json, |messages, text, _| {
            json::append(messages.map(Event::Message), text);
        });
        let runs = replays.json.since(tail.since);
        let messages = |after, before| {
            let messages = room.history.since(after, &room.name);
            messages.take_while(move |message| message.offset < before).map(Event::Message)
        };
        if let Some((first, last)) = covered(runs) {
            let begin = before.len();
            json::append(messages(tail.since, first), before);
            if before.len() > begin {
                before.push(',');
            }
            let mut newest = String::new();
            json::append(messages(last, u64::MAX), &mut newest);
            if !newest.is_empty() {
                after.insert_str(0, &newest);
                after.insert(0, ',');
            }
            self.cost
                .answer(before.len() + after.len() + runs.iter().map(|run| run.text().len()).sum::<usize>());
            out.send_around(client, before, runs, &after);
        } else {
            json::append(messages(tail.since, u64::MAX), before);
            before.push_str(&after);
            self.cost.answer(before.len());
            out.send(client, Payload::Text(before));
        }
        self.rooms.put_replays(id, replays, &self.settings);
    }

    /// Sends the newest of the room's history message by message.
    pub(super) fn replay(&mut self, client: ClientId, id: RoomId, now: Now, out: &mut impl Outbox) {
        self.rooms.expire_room(id, now.instant, self.settings.history_age);
        let mut replays = self.rooms.take_replays(id);
        let Hub { rooms, clients, settings, scratch, cost, .. } = self;
        let room = rooms.get(id);
        let (measure, runs) = match clients.present(client.slot).format {
            Format::Lines => (Measure::Line, &mut replays.lines),
            _ => (Measure::Html, &mut replays.html),
        };
        let write = |message: &Message<'_>, text: &mut String| match measure {
            Measure::Line => Line::Message(message).write(&settings.time_zone, text),
            _ => html::write_message(message, &settings.time_zone, text),
        };
        let tail = room.history.tail(0, MAX_FRAME, measure);
        runs.update(&room.history, &room.name, (tail.since, tail.since), measure, |messages, text, ends| {
            for message in messages {
                write(&message, scratch);
                text.push_str(scratch);
                ends.push(text.len() as u32);
            }
        });
        let runs = runs.since(tail.since);
        cost.answer(room.history.sizes(tail.since, measure).map(|(_, bytes)| bytes).sum());
        let (first, last) = covered(runs).unwrap_or((u64::MAX, u64::MAX));
        let mut send = |message: Message<'_>, out: &mut _| {
            write(&message, scratch);
            Outbox::send(out, client, Payload::Text(scratch));
        };
        let held = |after| room.history.since(after, &room.name);
        held(tail.since).take_while(|message| message.offset < first).for_each(|message| send(message, out));
        runs.iter_mut().for_each(|run| out.send_each(client, run));
        held(last).for_each(|message| send(message, out));
        self.rooms.put_replays(id, replays, &self.settings);
    }
}
