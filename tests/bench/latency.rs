//! Latencies are those of the server, whatever the plan is.

use super::misbehaving::delay::{self, Idle};
use super::misbehaving::{Kind, connections, speech};
use super::run::{alone, run, run_alone, valid_run};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No multiple of any interval below, and not near one, so that waiting for the next message to be due shows.
const DELAY: Duration = Duration::from_micros(1600);

/// On a busy machine both the server and the load tester run late. A plain client that does nothing but measure at the
/// same rate, on a server of its own, shows by how much. `cargo bench --bench latency` prints the exact table.
#[test]
fn a_known_delay_is_reported_at_every_rate() {
    let _machine = alone();
    for (scenario, kind, clients) in [("echo", Kind::Echo, "10"), ("broadcast", Kind::Room, "3")] {
        for (rate, threads) in [("100", "2"), ("900", "1"), ("2000", "2")] {
            let sender: &[&str] = if kind == Kind::Room { &["--senders", "1"] } else { &[] };
            let plan = ["-c", clients, "--rate", rate, "--threads", threads, "-d", "1s", "--warmup", "200ms"];
            let mut seen = Vec::new();
            let is_right = (0..5).any(|_| {
                let server = delay::start(kind, DELAY, Idle::Sleeps);
                let control = delay::start(Kind::Echo, DELAY, Idle::Sleeps);
                let plain = PlainClient::start(&control.url(), rate.parse().unwrap());
                let run = run_alone(&[&[scenario, &server.url()], &plan[..], sender].concat());
                let (p50, expected) = (run.number("latency.p50"), plain.stop());
                seen.push((p50, expected));
                // Three significant digits are kept of a latency.
                p50 >= 1_595.0 && p50 <= expected * 1.05 + 30.0
            });
            assert!(
                is_right,
                "{scenario} at {rate}/s: {seen:?} µs by throng and by a plain client, of {DELAY:?}"
            );
        }
    }
}

/// A client that sends messages one after the other, in a thread of its own, and notes how long the replies take.
struct PlainClient {
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl PlainClient {
    fn start(url: &str, rate: u64) -> PlainClient {
        let (mut client, _) = tungstenite::connect(url).unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_stopped);
        let thread = thread::spawn(move || {
            let mut latencies = Vec::new();
            let mut due = Instant::now();
            while !ends.load(Ordering::Relaxed) || latencies.is_empty() {
                client.send("a plain message".into()).unwrap();
                client.read().unwrap();
                latencies.push(due.elapsed());
                due = (due + Duration::from_micros(1_000_000 / rate)).max(Instant::now());
                thread::sleep(due - Instant::now());
            }
            latencies
        });
        PlainClient { is_stopped, thread }
    }

    /// Ends the client and returns the median of its latencies, in µs.
    fn stop(self) -> f64 {
        self.is_stopped.store(true, Ordering::Relaxed);
        let mut latencies = self.thread.join().unwrap();
        latencies.sort_unstable();
        latencies[latencies.len() / 2].as_secs_f64() * 1e6
    }
}

#[test]
fn only_what_was_due_while_it_was_measured_is_in_the_figures() {
    let server = delay::start(Kind::Echo, DELAY, Idle::Sleeps);
    let plan = ["-c", "2", "--rate", "100", "--warmup", "1s", "-n", "100", "--drain-timeout", "30s"];
    let run = run(&[&["echo", &server.url()], &plan[..]].concat());
    assert_eq!((run.count("latency.count"), run.count("latency.unanswered")), (100, 0), "{run}");
    assert_eq!(run.count("service_time.count"), 100, "{run}");
}

#[test]
fn what_never_came_makes_percentiles_lower_bounds() {
    let server = speech::hangs_after(Kind::Echo, 20);
    let url = server.url();
    let plan = ["-c", "1", "--rate", "200", "-n", "200", "--warmup", "0", "--drain-timeout", "2s"];
    let expect = ["--expect", "p99<600s", "--expect", "p99<1ms", "--expect", "p99>1ms", "--expect", "p5<60s"];
    let run = valid_run(&[&["echo", &url], &plan[..], &expect].concat());
    assert_eq!(run.count("latency.unanswered"), 180, "{run}");
    // The last message was due when the drain of two seconds began.
    let exact_below = run.number("latency.exact_below");
    assert!((1.9e6..3e6).contains(&exact_below), "{exact_below}");
    // Half of them were due a second or more before the client gave up.
    assert!(run.number("latency.p50") >= 1_000_000.0, "{run}");
    for (text, is_met) in [("p99<600s", false), ("p99<1ms", false), ("p99>1ms", true), ("p5<60s", true)] {
        assert_eq!(run.is_met(text), is_met, "{text}: {run}");
    }
    assert!(run.stdout.contains('≥'), "{run}");
    assert_eq!(run.status, Some(1), "{run}");
}

#[test]
fn a_stall_shows_in_the_latency_of_all_that_was_due_in_it() {
    let server = speech::stalls_after(Kind::Echo, 50, Duration::from_secs(1));
    let plan = ["-c", "1", "--rate", "200", "-n", "400", "--warmup", "0", "--drain-timeout", "30s"];
    let run = run(&[&["echo", &server.url()], &plan[..], &["--depth", "1"]].concat());
    assert_eq!(run.message_count("received"), 400, "{run}");
    assert!(run.number("service_time.max") >= 999_000.0, "the one that waited: {run}");
    // 200 of 400 were due in that second, a half of them more than half a second before its end.
    assert!(run.number("latency.p90") >= 500_000.0, "{run}");
    assert!(
        run.number("service_time.p90") < run.number("latency.p90") / 2.0,
        "only one was on the way: {run}"
    );
}

#[test]
fn rates_are_those_of_the_window_however_long_the_drain_takes() {
    let server = speech::answers_late(Kind::Echo, Duration::from_millis(1500));
    let plan = ["-c", "1", "--rate", "100", "-d", "1s", "--warmup", "0", "--drain-timeout", "30s"];
    let run = valid_run(&[&["echo", &server.url()], &plan[..]].concat());
    assert_eq!(run.message_count("received"), 100, "{run}");
    assert!(run.number("messages.sent_per_second") > 90.0, "{run}");
    assert!((0.9..1.4).contains(&run.number("seconds")), "{run}");
    assert!(run.number("drain_seconds") >= 1.0, "{run}");
}

#[test]
fn a_handshake_is_timed_from_when_it_was_due() {
    let server = connections::delays_handshakes(Kind::Echo, Duration::from_secs(1));
    let plan = ["-c", "60", "--connect-rate", "400", "--connect-concurrency", "20", "-d", "100ms"];
    let run = run(&[&["connect", &server.url()], &plan[..]].concat());
    assert_eq!((run.count("connections.opened"), run.count("connections.handshake.count")), (60, 60));
    assert!(run.number("connections.handshake.min") >= 999_000.0, "{run}");
    // The rate is kept although all of them are opening at the same time.
    assert!(run.number("connections.handshake.max") < 1_900_000.0, "{run}");
}
