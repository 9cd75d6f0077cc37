//! Counts of planned, sent, received, lost and faulty messages are exact.

use super::misbehaving::connections;
use super::misbehaving::content::{self, Acknowledged, Joined};
use super::misbehaving::speech;
use super::misbehaving::{Kind, Server};
use super::run::{Run, run, start, valid_run};
use std::time::Duration;

/// Broadcasts 200 messages of one sender to ten members.
fn broadcast(server: &Server, more: &[&str]) -> Run {
    let plan = ["-c", "10", "--senders", "1", "--rate", "200", "-n", "200", "--warmup", "0"];
    run(&[&["broadcast", &server.url()], &plan[..], more].concat())
}

/// Echoes 200 messages of one client.
fn echo(server: &Server, more: &[&str]) -> Run {
    let plan = ["-c", "1", "--rate", "200", "-n", "200", "--warmup", "0"];
    run(&[&["echo", &server.url()], &plan[..], more].concat())
}

/// For servers that lose nothing, however slow the machine is.
const PATIENT: [&str; 2] = ["--drain-timeout", "30s"];
/// For servers that lose messages.
const BRIEF: [&str; 2] = ["--drain-timeout", "2s"];

const ALL_SENT: [(&str, u64); 2] = [("planned", 200), ("sent", 200)];

fn room_counts(received: u64, more: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let counts = [("expected", 2_000), ("received", received), ("lost", 2_000 - received)];
    [&ALL_SENT[..], &counts, more].concat()
}

fn echo_counts(received: u64, more: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let counts = [("expected", 200), ("received", received), ("lost", 200 - received)];
    [&ALL_SENT[..], &counts, more].concat()
}

#[test]
fn a_correct_server_is_reported_without_faults() {
    for more in [&[][..], &["--threads", "3"], &["--size", "70000"]] {
        let run = broadcast(&content::correct(Kind::Room), &[&PATIENT, more].concat());
        run.assert_messages(&room_counts(2_000, &[]));
        assert!(run.others().is_empty(), "{run}");
    }
    let run = echo(&content::correct(Kind::Echo), &PATIENT);
    run.assert_messages(&echo_counts(200, &[]));
    assert_eq!(run.count("connections.open_at_end"), 1);
}

#[test]
fn a_correct_server_gives_a_valid_run_without_warnings() {
    let plan = ["-c", "10", "--senders", "2", "--rate", "100", "-n", "100", "--warmup", "0"];
    let server = content::correct(Kind::Room);
    let run = valid_run(&[&["broadcast", &server.url()], &plan[..], &PATIENT].concat());
    assert_eq!(run.list("warnings"), [""; 0], "{run}");
    assert_eq!(run.status, Some(0));
    assert_eq!(run.count("messages.sent_in_time"), 100);
}

#[test]
fn faults_of_a_room_are_counted_per_member() {
    let table = [
        (content::drops_one_of_100(Kind::Room), room_counts(1_980, &[])),
        (content::duplicates_one_of_100(Kind::Room), room_counts(2_000, &[("duplicated", 20)])),
        (content::swaps_one_of_100(Kind::Room), room_counts(2_000, &[("reordered", 20)])),
        (content::corrupts_one_of_10(Kind::Room), room_counts(2_000, &[("damaged", 200)])),
        (content::makes_one_of_10_binary(Kind::Room), room_counts(2_000, &[("damaged", 200)])),
    ];
    for (server, counts) in table {
        broadcast(&server, &BRIEF).assert_messages(&counts);
    }
}

#[test]
fn faults_of_an_echo_are_counted() {
    let table = [
        (content::drops_one_of_100(Kind::Echo), echo_counts(198, &[])),
        (content::duplicates_one_of_100(Kind::Echo), echo_counts(200, &[("duplicated", 2)])),
        (content::swaps_one_of_100(Kind::Echo), echo_counts(200, &[("reordered", 2)])),
        (content::corrupts_one_of_10(Kind::Echo), echo_counts(200, &[("damaged", 20)])),
        (content::makes_one_of_10_binary(Kind::Echo), echo_counts(200, &[("damaged", 20)])),
    ];
    for (server, counts) in table {
        echo(&server, &BRIEF).assert_messages(&counts);
    }
}

