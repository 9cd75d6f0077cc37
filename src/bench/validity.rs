//! Whether the figures of a run are the server's, and what a reader has to know before any of them.

use super::cli::{Action, Scenario};
use super::recorder::{IN_TIME, total};
use super::report::Report;
use super::report::units::{micros, percent, thousands};
use super::run::Outcome;
use super::workload::LATE;
use std::time::Duration;

/// A thread that runs, or waits for a core, for a greater share of the time cannot be trusted to be in time.
const BUSY: f64 = 0.9;
/// The share of the planned messages that have to be sent in time.
const IN_PLAN: f64 = 0.99;
/// A thread of the load tester that did not run for longer saw messages come late.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// The share of the time for which a CPU quota may hold back the load tester.
const THROTTLED: f64 = 0.01;
/// The share of clients that may be greeted late before the reader is told.
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
    /// Why the figures are not the server's.
    pub fn invalid(&self) -> Vec<String> {
        self.load_tester.iter().chain(&self.plan).cloned().collect()
    }
}

/// Judges a run by what was recorded and by its report.
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
    /// Limits of the machine that the load tester runs on.
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
                "The CPU time of the load tester cannot be read here, so the report cannot tell whether it kept up."
                    .to_owned(),
            );
        }
        if client.throttled.is_some_and(|throttled| throttled > THROTTLED * report.seconds) {
            self.load_tester.push(format!(
                "A CPU quota held back the load tester for {}.",
                micros(client.throttled.unwrap_or(0.0) * 1e6)
            ));
        }
        if client.paused > LONGEST_PAUSE.as_secs_f64() {
            self.load_tester.push(format!(
                "The load tester was paused for {}, so that latencies include its own pause.",
                micros(client.paused * 1e6)
            ));
        }
        for (limit, times) in &outcome.connections.client_limits {
            self.load_tester
                .push(format!("The load tester was the limit {} times: {limit}.", thousands(*times)));
        }
    }

    /// Whether the plan was carried out.
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
        let mut is_told = false;
        for (cause, messages) in &recorder.unsent {
            if *messages as f64 > (1.0 - IN_PLAN) * recorder.planned as f64 || cause.contains("not connected")
            {
                is_told = true;
                let messages = thousands(*messages);
                let invalid = if cause == LATE { &mut self.load_tester } else { &mut self.plan };
                invalid.push(format!("{messages} of {planned} planned messages were not sent: {cause}."));
            }
        }
        let in_time = recorder.sent_in_time.min(recorder.sent);
        if !is_told && (in_time as f64) < IN_PLAN * recorder.planned as f64 {
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
            self.warnings.push(format!("The run was ended early by {signal}."));
        }
        let connections = &report.connections;
        let missing = connections.planned.saturating_sub(connections.opened);
        if missing > 0 && report.interrupted.is_none() {
            let planned = thousands(connections.planned);
            self.warnings.push(format!("{} of {planned} connections did not open.", thousands(missing)));
        }
        let lost = total(&connections.lost);
        if lost > 0 && matches!(scenario.action, Action::Connect) {
            self.warnings.push(format!("{} connections were lost while they were held.", thousands(lost)));
        }
        let skipped = outcome.messages.skipped_departures;
        if skipped > 0 {
            self.warnings.push(format!(
                "{} of {} times a member did not leave, since it was still connecting or closing.",
                thousands(skipped),
                thousands(outcome.messages.departures)
            ));
        }
        if let (Some(server), true) = (&report.server, report.interrupted.is_none())
            && server.memory_after.is_none()
        {
            self.warnings.push(format!(
                "Process {} (--server-pid) is not there or ended during the run: figures of the server are missing.",
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
        if is_room && !outcome.sender_hears {
            self.warnings.push(
                "The server does not send a message to its sender. These deliveries are not expected."
                    .to_owned(),
            );
        }
        if is_room && recorder.received > 0 && recorder.own == recorder.received && outcome.hearers > 1 {
            self.warnings.push(
                "Each message came back to its sender only: this URL echoes and does not broadcast."
                    .to_owned(),
            );
        } else if is_room && scenario.common.urls.len() > 1 && looks_divided(scenario, outcome) {
            self.warnings.push(
                "Members received only part of what was sent, as from servers that do not share their rooms. Give each \
                 its own room with {room} in the URL, or run one test per server."
                    .to_owned(),
            );
        }
        if recorder.strayed > 0 {
            let whom = if is_room { "members of another room" } else { "clients that had not sent them" };
            self.warnings.push(format!("{} deliveries came to {whom}.", thousands(recorder.strayed)));
        }
        if recorder.acknowledged > 0 {
            self.warnings.push(format!(
                "{} messages were acknowledged to their sender with a copy. These are not counted as duplicates.",
                thousands(recorder.acknowledged)
            ));
        }
        if recorder.unknown > 0 {
            self.warnings.push(format!(
                "{} deliveries came too far out of order to tell duplicates from late ones.",
                thousands(recorder.unknown)
            ));
        }
        let lost = recorder.expected.saturating_sub(recorder.received);
        let have_joined_late = outcome.late_greetings as f64 > LATE_GREETINGS * outcome.settled as f64
            || recorder.missed_at_first * 2 > lost;
        if is_room && lost > 0 && recorder.received > 0 && have_joined_late {
            self.warnings.push(
                "What was lost was lost at the beginning or before the server greeted its clients: they may not have \
                 joined when the first message was sent. Use --joined-when or --settle."
                    .to_owned(),
            );
        }
        if recorder.sent > 0 && recorder.received == 0 {
            self.warnings.push(nothing_came_back(report));
        } else {
            self.warnings.extend(errors(report));
        }
    }
}

/// Whether every member seems to have received what was sent by its own server's share of the senders.
fn looks_divided(scenario: &Scenario, outcome: &Outcome) -> bool {
    let servers = scenario.common.urls.len() as f64;
    let share = outcome.messages.received as f64 / outcome.messages.expected.max(1) as f64;
    (share * servers - 1.0).abs() < 0.1
}

/// How the warning begins that a server does not deliver at all.
pub(crate) const NOTHING_CAME_BACK: &str = "Nothing that was sent came back.";

fn nothing_came_back(report: &Report) -> String {
    let other = report.messages.as_ref().and_then(|messages| messages.other.first());
    match other {
        Some(other) => format!(
            "{NOTHING_CAME_BACK} The server said instead, {} times: '{}'. It may want another --message, --on-open, \
             --preset or path.",
            thousands(other.count),
            other.sample
        ),
        None => format!(
            "{NOTHING_CAME_BACK} The server may want another --message, --on-open, --preset, --subprotocol or path."
        ),
    }
}

/// What the server says that looks like a refusal.
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
