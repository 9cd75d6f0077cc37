//! Reports of each scenario, for servers with and without faults.

use super::SERVER_PROCESS;
use super::misbehaving::process::{Fate, Process};
use super::misbehaving::{Kind, connections, content, speech};
use super::run::{Run, run, valid_run};
use super::support::Server;
use std::time::Duration;

/// Returns the URL of a room of throng in the raw format.
fn room(server: &Server) -> String {
    format!("ws://{}/chat?format=raw", server.address())
}

#[test]
fn connections_are_opened_held_and_counted() {
    let server = Server::start(&["--max-connections", "30"]);
    let run = run(&[
        "connect",
        &room(&server),
        "-c",
        "50",
        "--connect-rate",
        "200",
        "-d",
        "300ms",
        "--server-pid",
        &server.pid().to_string(),
    ]);
    let connections = ["planned", "opened", "open_at_end", "handshake.count"]
        .map(|name| run.count(&format!("connections.{name}")));
    assert_eq!(connections, [50, 30, 30, 30], "{run}");
    run.assert_cause("connections.failed", &["503"], 20);
    assert!(run.number("connections.per_second") <= 201.0, "{run}");
    assert!(run.count("server.memory_peak") > 0, "{run}");
    assert!(run.at("messages").is_null() && run.at("latency").is_null(), "nothing was sent: {run}");
}

#[test]
fn dead_connections_are_detected_at_the_end() {
    // Its sockets stay open, but the process is stopped.
    let server = Process::start(SERVER_PROCESS, Kind::Echo, Fate::StopsAt(5));
    let run = run(&["connect", server.url(), "-c", "5", "-d", "500ms", "--drain-timeout", "1s"]);
    assert_eq!(run.count("connections.opened"), 5, "{run}");
    assert_eq!(run.count("connections.open_at_end"), 0, "{run}");
    assert_eq!(run.sum("connections.lost"), 5, "{run}");
    run.assert_says("warnings", &["5 open connections were lost"]);
}

#[test]
fn connections_that_a_server_ends_are_not_open_at_the_end() {
    let server = connections::closes_later_connections(Kind::Echo, 4, Duration::from_millis(50));
    let run = run(&["connect", &server.url(), "-c", "10", "-d", "1s", "--expect", "disconnected=0"]);
    assert_eq!((run.count("connections.opened"), run.count("connections.open_at_end")), (10, 4), "{run}");
    run.assert_cause("connections.lost", &["1001", "gone again"], 6);
    assert!(!run.is_met("disconnected=0"), "{run}");
}

#[test]
fn stalled_readers_do_not_count_as_members() {
    // On a busy machine members that read may not run for seconds, so their queue has room for that.
    let queue = ["--max-queue", "8MiB", "--high-water", "0", "--stall-timeout", "0"];
    let server = Server::start(&[&["--rate", "0", "--close-timeout", "200ms"], &queue[..]].concat());
    let plan = ["-c", "4", "--senders", "4", "--stalled-readers", "3", "--rate", "25", "-n", "300"];
    let more = ["--warmup", "0", "--size", "60000", "--drain-timeout", "30s"];
    let run = run(&[&["slow-readers", &room(&server)], &plan[..], &more].concat());
    run.assert_messages(&[("planned", 300), ("sent", 300), ("expected", 1_200), ("received", 1_200)]);
    assert_eq!(run.count("connections.opened"), 7, "{run}");
    assert_eq!((run.sum("connections.lost"), run.count("connections.open_at_end")), (3, 4), "{run}");
}

/// Runs a churn of ten members next to 20 that stay.
fn churn(url: &str, more: &[&str]) -> Run {
    let plan = ["-c", "20", "--churners", "10", "--churn-rate", "100", "--rate", "100", "--warmup", "0"];
    run(&[&["churn", url], &plan[..], &["--drain-timeout", "30s"], more].concat())
}

#[test]
fn members_that_stay_miss_nothing_while_others_reconnect() {
    let server = content::correct(Kind::Room);
    let run = churn(&server.url(), &["-n", "200"]);
    run.assert_messages(&[("planned", 200), ("sent", 200), ("expected", 4_000), ("received", 4_000)]);
    // The first wave is counted separately from reconnects.
    assert_eq!((run.count("connections.planned"), run.count("connections.opened")), (30, 30), "{run}");
    let [begun, opened] =
        ["begun", "opened"].map(|name| run.count(&format!("connections.reconnects.{name}")));
    // 100 per second for two seconds. The last may be in progress when the run ends.
    assert!((100..=200).contains(&begun) && opened <= begun && begun - opened <= 10, "{run}");
    assert_eq!(run.sum("connections.reconnects.failed"), 0, "{run}");
    assert_eq!(run.sum("connections.failed") + run.sum("connections.lost"), 0, "{run}");
    // Churners leave with a closing handshake.
    let seen = server.seen();
    assert!(seen.left as u64 >= opened, "{} left for {opened}", seen.left);
    assert_eq!(seen.opened as u64, 30 + opened);
}

#[test]
fn a_slow_handshake_of_a_churner_is_waited_for() {
    let late = Duration::from_millis(300);
    let server = connections::delays_handshakes_after(Kind::Room, 30, late);
    let run = churn(&server.url(), &["-n", "200"]);
    run.assert_messages(&[("planned", 200), ("sent", 200), ("expected", 4_000), ("received", 4_000)]);
    assert_eq!(run.sum("connections.reconnects.failed"), 0, "{run}");
    assert!(run.count("connections.reconnects.opened") >= 10, "{run}");
    assert!(run.number("connections.reconnects.handshake.min") >= 299_000.0, "{run}");
}

