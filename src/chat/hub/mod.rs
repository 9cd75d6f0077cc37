//! The hub's verbs, and what all formats have in common: coming, going, limits of rate, refusals.

use rand::rngs::StdRng;

use super::{
    ClientId, Dismissal, Entry, Format, Now, Outbox, Payload, Settings,
    client::{Client, Clients, Memberships},
    html,
    json::{Event, Limits},
    lines::Line,
    name,
    online::Schedule,
    rate::{Budget, Cost, Excess, Limits as Rates, Verdict},
    refusal::Refusal,
    request::Request,
    room::Rooms,
    taken::Names,
    token::Uid,
};

mod gap;
mod json;
mod lines;
mod naming;
mod presence;
mod replay;
mod speech;

use presence::Arrival;

/// Old messages that are forgotten in one call, so that the caller is soon back at its connections.
const FORGOTTEN_AT_ONCE: usize = 10_000;

/// All of chat: the clients, the rooms and what is remembered. See the [module](super) for how it is used.
pub struct Hub {
    settings: Settings,
    rates: Rates,
    /// What the request that is being handled has cost so far.
    cost: Cost,
    clients: Clients,
    names: Names,
    rooms: Rooms,
    schedule: Schedule,
    rng: StdRng,
    /// What is being written; kept so that writing needs no allocation.
    scratch: String,
}

impl Hub {
    /// `rng` gives the uids, so it should have been seeded from the system.
    pub fn new(settings: Settings, mut rng: StdRng) -> Hub {
        Hub {
            rates: Rates::new(&settings),
            cost: Cost::default(),
            settings,
            clients: Clients::default(),
            names: Names::new(&mut rng),
            rooms: Rooms::default(),
            schedule: Schedule::default(),
            rng,
            scratch: String::new(),
        }
    }

    /// Whether a room may have this name.
    ///
    /// # Errors
    /// A sentence that says which rule the name breaks.
    pub fn check_room(&self, room: &str) -> Result<(), String> {
        name::room(room, self.settings.max_room)
            .map(drop)
            .map_err(|fault| Refusal::BadRoom(fault).to_string())
    }

    /// A connection has opened. Whoever was in its slot is gone.
    ///
    /// The newcomer hears, in this order: who it is (`json` `welcome`, `lines` `Welcome`, `html` the uid if asked
    /// for), why it has another name than it wished, and what it needs to follow the room (`json` `joined`, else the
    /// history, message by message). The others hear of it first. A `json` client whose room cannot be had is told so
    /// and stays without a room; others are dismissed if there are too many rooms.
    pub fn enter(&mut self, client: ClientId, entry: &Entry<'_>, now: Now, out: &mut impl Outbox) {
        if let Some(earlier) = self.clients.holder(client.slot) {
            self.exit(earlier, now, out);
        }
        let (name, name_refusal) = self.name_newcomer(entry);
        let uid = Uid::random(&mut self.rng);
        self.clients.insert(
            client.slot,
            Client {
                generation: client.generation,
                format: entry.format,
                uid,
                name,
                memberships: Memberships::default(),
                budget: Budget::default(),
            },
        );
        match entry.format {
            Format::Json => self.send_welcome(client, out),
            Format::Html if entry.greet_with_uid => uid.with_str(|uid| out.send(client, Payload::Text(uid))),
            Format::Lines | Format::Html | Format::Raw => {}
        }
        let name_refusal = name_refusal.as_ref();
        // In `lines` the welcome comes with the room.
        if let (Some(refusal), Format::Json | Format::Html) = (name_refusal, entry.format) {
            self.refuse(client, refusal, None, out);
        }
        match self.open_room(entry.room) {
            Ok(room) => {
                let arrival = Arrival { resume: entry.resume, notice: name_refusal };
                self.admit(client, room, arrival, now, out);
            }
            Err(refusal) => {
                self.refuse(client, &refusal, None, out);
                if entry.format != Format::Json && matches!(refusal, Refusal::RoomsFull { .. }) {
                    self.dismiss(client, Dismissal::RoomsFull, now, out);
                }
            }
        }
    }

    /// A client has sent a message. From one that was dismissed it is ignored.
    pub fn receive(&mut self, client: ClientId, payload: Payload<'_>, now: Now, out: &mut impl Outbox) {
        let Some(speaker) = self.clients.get_mut(client) else { return };
        let format = speaker.format;
        if is_heartbeat(format, payload) {
            return;
        }
        match self.rates.judge(&mut speaker.budget, now.instant) {
            Verdict::Accept => {}
            Verdict::Refuse(excess) if format != Format::Raw => {
                return self.refuse_by_rate(client, excess, format, payload, out);
            }
            Verdict::Refuse(excess) | Verdict::GiveUp(excess) => {
                return self.dismiss_by_rate(client, excess, now, out);
            }
        }
        self.cost = Cost::of(payload.len());
        self.handle(client, format, payload, now, out);
        if let Some(speaker) = self.clients.get_mut(client) {
            self.rates.charge(&mut speaker.budget, now.instant, self.cost);
        }
    }

