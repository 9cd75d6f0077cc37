//! Decides whether the figures of a run describe the server, and collects warnings for the reader.

use super::cli::{Action, Scenario};
use super::recorder::{IN_TIME, total};
use super::report::Report;
use super::report::units::{micros, percent, thousands};
use super::run::Outcome;
use super::workload::LATE;
use std::time::Duration;

/// A thread that runs or waits for a core for a larger share of the time cannot be trusted to send in time.
const BUSY: f64 = 0.9;
/// Share of the planned messages that must be sent in time.
const IN_PLAN: f64 = 0.99;
/// Longest acceptable pause of a load tester's thread. Messages seem to arrive late after a longer one.
const MAX_PAUSE: Duration = Duration::from_millis(250);
/// Share of the time that a CPU quota may throttle the load tester.
const THROTTLED: f64 = 0.01;
/// Share of clients that may be greeted late without a warning.
const LATE_GREETINGS: f64 = 0.05;

/// Sentences about a run.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// The load tester was too slow, or its machine too small.
    pub load_tester: Vec<String>,
    /// The plan was not carried out for another reason.
    pub plan: Vec<String>,
    pub warnings: Vec<String>,
}

impl Judgement {
    /// Returns why the figures do not describe the server.
    pub fn invalid(&self) -> Vec<String> {
        self.load_tester.iter().chain(&self.plan).cloned().collect()
    }
}

/// Judges a run by its measurements and its report.
pub(crate) fn judge(scenario: &Scenario, outcome: &Outcome, report: &Report) -> Judgement {
    let mut judgement = Judgement::default();
    judgement.load_tester(outcome, report);
    if report.interrupted.is_none() {
        judgement.plan(scenario, outcome);
    }
    judgement.connections(scenario, outcome, report);
    if report.messages.is_some() {
        judgement.deliveries(scenario, outcome, report);
    }
    judgement
}

impl Judgement {
    /// Checks limits of the machine that the load tester runs on.
    fn load_tester(&mut self, outcome: &Outcome, report: &Report) {
        let client = &report.client;
        let (ran, waited) = (client.busiest_thread.unwrap_or(0.0), client.waited.unwrap_or(0.0));
        if ran + waited > BUSY {
            self.load_tester.push(format!(
                "A thread of the load tester was busy for {} of the time and waited for a core for {}. The server may \
                 do more than the figures show. Use a lower load (--rate), more --threads or another machine.",
                percent(ran.min(1.0)),
                percent(waited.min(1.0))
            ));
        }
        if client.busiest_thread.is_none() && report.seconds > 0.0 {
            self.warnings.push(
                "The CPU time of the load tester cannot be read here, so it is unknown whether the load tester kept up."
                    .to_owned(),
            );
        }
        if client.throttled.is_some_and(|throttled| throttled > THROTTLED * report.seconds) {
            self.load_tester.push(format!(
                "A CPU quota throttled the load tester for {}.",
                micros(client.throttled.unwrap_or(0.0) * 1e6)
            ));
        }
        if client.paused > MAX_PAUSE.as_secs_f64() {
            self.load_tester.push(format!(
                "The load tester was paused for {}, so latencies include its own pause.",
                micros(client.paused * 1e6)
            ));
        }
        for (limit, times) in &outcome.connections.client_limits {
            self.load_tester
                .push(format!("The load tester was the limit {} times: {limit}.", thousands(*times)));
        }
    }

    /// Checks whether the plan was carried out.
    fn plan(&mut self, scenario: &Scenario, outcome: &Outcome) {
        let recorder = &outcome.messages;
        if recorder.planned == 0 {
            return;
        }
        if scenario.rate().is_none() {
            let lost = total(&outcome.connections.lost);
            if lost > 0 {
                let opened = thousands(outcome.connections.first.opened);
                let lost = thousands(lost);
                self.plan.push(format!("{lost} of {opened} connections were lost and sent no more."));
            }
            return;
        }
        let planned = thousands(recorder.planned);
        let mut is_reported = false;
        for (cause, messages) in &recorder.unsent {
            if *messages as f64 > (1.0 - IN_PLAN) * recorder.planned as f64 || cause.contains("not connected")
            {
                is_reported = true;
                let messages = thousands(*messages);
                let invalid = if cause == LATE { &mut self.load_tester } else { &mut self.plan };
                invalid.push(format!("{messages} of {planned} planned messages were not sent: {cause}."));
            }
        }
        let in_time = recorder.sent_in_time.min(recorder.sent);
        if !is_reported && (in_time as f64) < IN_PLAN * recorder.planned as f64 {
            let late = thousands(recorder.planned - in_time);
            let bound = micros(IN_TIME.get() as f64 / 1e3);
            let has_depth = matches!(scenario.action, Action::Echo { depth: Some(_), .. });
            let held_back = has_depth || total(&recorder.unsent) > 0;
            let invalid = if held_back { &mut self.plan } else { &mut self.load_tester };
            invalid.push(format!(
                "{late} of {planned} planned messages were not sent within {bound} of when they were due."
            ));
        }
    }

