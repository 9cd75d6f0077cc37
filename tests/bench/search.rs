//! Searches for the highest load at which conditions hold: the result, the end, and the report.

use super::SERVER_PROCESS;
use super::misbehaving::process::{Fate, Process};
use super::misbehaving::{Act, Incoming, Kind, Script, Server, connections, content, speech};
use super::run::{Run, command, run, scratch, valid_search};
use super::support;
use serde_json::Value;
use std::time::Duration;

/// Half a second per load, starting at 100 messages per second.
const SEARCH: [&str; 10] =
    ["--find-max", "-d", "500ms", "--warmup", "0", "--rate", "100", "--drain-timeout", "1s", "--quiet"];

/// The message of a connection from which on something happens. The 21st is sent at 42 messages per second
/// and more.
const FIRST: u64 = 20;

fn broadcast(server: &Server) -> Run {
    let order = ["-c", "10", "--senders", "1", "--threads", "1", "--connect-concurrency", "1"];
    valid_search(|| run(&[&["broadcast", &server.url()], &order[..], &SEARCH].concat()))
}

fn load(step: &Value) -> f64 {
    step["load"].as_f64().unwrap()
}

/// Returns why a step does not hold. The reason is present exactly if it does not.
#[track_caller]
fn why(step: &Value) -> Option<&str> {
    assert_eq!(step["holds"] == true, step["why"].is_null(), "{step}");
    step["why"].as_str()
}

/// Asserts that valid loads up to `holds` hold, that no load from `fails` on holds, and that the reason is
/// given.
#[track_caller]
fn assert_limit(run: &Run, holds: f64, fails: f64, reason: &[&str]) {
    let steps = run.steps();
    for step in steps {
        // On a busy machine a step may be invalid, and then does not count.
        let is_as_it_should = match step["holds"] == true {
            true => load(step) < fails,
            false => load(step) > holds || step["is_valid"] == false,
        };
        assert!(is_as_it_should, "{step} {run}");
    }
    let reasons: Vec<&str> = steps.iter().filter(|step| load(step) >= fails).filter_map(why).collect();
    let is_given = |text: &&str| reason.iter().any(|reason| text.contains(reason));
    assert!(reasons.iter().any(is_given), "none of {reason:?} is in {reasons:?}: {run}");
    let held = steps.iter().filter(|step| step["holds"] == true).map(load);
    assert_eq!(run.at("search.highest").as_f64(), held.reduce(f64::max), "{run}");
    assert!(!run.at("search.ended").as_str().unwrap().is_empty(), "{run}");
}

#[test]
fn a_search_finds_the_load_at_which_messages_are_duplicated() {
    assert_limit(&broadcast(&content::duplicates_from(Kind::Room, FIRST)), 40.0, 42.0, &["duplicated"]);
}

#[test]
fn a_search_finds_the_load_at_which_messages_are_damaged() {
    assert_limit(&broadcast(&content::corrupts_from(Kind::Room, FIRST)), 40.0, 42.0, &["damaged"]);
}

#[test]
fn a_search_finds_the_load_at_which_messages_are_lost() {
    assert_limit(&broadcast(&content::drops_from(Kind::Room, FIRST)), 40.0, 42.0, &["loss"]);
}

#[test]
fn a_search_finds_the_load_at_which_latency_is_too_high() {
    // At 100/s, 30 of 50 messages are late.
    let server = speech::delays_from(Kind::Room, FIRST, Duration::from_millis(700));
    assert_limit(&broadcast(&server), 40.0, 45.0, &["p95"]);
}

#[test]
fn a_search_finds_the_load_at_which_members_are_disconnected() {
    let act = |said: Incoming| {
        let next = said.from + 1;
        let is_over = said.of_sender == FIRST;
        let mut acts = said.deliver();
        if is_over {
            acts.push(Act::CloseMember(next, 1008, "too many messages"));
        }
        acts
    };
    let server = Script::new(Kind::Room).on_message(act).start();
    assert_limit(&broadcast(&server), 40.0, 42.0, &["disconnected"]);
}

#[test]
fn a_search_finds_no_load_if_a_member_is_always_refused() {
    // The last of every ten handshakes is refused.
    let answer = |number, _: &super::misbehaving::wire::Request| match number % 10 {
        9 => super::misbehaving::Answer::Refuse(connections::UNAVAILABLE.to_owned()),
        _ => super::misbehaving::Answer::Accept,
    };
    let run = broadcast(&Script::new(Kind::Room).on_handshake(answer).start());
    assert!(run.at("search.highest").is_null(), "{run}");
    assert!(run.steps().iter().filter_map(why).any(|why| why.contains("failed")), "{run}");
    assert_eq!(run.status, Some(1), "{run}");
}

