//! A signal ends a run, and the report shows the measurements so far as interrupted.

use super::misbehaving::{Kind, Server, connections, content, speech};
use super::run::{Run, start};
use std::time::Duration;

const SIGNALS: [(&str, &str, i32); 2] = [("INT", "SIGINT", 130), ("TERM", "SIGTERM", 143)];

#[track_caller]
fn assert_interrupted(run: &Run, name: &str, status: i32) {
    assert_eq!(run.status, Some(status), "{run}");
    assert_eq!(run.at("interrupted"), name, "{run}");
}

#[test]
fn a_signal_while_connecting_ends_the_run_at_once() {
    for (signal, _, status) in SIGNALS {
        let server = connections::never_answers_a_handshake();
        let running = start(&["connect", &server.url(), "-c", "3", "--connect-timeout", "10m", "-d", "10m"]);
        server.wait_until(|seen| !seen.requests.is_empty());
        running.signal(signal);
        let run = running.wait();
        assert_eq!(run.status, Some(status), "{run}");
    }
}

#[test]
fn a_signal_while_some_clients_are_connected_reports_those() {
    for (signal, name, status) in SIGNALS {
        let server = connections::delays_handshakes_after(Kind::Echo, 3, Duration::from_secs(600));
        let order = ["--connect-concurrency", "1", "--threads", "1", "--connect-timeout", "10m"];
        let running = start(&[&["connect", &server.url(), "-c", "10", "-d", "10m"], &order[..]].concat());
        server.wait_until(|seen| seen.requests.len() == 4);
        running.signal(signal);
        let run = running.wait();
        assert_interrupted(&run, name, status);
        assert_eq!((run.count("connections.planned"), run.count("connections.opened")), (10, 3), "{run}");
    }
}

/// Starts a run and waits until the server has received some messages.
fn start_and_wait(server: &Server, more: &[&str]) -> super::run::Running {
    let running = start(&[&["echo", &server.url(), "-c", "2", "--rate", "200"], more].concat());
    server.wait_until(|seen| seen.messages >= 100);
    running
}

#[test]
fn a_signal_in_the_warm_up_does_not_make_the_run_invalid() {
    for (signal, name, status) in SIGNALS {
        let server = content::correct(Kind::Echo);
        let running = start_and_wait(&server, &["--warmup", "10m", "-d", "10m", "--expect", "loss=0"]);
        running.signal(signal);
        let run = running.wait();
        assert_interrupted(&run, name, status);
        assert_eq!(run.number("seconds"), 0.0, "nothing was measured: {run}");
        assert!(!run.stdout.contains("00,000%"), "no division by zero: {run}");
        let busiest = run.at("client.busiest_thread").as_f64().unwrap_or(0.0);
        assert!((0.0..=1.01).contains(&busiest), "{busiest}");
        assert!(!run.is_met("loss=0"), "a run that measured nothing meets no expectation: {run}");
    }
}

#[test]
fn messages_in_flight_at_a_signal_are_not_lost() {
    for (signal, name, status) in SIGNALS {
        let server = speech::delays(Kind::Echo, Duration::from_millis(300));
        let running = start_and_wait(&server, &["--warmup", "0", "-d", "10m"]);
        running.signal(signal);
        let run = running.wait();
        assert_interrupted(&run, name, status);
        assert_eq!((run.message_count("lost"), run.message_count("unsent")), (0, 0), "{run}");
        assert!(run.message_count("sent") >= 100, "{run}");
    }
}

#[test]
fn messages_lost_before_a_signal_are_reported_as_lost() {
    let server = content::drops_one_of_100(Kind::Echo);
    let running = start_and_wait(&server, &["--warmup", "0", "-d", "10m", "--drain-timeout", "1s"]);
    server.wait_until(|seen| seen.messages >= 200);
    running.signal("TERM");
    let run = running.wait();
    assert!(run.message_count("lost") >= 2, "{run}");
}

#[test]
fn a_second_signal_ends_the_process_without_a_drain() {
    for (signal, _, status) in SIGNALS {
        let server = speech::never_answers(Kind::Echo);
        let mut running = start_and_wait(&server, &["--warmup", "0", "-d", "10m", "--drain-timeout", "10m"]);
        // The number of signals does not matter; the drain of ten minutes must not finish.
        while running.is_running() {
            running.signal(signal);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(running.wait().status, Some(status));
    }
}

#[test]
fn a_signal_ends_a_search_with_its_results() {
    let server = content::correct(Kind::Echo);
    let search = ["--find-max", "--warmup", "0", "-d", "500ms", "--rate", "20"];
    let running = start(&[&["echo", &server.url(), "-c", "2"], &search[..]].concat());
    // More messages than the first load sends.
    server.wait_until(|seen| seen.messages >= 30);
    running.signal("TERM");
    let run = running.wait();
    assert_interrupted(&run, "SIGTERM", 143);
    assert!(!run.steps().is_empty(), "{run}");
    assert_eq!(run.steps()[0]["load"], 20.0, "{run}");
}