#[test]
fn deliveries_to_the_sender_are_not_expected_if_the_server_excludes_it() {
    let run = broadcast(&content::excludes_sender(), &["--drain-timeout", "100s"]);
    let counts = [("planned", 200), ("sent", 200), ("expected", 1_800), ("received", 1_800)];
    run.assert_messages(&counts);
    assert!(run.number("drain_seconds") < 90.0, "{run}");
}

#[test]
fn messages_far_out_of_order_are_neither_lost_nor_duplicated() {
    const COUNT: u32 = 200_000;
    for order in [content::reversed(COUNT), content::shuffled(COUNT)] {
        let late = content::out_of_order(&order);
        let server = content::reorders(Kind::Echo, order);
        let plan = ["-c", "1", "--rate", "100k", "-n", "200k", "--warmup", "0", "--drain-timeout", "60s"];
        let run = run(&[&["echo", &server.url()], &plan[..]].concat());
        let [sent, received, lost, reordered, unknown] =
            ["sent", "received", "lost", "reordered", "unknown"].map(|name| run.message_count(name));
        assert_eq!(sent, u64::from(COUNT), "{run}");
        assert_eq!(run.message_count("duplicated"), 0, "{run}");
        assert_eq!(run.message_count("damaged"), 0, "{run}");
        // Messages beyond the audit's memory must not be classified.
        assert_eq!(reordered + unknown, late, "{run}");
        assert!(lost <= unknown && received + unknown >= u64::from(COUNT), "{run}");
    }
}

#[test]
fn messages_beyond_the_audits_memory_are_unknown_and_meet_no_expectation() {
    // Every other message is returned at once, the others only after all have been sent.
    const COUNT: u32 = 200_000;
    let order: Vec<u32> = (0..COUNT).step_by(2).chain((1..COUNT).step_by(2)).collect();
    let late = content::out_of_order(&order);
    let server = content::reorders(Kind::Echo, order);
    let plan = ["-c", "1", "--rate", "100k", "-n", "200k", "--warmup", "0", "--drain-timeout", "60s"];
    let expect = ["--expect", "duplicated=0", "--expect", "reordered<1000000"];
    let run = run(&[&["echo", &server.url()], &plan[..], &expect].concat());
    let [duplicated, reordered, unknown] =
        ["duplicated", "reordered", "unknown"].map(|name| run.message_count(name));
    assert_eq!((duplicated, reordered + unknown), (0, late), "{run}");
    for text in ["duplicated=0", "reordered<1000000"] {
        assert_eq!(run.is_met(text), unknown == 0, "{run}");
    }
}

#[test]
fn messages_that_a_room_reverses_are_counted_per_member() {
    let order = content::reversed(200);
    let late = 10 * content::out_of_order(&order);
    let run = broadcast(&content::reorders(Kind::Room, order), &PATIENT);
    run.assert_messages(&room_counts(2_000, &[("reordered", late)]));
}

#[test]
fn a_server_that_stops_answering_loses_all_later_messages() {
    for server in [speech::hangs_after(Kind::Echo, 20), speech::stalls_forever(Kind::Echo, 20)] {
        let run = echo(&server, &BRIEF);
        run.assert_messages(&echo_counts(20, &[]));
        assert_eq!(run.count("connections.open_at_end"), 1, "{run}");
    }
}

#[test]
fn messages_held_back_by_depth_count_as_unsent_and_lost() {
    let run = echo(
        &speech::hangs_after(Kind::Echo, 20),
        &["--depth", "1", "--response-timeout", "60s", "--drain-timeout", "1s"],
    );
    // The 21st message waits for its reply.
    run.assert_messages(&[
        ("planned", 200),
        ("sent", 21),
        ("unsent", 179),
        ("expected", 200),
        ("received", 20),
        ("lost", 180),
    ]);
    assert_eq!(run.count("latency.unanswered"), 180);
    assert_eq!(run.status, Some(4), "the plan was not carried out: {run}");
}

