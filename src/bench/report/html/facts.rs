//! What the tables of the page say, row by row.

use super::super::figures::{bytes, micros, percent, rate, thousands};
use super::super::{Latency, Report, compare};

/// The name of a row, and what it says of a report that has it.
pub(super) type Fact = (&'static str, fn(&Report) -> Option<String>);

pub(super) const CONNECTIONS: &[Fact] = &[
    ("asked for", |report| Some(thousands(report.connections.wanted))),
    ("opened", |report| Some(thousands(report.connections.opened))),
    ("opened a second", |report| Some(rate(report.connections.per_second))),
    ("open at the end", |report| Some(thousands(report.connections.open_at_end))),
    ("failed", |report| Some(thousands(compare::total(&report.connections.failed)))),
    ("lost", |report| Some(thousands(compare::total(&report.connections.lost)))),
];

pub(super) const MESSAGES: &[Fact] = &[
    ("planned a second", |report| Some(rate(report.messages.as_ref()?.planned_rate?))),
    ("sent a second", |report| Some(rate(report.messages.as_ref()?.sent_per_second))),
    ("sent", |report| Some(thousands(report.messages.as_ref()?.sent))),
    ("deliveries expected", |report| Some(thousands(report.messages.as_ref()?.expected))),
    ("deliveries received", |report| Some(thousands(report.messages.as_ref()?.received))),
    ("lost", |report| Some(thousands(report.messages.as_ref()?.lost))),
    ("duplicated", |report| Some(thousands(report.messages.as_ref()?.duplicated))),
    ("reordered", |report| Some(thousands(report.messages.as_ref()?.reordered))),
    ("damaged", |report| Some(thousands(report.messages.as_ref()?.damaged))),
    ("strayed", |report| compare::strayed(report).map(thousands)),
    ("deliveries a second", |report| Some(rate(report.messages.as_ref()?.received_per_second))),
    ("payload a second", |report| Some(bytes(report.messages.as_ref()?.bytes_per_second) + "/s")),
];

pub(super) const RECOVERY: &[Fact] = &[
    ("cut off", |report| Some(thousands(report.recovery.as_ref()?.members))),
    ("back", |report| Some(thousands(report.recovery.as_ref()?.back))),
    ("served", |report| Some(thousands(report.recovery.as_ref()?.served))),
];

pub(super) const SERVER: &[Fact] = &[
    ("process", |report| Some(report.server.as_ref()?.pid.to_string())),
    ("CPU, user", |report| Some(micros(report.server.as_ref()?.user * 1e6))),
    ("CPU, system", |report| Some(micros(report.server.as_ref()?.system * 1e6))),
    ("CPU, of a core", |report| {
        let server = report.server.as_ref()?;
        of_a_core(server.user + server.system, report)
    }),
    ("busiest thread, of a core", |report| Some(percent(report.server.as_ref()?.busiest_thread))),
    ("its wait for a core", |report| Some(percent(report.server.as_ref()?.waited))),
    ("CPU a delivery", |report| Some(micros(report.server.as_ref()?.per_delivery?))),
    ("CPU a connection", |report| Some(micros(report.server.as_ref()?.per_connection))),
    ("memory before", |report| Some(bytes(report.server.as_ref()?.memory_before as f64))),
    ("memory at its peak", |report| Some(bytes(report.server.as_ref()?.memory_peak as f64))),
    ("memory after", |report| Some(bytes(report.server.as_ref()?.memory_after as f64))),
    ("memory a connection", |report| Some(bytes(report.server.as_ref()?.memory_per_connection))),
];

pub(super) const CLIENT: &[Fact] = &[
    ("CPU, user", |report| Some(micros(report.client.user * 1e6))),
    ("CPU, system", |report| Some(micros(report.client.system * 1e6))),
    ("CPU, of a core", |report| of_a_core(report.client.user + report.client.system, report)),
    ("busiest thread, of a core", |report| Some(percent(report.client.busiest_thread))),
    ("its wait for a core", |report| Some(percent(report.client.waited))),
    ("CPU a delivery", |report| Some(micros(report.client.per_delivery?))),
    ("asking the clock", |report| Some(micros(report.client.clock * 1e6))),
    ("memory a connection", |report| Some(bytes(report.client.memory_per_connection))),
];

/// The name of latencies, and where they stand in a report.
pub(super) type Kind = (&'static str, fn(&Report) -> Option<&Latency>);

pub(super) const DUE: Kind = ("since due", |report| report.latency.as_ref());
pub(super) const SENT: Kind = ("since sent", |report| report.latency_raw.as_ref());
pub(super) const HANDSHAKE: Kind = ("handshake", |report| report.connections.handshake.as_ref());
pub(super) const BACK: Kind = ("until back", |report| report.recovery.as_ref()?.until_back.as_ref());
pub(super) const SERVED: Kind = ("until served", |report| report.recovery.as_ref()?.until_served.as_ref());
const LATE: Kind = ("late sending", |report| report.client.lag.as_ref());

pub(super) const LATENCIES: &[Kind] = &[DUE, SENT, HANDSHAKE, BACK, SERVED, LATE];

type Figure = fn(&Latency) -> String;

pub(super) const LATENCY: &[(&str, Figure)] = &[
    ("count", |latency| thousands(latency.count)),
    ("min", |latency| micros(latency.min)),
    ("mean", |latency| micros(latency.mean)),
    ("p50", |latency| micros(latency.p50)),
    ("p90", |latency| micros(latency.p90)),
    ("p95", |latency| micros(latency.p95)),
    ("p99", |latency| micros(latency.p99)),
    ("p99.9", |latency| micros(latency.p999)),
    ("max", |latency| micros(latency.max)),
];

/// CPU seconds as a share of one core's while measured.
fn of_a_core(seconds: f64, report: &Report) -> Option<String> {
    (report.seconds > 0.0).then(|| percent(seconds / report.seconds))
}