    fn connections(&mut self, scenario: &Scenario, outcome: &Outcome, report: &Report) {
        if let Some(signal) = &report.interrupted {
            self.warnings.push(format!("{signal} ended the run early."));
        }
        let connections = &report.connections;
        let missing = connections.planned.saturating_sub(connections.opened);
        if missing > 0 && report.interrupted.is_none() {
            let planned = thousands(connections.planned);
            self.warnings.push(format!("{} of {planned} connections did not open.", thousands(missing)));
        }
        let lost = total(&connections.lost);
        if lost > 0 && matches!(scenario.action, Action::Connect) {
            self.warnings.push(format!("{} open connections were lost.", thousands(lost)));
        }
        let skipped = outcome.messages.skipped_departures;
        if skipped > 0 {
            self.warnings.push(format!(
                "{} of {} times a member did not leave, because it was still connecting or closing.",
                thousands(skipped),
                thousands(outcome.messages.departures)
            ));
        }
        if let (Some(server), true) = (&report.server, report.interrupted.is_none())
            && server.memory_after.is_none()
        {
            self.warnings.push(format!(
                "Process {} (--server-pid) does not exist or ended during the run: figures of the server are missing.",
                server.pid
            ));
        }
        if let Action::Storm { .. } = scenario.action
            && let Some(recovery) = &report.recovery
            && recovery.served < recovery.members
        {
            self.warnings.push(format!(
                "{} of {} members received nothing after the storm.",
                thousands(recovery.members - recovery.served),
                thousands(recovery.members)
            ));
        }
    }

    fn deliveries(&mut self, scenario: &Scenario, outcome: &Outcome, report: &Report) {
        let recorder = &outcome.messages;
        let is_room = scenario.room().is_some();
        if is_room && !outcome.sender_receives {
            self.warnings.push(
                "The server does not send a message to its sender. These deliveries are not expected."
                    .to_owned(),
            );
        }
        if is_room && recorder.received > 0 && recorder.own == recorder.received && outcome.recipients > 1 {
            self.warnings.push(
                "Each message was returned only to its sender: this URL echoes and does not broadcast."
                    .to_owned(),
            );
        } else if is_room && scenario.common.urls.len() > 1 && looks_divided(scenario, outcome) {
            self.warnings.push(
                "Members received only some of the messages, as if the servers do not share their rooms. Give each server \
                 its own rooms with {room} in the URL, or run one test per server."
                    .to_owned(),
            );
        }
        if recorder.strayed > 0 {
            let whom = if is_room { "members of another room" } else { "clients that had not sent them" };
            self.warnings.push(format!("{} deliveries were sent to {whom}.", thousands(recorder.strayed)));
        }
        if recorder.acknowledged > 0 {
            self.warnings.push(format!(
                "{} messages were acknowledged to their sender with a copy. These are not counted as duplicates.",
                thousands(recorder.acknowledged)
            ));
        }
        if recorder.unknown > 0 {
            self.warnings.push(format!(
                "{} deliveries were too far out of order to distinguish duplicates from late ones.",
                thousands(recorder.unknown)
            ));
        }
        let lost = recorder.expected.saturating_sub(recorder.received);
        let have_joined_late = outcome.late_greetings as f64 > LATE_GREETINGS * outcome.settled as f64
            || recorder.missed_at_first * 2 > lost;
        if is_room && lost > 0 && recorder.received > 0 && have_joined_late {
            self.warnings.push(
                "Messages were lost at the start, before the server greeted its clients: they may not have \
                 joined when the first message was sent. Use --joined-when or --settle."
                    .to_owned(),
            );
        }
        if recorder.sent > 0 && recorder.received == 0 {
            self.warnings.push(nothing_delivered(report));
        } else {
            self.warnings.extend(errors(report));
        }
    }
}

/// Returns true if every member seems to have received only the messages of senders on its own server.
fn looks_divided(scenario: &Scenario, outcome: &Outcome) -> bool {
    let servers = scenario.common.urls.len() as f64;
    let share = outcome.messages.received as f64 / outcome.messages.expected.max(1) as f64;
    (share * servers - 1.0).abs() < 0.1
}

/// The start of the warning that a server delivers nothing.
pub(crate) const NOTHING_DELIVERED: &str = "No message was delivered.";

fn nothing_delivered(report: &Report) -> String {
    let other = report.messages.as_ref().and_then(|messages| messages.other.first());
    match other {
        Some(other) => format!(
            "{NOTHING_DELIVERED} The server sent this instead, {} times: '{}'. It may need another --message, --on-open, \
             --preset or path.",
            thousands(other.count),
            other.sample
        ),
        None => format!(
            "{NOTHING_DELIVERED} The server may need another --message, --on-open, --preset, --subprotocol or path."
        ),
    }
}

/// Returns a warning about a message of the server that looks like an error.
fn errors(report: &Report) -> Option<String> {
    let messages = report.messages.as_ref()?;
    let looks_like_one = |sample: &str| {
        let sample = sample.to_ascii_lowercase();
        ["error", "denied", "forbidden", "refused", "unauthorized", "rate_limit", "rate limit", "too many"]
            .iter()
            .any(|word| sample.contains(word))
    };
    let other = messages.other.iter().find(|other| looks_like_one(&other.sample))?;
    let cure = match other.sample.contains("rate_limited") {
        true => " For throng: start it with --rate 0, or use more --senders.",
        false => "",
    };
    Some(format!("The server sent this {} times: '{}'.{cure}", thousands(other.count), other.sample))
}