#[test]
fn a_closed_loop_continues_after_the_response_timeout() {
    let server = speech::hangs_after(Kind::Echo, 20);
    let plan = ["-c", "1", "-d", "2s", "--warmup", "0", "--response-timeout", "200ms"];
    let run = run(&[&["echo", &server.url()], &plan[..], &["--drain-timeout", "1s"]].concat());
    let [sent, received, lost, timed_out] =
        ["sent", "received", "lost", "timed_out"].map(|name| run.message_count(name));
    assert_eq!((received, lost), (20, sent - 20), "{run}");
    assert!(sent > 21, "the client stopped waiting: {run}");
    assert!(timed_out >= 1 && lost - timed_out <= 1, "only the last may still be outstanding: {run}");
    assert!(run.at("latency").is_null(), "a closed loop has no plan: {run}");
}

#[test]
fn messages_of_closed_connections_are_unsent() {
    let server = connections::closes_each_after(Kind::Echo, 50, 1001, "");
    let plan = ["-c", "10", "--rate", "1000", "-n", "1000", "--warmup", "0"];
    let run = run(&[&["echo", &server.url()], &plan[..], &BRIEF].concat());
    let [planned, sent, expected, received] =
        ["planned", "sent", "expected", "received"].map(|name| run.message_count(name));
    assert_eq!((planned, expected, received), (1_000, 1_000, 500), "{run}");
    assert!((500..1_000).contains(&sent), "{run}");
    run.assert_cause("connections.lost", &["1001"], 10);
    assert_eq!(run.status, Some(4), "{run}");
    run.assert_says("invalid", &["sent", "sender", "connect"]);
}

#[test]
fn a_closed_loop_whose_connections_end_is_not_valid() {
    let server = connections::closes_each_after(Kind::Echo, 50, 1001, "");
    let run = run(&["echo", &server.url(), "-c", "10", "-d", "2s", "--warmup", "0", "--drain-timeout", "2s"]);
    assert_eq!(run.message_count("received"), 500, "{run}");
    // One more message may have been sent before the close frame arrived.
    assert!((500..=510).contains(&run.message_count("sent")), "{run}");
    run.assert_cause("connections.lost", &["1001"], 10);
    assert_eq!(run.status, Some(4), "{run}");
}

#[test]
fn the_remaining_messages_of_a_closed_sender_are_lost() {
    let run = broadcast(&connections::closes_each_after(Kind::Room, 5, 1008, "too fast"), &BRIEF);
    let [planned, sent, expected, received] =
        ["planned", "sent", "expected", "received"].map(|name| run.message_count(name));
    assert_eq!((planned, expected, received), (200, 2_000, 50), "{run}");
    assert!((5..100).contains(&sent), "{run}");
    assert_eq!(run.count("connections.open_at_end"), 9, "{run}");
    run.assert_cause("connections.lost", &["1008", "too fast"], 1);
    assert_eq!(run.status, Some(4), "{run}");
}

#[test]
fn messages_of_refused_senders_are_unsent() {
    let server = connections::refuses_every_second(Kind::Room, connections::UNAVAILABLE);
    let plan = ["-c", "20", "--senders", "20", "--rate", "200", "-n", "200", "--warmup", "0"];
    let order = ["--threads", "1", "--connect-concurrency", "1"];
    let run = run(&[&["broadcast", &server.url()], &plan[..], &order, &BRIEF].concat());
    run.assert_messages(&[
        ("planned", 200),
        ("sent", 100),
        ("unsent", 100),
        ("expected", 2_000),
        ("received", 1_000),
        ("lost", 1_000),
    ]);
    assert_eq!((run.count("connections.opened"), run.sum("connections.failed")), (10, 10));
    assert_eq!(run.status, Some(4), "{run}");
}

