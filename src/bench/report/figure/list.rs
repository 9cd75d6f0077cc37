//! The lists of figures and distributions.

use super::super::units::thousands;
use super::super::{Causes, Messages, Reconnects, Recovery, Report, Server};
use super::{Better, Distribution, Figure, Place, Section, Shape, Source, Statistic, Unit, Value};

static LATENCY: Distribution = Distribution {
    prefix: "",
    label: "latency",
    absent: "measured no latency",
    unanswered: "deliveries never arrived",
    of: |report| report.latency.as_ref(),
};
pub(super) static SERVICE_TIME: Distribution = Distribution {
    prefix: "service-time-",
    label: "service time",
    absent: "measured no service time",
    unanswered: "deliveries never arrived",
    of: |report| report.service_time.as_ref(),
};
static HANDSHAKE: Distribution = Distribution {
    prefix: "handshake-",
    label: "handshake",
    absent: "completed no handshake",
    unanswered: "handshakes were never answered",
    of: |report| report.connections.handshake.as_ref(),
};
static REHANDSHAKE: Distribution = Distribution {
    prefix: "reconnect-",
    label: "reconnect",
    absent: "completed no handshake of a reconnection",
    unanswered: "handshakes were never answered",
    of: |report| report.connections.reconnects.as_ref()?.handshake.as_ref(),
};
static BACK: Distribution = Distribution {
    prefix: "back-",
    label: "until back",
    absent: "had no member back online after a storm",
    unanswered: "members were never back online",
    of: |report| report.recovery.as_ref()?.until_back.as_ref(),
};
static SERVED: Distribution = Distribution {
    prefix: "served-",
    label: "until served",
    absent: "served no member after a storm",
    unanswered: "members were never served again",
    of: |report| report.recovery.as_ref()?.until_served.as_ref(),
};
static LAG: Distribution = Distribution {
    prefix: "lag-",
    label: "send lag",
    absent: "measured no send lag",
    unanswered: "messages were never sent",
    of: |report| report.client.lag.as_ref(),
};

/// All distributions, in the order of the tables.
pub(in super::super) static DISTRIBUTIONS: [&Distribution; 7] =
    [&LATENCY, &SERVICE_TIME, &HANDSHAKE, &REHANDSHAKE, &BACK, &SERVED, &LAG];

const NO_MESSAGES: &str = "sent no messages";
const NO_STORM: &str = "had no storm";
const NO_RECONNECTS: &str = "made no reconnections";
const NO_SERVER: &str = "did not measure the server (--server-pid)";
const UNREADABLE: &str = "could not read this from the server's process";
const NO_DELIVERIES: &str = "had no delivery to divide by";
const UNREADABLE_CLIENT: &str = "could not read this from the client's process";
const NO_TIME: &str = "measured no time";

