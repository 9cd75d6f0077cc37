//! Compares the limits in the greeting of a throng chat with the plan of a run.

use super::cli::Scenario;
use super::report::units::short;
use serde::Deserialize;

#[derive(Deserialize)]
struct Welcome {
    limits: Limits,
}

/// The limits of the server. 0 means no limit.
#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    text: usize,
    #[serde(default)]
    rate: f64,
}

/// Returns warnings about the parts of the plan that a server with this greeting will reject.
pub(crate) fn conflicts(scenario: &Scenario, greeting: &[u8]) -> Vec<String> {
    let Ok(Welcome { limits }) = serde_json::from_slice(greeting) else { return Vec::new() };
    let mut conflicts = Vec::new();
    if let Some(room) = scenario.room() {
        let senders = room.senders * scenario.common.rooms;
        let each = room.rate / senders.min(scenario.common.connections) as f64;
        if limits.rate > 0.0 && each > limits.rate {
            conflicts.push(format!(
                "The server accepts {} messages per second from each connection, but this run sends {}. Start throng with \
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
            "The server accepts texts of up to {} bytes, but --size is {}. Start throng with a larger --max-text.",
            limits.text, message.size
        ));
    }
    conflicts
}