#[test]
fn all_messages_are_lost_if_none_is_returned() {
    let run = broadcast(&speech::never_answers(Kind::Room), &BRIEF);
    run.assert_messages(&room_counts(0, &[]));
    assert!(!run.list("warnings").is_empty() || !run.list("invalid").is_empty(), "{run}");
    let run = echo(&speech::never_answers(Kind::Echo), &BRIEF);
    run.assert_messages(&echo_counts(0, &[]));
    assert_eq!(run.count("latency.unanswered"), 200, "{run}");
}

#[test]
fn other_messages_of_the_server_are_quoted_and_counted() {
    let run = broadcast(&speech::answers_errors(), &BRIEF);
    run.assert_messages(&room_counts(0, &[]));
    assert_eq!(run.others(), [(speech::NOT_JOINED, 200)], "{run}");
    assert!(run.stdout.contains("join first"), "{run}");

    let run = echo(&speech::limits_rate(Kind::Echo), &BRIEF);
    run.assert_messages(&echo_counts(100, &[]));
    assert_eq!(run.others(), [(speech::TOO_FAST, 100)], "{run}");
    assert!(run.stdout.contains("rate_limited"), "{run}");
}

#[test]
fn ignored_messages_are_not_deliveries() {
    let run = broadcast(&content::acknowledges(Acknowledged::First), &["--ignore", r#""ack":"#]);
    run.assert_messages(&room_counts(2_000, &[]));
}

#[test]
fn a_run_ends_while_the_server_keeps_sending_other_messages() {
    let run = echo(&speech::chatters(Kind::Echo), &BRIEF);
    run.assert_messages(&echo_counts(198, &[]));
    let others = run.others();
    assert_eq!(others.len(), 1, "{run}");
    assert_eq!(others[0].0, speech::CHATTER);
    assert!(others[0].1 > 5, "{run}");
}

#[test]
fn an_acknowledgement_to_the_sender_is_not_a_duplicate() {
    for how in [Acknowledged::First, Acknowledged::Last] {
        let run = broadcast(&content::acknowledges(how), &PATIENT);
        run.assert_messages(&room_counts(2_000, &[("acknowledged", 200)]));
    }
}

#[test]
fn several_deliveries_in_one_message_are_all_received() {
    let count = ["-n", "201"];
    for joined in [Joined::By("\n"), Joined::By("\u{1e}"), Joined::JsonArray] {
        let server = content::joins(Kind::Room, joined, 3);
        let plan = ["-c", "10", "--senders", "2", "--rate", "200", "--warmup", "0"];
        let room = run(&[&["broadcast", &server.url()], &plan[..], &count, &PATIENT].concat());
        let counts = [("planned", 201), ("sent", 201), ("expected", 2_010), ("received", 2_010)];
        room.assert_messages(&counts);

        let server = content::joins(Kind::Echo, joined, 3);
        let plan = ["-c", "1", "--rate", "200", "--warmup", "0"];
        let echo = run(&[&["echo", &server.url()], &plan[..], &count, &PATIENT].concat());
        let counts = [("planned", 201), ("sent", 201), ("expected", 201), ("received", 201)];
        echo.assert_messages(&counts);
    }
}

#[test]
fn json_serialised_again_is_rewritten_but_not_damaged() {
    let message = ["--message", r#"{"type":"say","text":"{id}","by":{client}}"#];
    let run = echo(&content::serialises_json_again(Kind::Echo), &[&message[..], &PATIENT].concat());
    run.assert_messages(&echo_counts(200, &[("rewritten", 200)]));
    let run = broadcast(&content::serialises_json_again(Kind::Room), &[&message[..], &PATIENT].concat());
    assert_eq!((run.message_count("received"), run.message_count("damaged")), (2_000, 0), "{run}");
}

#[test]
fn messages_that_the_socket_does_not_accept_are_unsent_and_take_bounded_memory() {
    let server = speech::does_not_read();
    let url = server.url();
    let plan = ["-c", "1", "--rate", "2000", "--size", "64KiB", "-n", "4000", "--warmup", "0"];
    let mut running = start(&[&["echo", &url], &plan[..], &["--drain-timeout", "1s"]].concat());
    let mut most = 0;
    // The peak memory as counted by the system.
    while running.is_running() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0u64));
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = running.wait();
    assert_eq!((run.message_count("planned"), run.message_count("received")), (4_000, 0), "{run}");
    // 250 MiB were due, of which the system buffers a few MiB.
    assert!(run.message_count("sent") < 1_000, "{run}");
    assert!(most > 0 && most < 160 * 1024, "{most} KiB");
    assert_eq!(run.status, Some(4), "{run}");
}

#[test]
fn an_echo_instead_of_a_room_is_recognised() {
    let run = broadcast(&content::correct(Kind::Echo), &BRIEF);
    run.assert_messages(&room_counts(200, &[]));
    run.assert_says("warnings", &["echo"]);
}

#[test]
fn pings_are_answered_and_do_not_affect_counts() {
    let server = speech::pings(Kind::Room);
    broadcast(&server, &PATIENT).assert_messages(&room_counts(2_000, &[]));
    assert!(server.seen().pongs > 10, "{:?}", server.seen().pongs);
}

#[test]
fn clients_ping_at_the_given_interval() {
    let server = content::correct(Kind::Echo);
    run(&["connect", &server.url(), "-c", "5", "-d", "1s", "--ping", "100ms"]);
    // Half of the expected number, for busy machines.
    assert!(server.seen().pings >= 25, "{}", server.seen().pings);
}

#[test]
fn a_close_is_reported_with_its_code_and_reason() {
    let server = connections::closes_all_after(Kind::Room, 100, 4001, "the kettle is off");
    let run = broadcast(&server, &BRIEF);
    let [planned, expected, received] =
        ["planned", "expected", "received"].map(|name| run.message_count(name));
    assert_eq!((planned, expected, received), (200, 2_000, 1_000), "{run}");
    run.assert_cause("connections.lost", &["4001", "the kettle is off"], 10);
    assert_eq!(run.count("connections.open_at_end"), 0);
    assert_eq!(run.status, Some(4), "{run}");
}

#[test]
fn servers_with_separate_rooms_are_recognised() {
    let servers = [content::correct(Kind::Room), content::correct(Kind::Room)];
    let [one, other] = servers.each_ref().map(Server::url);
    let run = broadcast(&servers[0], &[&[&*other], &BRIEF[..]].concat());
    assert_eq!(run.at("url"), &format!("{one}, {other}"));
    run.assert_messages(&room_counts(1_000, &[]));
    run.assert_says("warnings", &["servers"]);
}

#[test]
fn a_stall_that_ends_loses_nothing() {
    let run = echo(&speech::stalls_after(Kind::Echo, 50, Duration::from_secs(1)), &PATIENT);
    run.assert_messages(&echo_counts(200, &[]));
    assert!(run.number("latency.max") >= 999_000.0, "{run}");
}

#[test]
fn late_joins_are_waited_for_with_joined_when_or_settle() {
    let joined = ["--on-open", "join", "--joined-when", "joined"];
    let late = Duration::from_millis(1200);
    let run = broadcast(&speech::joins_late_when_asked(late), &[&joined[..], &PATIENT].concat());
    run.assert_messages(&room_counts(2_000, &[]));

    let server = speech::joins_late(late);
    let run = broadcast(&server, &[&["--settle", "4s"], &PATIENT[..]].concat());
    run.assert_messages(&room_counts(2_000, &[]));
}

#[test]
fn messages_sent_before_members_joined_are_lost_with_advice() {
    let plan = ["-c", "10", "--senders", "1", "--rate", "50", "-n", "250", "--warmup", "0"];
    let server = speech::joins_late(Duration::from_secs(3));
    let run = run(&[&["broadcast", &server.url()], &plan[..], &BRIEF].concat());
    assert_eq!((run.message_count("sent"), run.message_count("expected")), (250, 2_500), "{run}");
    let received = run.message_count("received");
    assert!(received > 0 && received < 2_500, "{run}");
    run.assert_says("warnings", &["--joined-when", "--settle"]);
}