/// All figures, in the order of the outputs.
pub(in super::super) static FIGURES: &[Figure] = {
    use Better::{Higher, Lower, Neither, Zero};
    use Place::{Compare, Key, Line, LineIfAny, Note};
    use Section::{Client, Connections, Messages, Run, Server, Storm};
    use Shape::{Connections as OfConnections, Messages as OfMessages, Storm as OfStorm};
    use Statistic::{At, Max};
    use Unit::{Count, Flag, Rate, Share, Size, SizeRate, Time};
    &[
        plain(Run, "valid", "valid", (Flag, Neither), &[], |report| Value::Exact(f64::from(report.is_valid))),
        plain(Run, "measured", "measured for", (Time, Neither), &[], |report| seconds(report.seconds)),
        plain(Run, "drain", "drained in", (Time, Neither), &[], |report| match &report.messages {
            Some(_) => seconds(report.drain_seconds),
            None => Value::Absent(NO_MESSAGES),
        }),
        plain(
            Connections,
            "opened",
            "opened",
            (Count, Higher),
            &[Line, Compare, Key(OfConnections)],
            |report| count(report.connections.opened),
        ),
        plain(Connections, "planned", "planned", (Count, Neither), &[Note("of {} planned")], |report| {
            count(report.connections.planned)
        }),
        plain(
            Connections,
            "connect-rate",
            "opened per second",
            (Rate, Higher),
            &[Note("{}"), Compare, Key(OfConnections)],
            |report| Value::Exact(report.connections.per_second),
        ),
        plain(
            Connections,
            "open-at-end",
            "open at the end",
            (Count, Higher),
            &[Note("{} open at the end")],
            |report| count(report.connections.open_at_end),
        ),
        plain(Connections, "failed", "failed", (Count, Zero), &[Line, Compare], |report| {
            total(&report.connections.failed)
        })
        .by(|report| Some(&report.connections.failed)),
        plain(Connections, "disconnected", "disconnected", (Count, Zero), &[Line, Compare], |report| {
            total(&report.connections.lost)
        })
        .by(|report| Some(&report.connections.lost)),
        plain(Connections, "reconnected", "reconnected", (Count, Neither), &[Line], |report| {
            of_reconnects(report, |reconnects| reconnects.opened)
        }),
        plain(
            Connections,
            "reconnects",
            "reconnection attempts",
            (Count, Neither),
            &[Note("of {} attempts")],
            |report| of_reconnects(report, |reconnects| reconnects.begun),
        ),
        plain(
            Connections,
            "reconnects-failed",
            "reconnection attempts failed",
            (Count, Lower),
            &[Note("{} failed")],
            |report| of_reconnects(report, |reconnects| reconnects.failed.values().sum()),
        )
        .by(|report| Some(&report.connections.reconnects.as_ref()?.failed)),
        latency(Connections, &HANDSHAKE, At(0.5), &[Compare, Key(OfConnections)]),
        latency(Connections, &HANDSHAKE, At(0.99), &[Compare, Key(OfConnections)]),
        latency(Messages, &LATENCY, At(0.5), &[Compare, Key(OfMessages)]),
        latency(Messages, &LATENCY, At(0.95), &[Compare]),
        latency(Messages, &LATENCY, At(0.99), &[Compare, Key(OfMessages)]),
        latency(Messages, &LATENCY, At(0.999), &[Compare]),
        latency(Messages, &LATENCY, Max, &[Compare]),
        plain(Messages, "sent", "sent", (Count, Neither), &[Line, Compare], |report| {
            of_messages(report, |messages| count(messages.sent))
        }),
        plain(
            Messages,
            "sent-rate",
            "sent per second",
            (Rate, Higher),
            &[Note("{}"), Compare, Key(OfMessages)],
            |report| of_messages(report, |messages| Value::Exact(messages.sent_per_second)),
        ),
        plain(
            Messages,
            "planned-rate",
            "planned per second",
            (Rate, Neither),
            &[Note("{} planned")],
            |report| {
                of_messages(report, |messages| match messages.planned_rate {
                    Some(rate) => Value::Exact(rate),
                    None => Value::Absent("had no planned rate"),
                })
            },
        ),
        plain(Messages, "due", "due by the plan", (Count, Neither), &[], |report| {
            of_messages(report, |messages| count(messages.planned))
        }),
        plain(Messages, "sent-in-time", "sent in time", (Count, Higher), &[], |report| {
            of_messages(report, |messages| count(messages.sent_in_time))
        }),
        plain(Messages, "unsent", "unsent", (Count, Zero), &[Line, Compare], |report| {
            of_messages(report, |messages| total(&messages.unsent))
        })
        .by(|report| Some(&report.messages.as_ref()?.unsent)),
        plain(Messages, "received", "received", (Count, Higher), &[Line, Compare], |report| {
            of_messages(report, |messages| count(messages.received))
        }),
        plain(
            Messages,
            "expected",
            "deliveries expected",
            (Count, Neither),
            &[Note("of {} expected")],
            |report| of_messages(report, |messages| count(messages.expected)),
        ),
        plain(
            Messages,
            "delivery-rate",
            "deliveries per second",
            (Rate, Higher),
            &[Note("{}"), Compare, Key(OfMessages)],
            |report| of_messages(report, |messages| Value::Exact(messages.received_per_second)),
        ),
        plain(Messages, "payload-rate", "payload per second", (SizeRate, Higher), &[Note("{}")], |report| {
            of_messages(report, |messages| Value::Exact(messages.bytes_per_second))
        }),
        plain(Messages, "lost", "lost", (Count, Zero), &[Line, Compare], |report| {
            of_messages(report, |messages| count(messages.lost))
        }),
        plain(
            Messages,
            "loss",
            "loss",
            (Share, Lower),
            &[Note("{}"), Key(OfMessages), Key(OfStorm)],
            |report| {
                of_messages(report, |messages| match messages.expected {
                    0 => Value::Absent("expected no delivery"),
                    expected => Value::Exact(messages.lost as f64 / expected as f64),
                })
            },
        ),
        plain(Messages, "duplicated", "duplicated", (Count, Zero), &[Line, Compare], |report| {
            audited(report, |messages| messages.duplicated)
        }),
        plain(Messages, "reordered", "reordered", (Count, Zero), &[Line, Compare], |report| {
            audited(report, |messages| messages.reordered)
        }),
        plain(Messages, "unknown", "not audited", (Count, Zero), &[], |report| {
            of_messages(report, |messages| count(messages.unknown))
        }),
        plain(Messages, "damaged", "damaged", (Count, Zero), &[Line, Compare], |report| {
            of_messages(report, |messages| count(messages.damaged))
        }),
        plain(Messages, "strayed", "strayed", (Count, Zero), &[LineIfAny, Compare], |report| {
            of_messages(report, |messages| count(messages.strayed))
        }),
        plain(Messages, "timed-out", "timed out", (Count, Zero), &[LineIfAny, Compare], |report| {
            of_messages(report, |messages| count(messages.timed_out))
        }),
        plain(Messages, "rewritten", "rewritten", (Count, Neither), &[LineIfAny], |report| {
            of_messages(report, |messages| count(messages.rewritten))
        }),
        plain(Messages, "acknowledged", "acknowledged", (Count, Neither), &[LineIfAny], |report| {
            of_messages(report, |messages| count(messages.acknowledged))
        }),
        plain(Storm, "back", "back online", (Count, Higher), &[Line, Compare, Key(OfStorm)], |report| {
            of_recovery(report, |recovery| recovery.back)
        }),
        plain(Storm, "cut-off", "dropped", (Count, Neither), &[Note("of {} dropped")], |report| {
            of_recovery(report, |recovery| recovery.members)
        }),
        latency(Storm, &BACK, At(0.5), &[Compare, Note("half in {}")]),
        latency(Storm, &BACK, Max, &[Compare, Note("last in {}"), Key(OfStorm)]),
        plain(Storm, "never-back", "never back online", (Count, Zero), &[Line, Compare], |report| {
            of_recovery(report, |recovery| recovery.members.saturating_sub(recovery.back))
        }),
        plain(Storm, "served", "served again", (Count, Higher), &[Line, Compare], |report| {
            of_recovery(report, |recovery| recovery.served)
        }),
        latency(Storm, &SERVED, At(0.5), &[Compare, Note("half in {}")]),
        latency(Storm, &SERVED, Max, &[Compare, Note("last in {}"), Key(OfStorm)]),
        plain(Storm, "unserved", "never served again", (Count, Zero), &[Line, Compare], |report| {
            of_recovery(report, |recovery| recovery.members.saturating_sub(recovery.served))
        }),
        plain(
            Server,
            "server-cpu",
            "CPU per delivery",
            (Time, Lower),
            &[Line, Compare, Key(OfMessages)],
            |report| of_server(report, |server| server.cpu_per_delivery, NO_DELIVERIES),
        ),
        plain(
            Server,
            "server-cpu-per-connection",
            "CPU per connection",
            (Time, Lower),
            &[Line, Compare, Key(OfConnections)],
            |report| of_server(report, |server| server.cpu_per_connection, UNREADABLE),
        ),
        plain(
            Server,
            "server-memory",
            "memory per connection",
            (Size, Lower),
            &[Line, Compare, Key(OfConnections)],
            |report| of_server(report, |server| server.memory_per_connection, UNREADABLE),
        ),
        plain(Server, "server-cores", "CPU (100 % = one core)", (Share, Lower), &[Line], |report| {
            match (&report.server, report.seconds > 0.0) {
                (_, false) => Value::Absent(NO_TIME),
                (None, _) => Value::Absent(NO_SERVER),
                (Some(server), true) => {
                    let cpu = server.user.zip(server.system);
                    known(cpu.map(|(user, system)| (user + system) / report.seconds), UNREADABLE)
                }
            }
        }),
        plain(Server, "server-busiest-thread", "busiest thread ran", (Share, Lower), &[Line], |report| {
            of_server(report, |server| server.busiest_thread, UNREADABLE)
        }),
        plain(
            Server,
            "server-waited",
            "busiest thread waited for a core",
            (Share, Lower),
            &[Line],
            |report| of_server(report, |server| server.waited, UNREADABLE),
        ),
        plain(Server, "server-cpu-user", "CPU time, user", (Time, Lower), &[], |report| {
            of_server(report, |server| server.user.map(|seconds| seconds * 1e6), UNREADABLE)
        }),
        plain(Server, "server-cpu-system", "CPU time, kernel", (Time, Lower), &[], |report| {
            of_server(report, |server| server.system.map(|seconds| seconds * 1e6), UNREADABLE)
        }),
        plain(Server, "server-memory-before", "memory before", (Size, Lower), &[], |report| {
            of_server(report, |server| server.memory_before.map(|bytes| bytes as f64), UNREADABLE)
        }),
        plain(Server, "server-memory-peak", "peak memory", (Size, Lower), &[Line, Compare], |report| {
            of_server(report, |server| server.memory_peak.map(|bytes| bytes as f64), UNREADABLE)
        }),
        plain(Server, "server-memory-after", "memory after", (Size, Lower), &[], |report| {
            of_server(report, |server| server.memory_after.map(|bytes| bytes as f64), UNREADABLE)
        }),
        plain(Client, "client-cpu", "CPU per delivery", (Time, Lower), &[Line, Compare], |report| {
            known(report.client.cpu_per_delivery, NO_DELIVERIES)
        }),
        plain(Client, "client-memory", "memory per connection", (Size, Lower), &[Line], |report| {
            known(report.client.memory_per_connection, UNREADABLE_CLIENT)
        }),
        plain(Client, "client-cores", "CPU (100 % = one core)", (Share, Lower), &[Line], |report| {
            let cpu = report.client.user + report.client.system;
            known((report.seconds > 0.0).then(|| cpu / report.seconds), NO_TIME)
        }),
        plain(Client, "client-busiest-thread", "busiest thread ran", (Share, Lower), &[Line], |report| {
            known(report.client.busiest_thread, UNREADABLE_CLIENT)
        }),
        plain(
            Client,
            "client-waited",
            "busiest thread waited for a core",
            (Share, Lower),
            &[Line],
            |report| known(report.client.waited, UNREADABLE_CLIENT),
        ),
        plain(Client, "client-cpu-user", "CPU time, user", (Time, Lower), &[], |report| {
            seconds(report.client.user)
        }),
        plain(Client, "client-cpu-system", "CPU time, kernel", (Time, Lower), &[], |report| {
            seconds(report.client.system)
        }),
        plain(Client, "client-paused", "longest pause", (Time, Lower), &[], |report| {
            seconds(report.client.paused)
        }),
        plain(Client, "client-throttled", "held back by a CPU limit", (Time, Lower), &[], |report| {
            known(report.client.throttled.map(|seconds| seconds * 1e6), UNREADABLE_CLIENT)
        }),
        plain(Client, "clock", "time to read the clock", (Time, Lower), &[], |report| {
            seconds(report.client.clock)
        }),
        plain(Client, "audit-memory", "memory of the audit", (Size, Neither), &[], |report| {
            count(report.client.audit_memory)
        }),
    ]
};

