//! Servers that lose, repeat, reorder or change messages.

use super::wire::{BINARY, Frame};
use super::{Act, Incoming, Kind, Script, Server};

/// A server without faults.
pub fn correct(kind: Kind) -> Server {
    Script::new(kind).start()
}

/// Returns true for the one message of each hundred that is affected.
fn is_50th(said: &Incoming) -> bool {
    said.of_all % 100 == 50
}

pub fn drops_one_of_100(kind: Kind) -> Server {
    Script::new(kind).on_message(|said| if is_50th(&said) { vec![] } else { said.deliver() }).start()
}

pub fn duplicates_one_of_100(kind: Kind) -> Server {
    let act = |said: Incoming| match is_50th(&said) {
        true => [said.clone().deliver(), said.deliver()].concat(),
        false => said.deliver(),
    };
    Script::new(kind).on_message(act).start()
}

/// Delivers one of 100 messages after its successor.
pub fn swaps_one_of_100(kind: Kind) -> Server {
    let mut held = Vec::new();
    let act = move |said: Incoming| {
        if is_50th(&said) {
            held = said.deliver();
            return vec![];
        }
        let mut acts = said.deliver();
        acts.append(&mut held);
        acts
    };
    Script::new(kind).on_message(act).start()
}

/// Delivers messages twice, starting with message `first` of each connection.
pub fn duplicates_from(kind: Kind, first: u64) -> Server {
    let act = move |said: Incoming| match said.of_sender >= first {
        true => [said.clone().deliver(), said.deliver()].concat(),
        false => said.deliver(),
    };
    Script::new(kind).on_message(act).start()
}

/// Drops messages, starting with message `first` of each connection.
pub fn drops_from(kind: Kind, first: u64) -> Server {
    let act = move |said: Incoming| if said.of_sender >= first { vec![] } else { said.deliver() };
    Script::new(kind).on_message(act).start()
}

/// Overwrites the last eight bytes of messages, starting with message `first` of each connection.
pub fn corrupts_from(kind: Kind, first: u64) -> Server {
    let act =
        move |said: Incoming| if said.of_sender >= first { corrupt(said).deliver() } else { said.deliver() };
    Script::new(kind).on_message(act).start()
}

fn corrupt(mut said: Incoming) -> Incoming {
    let tail = said.frame.payload.len().saturating_sub(8);
    said.frame.payload[tail..].fill(b'X');
    said
}

/// Overwrites the last eight bytes of one of ten messages.
pub fn corrupts_one_of_10(kind: Kind) -> Server {
    let act = |said: Incoming| if said.of_all % 10 == 3 { corrupt(said).deliver() } else { said.deliver() };
    Script::new(kind).on_message(act).start()
}

/// Delivers one of ten messages as binary.
pub fn makes_one_of_10_binary(kind: Kind) -> Server {
    let act = |mut said: Incoming| {
        if said.of_all % 10 == 3 {
            said.frame.opcode = BINARY;
        }
        said.deliver()
    };
    Script::new(kind).on_message(act).start()
}

/// Collects as many messages as there are numbers in `order`, and delivers them in that order.
pub fn reorders(kind: Kind, order: Vec<u32>) -> Server {
    let mut held: Vec<Frame> = Vec::new();
    let act = move |said: Incoming| {
        held.push(said.frame);
        if held.len() < order.len() {
            return vec![];
        }
        let held = std::mem::take(&mut held);
        order.iter().map(|number| Act::Deliver(held[*number as usize].clone())).collect()
    };
    Script::new(kind).on_message(act).start()
}

pub fn reversed(count: u32) -> Vec<u32> {
    (0..count).rev().collect()
}

/// Returns a random order, the same each time (Fisher-Yates with SplitMix64).
pub fn shuffled(count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut state = 0u64;
    for last in (1..order.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        order.swap(last, (bits % (last as u64 + 1)) as usize);
    }
    order
}

/// Returns how many numbers follow a higher one.
pub fn out_of_order(order: &[u32]) -> u64 {
    let mut highest = None;
    let late = order.iter().filter(|number| {
        let is_late = highest.is_some_and(|highest| **number < highest);
        highest = highest.max(Some(**number));
        is_late
    });
    late.count() as u64
}

/// How several deliveries are joined in one message.
#[derive(Clone, Copy, Debug)]
pub enum Joined {
    By(&'static str),
    JsonArray,
}

/// Joins every `count` messages into one.
pub fn joins(kind: Kind, joined: Joined, count: usize) -> Server {
    let mut held: Vec<String> = Vec::new();
    let act = move |said: Incoming| {
        held.push(said.frame.as_text());
        if held.len() < count {
            return vec![];
        }
        let held = std::mem::take(&mut held);
        let text = match joined {
            Joined::By(separator) => held.join(separator),
            Joined::JsonArray => serde_json::to_string(&held).unwrap(),
        };
        vec![Act::Deliver(Frame::text(text))]
    };
    Script::new(kind).on_message(act).start()
}

/// Parses JSON and serialises it with other spaces and sorted keys.
pub fn serialises_json_again(kind: Kind) -> Server {
    let act = |said: Incoming| {
        let value: serde_json::Value = serde_json::from_slice(&said.frame.payload).unwrap();
        let sorted = serde_json::to_string_pretty(&sorted(&value)).unwrap();
        vec![Act::Deliver(Frame::text(sorted))]
    };
    Script::new(kind).on_message(act).start()
}

/// Sorts keys explicitly, in case some dependency makes `serde_json` keep their order.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    let serde_json::Value::Object(object) = value else { return value.clone() };
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), sorted(&object[key]))).collect()
}

/// Delivers messages to all members except the sender.
pub fn excludes_sender() -> Server {
    Script::new(Kind::Room).on_message(|said| vec![Act::DeliverToOthers(said.frame)]).start()
}

/// When the sender receives an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub enum Acknowledged {
    /// Before its own delivery.
    First,
    /// After its own delivery.
    Last,
    /// Instead of its own delivery.
    Only,
}

/// Acknowledges each message to its sender in another JSON object, which repeats its text.
pub fn acknowledges(how: Acknowledged) -> Server {
    let act = move |said: Incoming| {
        let text = format!(r#"{{"status":"ok","ack":"{}"}}"#, said.frame.as_text());
        let acknowledgement = Act::Reply(Frame::text(text));
        match how {
            Acknowledged::First => vec![acknowledgement, Act::Deliver(said.frame)],
            Acknowledged::Last => vec![Act::Deliver(said.frame), acknowledgement],
            Acknowledged::Only => vec![acknowledgement, Act::DeliverToOthers(said.frame)],
        }
    };
    Script::new(Kind::Room).on_message(act).start()
}
