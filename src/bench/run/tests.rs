//! Whole runs in a simulated network, with servers that each have one fault: the report shows exactly that
//! fault.

use super::super::cli::{Command, Scenario};
use super::super::clients::{Addresses, ConnectConfig};
use super::super::network::simulated::{Accept, Out, Server, Simulated, World};
use super::super::preset::Preset;
use super::super::progress::Snapshot;
use super::super::report::{Messages, Report};
use super::super::sources::Sources;
use super::super::summary::{self, Invocation};
use super::super::time::{Nanos, Time};
use super::super::usage::Usage;
use super::coordinator::Coordinator;
use super::shared::Shared;
use super::worker::Worker;
use super::{Plan, Probe, Watch};
use crate::config::{Cli, Command as Program};
use crate::ws::Opcode;
use clap::Parser;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

struct Nothing;

impl Probe for Nothing {
    fn client(&mut self) -> Option<Usage> {
        None
    }
    fn server(&mut self) -> Option<Usage> {
        None
    }
    fn throttled(&mut self) -> Option<Duration> {
        None
    }
}

#[derive(Default)]
struct Notes(Vec<String>);

impl Watch for Notes {
    fn show(&mut self, _: &Snapshot) {}
    fn note(&mut self, note: String) {
        self.0.push(note);
    }
}

/// An external event during a run.
#[derive(Clone, Copy)]
enum Disturbance {
    None,
    /// SIGINT after this time.
    Interrupt(Nanos),
    /// The load tester is stopped at a time for some time.
    Pause {
        at: Nanos,
        length: Nanos,
    },
}

fn scenario(arguments: &str) -> Scenario {
    let words = ["throng", "bench"].into_iter().chain(arguments.split_whitespace());
    let Program::Bench(bench) = Cli::parse_from(words).into_command() else { panic!("not a bench") };
    let Command::Run(arguments) = bench.command else { panic!("nothing to run") };
    arguments.into_scenario()
}

fn run(arguments: &str, server: impl Server + 'static) -> Report {
    disturbed(arguments, server, Disturbance::None)
}

fn disturbed(arguments: &str, server: impl Server + 'static, disturbance: Disturbance) -> Report {
    let scenario = scenario(arguments);
    let common = &scenario.common;
    let config = ConnectConfig {
        targets: common.urls.clone(),
        addresses: Addresses::Fixed(vec![vec![([127, 0, 0, 1], 80).into()]; common.urls.len()]),
        rooms: common.rooms,
        sources: Sources::default(),
        tls: None,
        headers: common.header.clone(),
        subprotocols: Vec::new(),
        deflate: false,
        timeout: common.connect_timeout.into(),
        max_message: 1 << 20,
        small_buffers: None,
        is_stamped: false,
        client_offset: common.client_offset,
        seed: 1,
    };
    let preset = common.preset.map(|kind| Preset::of(kind, scenario.is_echo()));
    let interrupted = AtomicUsize::new(0);
    let plan = Plan {
        scenario: &scenario,
        config: &config,
        on_open: common.on_open.clone(),
        preset,
        tag: *b"test",
        threads: common.threads.unwrap_or(1),
        seed: 1,
        interrupted: &interrupted,
    };
    let threads = plan.threads.min(scenario.clients());
    let shared = Shared::new(threads, common.rooms);
    let world = World::new(server, threads);
    let mut workers: Vec<_> = (0..threads)
        .map(|thread| Some(Worker::new(&plan, &shared, thread, Simulated::new(&world, thread))))
        .collect();
    let (mut probe, mut notes) = (Nothing, Notes::default());
    let mut coordinator = Coordinator::new(&plan, &shared, &mut probe, &mut notes, Time::ZERO);
    let (mut results, mut is_led, mut is_paused) = (Vec::new(), true, false);
    let mut tick = Time::ZERO;
    while workers.iter().any(Option::is_some) {
        let now = world.borrow().now();
        assert!(now < Time::ZERO + Nanos::secs(300), "the run has not ended");
        match disturbance {
            Disturbance::Interrupt(at) if now >= Time::ZERO + at => interrupted.store(2, Relaxed),
            Disturbance::Pause { at, length } if now >= Time::ZERO + at && !is_paused => {
                is_paused = true;
                world.borrow_mut().pause(length);
                continue;
            }
            _ => {}
        }
        if now >= tick {
            is_led = is_led && coordinator.step(now);
            tick = coordinator.next_step(now);
        }
        for worker in &mut workers {
            if worker.as_mut().is_some_and(|worker| !worker.step().unwrap()) {
                results.extend(worker.take().map(Worker::into_results));
            }
        }
        world.borrow_mut().advance(tick);
    }
    let now = world.borrow().now();
    let outcome = coordinator.finish(now, results);
    let (mut report, _) = summary::report(&scenario, Invocation::default(), SystemTime::now(), &outcome);
    report.warnings.retain(|warning| !warning.starts_with("The CPU time of the load tester"));
    report.warnings.extend(notes.0);
    check_rows(&report);
    report
}