    fn handle(
        &mut self,
        client: ClientId,
        format: Format,
        payload: Payload<'_>,
        now: Now,
        out: &mut impl Outbox,
    ) {
        match (format, payload) {
            (Format::Raw, payload) => self.relay(client, payload, now, out),
            (_, Payload::Binary(_)) => self.dismiss(client, Dismissal::BinaryUnsupported, now, out),
            (Format::Json, Payload::Text(text)) => self.receive_json(client, text, now, out),
            (Format::Lines, Payload::Text(text)) => self.receive_line(client, text, now, out),
            (Format::Html, Payload::Text(text)) => self.receive_html(client, text, now, out),
        }
    }

    /// A connection has ended, whatever the reason. May come again, or after a dismissal.
    pub fn exit(&mut self, client: ClientId, now: Now, out: &mut impl Outbox) {
        while let Some(room) = self.clients.get(client).and_then(|gone| gone.memberships.rooms().next_back())
        {
            self.depart(client, room, now, out);
        }
        if let Some(gone) = self.clients.remove(client) {
            self.names.release(&gone.name);
        }
    }

    /// When [`tick`](Hub::tick) must be called; `None`: nothing waits.
    pub fn due(&self) -> Option<std::time::Instant> {
        let dues = [self.schedule.due(), self.rooms.due(self.settings.history_age)];
        dues.into_iter().flatten().min()
    }

    /// Does what has become due. Harmless when nothing has.
    pub fn tick(&mut self, now: Now, out: &mut impl Outbox) {
        while let Some(room) = self.schedule.take(now.instant) {
            self.rooms.get_mut(room).presence.online.tell(now.instant);
            self.publish_presence(room, 0, out);
        }
        self.rooms.expire(now.instant, self.settings.history_age, FORGOTTEN_AT_ONCE);
    }

    fn send_welcome(&mut self, client: ClientId, out: &mut impl Outbox) {
        let newcomer = self.clients.present(client.slot);
        let welcome = Event::Welcome {
            uid: newcomer.uid,
            name: &newcomer.name,
            server: &self.settings.server,
            limits: Limits::of(&self.settings),
        };
        welcome.write(&mut self.scratch);
        out.send(client, Payload::Text(&self.scratch));
    }

    fn refuse_by_rate(
        &mut self,
        client: ClientId,
        excess: Excess,
        format: Format,
        payload: Payload<'_>,
        out: &mut impl Outbox,
    ) {
        out.note_rate_limited(excess);
        let refusal = self.rate_limited(excess);
        let id = match payload {
            Payload::Text(text) if format == Format::Json => Request::parse(text).id,
            _ => None,
        };
        self.refuse(client, &refusal, id.as_deref(), out);
    }

    /// Tells a client why its request is not carried out; `id` is that of the request.
    fn refuse(&mut self, client: ClientId, refusal: &Refusal, id: Option<&str>, out: &mut impl Outbox) {
        let scratch = &mut self.scratch;
        match self.clients.present(client.slot).format {
            Format::Json => Event::error(refusal, id).write(scratch),
            Format::Lines => Line::Notice(refusal).write(&self.settings.time_zone, scratch),
            Format::Html => html::write_notice(refusal, scratch),
            Format::Raw => return,
        }
        out.send(client, Payload::Text(scratch));
    }

    fn dismiss_by_rate(&mut self, client: ClientId, excess: Excess, now: Now, out: &mut impl Outbox) {
        let (per_second, _) = self.rates.of(excess);
        self.dismiss(client, Dismissal::RateLimited { excess, per_second }, now, out);
    }

    fn rate_limited(&self, excess: Excess) -> Refusal {
        let (per_second, burst) = self.rates.of(excess);
        Refusal::RateLimited { excess, per_second, burst }
    }

    /// Forgets a client at once, so that its rooms and its name are free while the connection closes.
    fn dismiss(&mut self, client: ClientId, why: Dismissal, now: Now, out: &mut impl Outbox) {
        self.exit(client, now, out);
        out.dismiss(client, why);
    }
}

/// Whether a message only shows that its sender is there.
fn is_heartbeat(format: Format, payload: Payload<'_>) -> bool {
    match (format, payload) {
        (Format::Lines | Format::Html, Payload::Text(text)) => text.trim().is_empty(),
        _ => false,
    }
}
