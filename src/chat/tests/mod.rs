//! Chat against an outbox that records: what each client heard, and how much work it was.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{
    Channel, ClientId, Dismissal, Entry, Excess, Format, Hub, Now, Outbox, Payload, Resume, Run, Settings,
};

mod fuzz;
mod gap;
mod html;
mod json;
mod lines;
mod mixed;
mod names;
mod presence;
mod rate;
mod raw;
mod recovery;
mod replay;
mod rooms;
mod sizes;
mod texts;

/// Plays the caller: delivers at once, to whom is subscribed, and checks that the contract of [`Outbox`] is kept.
#[derive(Default)]
struct Record {
    subscribers: HashMap<Channel, BTreeSet<(u32, u32)>>,
    heard: HashMap<ClientId, Vec<String>>,
    dismissed: HashMap<ClientId, Dismissal>,
    /// Who reads too slowly, and since when it hears nothing of its channels.
    lagging: HashMap<ClientId, HashMap<Channel, u64>>,
    sends: usize,
    /// Runs of histories that were sent, and bytes that were written for one client.
    kept_runs: usize,
    fresh_bytes: usize,
    publishes: usize,
    rate_limited: Vec<Excess>,
}

impl Outbox for Record {
    fn send(&mut self, to: ClientId, payload: Payload<'_>) {
        assert!(!self.dismissed.contains_key(&to), "sent to a client after its dismissal");
        self.sends += 1;
        self.fresh_bytes += shown(payload).len();
        self.heard.entry(to).or_default().push(shown(payload));
    }

    fn send_around(&mut self, to: ClientId, before: &str, runs: &mut [Run], after: &str) {
        self.kept_runs += runs.len();
        let texts: Vec<&str> = runs.iter().map(Run::text).collect();
        let fresh = self.fresh_bytes + before.len() + after.len();
        self.send(to, Payload::Text(&format!("{before}{}{after}", texts.join(","))));
        self.fresh_bytes = fresh;
    }

    fn send_each(&mut self, to: ClientId, run: &mut Run) {
        self.kept_runs += 1;
        let fresh = self.fresh_bytes;
        run.messages().for_each(|text| self.send(to, Payload::Text(text)));
        self.fresh_bytes = fresh;
    }

    fn publish(&mut self, to: Channel, since: u64, payload: Payload<'_>) {
        self.publishes += 1;
        let subscribers = self.subscribers.get(&to).into_iter().flatten();
        assert_ne!(subscribers.clone().count(), 0, "encoded for nobody: {to:?}");
        for &(slot, generation) in subscribers {
            let client = ClientId { slot, generation };
            if let Some(missed) = self.lagging.get_mut(&client) {
                missed.entry(to).or_insert(since);
            } else {
                self.heard.entry(client).or_default().push(shown(payload));
            }
        }
    }

    fn subscribe(&mut self, client: ClientId, to: Channel) {
        let new = self.subscribers.entry(to).or_default().insert((client.slot, client.generation));
        assert!(new, "{client:?} subscribed twice to {to:?}");
    }

    fn unsubscribe(&mut self, client: ClientId, from: Channel) {
        let subscribers = self.subscribers.get_mut(&from).expect("somebody subscribed");
        assert!(subscribers.remove(&(client.slot, client.generation)), "{client:?} did not hear {from:?}");
        if let Some(missed) = self.lagging.get_mut(&client) {
            missed.remove(&from);
        }
    }

    fn dismiss(&mut self, client: ClientId, why: Dismissal) {
        let again = self.dismissed.insert(client, why);
        assert_eq!(again, None, "dismissed twice");
    }

    fn note_rate_limited(&mut self, excess: Excess) {
        self.rate_limited.push(excess);
    }
}

fn shown(payload: Payload<'_>) -> String {
    match payload {
        Payload::Text(text) => text.to_owned(),
        Payload::Binary(bytes) => format!("{bytes:02x?}"),
    }
}