/// Checks that rows agree with the totals of the run.
fn check_rows(report: &Report) {
    let sum = |of: fn(&super::Row) -> u64| report.rows.iter().map(of).sum::<u64>();
    if let Some(messages) = &report.messages
        && report.scenario != "storm"
    {
        assert_eq!(sum(|row| row.sent), messages.sent);
        assert_eq!(sum(|row| row.received), messages.received);
    }
    let latency = report.latency.as_ref().or(report.service_time.as_ref());
    for row in &report.rows {
        assert!(row.from <= row.at);
        if let (Some(max), Some(latency)) = (row.max, latency) {
            assert!(max <= latency.max, "{max} {}", latency.max);
        }
    }
    for pair in report.rows.windows(2) {
        assert!((pair[0].at - pair[1].from).abs() < 1e-9, "there are no gaps between rows");
    }
}

fn messages(report: &Report) -> &Messages {
    report.messages.as_ref().unwrap()
}

/// Returns planned, sent, expected, received and lost messages.
fn counts(report: &Report) -> [u64; 5] {
    let it = messages(report);
    [it.planned, it.sent, it.expected, it.received, it.lost]
}

/// Returns duplicated, reordered and damaged messages.
fn faults(report: &Report) -> [u64; 3] {
    let it = messages(report);
    [it.duplicated, it.reordered, it.damaged]
}

fn millis(millis: u64) -> Nanos {
    Nanos::millis(millis)
}

#[track_caller]
fn assert_near(micros: f64, expected: f64) {
    assert!((micros - expected).abs() <= expected * 0.01, "{micros} is not {expected}");
}

/// Echoes each message after a delay.
struct Echo(Nanos);

impl Server for Echo {
    fn on_message(&mut self, connection: usize, opcode: Opcode, text: &[u8], _: Time, out: &mut Out) {
        out.send(self.0, connection, opcode, text);
    }
}

/// Sends each message to all members after a delay.
struct Room(Nanos);

impl Server for Room {
    fn on_message(&mut self, _: usize, opcode: Opcode, text: &[u8], _: Time, out: &mut Out) {
        out.broadcast(self.0, opcode, text);
    }
}

/// A server defined by a function of the message's number, from 0.
struct Each<F: FnMut(u32, usize, &[u8], &mut Out)>(u32, F);

impl<F: FnMut(u32, usize, &[u8], &mut Out)> Server for Each<F> {
    fn on_message(&mut self, connection: usize, _: Opcode, text: &[u8], _: Time, out: &mut Out) {
        (self.1)(self.0, connection, text, out);
        self.0 += 1;
    }
}

fn each(does: impl FnMut(u32, usize, &[u8], &mut Out)) -> impl Server {
    Each(0, does)
}

const ECHO: &str = "echo ws://h -c 1 --rate 200 --warmup 0 -d 2";
const ROOM: &str = "broadcast ws://h -c 20 --senders 1 --rate 200 --warmup 500ms -d 1500ms";

#[test]
fn latency_equals_the_delay_of_the_server_at_every_rate() {
    for (rate, delay) in [(10, 5), (100, 1), (300, 3), (900, 1), (1_000, 2), (2_000, 1), (5_000, 4)] {
        for threads in [1, 2] {
            let plan = format!("-c 4 --rate {rate} -d 2 --warmup 100ms -t {threads}");
            let echo = run(&format!("echo ws://h {plan}"), Echo(millis(delay)));
            let room = run(&format!("broadcast ws://h {plan}"), Room(millis(delay)));
            for report in [echo, room] {
                let latency = report.latency.unwrap();
                assert_near(latency.p50, delay as f64 * 1e3);
                assert_near(latency.max, delay as f64 * 1e3);
                assert!(report.is_valid, "{:?}", report.invalid);
            }
        }
    }
}