#[test]
fn refused_churners_are_counted_separately() {
    let server = connections::refuses_after(Kind::Room, 30, connections::UNAVAILABLE);
    let run = churn(&server.url(), &["-n", "200"]);
    assert_eq!((run.count("connections.opened"), run.sum("connections.failed")), (30, 0), "{run}");
    assert_eq!(run.count("connections.reconnects.opened"), 0, "{run}");
    assert!(run.sum("connections.reconnects.failed") >= 10, "{run}");
    run.assert_cause("connections.reconnects.failed", &["503"], run.sum("connections.reconnects.failed"));
}

/// Runs a storm over 20 members.
fn storm(url: &str, more: &[&str]) -> Run {
    let plan = ["-c", "20", "--rate", "100", "--warmup", "300ms", "-d", "2s", "--drain-timeout", "5s"];
    run(&[&["storm", url], &plan[..], more].concat())
}

#[test]
fn all_members_reconnect_after_a_storm_and_are_served() {
    let server = content::correct(Kind::Room);
    for jitter in ["0", "300ms"] {
        let run = storm(&server.url(), &["--jitter", jitter]);
        let counts = ["members", "back", "served", "until_back.count", "until_served.count"]
            .map(|name| run.count(&format!("recovery.{name}")));
        assert_eq!(counts, [20; 5], "{run}");
        assert!(run.number("recovery.until_back.max") <= run.number("recovery.until_served.max"), "{run}");
        assert_eq!(
            (run.count("connections.opened"), run.count("connections.open_at_end")),
            (20, 20),
            "{run}"
        );
        let begun = run.count("connections.reconnects.begun");
        assert_eq!((begun, run.count("connections.reconnects.opened")), (20, 20), "{run}");
        for name in ["duplicated", "reordered", "damaged", "lost"] {
            assert_eq!(run.message_count(name), 0, "{run}");
        }
    }
}

#[test]
fn a_storm_without_recovery_meets_no_expectation() {
    let server = connections::refuses_after(Kind::Room, 20, connections::UNAVAILABLE);
    let run = storm(&server.url(), &["--expect", "loss=0", "--expect", "duplicated=0"]);
    let counts = ["members", "back", "served"].map(|name| run.count(&format!("recovery.{name}")));
    assert_eq!(counts, [20, 0, 0], "{run}");
    assert_eq!(run.count("connections.reconnects.opened"), 0, "{run}");
    run.assert_cause("connections.reconnects.failed", &["503"], run.sum("connections.reconnects.failed"));
    assert!(!run.is_met("loss=0"), "{run}");
    assert_ne!(run.status, Some(0), "{run}");
    // Members wait between attempts: 20 members for two seconds, each at most every 50 ms.
    assert!(run.count("connections.reconnects.begun") <= 800, "{run}");
}

#[test]
fn members_closed_again_after_a_storm_count_as_back_once() {
    let server = connections::closes_later_connections(Kind::Room, 20, Duration::from_millis(50));
    let run = storm(&server.url(), &["--expect", "disconnected=0"]);
    assert_eq!(run.count("recovery.members"), 20, "{run}");
    assert!(run.count("recovery.back") <= 20, "{run}");
    assert!(run.count("connections.reconnects.opened") >= 20, "{run}");
    // A closed member also waits before its next attempt.
    assert!(run.count("connections.reconnects.begun") <= 800, "{run}");
    assert!(!run.is_met("disconnected=0"), "{run}");
}

#[test]
fn messages_that_a_reconnected_member_misses_are_lost() {
    let run = storm(&content::drops_one_of_100(Kind::Room).url(), &["--expect", "loss=0"]);
    assert_eq!(run.count("recovery.back"), 20, "{run}");
    assert!(run.message_count("lost") > 0 && !run.is_met("loss=0"), "{run}");
}

#[test]
fn the_cost_of_a_run_is_attributed_to_connections_and_deliveries() {
    let server = Server::start(&["--rate", "0"]);
    let pid = server.pid().to_string();
    let url = room(&server);
    let connect = valid_run(&["connect", &url, "-c", "30", "-d", "500ms", "--server-pid", &pid]);
    let churn = churn(&url, &["-n", "200", "--server-pid", &pid]);
    for run in [&connect, &churn] {
        assert_eq!(run.count("connections.opened"), 30, "{run}");
        assert_eq!(run.count("server.pid"), u64::from(server.pid()), "{run}");
        assert!(run.number("client.busiest_thread") > 0.0, "{run}");
        assert!(run.at("client.throttled").is_null() || run.number("client.throttled") >= 0.0, "{run}");
    }
    // 100 per second reconnect. Divided by the time of the first wave that would be tens of thousands.
    assert!(churn.number("connections.per_second") < 1e5, "{churn}");
    assert!(connect.at("connections.reconnects").is_null(), "{connect}");
}

#[test]
fn a_run_is_not_valid_if_the_client_was_stopped() {
    let server = speech::pings(Kind::Echo);
    let running = super::run::start(&["echo", &server.url(), "-c", "2", "-d", "3s", "--warmup", "0"]);
    server.wait_until(|seen| seen.messages >= 100);
    running.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    running.signal("CONT");
    let run = running.wait();
    assert!(run.number("client.paused") >= 1.5, "{run}");
    assert_eq!(run.status, Some(4), "{run}");
}
