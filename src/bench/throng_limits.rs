//! What throng's chat says of its limits, held against a plan.

use super::cli::Scenario;
use super::report::units::short;
use serde::Deserialize;

#[derive(Deserialize)]
struct Welcome {
    limits: Limits,
}

/// A limit of 0 is none.
#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    text: usize,
    #[serde(default)]
    rate: f64,
}

/// What of a plan the server that greets like this will refuse.
pub(crate) fn conflicts(scenario: &Scenario, greeting: &[u8]) -> Vec<String> {
    let Ok(Welcome { limits }) = serde_json::from_slice(greeting) else { return Vec::new() };
    let mut conflicts = Vec::new();
    if let Some(room) = scenario.room() {
        let senders = room.senders * scenario.common.rooms;
        let each = room.rate / senders.min(scenario.common.connections) as f64;
        if limits.rate > 0.0 && each > limits.rate {
            conflicts.push(format!(
                "The server accepts {} messages a second from each connection, and this run sends {}. Start throng with \
                 --rate 0, or use more --senders.",
                short(limits.rate),
                short(each)
            ));
        }
    }
    if let Some(message) = &scenario.message
        && limits.text > 0
        && message.size > limits.text
    {
        conflicts.push(format!(
            "The server accepts texts of up to {} bytes, and --size is {}. Start throng with a greater --max-text.",
            limits.text, message.size
        ));
    }
    conflicts
}