#[test]
fn a_correct_server_has_no_faults_in_any_scenario() {
    for arguments in [
        "echo ws://h -c 5 -d 1",
        "echo ws://h -c 5 --depth 16 -d 1 -t 2",
        "broadcast ws://h/{room} -c 20 --rooms 4 -d 1 -t 3",
        "slow-readers ws://h -c 10 --stalled-readers 3 -d 1",
        "churn ws://h -c 10 --churners 5 --churn-rate 20 -d 1",
    ] {
        let mut server = Room(millis(2));
        let is_echo = arguments.starts_with("echo");
        let rooms = if arguments.contains("{room}") { 4 } else { 1 };
        let report = run(
            arguments,
            each(move |_, connection, text, out| {
                if is_echo {
                    out.send(server.0, connection, Opcode::Text, text);
                } else if rooms == 1 {
                    server.on_message(connection, Opcode::Text, text, Time::ZERO, out);
                } else {
                    // Connections are made in the order of clients here, thread by thread.
                    out.broadcast(server.0, Opcode::Text, text);
                }
            }),
        );
        let it = messages(&report);
        assert!(it.sent > 0 && it.lost == 0, "{arguments}: {it:?}");
        assert_eq!(faults(&report), [0; 3], "{arguments}");
        assert!(report.is_valid, "{arguments}: {:?}", report.invalid);
        assert_eq!(it.strayed > 0, rooms > 1, "{arguments}");
    }
}

#[test]
fn a_server_that_stops_answering_affects_every_figure() {
    let report = run(
        ECHO,
        each(|number, connection, text, out| {
            if number < 20 {
                out.send(millis(1), connection, Opcode::Text, text);
            }
        }),
    );
    assert_eq!(counts(&report), [400, 400, 400, 20, 380]);
    let latency = report.latency.unwrap();
    assert_eq!((latency.count, latency.unanswered), (400, 380));
    assert!(
        latency.p50 >= 1e6 && latency.is_lower_bound(latency.p50) && !latency.is_lower_bound(latency.min)
    );
    assert!(report.is_valid, "the load tester carried out the plan: {:?}", report.invalid);
}

#[test]
fn messages_held_back_by_depth_are_unsent_and_reported() {
    let report = run(
        &format!("{ECHO} --depth 1"),
        each(|number, connection, text, out| {
            if number < 20 {
                out.send(millis(1), connection, Opcode::Text, text);
            }
        }),
    );
    assert_eq!(counts(&report), [400, 21, 400, 20, 380]);
    assert_eq!(messages(&report).unsent["the sender waited for replies (--depth)"], 379);
    assert!(!report.is_valid && report.invalid[0].contains("379 of 400"), "{:?}", report.invalid);
    assert_eq!(report.latency.unwrap().unanswered, 380);
}

#[test]
fn a_closed_loop_continues_after_the_response_timeout() {
    let lost = each(|number, connection, text, out| {
        if number % 2 == 0 {
            out.send(millis(100), connection, Opcode::Text, text);
        }
    });
    let report = run("echo ws://h -c 1 -d 3 --warmup 0 --response-timeout 1s", lost);
    let it = messages(&report);
    assert_eq!((it.sent, it.received, it.lost), (6, 3, 3));
    assert_eq!(it.timed_out, 3);
    let service = report.service_time.unwrap();
    assert_eq!((service.count, service.unanswered), (6, 3));
    assert!(service.max >= 1e6);
}

#[test]
fn a_stall_counts_in_the_latency_of_all_messages_due_meanwhile() {
    let stalls = |number, connection, text: &[u8], out: &mut Out| {
        // Message 50 is due at 250 ms and answered at 1,250 ms, like the following ones.
        let late = 1_000 - 5 * u64::from(number).saturating_sub(50).min(200);
        let after = if number < 50 { millis(1) } else { millis(late.max(1)) };
        out.send(after, connection, Opcode::Text, text);
    };
    let report = run(ECHO, each(stalls));
    assert_eq!(counts(&report), [400, 400, 400, 400, 0]);
    let latency = report.latency.unwrap();
    assert!(latency.p90 >= 500_000.0, "{}", latency.p90);
    assert_eq!(latency.unanswered, 0);
}

