//! A search for the highest load at which conditions hold, by successive runs.

use super::Failure;
use super::cli::{Action, Scenario};
use super::descriptors::FileLimit;
use super::output::print_line;
use super::report::expect::Expectation;
use super::report::units::{short, thousands};
use super::report::{Report, Search, Step};
use super::search::Bisection;
use super::session::{Finished, Session};
use super::validity;

/// The search ends when the highest load that held and the lowest that did not differ by at most this factor.
const PRECISION: f64 = 1.05;
/// Highest rate tried, in messages per second.
const MAX_RATE: f64 = 1e7;

/// Runs with one load after another. Returns the run with the highest load that held, or the last run if none
/// did, with all steps in its report.
pub(crate) fn find_max(
    session: &Session<'_>,
    scenario: &Scenario,
    conditions: &[Expectation],
) -> Result<Finished, Failure> {
    let (start, load_name) = scenario.load();
    let is_connect = matches!(scenario.action, Action::Connect);
    let most = if is_connect { most_connections(scenario)? } else { MAX_RATE };
    let mut bisection = Bisection::new(start, 1.0, most, PRECISION);
    if is_connect {
        bisection = bisection.whole();
    }
    let mut search = Search {
        load: load_name.to_owned(),
        conditions: conditions.iter().map(Expectation::to_string).collect(),
        highest: None,
        ended: String::new(),
        steps: Vec::new(),
    };
    let (mut best, mut last, mut baseline) = (None, None, None);
    let mut was_repeated = false;
    while let Some(load) = bisection.next() {
        let finished = match session.run(&scenario.with_load(load), &mut baseline) {
            Ok(finished) => finished,
            // Keep the results of earlier steps.
            Err(failure) if best.is_some() || last.is_some() => {
                search.ended =
                    format!("The run with {} ended the search: {failure}.", load_text(load, load_name));
                search.steps.push(failed_step(load, &failure));
                break;
            }
            Err(failure) => return Err(failure),
        };
        let report = &finished.report;
        if report.interrupted.is_some() {
            search.ended = "The search was interrupted.".to_owned();
            last = Some(finished);
            break;
        }
        let why = verdict(report, conditions);
        if finished.load_tester_was_limit && !was_repeated {
            // Repeat once: something else may have disturbed the run.
            was_repeated = true;
            continue;
        }
        was_repeated = false;
        if !scenario.common.reports.quiet {
            let verdict = why.as_deref().unwrap_or("holds");
            print_line(&format!("{}: {verdict}", load_text(load, load_name)));
        }
        search.steps.push(step(load, report, why.clone()));
        if finished.load_tester_was_limit {
            search.ended = format!(
                "With {}, the load tester was the limit; the server may sustain more: {}",
                load_text(load, load_name),
                report.invalid.join(" ")
            );
            last = Some(finished);
            break;
        }
        bisection.record(load, why.is_none());
        if why.is_none() {
            search.highest = Some(load);
            best = Some(finished);
            continue;
        }
        let is_hopeless = report.messages.as_ref().is_some_and(|it| it.sent > 0 && it.received == 0);
        let is_first = search.steps.len() == 1;
        last = Some(finished);
        if is_first && is_hopeless {
            let warnings = last.iter().flat_map(|last| &last.report.warnings);
            let why = warnings.into_iter().find(|warning| warning.starts_with(validity::NOTHING_DELIVERED));
            search.ended = why.cloned().unwrap_or_default();
            break;
        }
    }
    if search.ended.is_empty() {
        search.ended = ended(&search, most);
    }
    // An interrupted search counts as an interrupted run, whatever it found before.
    let interrupted = last.as_ref().and_then(|last| last.report.interrupted.clone());
    let Some(mut finished) = best.or(last) else {
        return Err(Failure::System("there is no load to try".to_owned()));
    };
    finished.report.interrupted = interrupted;
    finished.report.search = Some(search);
    Ok(finished)
}

/// Returns the number of connections that the file limit and the available ports allow.
fn most_connections(scenario: &Scenario) -> Result<f64, Failure> {
    let limit = FileLimit::raise().map_err(|error| Failure::System(error.to_string()))?;
    let files = limit.most_connections(scenario.common.threads);
    let sources = scenario.common.source_ip.as_ref();
    let ports = sources.and_then(|sources| sources.most_clients(scenario.common.urls.len()));
    Ok(files.min(ports.unwrap_or(usize::MAX)).max(1) as f64)
}

/// Returns why a load does not hold, or `None` if it does. An invalid run is reported first, since its
/// figures do not describe the server.
fn verdict(report: &Report, conditions: &[Expectation]) -> Option<String> {
    if !report.is_valid {
        return Some(report.invalid.join(" "));
    }
    let unmet: Vec<String> =
        conditions.iter().filter_map(|condition| condition.check(report).err()).collect();
    if unmet.is_empty() {
        return None;
    }
    let why = unmet.join("; ");
    // Add the most frequent cause of failed connections.
    let causes = &report.connections.failed;
    match causes.iter().max_by_key(|(_, count)| **count) {
        Some((cause, count)) => Some(format!("{why} ({} × {cause})", thousands(*count))),
        None => Some(why),
    }
}

fn step(load: f64, report: &Report, why: Option<String>) -> Step {
    let messages = report.messages.as_ref();
    let latency = report.latency.as_ref().or(report.service_time.as_ref());
    let latency = latency.or(report.connections.handshake.as_ref().filter(|_| messages.is_none()));
    Step {
        load,
        holds: why.is_none(),
        why,
        sent_per_second: messages.map(|it| it.sent_per_second),
        received_per_second: messages.map(|it| it.received_per_second),
        loss: messages.filter(|it| it.expected > 0).map(|it| it.lost as f64 / it.expected as f64),
        p50: latency.map(|it| it.p50),
        p95: latency.map(|it| it.p95),
        p99: latency.map(|it| it.p99),
        opened: report.connections.opened,
        failed: report.connections.failed.values().sum(),
        is_valid: report.is_valid,
    }
}

fn failed_step(load: f64, failure: &Failure) -> Step {
    Step { load, why: Some(failure.to_string()), ..Step::default() }
}

fn load_text(load: f64, name: &str) -> String {
    match name {
        "connections" => format!("{} connections", thousands(load as u64)),
        _ => format!("{} messages/s", short(load)),
    }
}

fn ended(search: &Search, most: f64) -> String {
    match (search.highest, search.steps.iter().rfind(|step| !step.holds)) {
        (Some(highest), None) if highest >= most && search.load == "connections" => format!(
            "{} connections held, the most that the file limit and the ports of this machine allow.",
            thousands(most as u64)
        ),
        (Some(highest), None) if highest >= most => {
            "The conditions held even at the highest rate that the load tester tries.".to_owned()
        }
        (Some(_), _) => "The search found the limit to 5 %.".to_owned(),
        (None, _) => "Even the lowest load did not meet the conditions.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::sample;
    use super::*;

    #[test]
    fn an_invalid_run_does_not_count_against_the_server() {
        let conditions: Vec<Expectation> = ["loss<1%", "p99<1ms"].map(|text| text.parse().unwrap()).into();
        let mut report = sample::broadcast();
        report.connections.failed.clear();
        assert_eq!(verdict(&report, &conditions[..1]), None);
        assert!(verdict(&report, &conditions).is_some_and(|why| why.starts_with("p99<1ms is not met")));
        (report.is_valid, report.invalid) = (false, vec!["A thread was busy.".to_owned()]);
        assert_eq!(verdict(&report, &conditions).as_deref(), Some("A thread was busy."));
    }
}