#[test]
fn a_given_condition_replaces_the_default_of_its_figure_only() {
    let plan = ["-c", "10", "--senders", "1", "-d", "500ms", "--warmup", "0", "--rate", "100"];
    let conditions = ["--find-max=loss<=100%,duplicated<1M", "--drain-timeout", "1s"];
    let server = content::corrupts_from(Kind::Room, FIRST);
    let run = valid_search(|| run(&[&["broadcast", &server.url()], &plan[..], &conditions].concat()));
    assert_limit(&run, 40.0, 42.0, &["damaged"]);
    let conditions =
        run.at("search.conditions").as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let mut conditions: Vec<&str> = conditions.collect();
    conditions.sort();
    assert_eq!(conditions, ["damaged=0", "disconnected=0", "duplicated<1M", "failed=0", "loss<=100%"]);
}

#[test]
fn a_load_that_was_not_sent_does_not_hold() {
    // Ten connections of five messages each send 50 in half a second, whatever was planned.
    let server = connections::closes_each_after(Kind::Echo, 5, 1001, "");
    let run = valid_search(|| run(&[&["echo", &server.url(), "-c", "10"], &SEARCH[..]].concat()));
    for step in run.steps().iter().filter(|step| step["holds"] == true) {
        assert!(load(step) < 102.0, "{run}");
    }
    assert!(run.steps().iter().any(|step| why(step).is_some()), "{run}");
}

#[test]
fn a_search_ends_with_its_results_if_the_server_dies() {
    // 50 messages of the first load, 100 of the second, and some of the third.
    let run = valid_search(|| {
        let server = Process::start(SERVER_PROCESS, Kind::Echo, Fate::DiesAfter(160));
        run(&[&["echo", server.url(), "-c", "10", "--server-pid", &server.pid()], &SEARCH[..]].concat())
    });
    let steps = run.steps();
    assert!(steps.len() >= 2, "{run}");
    assert!(steps.last().and_then(why).is_some(), "the step in which it died: {run}");
    let held = steps.iter().filter(|step| step["holds"] == true).map(load);
    assert_eq!(run.at("search.highest").as_f64(), held.reduce(f64::max), "{run}");
    assert!(!run.at("search.ended").as_str().unwrap().is_empty(), "{run}");
    assert_ne!(run.status, Some(3), "it was reached: {run}");
}

#[test]
fn a_search_without_a_single_delivery_ends_after_its_first_run() {
    let server = speech::answers_errors();
    let run = broadcast(&server);
    assert_eq!(run.steps().len(), 1, "{run}");
    assert!(run.at("search.highest").is_null(), "{run}");
    assert_eq!(run.status, Some(1), "{run}");
    assert!(run.stderr.contains("join first"), "the message of the server: {run}");
}

#[test]
fn a_search_for_connections_ends_at_the_limit_of_the_server_with_the_reason() {
    let server = support::Server::start(&["--max-connections", "100"]);
    let url = format!("ws://{}/chat?format=raw", server.address());
    let run = run(&["connect", &url, "-c", "50", "--find-max", "-d", "200ms", "--quiet"]);
    assert_limit(&run, 100.0, 101.0, &["503"]);
    assert_eq!(run.number("search.highest"), 100.0, "{run}");
    assert_eq!(run.at("search.load"), "connections");
    assert_eq!(run.status, Some(0), "{run}");
}

#[test]
fn a_search_for_connections_ends_at_the_file_limit_of_the_client_with_the_reason() {
    for files in ["40", "64", "100"] {
        let server = content::correct(Kind::Echo);
        let report = scratch("report.json");
        let mut limited = std::process::Command::new("sh");
        limited.args(["-c", "ulimit -n $0; exec \"$@\"", files, env!("CARGO_BIN_EXE_throng"), "bench"]);
        let search = ["connect", &server.url(), "-c", "5", "--find-max", "-d", "100ms", "--threads", "1"];
        let output = limited.args(search).arg("--json").arg(&report).output().unwrap();
        let report = std::fs::read(report).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let run = Run::of(&search, output, report.unwrap_or_default());
        let highest = run.number("search.highest");
        let limit: f64 = files.parse().unwrap();
        assert!(highest >= 5.0 && highest < limit, "{run}");
        let ended = run.at("search.ended").as_str().unwrap();
        assert!(ended.contains("client") || ended.contains("file"), "the server was not the limit: {ended}");
        assert_eq!(run.status, Some(0), "{run}");
    }
}

#[test]
fn a_search_shows_its_steps_in_table_and_page() {
    let page = scratch("search.html");
    let server = content::drops_from(Kind::Room, FIRST);
    let order = ["-c", "5", "--senders", "1", "--threads", "1"];
    let url = server.url();
    let search = [&["broadcast", &url], &order[..], &SEARCH[..9]].concat();
    let output = command(&search).arg("--html").arg(&page).output().unwrap();
    let run = Run::of(&search, output, Value::Null);
    let page = std::fs::read_to_string(&page).unwrap();
    for text in [&run.stdout, &page] {
        assert!(text.contains("100") && text.contains("loss"), "{text}");
    }
    assert!(page.contains("<svg") && !page.to_lowercase().contains("<script"));
    // The result of each step is printed as it finishes.
    assert!(run.stderr.contains("100"), "{run}");
}