#[test]
fn a_run_is_not_valid_if_the_server_closes_senders() {
    let report = run(
        "broadcast ws://h -c 10 --senders 2 --rate 100 --warmup 0 -d 2",
        each(|number, connection, text, out| {
            out.broadcast(millis(1), Opcode::Text, text);
            if number >= 8 {
                out.close(millis(2), connection, 4001, "too much");
            }
        }),
    );
    assert_eq!(messages(&report).planned, 200);
    assert_eq!(messages(&report).expected, 2_000);
    assert_eq!(messages(&report).sent, 10);
    assert_eq!(messages(&report).unsent["the sender was not connected"], 190);
    assert!(!report.is_valid && report.invalid[0].contains("190 of 200"), "{:?}", report.invalid);
    assert_eq!(report.connections.lost[r#"closed by the server with 4001 ("too much")"#], 2);
}

#[test]
fn senders_that_never_connected_are_part_of_the_plan() {
    struct Half(Room);
    impl Server for Half {
        fn accept(&mut self, connection: usize, _: &str, _: Time) -> Accept {
            match connection % 2 {
                0 => Accept::Open,
                _ => Accept::Refuse("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull"),
            }
        }
        fn on_message(&mut self, id: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            self.0.on_message(id, opcode, text, now, out);
        }
    }
    let plan = "broadcast ws://h -c 10 --senders 10 --rate 100 --warmup 0 -d 1 --connect-concurrency 1";
    let report = run(plan, Half(Room(millis(1))));
    assert_eq!(counts(&report), [100, 50, 500, 250, 250]);
    assert_eq!(messages(&report).unsent["the sender was not connected"], 50);
    assert!(!report.is_valid);
    let (cause, failed) = report.connections.failed.first_key_value().unwrap();
    assert!(cause.contains("503 Service Unavailable") && cause.contains("full") && *failed == 5, "{cause}");
}

#[test]
fn lost_duplicated_reordered_and_damaged_messages_are_counted() {
    let is_50th = |number: u32| number % 100 == 50;
    let report = run(
        ROOM,
        each(move |number, _, text, out| {
            if !is_50th(number) {
                out.broadcast(millis(1), Opcode::Text, text);
            }
        }),
    );
    assert_eq!((counts(&report), faults(&report)), ([400, 400, 8_000, 7_920, 80], [0; 3]));
    let report = run(
        ROOM,
        each(move |number, _, text, out| {
            out.broadcast(millis(1), Opcode::Text, text);
            if is_50th(number) {
                out.broadcast(millis(1), Opcode::Text, text);
            }
        }),
    );
    assert_eq!((counts(&report), faults(&report)), ([400, 400, 8_000, 8_000, 0], [80, 0, 0]));
    let report = run(
        ROOM,
        each(move |number, _, text, out| {
            let after = if is_50th(number) { millis(7) } else { millis(1) };
            out.broadcast(after, Opcode::Text, text);
        }),
    );
    assert_eq!((counts(&report), faults(&report)), ([400, 400, 8_000, 8_000, 0], [0, 80, 0]));
    let report = run(
        ROOM,
        each(move |number, _, text, out| {
            let mut text = text.to_vec();
            let len = text.len();
            if is_50th(number) {
                text[len - 8..].copy_from_slice(b"corrupt!");
            }
            out.broadcast(millis(1), Opcode::Text, &text);
        }),
    );
    assert_eq!((counts(&report), faults(&report)), ([400, 400, 8_000, 8_000, 0], [0, 0, 80]));
    let report = run(ROOM, each(|_, _, text, out| out.broadcast(millis(1), Opcode::Binary, text)));
    assert_eq!(faults(&report), [0, 0, 8_000], "text that became binary");
}

#[test]
fn messages_too_far_out_of_order_are_unknown_instead_of_duplicates() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    let report = run(
        "echo ws://h -c 1 --rate 20000 --warmup 0 -d 1",
        each(move |_, connection, text, out| {
            held.push(text.to_vec());
            if held.len() == 20_000 {
                // The odd ones first, so that there are as many gaps as messages.
                for parity in [1, 0] {
                    for text in held.iter().skip(parity).step_by(2) {
                        out.send(millis(1), connection, Opcode::Text, text);
                    }
                }
            }
        }),
    );
    let it = messages(&report);
    assert_eq!((it.duplicated, it.expected), (0, 20_000));
    assert!(it.unknown > 0 && it.received + it.unknown == 20_000, "{it:?}");
    let mut held: Vec<Vec<u8>> = Vec::new();
    let report = run(
        "echo ws://h -c 1 --rate 20000 --warmup 0 -d 1",
        each(move |_, connection, text, out| {
            held.push(text.to_vec());
            if held.len() == 20_000 {
                held.iter().rev().for_each(|text| out.send(millis(1), connection, Opcode::Text, text));
            }
        }),
    );
    assert_eq!((messages(&report).received, faults(&report)), (20_000, [0, 19_999, 0]), "reversed");
}

#[test]
fn a_server_that_answers_something_else_is_quoted() {
    let report = run(
        ROOM,
        each(|_, connection, _, out| {
            out.send(millis(1), connection, Opcode::Text, br#"{"error":"join first"}"#);
        }),
    );
    let other = &messages(&report).other;
    assert_eq!((other.len(), other[0].count, &*other[0].sample), (1, 400, r#"{"error":"join first"}"#));
    assert!(report.warnings.iter().any(|it| it.contains("join first") && it.contains("--on-open")));
}

#[test]
fn a_url_that_echoes_instead_of_broadcasting_is_recognised() {
    let report = run(ROOM, Echo(millis(1)));
    assert_eq!(messages(&report).received, 400);
    assert!(
        report.warnings.iter().any(|it| it.contains("echoes and does not broadcast")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn a_run_does_not_wait_for_copies_that_the_server_does_not_send_to_the_sender() {
    let report = run(
        ROOM,
        each(|_, connection, text, out| {
            for member in out.members.clone() {
                if member != connection {
                    out.send(millis(1), member, Opcode::Text, text);
                }
            }
        }),
    );
    assert_eq!(counts(&report), [400, 400, 7_600, 7_600, 0]);
    assert!(report.drain_seconds < 0.5, "{}", report.drain_seconds);
    assert_eq!(report.latency.unwrap().unanswered, 0);
    assert!(report.rows.last().unwrap().at < 3.2, "{}", report.rows.last().unwrap().at);
}

#[test]
fn an_acknowledgement_to_the_sender_is_not_a_duplicate() {
    let report = run(
        ROOM,
        each(|number, connection, text, out| {
            let text = String::from_utf8_lossy(text);
            let first = if number % 2 == 0 { millis(1) } else { millis(3) };
            out.send(first, connection, Opcode::Text, format!(r#"{{"ok":true,"copy":"{text}"}}"#).as_bytes());
            out.broadcast(millis(2), Opcode::Text, text.as_bytes());
        }),
    );
    assert_eq!((counts(&report), faults(&report)), ([400, 400, 8_000, 8_000, 0], [0; 3]));
    assert_eq!(messages(&report).acknowledged, 400);
}

#[test]
fn deliveries_joined_in_one_message_are_all_counted() {
    let mut held = Vec::new();
    let report = run(
        ROOM,
        each(move |number, _, text, out| {
            held.extend_from_slice(text);
            held.push(b'\n');
            if number % 4 == 3 {
                out.broadcast(millis(1), Opcode::Text, &std::mem::take(&mut held));
            }
        }),
    );
    assert_eq!((counts(&report), faults(&report)), ([400, 400, 8_000, 8_000, 0], [0; 3]));
}

#[test]
fn json_serialised_again_by_the_server_is_rewritten_but_not_damaged() {
    let report = run(
        &format!(r#"{ROOM} --message {{"a":1,"text":"{{id}}"}}"#),
        each(|_, _, text, out| {
            let text = String::from_utf8_lossy(text).replace("\"a\":1,", "\"a\": 1, ");
            out.broadcast(millis(1), Opcode::Text, text.as_bytes());
        }),
    );
    assert_eq!((messages(&report).rewritten, faults(&report)), (8_000, [0; 3]));
}

#[test]
fn messages_that_the_socket_does_not_accept_are_unsent() {
    struct Deaf;
    impl Server for Deaf {
        fn on_message(&mut self, _: usize, _: Opcode, _: &[u8], _: Time, _: &mut Out) {}
        fn is_alive(&self, now: Time) -> bool {
            now < Time::ZERO + millis(500)
        }
    }
    let report = run("echo ws://h -c 2 --rate 1000 --size 4KiB --warmup 0 -d 1", Deaf);
    let it = messages(&report);
    assert_eq!(it.planned, 1_000);
    assert!(it.sent < 300, "{}", it.sent);
    assert!(it.unsent["the server did not read earlier messages of the sender"] > 700);
    assert_eq!(it.sent + it.unsent.values().sum::<u64>(), it.planned);
    assert!(!report.is_valid);
}

#[test]
fn dead_connections_are_detected_by_pings() {
    struct Dead;
    impl Server for Dead {
        fn on_message(&mut self, _: usize, _: Opcode, _: &[u8], _: Time, _: &mut Out) {}
        fn is_alive(&self, now: Time) -> bool {
            now < Time::ZERO + millis(800)
        }
    }
    let report = run("connect ws://h -c 20 --warmup 0 -d 1", Dead);
    assert_eq!(report.connections.lost["open, but no answer to a ping"], 20);
    assert_eq!((report.connections.opened, report.connections.open_at_end), (20, 0));
    let report = run("connect ws://h -c 20 --warmup 0 -d 1", Echo(millis(1)));
    assert_eq!((report.connections.lost.len(), report.connections.open_at_end), (0, 20));
    assert!(report.is_valid);
}

#[test]
fn a_connect_rate_is_kept_however_long_handshakes_take() {
    struct Late;
    impl Server for Late {
        fn accept(&mut self, _: usize, _: &str, _: Time) -> Accept {
            Accept::OpenAfter(Nanos::secs(1))
        }
        fn on_message(&mut self, _: usize, _: Opcode, _: &[u8], _: Time, _: &mut Out) {}
    }
    let report = run("connect ws://h -c 400 --connect-rate 400 --warmup 0 -d 100ms", Late);
    assert_eq!(report.connections.opened, 400);
    let handshake = report.connections.handshake.unwrap();
    assert_near(handshake.p50, 1e6);
    assert_near(handshake.max, 1e6);
    assert!((195.0..210.0).contains(&report.connections.per_second), "{}", report.connections.per_second);
}

#[test]
fn slow_joins_are_waited_for_with_joined_when_or_settle() {
    struct Joins {
        joined: HashMap<usize, Time>,
    }
    impl Server for Joins {
        fn on_open(&mut self, connection: usize, now: Time, out: &mut Out) {
            self.joined.insert(connection, now + millis(1_200));
            out.send(millis(1_200), connection, Opcode::Text, b"joined");
        }
        fn on_message(&mut self, _: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            for member in out.members.clone() {
                if self.joined[&member] <= now {
                    out.send(millis(1), member, opcode, text);
                }
            }
        }
    }
    let joins = || Joins { joined: HashMap::new() };
    let report = run(ROOM, joins());
    assert!(messages(&report).lost > 0);
    assert!(report.warnings.iter().any(|it| it.contains("--joined-when")), "{:?}", report.warnings);
    for cure in ["--joined-when joined", "--settle 1500ms"] {
        let report = run(&format!("{ROOM} {cure}"), joins());
        assert_eq!(counts(&report), [400, 400, 8_000, 8_000, 0], "{cure}");
    }
}

#[test]
fn an_interrupted_run_waits_for_outstanding_deliveries() {
    let during = |after| {
        disturbed(
            "echo ws://h -c 4 --rate 100 --warmup 1 -d 10",
            Echo(millis(300)),
            Disturbance::Interrupt(after),
        )
    };
    let report = during(millis(3_000));
    assert_eq!(report.interrupted.as_deref(), Some("SIGINT"));
    let it = messages(&report);
    assert_eq!((it.lost, it.unsent.len()), (0, 0), "{it:?}");
    assert!((1.0..2.0).contains(&report.seconds), "{}", report.seconds);
    assert!((95.0..=101.0).contains(&it.sent_per_second), "{}", it.sent_per_second);
    for early in [0, 200, 800] {
        let report = during(millis(early));
        assert!(report.interrupted.is_some() && report.seconds == 0.0, "{early}: {}", report.seconds);
        assert!(report.invalid.is_empty(), "{early}: {:?}", report.invalid);
        assert_eq!(messages(&report).lost, 0);
    }
}

#[test]
fn a_pause_of_the_load_tester_is_reported_in_open_and_closed_loop() {
    let pause = Disturbance::Pause { at: millis(1_500), length: millis(2_000) };
    for plan in ["echo ws://h -c 4 -d 4", "echo ws://h -c 4 --rate 100 -d 4", "broadcast ws://h -c 4 -d 4"] {
        let report = disturbed(plan, Echo(millis(1)), pause);
        assert!(!report.is_valid, "{plan}");
        assert!(report.invalid.iter().any(|it| it.contains("was paused for")), "{:?}", report.invalid);
    }
}

#[test]
fn rates_cover_the_window_without_the_drain() {
    let report = run("echo ws://h -c 10 --rate 100 --warmup 0 -d 1", Echo(millis(1_500)));
    let it = messages(&report);
    assert_eq!(counts(&report), [100, 100, 100, 100, 0]);
    assert!((99.0..=101.0).contains(&it.sent_per_second), "{}", it.sent_per_second);
    assert_eq!(it.received_per_second, 0.0, "nothing arrived in the window");
    assert!((1.4..1.6).contains(&report.drain_seconds), "{}", report.drain_seconds);
}

#[test]
fn a_server_with_a_long_backlog_is_waited_for_until_the_drain_timeout() {
    /// Answers ten messages per second.
    struct Backlog(u64);
    impl Server for Backlog {
        fn on_message(&mut self, connection: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            self.0 += 1;
            let due = Time::ZERO + Nanos::secs(1) + millis(100 * self.0);
            out.send(due.since(now), connection, opcode, text);
        }
    }
    let report = run("echo ws://h -c 1 --rate 100 --warmup 0 -d 1 --drain-timeout 2s", Backlog(0));
    let it = messages(&report);
    assert_eq!((it.sent, it.expected), (100, 100));
    assert!((20..40).contains(&it.received), "{}", it.received);
    assert_eq!(it.lost, 100 - it.received);
    assert!((1.8..2.1).contains(&report.drain_seconds), "{}", report.drain_seconds);
}

#[test]
fn rows_end_where_phases_end() {
    let report = run("echo ws://h -c 2 --rate 100 --warmup 500ms -d 3", Echo(millis(200)));
    let phases: Vec<&str> = report.rows.iter().map(|row| row.phase.as_str()).collect();
    assert!(phases.is_sorted_by_key(|phase| {
        ["connecting", "settling", "warmup", "measuring", "draining"].iter().position(|it| it == phase)
    }));
    let sent =
        |phase: &str| report.rows.iter().filter(|row| row.phase == phase).map(|row| row.sent).sum::<u64>();
    assert!((49..=52).contains(&sent("warmup")), "{}", sent("warmup"));
    assert!((298..=301).contains(&sent("measuring")), "{}", sent("measuring"));
}

#[test]
fn a_run_ends_after_a_number_of_messages_in_open_and_closed_loop() {
    for threads in [1, 3] {
        let report = run(&format!("echo ws://h -c 7 -n 100 --warmup 0 -t {threads}"), Echo(millis(5)));
        assert_eq!(counts(&report), [100, 100, 100, 100, 0], "closed, {threads}");
        let report =
            run(&format!("echo ws://h -c 7 -n 100 --rate 50 --warmup 1 -t {threads}"), Echo(millis(5)));
        assert_eq!(counts(&report), [150, 150, 150, 150, 0], "open, {threads}");
        let report =
            run(&format!("broadcast ws://h -c 7 -n 100 --rate 50 --warmup 0 -t {threads}"), Room(millis(5)));
        assert_eq!(counts(&report), [100, 100, 700, 700, 0], "room, {threads}");
    }
}

#[test]
fn all_members_dropped_by_a_storm_reconnect_and_then_lose_nothing() {
    for plan in ["", "--jitter 300ms", "-t 3"] {
        let report =
            run(&format!("storm ws://h -c 30 --rate 200 --warmup 300ms -d 2 {plan}"), Room(millis(3)));
        let recovery = report.recovery.as_ref().unwrap();
        assert_eq!((recovery.members, recovery.back, recovery.served), (30, 30, 30), "{plan}");
        let it = messages(&report);
        assert!(it.expected > 0 && it.lost == 0 && it.duplicated == 0, "{plan}: {it:?}");
        assert!(report.is_valid, "{plan}: {:?}", report.invalid);
        assert_eq!(report.connections.open_at_end, 30);
        assert_eq!(report.connections.opened, 30, "the first wave");
        assert_eq!(report.connections.reconnects.as_ref().unwrap().opened, 30);
    }
}

#[test]
fn a_storm_without_recovery_is_reported() {
    struct Full(Room, u32);
    impl Server for Full {
        fn accept(&mut self, _: usize, _: &str, now: Time) -> Accept {
            self.1 += 1;
            if now < Time::ZERO + millis(600) {
                return Accept::Open;
            }
            Accept::Refuse("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        }
        fn on_message(&mut self, id: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            self.0.on_message(id, opcode, text, now, out);
        }
    }
    let report = run("storm ws://h -c 20 --warmup 300ms -d 2", Full(Room(millis(1)), 0));
    let recovery = report.recovery.as_ref().unwrap();
    assert_eq!((recovery.members, recovery.back, recovery.served), (20, 0, 0));
    assert!(
        "never-back=0".parse::<super::super::report::expect::Expectation>().unwrap().check(&report).is_err()
    );
    assert!("loss=0".parse::<super::super::report::expect::Expectation>().unwrap().check(&report).is_err());
    let begun = report.connections.reconnects.as_ref().unwrap().begun;
    assert!((60..160).contains(&begun), "attempts back off: {begun}");
}

#[test]
fn a_member_closed_again_after_a_storm_counts_as_back_once() {
    struct Closes(Room);
    impl Server for Closes {
        fn on_open(&mut self, connection: usize, now: Time, out: &mut Out) {
            if now > Time::ZERO + millis(600) {
                out.close(millis(50), connection, 1013, "");
            }
        }
        fn on_message(&mut self, id: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            self.0.on_message(id, opcode, text, now, out);
        }
    }
    let report = run("storm ws://h -c 20 --warmup 300ms -d 2", Closes(Room(millis(1))));
    let recovery = report.recovery.as_ref().unwrap();
    assert_eq!((recovery.members, recovery.back), (20, 20));
    let lost = report.connections.lost["closed by the server with 1013"];
    assert!((20..400).contains(&lost), "attempts back off: {lost}");
}

#[test]
fn churners_leave_with_a_closing_handshake_and_wait_for_slow_ones() {
    struct Slow(Room);
    impl Server for Slow {
        fn accept(&mut self, _: usize, _: &str, now: Time) -> Accept {
            let is_run = now > Time::ZERO + millis(600);
            if is_run { Accept::OpenAfter(millis(450)) } else { Accept::Open }
        }
        fn on_message(&mut self, id: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            self.0.on_message(id, opcode, text, now, out);
        }
    }
    let plan = "churn ws://h -c 20 --churners 10 --churn-rate 50 --rate 200 --warmup 500ms -d 1500ms";
    let report = run(plan, Slow(Room(millis(1))));
    assert_eq!(counts(&report), [400, 400, 8_000, 8_000, 0]);
    assert_eq!(report.connections.opened, 30);
    assert!(report.connections.failed.is_empty() && report.connections.lost.is_empty());
    let reconnects = report.connections.reconnects.as_ref().unwrap();
    assert!(reconnects.failed.is_empty() && reconnects.begun >= 20, "{reconnects:?}");
    assert!(report.warnings.iter().any(|it| it.contains("did not leave")), "{:?}", report.warnings);
    let report = run(plan, Room(millis(1)));
    assert_eq!(report.connections.reconnects.as_ref().unwrap().opened, 100);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[test]
fn servers_that_do_not_share_a_room_are_reported() {
    struct Divided;
    impl Server for Divided {
        fn on_message(&mut self, connection: usize, opcode: Opcode, text: &[u8], _: Time, out: &mut Out) {
            for member in out.members.clone() {
                if member % 2 == connection % 2 {
                    out.send(millis(1), member, opcode, text);
                }
            }
        }
    }
    let plan = "broadcast ws://h ws://i -c 20 --rate 200 --warmup 0 -d 1 --connect-concurrency 1";
    let report = run(plan, Divided);
    assert_eq!(messages(&report).lost, 2_000);
    assert!(
        report.warnings.iter().any(|it| it.contains("do not share their rooms")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn limits_in_the_greeting_of_throng_are_compared_with_the_plan() {
    struct Throng(Room);
    impl Server for Throng {
        fn on_open(&mut self, connection: usize, _: Time, out: &mut Out) {
            let welcome = br#"{"type":"welcome","uid":"u","name":"n","limits":{"text":32,"rate":50}}"#;
            out.send(millis(1), connection, Opcode::Text, welcome);
        }
        fn on_message(&mut self, id: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out) {
            self.0.on_message(id, opcode, text, now, out);
        }
    }
    let report = run("broadcast ws://h -c 20 --senders 2 --rate 200 -d 1", Throng(Room(millis(1))));
    assert!(report.warnings.iter().any(|it| it.contains("accepts 50 messages") && it.contains("sends 100")));
    assert!(report.warnings.iter().any(|it| it.contains("--max-text")), "{:?}", report.warnings);
    let report =
        run("broadcast ws://h -c 20 --senders 10 --rate 200 --size 32 -d 1", Throng(Room(millis(1))));
    assert_eq!(report.warnings, [""; 0]);
}