/// A hub with its record, and a clock that stands at 2026-11-21 01:23:45.678 UTC until it is moved.
struct Stage {
    hub: Hub,
    out: Record,
    now: Now,
    clients: u32,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(|_| {})
    }

    /// With settings that differ from the default. Without a limit on messages there is none on their bytes.
    fn with(change: impl FnOnce(&mut Settings)) -> Stage {
        let mut settings = Settings::default();
        change(&mut settings);
        match settings.rate {
            0 => Stage::of(Settings { byte_rate: 0, fan_out_rate: 0, room_rate: 0, ..settings }),
            _ => Stage::of(settings),
        }
    }

    /// With no limits of rate but those that are set.
    fn unlimited(change: impl FnOnce(&mut Settings)) -> Stage {
        let mut settings =
            Settings { rate: 0, byte_rate: 0, fan_out_rate: 0, room_rate: 0, ..Settings::default() };
        change(&mut settings);
        Stage::of(settings)
    }

    fn of(settings: Settings) -> Stage {
        Stage {
            hub: Hub::new(settings, StdRng::seed_from_u64(7)),
            out: Record::default(),
            now: Now { instant: Instant::now(), time: "2026-11-21T01:23:45.678Z".parse().unwrap() },
            clients: 0,
        }
    }

    fn enter_as(&mut self, entry: Entry<'_>) -> ClientId {
        let client = ClientId { slot: self.clients, generation: 1 };
        self.clients += 1;
        self.hub.enter(client, &entry, self.now, &mut self.out);
        client
    }

    /// Somebody comes, and what it hears at first is not of interest.
    fn enter(&mut self, format: Format, room: &str, name: &str) -> ClientId {
        let client = self.enter_as(Entry { name: Some(name), ..entry(format, room) });
        self.heard(client);
        client
    }

    fn receive(&mut self, client: ClientId, text: &str) {
        self.hub.receive(client, Payload::Text(text), self.now, &mut self.out);
    }

    /// Sends a message and gives what the sender hears.
    fn ask(&mut self, client: ClientId, text: &str) -> Vec<String> {
        self.heard(client);
        self.receive(client, text);
        self.heard(client)
    }

    /// Sends a message and gives the one object with which it is answered.
    fn ask_json(&mut self, client: ClientId, text: &str) -> Value {
        match &self.ask(client, text)[..] {
            [answer] => serde_json::from_str(answer).unwrap(),
            other => panic!("{text} was answered by {other:?}"),
        }
    }

    fn exit(&mut self, client: ClientId) {
        self.hub.exit(client, self.now, &mut self.out);
    }

    fn tick(&mut self) {
        self.hub.tick(self.now, &mut self.out);
    }

    /// From now on the client reads too slowly.
    fn lag(&mut self, client: ClientId) {
        self.out.lagging.entry(client).or_default();
    }

    /// The client, if it read too slowly, no longer does.
    fn catch_up(&mut self, client: ClientId) {
        for (channel, since) in self.out.lagging.remove(&client).unwrap_or_default() {
            self.hub.catch_up(client, channel.room, since, &mut self.out);
        }
    }

    fn later(&mut self, by: Duration) {
        self.now.instant += by;
        self.now.time += by;
    }

    /// What the client has heard since it was asked last.
    fn heard(&mut self, client: ClientId) -> Vec<String> {
        self.out.heard.remove(&client).unwrap_or_default()
    }

    fn heard_json(&mut self, client: ClientId) -> Vec<Value> {
        self.heard(client).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    fn dismissal(&self, client: ClientId) -> Option<Dismissal> {
        self.out.dismissed.get(&client).copied()
    }
}

fn entry(format: Format, room: &str) -> Entry<'_> {
    Entry { room, format, name: None, greet_with_uid: false, resume: None }
}

/// The `code` of an error.
fn code(answer: &Value) -> &str {
    assert_eq!(answer["type"], "error", "{answer}");
    let sentence = answer["message"].as_str().unwrap();
    assert!(sentence.ends_with('.') && sentence.len() < 200, "{sentence}");
    answer["code"].as_str().unwrap()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn formats_have_names_and_no_other_names_are_known() {
    for format in Format::ALL {
        assert_eq!(Format::parse(format.name()), Some(format));
    }
    assert_eq!(Format::parse("JSON"), None);
}

#[test]
fn reasons_of_dismissal_fit_a_close_frame() {
    let longest = Dismissal::RateLimited { excess: Excess::FanOut, per_second: u64::MAX };
    for why in [Dismissal::Logout, Dismissal::BinaryUnsupported, longest, Dismissal::RoomsFull] {
        assert!((1..=123).contains(&why.to_string().len()), "{why}");
    }
}

#[test]
fn a_client_is_small() {
    assert!(size_of::<super::client::Client>() <= 104, "{}", size_of::<super::client::Client>());
    assert_eq!(size_of::<Timestamp>(), 16);
}

#[test]
fn messages_and_exits_of_earlier_holders_of_a_slot_are_ignored() {
    let mut stage = Stage::new();
    let first = stage.enter(Format::Json, "lobby", "ann");
    stage.exit(first);
    stage.exit(first);
    let second = ClientId { generation: 2, ..first };
    stage.hub.enter(second, &entry(Format::Json, "lobby"), stage.now, &mut stage.out);
    stage.heard(second);
    stage.receive(first, r#"{"type":"say","text":"from the grave"}"#);
    stage.exit(first);
    assert!(stage.heard(second).is_empty());
    assert_eq!(stage.ask_json(second, r#"{"type":"who"}"#)["online"], 1);
}

#[test]
fn a_connection_that_enters_a_held_slot_replaces_its_holder() {
    let mut stage = Stage::new();
    let watcher = stage.enter(Format::Json, "lobby", "watcher");
    let first = stage.enter(Format::Json, "lobby", "ann");
    stage.heard(watcher);
    let second = ClientId { generation: 2, ..first };
    let ann = Entry { name: Some("ann"), ..entry(Format::Json, "lobby") };
    stage.hub.enter(second, &ann, stage.now, &mut stage.out);
    let heard = stage.heard_json(watcher);
    assert_eq!(types(&heard), ["leave", "join"]);
    assert_eq!(heard[1]["name"], "ann", "the name was free again");
}

#[test]
fn a_dismissed_client_is_gone_at_once_and_ignored_afterwards() {
    let mut stage = Stage::new();
    let watcher = stage.enter(Format::Json, "lobby", "watcher");
    let ann = stage.enter(Format::Lines, "lobby", "ann");
    stage.heard(watcher);
    stage.hub.receive(ann, Payload::Binary(b"\0"), stage.now, &mut stage.out);
    assert_eq!(stage.dismissal(ann), Some(Dismissal::BinaryUnsupported));
    assert_eq!(types(&stage.heard_json(watcher)), ["leave"]);
    stage.receive(ann, "still here");
    stage.receive(ann, "quit");
    stage.exit(ann);
    assert!(stage.heard(watcher).is_empty() && stage.heard(ann).is_empty());
}

#[test]
fn binary_messages_are_for_raw_only() {
    for format in [Format::Json, Format::Lines, Format::Html] {
        let mut stage = Stage::new();
        let ann = stage.enter(format, "lobby", "ann");
        stage.hub.receive(ann, Payload::Binary(b""), stage.now, &mut stage.out);
        assert_eq!(stage.dismissal(ann), Some(Dismissal::BinaryUnsupported), "{format:?}");
    }
}
