//! Everybody whom chat addresses, with an eye on what they may expect of it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use throng::chat::{Channel, ClientId, Dismissal, Excess, Format, Outbox, Payload, Run};

/// Where a `json` client stands in the rooms it has been in: the epoch and the offset of each.
pub type Positions = HashMap<String, (String, u64)>;

#[derive(Default)]
pub struct Audience {
    listeners: HashMap<ClientId, Listener>,
    subscribers: HashMap<Channel, HashSet<ClientId>>,
    /// The content of the message that is being received, as far as `raw` is concerned.
    relayed: Vec<u8>,
}

struct Listener {
    format: Format,
    positions: Positions,
}

impl Audience {
    /// A client comes, who knows of rooms from an earlier time.
    pub fn expect(&mut self, client: ClientId, format: Format, positions: Positions) {
        self.listeners.insert(client, Listener { format, positions });
    }

    /// A client goes, and is to hear nothing more.
    pub fn leave(&mut self, client: ClientId) -> Option<Positions> {
        self.listeners.remove(&client).map(|listener| listener.positions)
    }

    /// A client sends this.
    pub fn expect_relay(&mut self, payload: Payload<'_>) {
        self.relayed = bytes(payload).to_vec();
    }

    /// All have left.
    pub fn end(self) {
        assert!(self.subscribers.values().all(HashSet::is_empty), "who left is subscribed still");
    }
}

impl Outbox for Audience {
    fn send(&mut self, to: ClientId, payload: Payload<'_>) {
        let listener = self.listeners.get_mut(&to).expect("nothing is sent to who is gone");
        match (listener.format, payload) {
            (Format::Json, Payload::Text(text)) => listener.hear_json(&json(text)),
            (Format::Lines, Payload::Text(text)) => check_line(text),
            (Format::Html, Payload::Text(text)) => check_html(text),
            (format, _) => panic!("{} was sent {payload:?}", format.name()),
        }
    }

    fn send_around(&mut self, to: ClientId, before: &str, runs: &mut [Run], after: &str) {
        let texts: Vec<&str> = runs.iter().map(Run::text).collect();
        self.send(to, Payload::Text(&format!("{before}{}{after}", texts.join(","))));
    }

    fn send_each(&mut self, to: ClientId, run: &mut Run) {
        run.messages().for_each(|text| self.send(to, Payload::Text(text)));
    }

    fn publish(&mut self, to: Channel, since: u64, payload: Payload<'_>) {
        let subscribers = &self.subscribers[&to];
        assert!(!subscribers.is_empty(), "{to:?} has no subscribers");
        match (to.format, payload) {
            (Format::Json, Payload::Text(text)) => {
                let event = json(text);
                assert!(event["type"] != "message" || event["offset"] == since + 1, "{since}: {event}");
                for client in subscribers {
                    self.listeners.get_mut(client).expect("who is gone hears nothing").hear_json(&event);
                }
            }
            (Format::Lines, Payload::Text(text)) => check_line(text),
            (Format::Html, Payload::Text(text)) => check_html(text),
            (Format::Raw, payload) => assert_eq!(bytes(payload), self.relayed),
            (format, _) => panic!("{} was sent {payload:?}", format.name()),
        }
    }

    fn subscribe(&mut self, client: ClientId, to: Channel) {
        assert_eq!(self.listeners[&client].format, to.format);
        assert!(self.subscribers.entry(to).or_default().insert(client), "{client:?} hears {to:?} twice");
    }

    fn unsubscribe(&mut self, client: ClientId, from: Channel) {
        let subscribers = self.subscribers.get_mut(&from).expect("the channel had subscribers");
        assert!(subscribers.remove(&client), "{client:?} did not hear {from:?}");
    }

    fn dismiss(&mut self, client: ClientId, _: Dismissal) {
        assert!(self.leave(client).is_some(), "{client:?} is dismissed, but gone");
    }

    fn note_rate_limited(&mut self, _: Excess) {}
}

impl Listener {
    fn hear_json(&mut self, event: &Value) {
        let room = || event["room"].as_str().expect("a room").to_owned();
        let offset = || event["offset"].as_u64().expect("an offset");
        match event["type"].as_str().expect("a type") {
            "joined" => {
                let history = event["history"].as_array().expect("a history");
                let first = offset() + 1 - history.len() as u64;
                assert!(history.iter().map(|message| &message["offset"]).eq(first..=offset()), "{event}");
                let epoch = event["epoch"].as_str().expect("an epoch").to_owned();
                let earlier = self.positions.insert(room(), (epoch, offset()));
                if let (Some((_, since)), Some(true)) = (earlier, event["recovered"].as_bool()) {
                    assert_eq!(first, since + 1, "{event}");
                }
            }
            "message" => {
                let (_, last) = self.positions.get_mut(&room()).expect("it has joined");
                *last += 1;
                assert_eq!(offset(), *last);
            }
            _ => {}
        }
    }
}

fn bytes(payload: Payload<'_>) -> &[u8] {
    match payload {
        Payload::Text(text) => text.as_bytes(),
        Payload::Binary(bytes) => bytes,
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

fn check_line(line: &str) {
    assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "more than a line: {line:?}");
}

/// A uid is no tag, a notice is one element and a message four; what members wrote adds none.
fn check_html(fragment: &str) {
    let count = |c| fragment.matches(c).count();
    assert!(matches!((count('<'), count('>')), (0, 0) | (2, 2) | (8, 8)), "more than a message: {fragment}");
}
