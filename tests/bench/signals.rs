//! A signal ends a run, and what was measured until then is told as what it is.

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
fn a_signal_while_connecting_ends_at_once() {
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
fn a_signal_while_some_are_connected_reports_those() {
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

/// A run that has begun, and as much as that has come to the server.
fn under_way(server: &Server, more: &[&str]) -> super::run::Running {
    let running = start(&[&["echo", &server.url(), "-c", "2", "--rate", "200"], more].concat());
    server.wait_until(|seen| seen.messages >= 100);
    running
}

#[test]
fn a_signal_in_the_warm_up_is_no_fault_of_the_client() {
    for (signal, name, status) in SIGNALS {
        let server = content::faithful(Kind::Echo);
        let running = under_way(&server, &["--warmup", "10m", "-d", "10m", "--expect", "loss=0"]);
        running.signal(signal);
        let run = running.wait();
        assert_interrupted(&run, name, status);
        assert_eq!(run.number("seconds"), 0.0, "nothing was measured: {run}");
        assert!(!run.stdout.contains("00,000%"), "nothing is divided by nothing: {run}");
        let busiest = run.at("client.busiest_thread").as_f64().unwrap_or(0.0);
        assert!((0.0..=1.01).contains(&busiest), "{busiest}");
        assert!(!run.is_met("loss=0"), "a fragment of no length meets nothing: {run}");
    }
}

#[test]
fn what_is_on_the_way_when_a_signal_comes_is_not_lost() {
    for (signal, name, status) in SIGNALS {
        let server = speech::answers_late(Kind::Echo, Duration::from_millis(300));
        let running = under_way(&server, &["--warmup", "0", "-d", "10m"]);
        running.signal(signal);
        let run = running.wait();
        assert_interrupted(&run, name, status);
        assert_eq!((run.message_count("lost"), run.message_count("unsent")), (0, 0), "{run}");
        assert!(run.message_count("sent") >= 100, "{run}");
    }
}

#[test]
fn what_was_lost_before_a_signal_is_lost() {
    let server = content::drops_one_of_100(Kind::Echo);
    let running = under_way(&server, &["--warmup", "0", "-d", "10m", "--drain-timeout", "1s"]);
    server.wait_until(|seen| seen.messages >= 200);
    running.signal("TERM");
    let run = running.wait();
    assert!(run.message_count("lost") >= 2, "{run}");
}

#[test]
fn a_second_signal_ends_the_process_without_a_drain() {
    for (signal, _, status) in SIGNALS {
        let server = speech::never_answers(Kind::Echo);
        let mut running = under_way(&server, &["--warmup", "0", "-d", "10m", "--drain-timeout", "10m"]);
        // However many it takes, it is not the ten minutes.
        while running.is_running() {
            running.signal(signal);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(running.wait().status, Some(status));
    }
}

#[test]
fn a_signal_ends_a_search_with_what_was_found() {
    let server = content::faithful(Kind::Echo);
    let search = ["--find-max", "--warmup", "0", "-d", "500ms", "--rate", "20"];
    let running = start(&[&["echo", &server.url(), "-c", "2"], &search[..]].concat());
    // More than the first load sends.
    server.wait_until(|seen| seen.messages >= 30);
    running.signal("TERM");
    let run = running.wait();
    assert_interrupted(&run, "SIGTERM", 143);
    assert!(!run.steps().is_empty(), "{run}");
    assert_eq!(run.steps()[0]["load"], 20.0, "{run}");
}
