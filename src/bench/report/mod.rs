//! The report of a run and its output formats.
//!
//! Each figure is listed once, in [`figure`]: its name for `--expect`, its label, its unit, which direction
//! is better and where it is shown. The outputs ([`table`], [`html`], [`compare`], [`expect`]) iterate over
//! that list.

pub(crate) mod compare;
pub(crate) mod csv;
pub(crate) mod expect;
mod figure;
pub(crate) mod hdr;
pub(crate) mod html;
mod latency;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod units;
mod verdict;

pub(crate) use latency::Latency;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the JSON report. It is increased when a field is removed or changes its meaning.
pub(crate) const SCHEMA: u32 = 2;

/// Counts of events by cause.
pub(crate) type Causes = BTreeMap<String, u64>;

/// A report as written to JSON. Times are in seconds, latencies in microseconds, memory in bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub schema: u32,
    /// The version of throng that created the report.
    pub throng: String,
    /// When the run started (RFC 3339).
    pub started: String,
    pub scenario: String,
    pub url: String,
    /// The command line that repeats the run; secrets are shown as `…`.
    pub command: String,
    /// The settings by the name of their flag, including defaults.
    pub settings: BTreeMap<String, String>,
    pub machine: Machine,
    /// Whether the figures describe the server. They do not if the plan was not carried out or the client was
    /// the limit.
    pub is_valid: bool,
    /// Why the run is not valid, as sentences.
    pub invalid: Vec<String>,
    pub warnings: Vec<String>,
    /// The signal that ended the run early.
    pub interrupted: Option<String>,
    /// Length of the measured window.
    pub seconds: f64,
    /// How long the client waited for deliveries after the last message was sent.
    pub drain_seconds: f64,
    pub connections: Connections,
    /// Absent if the scenario sends no messages.
    pub messages: Option<Messages>,
    /// Time from when a message was due until it arrived. Absent in a closed loop, where messages have no due
    /// time.
    pub latency: Option<Latency>,
    /// Time from when a message was sent until it arrived.
    pub service_time: Option<Latency>,
    /// Recovery of the members after a storm.
    pub recovery: Option<Recovery>,
    pub client: Client,
    /// Present if the server's process was named.
    pub server: Option<Server>,
    pub rows: Vec<Row>,
    pub search: Option<Search>,
    pub expectations: Vec<Outcome>,
}

/// The result of an expectation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub text: String,
    pub is_met: bool,
    /// A sentence, if the expectation is not met.
    pub why: Option<String>,
}

impl Report {
    /// Returns true if any message was due, or in a closed loop sent, within the measured window.
    pub fn has_measured_messages(&self) -> bool {
        self.latency.is_some() || self.service_time.is_some()
    }
}

/// The machine of the client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Name and release of the operating system.
    pub system: String,
    pub processor: String,
    /// Cores that the client may use.
    pub cores: usize,
    pub memory: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Connections {
    /// Connections of the first wave, like `opened`, `per_second` and `handshake`.
    pub planned: u64,
    pub opened: u64,
    pub open_at_end: u64,
    pub failed: Causes,
    /// Connections opened and lost during the run, by cause.
    pub lost: Causes,
    /// Opened per second while connecting.
    pub per_second: f64,
    /// Time from the start of a connection until the handshake was answered.
    pub handshake: Option<Latency>,
    pub reconnects: Option<Reconnects>,
}

/// Connections opened again after the first wave.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reconnects {
    pub begun: u64,
    pub opened: u64,
    pub failed: Causes,
    pub handshake: Option<Latency>,
}

