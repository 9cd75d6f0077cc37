//! The verdict on a run, as one sentence.

use super::units::{percent, rate, short, thousands};
use super::{Causes, Report, Search};

pub(super) struct Verdict {
    pub is_good: bool,
    pub text: String,
}

impl Verdict {
    pub fn of(report: &Report) -> Verdict {
        let bad = |text: String| Verdict { is_good: false, text };
        if let Some(signal) = &report.interrupted {
            return bad(format!("Not complete: {signal} ended the run early.{}", expectations(report)));
        }
        if !report.is_valid {
            let more = match report.invalid.len() {
                0 | 1 => String::new(),
                count => format!(" ({} more reasons at the top)", count - 1),
            };
            let why = report.invalid.first().map_or("the reason is not recorded.", String::as_str);
            // The advice in the following sentences is shown at the top; this line must be short.
            let why = why.split_once(". ").map_or(why, |(first, _)| first).trim_end_matches('.');
            return bad(format!("Not valid: {why}{more}."));
        }
        if let Some(search) = report.search.as_ref().filter(|search| search.highest.is_none()) {
            return bad(search.headline(report));
        }
        let faults = faults(report);
        // If there are expectations, they decide which faults matter.
        let is_good = match &report.expectations[..] {
            [] => faults.is_empty(),
            outcomes => outcomes.iter().all(|outcome| outcome.is_met),
        };
        let summary = match (&faults[..], &report.messages) {
            ([], None) => "No connection failed or was lost.".to_owned(),
            ([], Some(messages)) if messages.expected == 0 => "No message was expected.".to_owned(),
            ([], Some(_)) => "No message was lost.".to_owned(),
            (faults, _) => format!("{}.", faults.join(", ")),
        };
        Verdict { is_good, text: format!("Valid. {summary}{}", expectations(report)) }
    }

    /// Returns the last line of the table. After a search it starts with the result.
    pub fn last_line(&self, report: &Report) -> String {
        match report.search.as_ref().filter(|search| search.highest.is_some()) {
            Some(search) => format!("{} {}", search.headline(report), self.text),
            None => self.text.clone(),
        }
    }
}

/// Returns the faults of a valid run, in the order of the table.
fn faults(report: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    let mut add = |count: u64, one: &str, many: &str, happened: &str, of: Option<u64>| {
        let things = if count == 1 && of.is_none() { one } else { many };
        match of {
            _ if count == 0 => {}
            Some(of) => faults.push(format!("{} of {} {things} {happened}", thousands(count), thousands(of))),
            None => faults.push(format!("{} {things} {happened}", thousands(count))),
        }
    };
    let total = |causes: &Causes| causes.values().sum::<u64>();
    let connections = &report.connections;
    let planned = Some(connections.planned);
    add(total(&connections.failed), "connection", "connections", "failed", planned);
    add(total(&connections.lost), "connection", "connections", "lost", None);
    if let Some(messages) = &report.messages {
        add(total(&messages.unsent), "message", "messages", "not sent", Some(messages.planned));
        let loss = percent(messages.lost as f64 / messages.expected.max(1) as f64);
        let lost = format!("lost ({loss})");
        add(messages.lost, "delivery", "deliveries", &lost, Some(messages.expected));
        for (count, happened) in [
            (messages.duplicated, "duplicated"),
            (messages.reordered, "reordered"),
            (messages.unknown, "not checked for duplicates and order"),
            (messages.damaged, "damaged"),
            (messages.strayed, "sent to another room"),
        ] {
            add(count, "delivery", "deliveries", happened, None);
        }
        add(messages.timed_out, "message", "messages", "timed out", None);
    }
    if let Some(recovery) = &report.recovery {
        let members = Some(recovery.members);
        let never_back = recovery.members.saturating_sub(recovery.back);
        add(never_back, "member", "members", "never back online", members);
        let unserved = recovery.members.saturating_sub(recovery.served);
        add(unserved, "member", "members", "never served again", members);
    }
    faults
}

fn expectations(report: &Report) -> String {
    let all = report.expectations.len();
    let met = report.expectations.iter().filter(|outcome| outcome.is_met).count();
    match all {
        0 => String::new(),
        1 => format!(" {met} of 1 expectation met."),
        _ => format!(" {met} of {all} expectations met."),
    }
}