const fn plain(
    section: Section,
    name: &'static str,
    label: &'static str,
    (unit, better): (Unit, Better),
    places: &'static [Place],
    of: fn(&Report) -> Value,
) -> Figure {
    Figure { section, unit, better, places, causes: None, source: Source::Plain { name, label, of } }
}

pub(super) const fn latency(
    section: Section,
    distribution: &'static Distribution,
    statistic: Statistic,
    places: &'static [Place],
) -> Figure {
    let source = Source::Latency(distribution, statistic);
    Figure { section, unit: Unit::Time, better: Better::Lower, places, causes: None, source }
}

fn count(count: u64) -> Value {
    Value::Exact(count as f64)
}

fn total(causes: &Causes) -> Value {
    count(causes.values().sum())
}

fn seconds(seconds: f64) -> Value {
    Value::Exact(seconds * 1e6)
}

fn known(value: Option<f64>, absent: &'static str) -> Value {
    value.map_or(Value::Absent(absent), Value::Exact)
}

fn of_messages(report: &Report, of: fn(&Messages) -> Value) -> Value {
    report.messages.as_ref().map_or(Value::Absent(NO_MESSAGES), of)
}

/// Returns a count of the audit, which is unknown if there were deliveries that the audit could not classify.
fn audited(report: &Report, of: fn(&Messages) -> u64) -> Value {
    match &report.messages {
        None => Value::Absent(NO_MESSAGES),
        Some(messages) if messages.unknown == 0 => count(of(messages)),
        Some(messages) => Value::Unknown(format!(
            "{} deliveries exceeded the memory of the audit",
            thousands(messages.unknown)
        )),
    }
}

fn of_reconnects(report: &Report, of: fn(&Reconnects) -> u64) -> Value {
    report
        .connections
        .reconnects
        .as_ref()
        .map_or(Value::Absent(NO_RECONNECTS), |reconnects| count(of(reconnects)))
}

fn of_recovery(report: &Report, of: fn(&Recovery) -> u64) -> Value {
    report.recovery.as_ref().map_or(Value::Absent(NO_STORM), |recovery| count(of(recovery)))
}

fn of_server(report: &Report, of: fn(&Server) -> Option<f64>, absent: &'static str) -> Value {
    match &report.server {
        None => Value::Absent(NO_SERVER),
        Some(server) => known(of(server), absent),
    }
}
