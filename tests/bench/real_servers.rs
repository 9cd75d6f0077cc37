//! Runs against throng itself: every format, every way to name rooms, and its limits.

use super::run::{Run, run};
use super::support::Server;

/// Broadcasts 300 messages of one sender to 20 members.
fn broadcast(url: &str, more: &[&str]) -> Run {
    let plan = ["-c", "20", "--rate", "200", "-n", "300", "--warmup", "0", "--drain-timeout", "30s"];
    run(&[&["broadcast", url], &plan[..], more].concat())
}

#[track_caller]
fn assert_all_received(run: &Run, members: u64) {
    let expected = 300 * members;
    run.assert_messages(&[("planned", 300), ("sent", 300), ("expected", expected), ("received", expected)]);
}

#[test]
fn a_room_can_be_loaded_in_every_format_without_settings() {
    let server = Server::start(&["--rate", "0"]);
    for path in ["chat", "chat/tea?format=raw", "chat/milk?format=lines", "chat/rum?format=html", ""] {
        let run = broadcast(&format!("ws://{}/{path}", server.address()), &[]);
        assert_all_received(&run, 20);
        assert_eq!((run.count("connections.opened"), run.count("connections.open_at_end")), (20, 20));
        assert_eq!(run.count("latency.count"), 6_000, "{path}: {run}");
        assert_eq!(run.list("warnings"), [""; 0], "{path}: {run}");
    }
}

#[test]
fn messages_of_the_warm_up_are_sent_but_not_measured() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://{}/chat?format=raw", server.address());
    let plan = ["-c", "20", "--rate", "200", "--warmup", "500ms", "-d", "1s", "--drain-timeout", "30s"];
    let run = run(&[&["broadcast", &url], &plan[..]].concat());
    run.assert_messages(&[("planned", 300), ("sent", 300), ("expected", 6_000), ("received", 6_000)]);
    assert_eq!(run.count("latency.count"), 4_000, "{run}");
}

#[test]
fn clients_of_several_threads_share_a_room() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://{}/chat?format=raw", server.address());
    let run = broadcast(&url, &["--threads", "3", "--senders", "7", "--deflate", "--size", "300"]);
    assert_all_received(&run, 20);
}

#[test]
fn rooms_can_be_named_in_the_path_the_first_message_or_each_message() {
    let server = Server::start(&["--rate", "0"]);
    let at = |path: &str| format!("ws://{}{path}", server.address());
    let join = r#"{"type":"join","room":"r{room}"}"#;
    let message = r#"{"type":"say","room":"r{room}","text":"{id}"}"#;
    for (path, more) in [
        ("/chat/{room}", &["--senders", "2", "--threads", "3"][..]),
        ("/", &["--preset", "throng"]),
        ("/?format=json", &["--on-open", join, "--message", message]),
    ] {
        let run = broadcast(&at(path), &[more, &["--rooms", "5"]].concat());
        assert_all_received(&run, 4);
        assert_eq!(run.list("warnings"), [""; 0], "{path}: {run}");
    }
}

#[test]
fn messages_from_another_room_are_not_deliveries() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://{}/chat?format=raw", server.address());
    let run = broadcast(&url, &["--rooms", "4", "--message", "{id} in {room}"]);
    let counts = [("planned", 300), ("sent", 300), ("expected", 1_500), ("received", 1_500)];
    run.assert_messages(&[&counts[..], &[("strayed", 4_500)]].concat());
    run.assert_says("warnings", &["room"]);
}

#[test]
fn several_servers_can_be_loaded_at_once() {
    let servers = [Server::start(&["--rate", "0"]), Server::start(&["--rate", "0"])];
    let urls = servers.each_ref().map(|server| format!("ws://{}/chat/{{room}}?format=raw", server.address()));
    let run = broadcast(&urls[0], &[&urls[1], "--rooms", "2"]);
    assert_all_received(&run, 10);
    let shown = urls.map(|url| url.replace("format=raw", "…"));
    assert_eq!(run.at("url"), &shown.join(", "), "a query may contain a secret");
}

#[test]
fn an_echo_is_checked_in_closed_and_open_loop() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/echo", server.address());
    for more in [&["--depth", "1"][..], &["--depth", "16", "--binary", "--size", "5000"]] {
        let plan = ["-c", "5", "--warmup", "100ms", "-d", "1s", "--deflate", "--drain-timeout", "30s"];
        let run = run(&[&["echo", &url], &plan[..], more].concat());
        let sent = run.message_count("sent");
        assert!(sent > 5, "{run}");
        run.assert_messages(&["planned", "sent", "expected", "received"].map(|name| (name, sent)));
        assert!(run.at("latency").is_null(), "a closed loop has no plan: {run}");
        assert!(run.count("service_time.count") > 0, "{run}");
    }
    let message = r#"{"id":"{id}","from":{client},"noise":"{random:50}"}"#;
    let plan = ["-c", "1", "--rate", "200", "-n", "300", "--warmup", "0", "--drain-timeout", "30s"];
    let run = run(&[&["echo", &url], &plan[..], &["--message", message]].concat());
    assert_all_received(&run, 1);
}

#[test]
fn a_closed_loop_ends_after_the_given_number_of_messages() {
    let server = Server::start(&[]);
    let url = format!("ws://{}/echo", server.address());
    let plan = ["-c", "7", "-n", "1000", "--warmup", "0", "--drain-timeout", "30s"];
    let run = run(&[&["echo", &url], &plan[..]].concat());
    run.assert_messages(&["planned", "sent", "expected", "received"].map(|name| (name, 1_000)));
    assert_eq!(run.count("service_time.count"), 1_000, "{run}");
}

/// Like [`broadcast`], for a server that rejects most messages.
fn throttled(url: &str, senders: &str) -> Run {
    let plan = ["-c", "20", "--rate", "200", "-n", "300", "--warmup", "0", "--drain-timeout", "2s"];
    run(&[&["broadcast", url, "--senders", senders], &plan[..]].concat())
}

#[test]
fn messages_rejected_by_the_rate_limit_of_throng_are_explained() {
    let server = Server::start(&["--rate", "10", "--burst", "10"]);
    let url = format!("ws://{}/chat", server.address());
    let run = throttled(&url, "1");
    // Ten at once, then ten per second.
    let received = run.message_count("received");
    assert!(received < 6_000 / 2 && run.message_count("lost") == 6_000 - received, "{run}");
    let refused = run.others().into_iter().find(|(sample, _)| sample.contains("rate_limited"));
    assert_eq!(refused.map(|(_, count)| count), Some(run.message_count("lost") / 20), "{run}");
    run.assert_says("warnings", &["--rate", "rate"]);
    assert!(run.stdout.contains("rate_limited"), "{run}");
}

#[test]
fn a_run_is_not_valid_if_a_raw_room_closes_senders_over_the_rate_limit() {
    let server = Server::start(&["--rate", "10", "--burst", "10"]);
    let url = format!("ws://{}/chat?format=raw", server.address());
    let run = throttled(&url, "2");
    run.assert_cause("connections.lost", &["1008"], 2);
    assert_eq!((run.message_count("planned"), run.message_count("expected")), (300, 6_000), "{run}");
    assert!(run.message_count("unsent") > 0, "{run}");
    assert_eq!(run.status, Some(4), "{run}");
}