impl Search {
    /// Returns the highest load that held, as a sentence.
    pub fn headline(&self, report: &Report) -> String {
        let Some(highest) = self.highest else { return format!("No load held: {}", self.ended) };
        if self.is_rate() {
            format!(
                "Highest rate that held: {} messages/s ({} connections).",
                short(highest),
                thousands(report.connections.planned)
            )
        } else {
            format!("Highest number of connections that held: {}.", thousands(highest as u64))
        }
    }

    pub fn is_rate(&self) -> bool {
        self.load == "rate"
    }

    /// Formats a load with its unit.
    pub fn load_text(&self, load: f64) -> String {
        if self.is_rate() { rate(load) } else { thousands(load as u64) }
    }

    /// Returns the label of the load for an axis or a column.
    pub fn load_label(&self) -> &'static str {
        if self.is_rate() { "messages per second" } else { "connections" }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Outcome, sample};
    use super::*;

    fn text(report: &Report) -> String {
        Verdict::of(report).text
    }

    #[test]
    fn the_verdict_counts_met_expectations() {
        let mut report = sample::clean();
        assert_eq!(text(&report), "Valid. No message was lost.");
        report.expectations = vec![Outcome { is_met: true, ..Outcome::default() }];
        assert_eq!(text(&report), "Valid. No message was lost. 1 of 1 expectation met.");
        report.expectations.push(Outcome::default());
        assert_eq!(text(&report), "Valid. No message was lost. 1 of 2 expectations met.");
        assert!(!Verdict::of(&report).is_good);
    }

    #[test]
    fn the_verdict_lists_faults_of_a_valid_run() {
        assert_eq!(text(&sample::connect()), "Valid. No connection failed or was lost.");
        assert_eq!(
            text(&sample::storm()),
            "Valid. 3 of 10,000 connections failed, 2 connections lost, 2 of 29,991,000 deliveries lost (<0.01 %), 1 \
             delivery reordered, 1 of 9,997 members never back online, 7 of 9,997 members never served again."
        );
        let mut report = sample::clean();
        let messages = report.messages.as_mut().expect("it has messages");
        (messages.expected, messages.lost) = (200_000, 100_500);
        assert_eq!(text(&report), "Valid. 100,500 of 200,000 deliveries lost (50.2 %).");
        assert!(!Verdict::of(&report).is_good);
        report.expectations = vec![Outcome { is_met: true, ..Outcome::default() }];
        assert!(Verdict::of(&report).is_good, "that much loss was expected");
        let messages = report.messages.as_mut().expect("it has messages");
        (messages.lost, messages.duplicated, messages.damaged, messages.timed_out) = (0, 1, 2, 3);
        messages.unsent = sample::causes(&[("not connected", 4)]);
        messages.strayed = 5;
        assert_eq!(
            text(&report),
            "Valid. 4 of 3,000 messages not sent, 1 delivery duplicated, 2 deliveries damaged, 5 deliveries sent to \
             another room, 3 messages timed out. 1 of 1 expectation met."
        );
    }

    #[test]
    fn the_verdict_of_an_invalid_run_ignores_expectations() {
        let invalid = sample::invalid();
        assert!(text(&invalid).starts_with("Not valid: A thread of the client"), "{}", text(&invalid));
        let interrupted = Report { interrupted: Some("SIGINT".to_owned()), ..invalid };
        assert!(text(&interrupted).starts_with("Not complete: SIGINT"), "{}", text(&interrupted));
        assert!(!Verdict::of(&interrupted).is_good);
    }

    #[test]
    fn the_headline_of_a_search_has_the_highest_load_or_the_reason_for_none() {
        let mut report = sample::search();
        let headline = |report: &Report| report.search.as_ref().expect("it is a search").headline(report);
        assert_eq!(headline(&report), "Highest rate that held: 800 messages/s (10,000 connections).");
        let last = Verdict::of(&report).last_line(&report);
        assert!(last.starts_with(&format!("{} Valid. ", headline(&report))), "{last}");
        let search = report.search.as_mut().expect("it is a search");
        (search.highest, search.ended) = (None, "Nothing was delivered at 100/s.".to_owned());
        assert_eq!(headline(&report), "No load held: Nothing was delivered at 100/s.");
        assert!(!Verdict::of(&report).is_good && text(&report) == headline(&report));
        let search = Search { load: "connections".to_owned(), highest: Some(1_770.0), ..Search::default() };
        assert_eq!(search.headline(&report), "Highest number of connections that held: 1,770.");
    }
}
