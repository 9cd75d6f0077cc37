//! What a run found: the report, and the forms in which people and programs read it.

mod chart;
pub mod compare;
pub mod csv;
pub mod expect;
pub(super) mod figures;
pub mod hdr;
pub mod html;
#[cfg(test)]
pub(super) mod sample;
pub mod table;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the JSON report. It counts up when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// A report, as it is written in JSON. Times are in seconds, latencies in microseconds, memory in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of throng that made it.
    pub throng: String,
    /// When the run began, by RFC 3339.
    pub started: String,
    /// `connect`, `echo`, `broadcast` …
    pub scenario: String,
    /// The server.
    pub url: String,
    /// The settings of the run by the name of their flag, defaults included.
    pub settings: BTreeMap<String, String>,
    /// What it ran on.
    pub machine: Machine,
    /// Whether the figures are the server's: not if the client could not keep up.
    pub is_valid: bool,
    /// What to know before any figure, in sentences.
    pub warnings: Vec<String>,
    /// Ended by the user before its time.
    pub interrupted: bool,
    /// What was measured took so long, without warming up.
    pub seconds: f64,
    /// Of connections.
    pub connections: Connections,
    /// Of messages, if the scenario has any.
    pub messages: Option<Messages>,
    /// From when a message was due until it came: free of coordinated omission. Absent in a closed loop, which has
    /// no plan.
    pub latency: Option<Latency>,
    /// From when a message was sent until it came.
    pub latency_raw: Option<Latency>,
    /// How everybody came back, if all were cut off.
    #[serde(default)]
    pub recovery: Option<Recovery>,
    /// What the run cost the client, and how true its clock was.
    pub client: Client,
    /// What it cost the server, if its process was named.
    pub server: Option<Server>,
    /// What happened in each second of the run.
    pub rows: Vec<Row>,
}

/// The machine of the client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Name and release of the system.
    pub system: String,
    /// Model of the processor.
    pub processor: String,
    /// Cores that the client may use.
    pub cores: usize,
    /// Bytes.
    pub memory: u64,
}

/// What became of connections.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Asked for.
    pub wanted: u64,
    /// Whose handshake was answered well.
    pub opened: u64,
    /// Open when the run ended, before it closed them.
    pub open_at_end: u64,
    /// Never opened, by cause.
    pub failed: BTreeMap<String, u64>,
    /// Opened and lost during the run, by cause.
    pub lost: BTreeMap<String, u64>,
    /// Opened a second while connecting.
    pub per_second: f64,
    /// From the beginning of the connection until the handshake was answered.
    pub handshake: Option<Latency>,
}

/// What became of messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Messages {
    /// Planned a second, of all senders together; none in a closed loop.
    pub planned_rate: Option<f64>,
    /// Sent, warm-up included, as are the counts that follow.
    pub sent: u64,
    /// Deliveries that were to come of these.
    pub expected: u64,
    /// Deliveries that came.
    pub received: u64,
    /// Deliveries that did not come.
    pub lost: u64,
    /// Deliveries that came once too often.
    pub duplicated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub reordered: u64,
    /// Deliveries to members of another room than the one where it was said.
    #[serde(default)]
    pub strayed: u64,
    /// Deliveries whose content was not what was sent.
    pub damaged: u64,
    /// Sent a second while measured.
    pub sent_per_second: f64,
    /// Deliveries a second while measured.
    pub received_per_second: f64,
    /// Payload bytes received a second while measured.
    pub bytes_per_second: f64,
}

/// How members came back that all had lost their connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recovery {
    /// That were cut off.
    pub members: u64,
    /// Whose connection was opened again.
    pub back: u64,
    /// That heard what was said after the storm.
    pub served: u64,
    /// From the storm until a connection was open again.
    pub until_back: Option<Latency>,
    /// From the storm until a member heard something that was said after it.
    pub until_served: Option<Latency>,
}

/// A distribution of latencies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// Half took no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
    /// The whole distribution: pairs of a share from 0 to 1, and what that share did not exceed.
    pub curve: Vec<(f64, f64)>,
}

/// What a run cost the client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Client {
    /// CPU seconds while measured.
    pub user: f64,
    /// Likewise, in the kernel.
    pub system: f64,
    /// CPU microseconds for each delivery.
    pub per_delivery: Option<f64>,
    /// Share of the time for which the busiest thread had a core.
    pub busiest_thread: f64,
    /// Share of the time for which it waited for one that others had.
    #[serde(default)]
    pub waited: f64,
    /// How late messages were sent.
    pub lag: Option<Latency>,
    /// Seconds that it takes to ask the clock.
    pub clock: f64,
    /// Its memory for each connection.
    pub memory_per_connection: f64,
}

/// What a run cost the server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// CPU seconds while measured.
    pub user: f64,
    /// Likewise, in the kernel.
    pub system: f64,
    /// CPU microseconds for each delivery.
    pub per_delivery: Option<f64>,
    /// Share of the time for which its busiest thread had a core.
    #[serde(default)]
    pub busiest_thread: f64,
    /// Share of the time for which that waited for one that others had.
    #[serde(default)]
    pub waited: f64,
    /// CPU microseconds for each connection while connecting.
    pub per_connection: f64,
    /// Its memory before anybody had come.
    pub memory_before: u64,
    /// At its peak.
    pub memory_peak: u64,
    /// When the run ended, before connections were closed.
    pub memory_after: u64,
    /// Its growth for each connection while they were idle.
    pub memory_per_connection: f64,
}

/// One second of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Seconds since the run began, at the end of this one.
    pub at: f64,
    /// `connecting`, `warming up`, `measuring`, `draining`.
    pub phase: String,
    /// Connections open then.
    pub open: u64,
    /// Connections that failed or were lost in it.
    pub failed: u64,
    /// Messages sent in it.
    pub sent: u64,
    /// Deliveries in it.
    pub received: u64,
    /// Latencies of what came in it; zero if nothing did.
    pub p50: f64,
    /// Likewise.
    pub p99: f64,
    /// Likewise.
    pub max: f64,
}

impl Latency {
    /// Of a histogram of nanoseconds; `None` if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        if histogram.is_empty() {
            return None;
        }
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        let curve =
            histogram.iter_quantiles(5).map(|step| (step.quantile(), micros(step.value_iterated_to())));
        Some(Latency {
            count: histogram.len(),
            min: micros(histogram.min()),
            mean: histogram.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(histogram.max()),
            curve: curve.collect(),
        })
    }
}