/// Counts cover the whole run, rates the measured window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Messages {
    /// Messages per second of all senders; absent in a closed loop.
    pub planned_rate: Option<f64>,
    /// Messages due by the plan; in a closed loop, messages sent.
    pub planned: u64,
    pub sent: u64,
    pub sent_in_time: u64,
    /// Messages due but never sent, by cause.
    pub unsent: Causes,
    /// Deliveries that should have arrived.
    pub expected: u64,
    pub received: u64,
    /// Deliveries expected but not received.
    pub lost: u64,
    pub duplicated: u64,
    pub reordered: u64,
    /// Deliveries further out of order than the audit remembers: they may be duplicates.
    pub unknown: u64,
    /// Confirmations to the sender that contain its text but are not deliveries.
    pub acknowledged: u64,
    /// Deliveries to a member of another room.
    pub strayed: u64,
    pub damaged: u64,
    /// Deliveries with the same content in another form, such as JSON that the server serialised again.
    pub rewritten: u64,
    /// Messages without a reply within the response timeout.
    pub timed_out: u64,
    pub sent_per_second: f64,
    pub received_per_second: f64,
    /// Payload bytes received per second.
    pub bytes_per_second: f64,
    /// Received messages that are not deliveries.
    pub other: Vec<Other>,
}

/// A kind of message that is not a delivery.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Other {
    /// The first message of this kind, shortened.
    pub sample: String,
    pub count: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recovery {
    /// Members whose connection was dropped.
    pub members: u64,
    /// Members that reconnected.
    pub back: u64,
    /// Members that received a message sent after the storm.
    pub served: u64,
    pub until_back: Option<Latency>,
    pub until_served: Option<Latency>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Client {
    /// CPU seconds in user code, while measuring.
    pub user: f64,
    /// CPU seconds in the kernel.
    pub system: f64,
    /// CPU microseconds.
    pub cpu_per_delivery: Option<f64>,
    /// Share of the time that the busiest thread ran.
    pub busiest_thread: Option<f64>,
    /// Share of the time that this thread was ready but waited for a core.
    pub waited: Option<f64>,
    /// Longest time that the client did not run at all, in seconds.
    pub paused: f64,
    /// Time that a cgroup's CPU limit throttled the client, in seconds.
    pub throttled: Option<f64>,
    /// How late messages were sent.
    pub lag: Option<Latency>,
    /// Time to read the clock, in seconds.
    pub clock: f64,
    pub memory_per_connection: Option<f64>,
    /// Memory used to detect duplicates and reordering.
    pub audit_memory: u64,
}

/// Measurements of the server's process. Figures that could not be read are absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Server {
    pub pid: u32,
    /// CPU seconds in user code.
    pub user: Option<f64>,
    /// CPU seconds in the kernel.
    pub system: Option<f64>,
    /// CPU microseconds.
    pub cpu_per_delivery: Option<f64>,
    pub busiest_thread: Option<f64>,
    pub waited: Option<f64>,
    /// CPU microseconds while connecting.
    pub cpu_per_connection: Option<f64>,
    /// Before the first connection.
    pub memory_before: Option<u64>,
    pub memory_peak: Option<u64>,
    /// At the end of the run, before connections were closed.
    pub memory_after: Option<u64>,
    /// Growth per connection while connections were idle.
    pub memory_per_connection: Option<f64>,
}

/// About one second of a run. It ends early at the end of a phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Start of the row, in seconds since the run started.
    pub from: f64,
    /// End of the row, in seconds since the run started.
    pub at: f64,
    /// `connecting`, `settling`, `warmup`, `measuring` or `draining`.
    pub phase: String,
    /// Connections open at the end of the row.
    pub open: u64,
    /// Connections that failed or were lost.
    pub failed: u64,
    pub sent: u64,
    pub received: u64,
    /// Latency of the messages received.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// A search for the highest load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Search {
    /// What was varied: `rate` or `connections`.
    pub load: String,
    pub conditions: Vec<String>,
    /// The highest load at which all conditions held.
    pub highest: Option<f64>,
    /// Why the search ended, as a sentence.
    pub ended: String,
    pub steps: Vec<Step>,
}

/// One run of a search.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Step {
    pub load: f64,
    pub holds: bool,
    /// Why the load does not hold.
    pub why: Option<String>,
    pub sent_per_second: Option<f64>,
    pub received_per_second: Option<f64>,
    /// Lost share of the expected deliveries, from 0 to 1.
    pub loss: Option<f64>,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub opened: u64,
    pub failed: u64,
    pub is_valid: bool,
}
