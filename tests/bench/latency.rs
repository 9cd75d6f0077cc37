//! Latencies equal those of the server, independent of the plan.

use super::misbehaving::delay::{self, Idle};
use super::misbehaving::{Kind, connections, speech};
use super::run::run;
use std::time::{Duration, Instant};

/// Not a multiple of any interval below, nor close to one: waiting until the next message is due would change
/// the result.
const DELAY: Duration = Duration::from_micros(1600);

/// The upper bound depends on how busy the machine is: a simulated run checks it exactly
/// (`latency_equals_the_delay_of_the_server_at_every_rate`), `cargo bench --bench latency` over sockets.
#[test]
fn no_latency_is_below_the_delay_of_the_server_at_any_rate() {
    for (scenario, kind, clients) in [("echo", Kind::Echo, "10"), ("broadcast", Kind::Room, "3")] {
        for (rate, threads) in [("100", "2"), ("900", "1"), ("2000", "2")] {
            let sender: &[&str] = if kind == Kind::Room { &["--senders", "1"] } else { &[] };
            let plan = ["-c", clients, "--rate", rate, "--threads", threads, "-d", "1s", "--warmup", "0"];
            let server = delay::start(kind, DELAY, Idle::Sleeps);
            let run = run(&[&[scenario, &server.url()], &plan[..], sender].concat());
            assert_eq!(
                run.count("latency.count"),
                run.message_count("expected"),
                "{scenario} at {rate}/s: {run}"
            );
            // Latencies are recorded with three significant digits.
            assert!(run.number("latency.min") >= 1_595.0, "{scenario} at {rate}/s: {run}");
        }
    }
}

#[test]
fn only_messages_due_in_the_measured_window_count() {
    let server = delay::start(Kind::Echo, DELAY, Idle::Sleeps);
    let plan = ["-c", "2", "--rate", "100", "--warmup", "1s", "-n", "100", "--drain-timeout", "30s"];
    let run = run(&[&["echo", &server.url()], &plan[..]].concat());
    assert_eq!((run.count("latency.count"), run.count("latency.unanswered")), (100, 0), "{run}");
    assert_eq!(run.count("service_time.count"), 100, "{run}");
}

#[test]
fn missing_messages_make_percentiles_lower_bounds() {
    let server = speech::hangs_after(Kind::Echo, 20);
    let url = server.url();
    let plan = ["-c", "1", "--rate", "200", "-n", "200", "--warmup", "0", "--drain-timeout", "6s"];
    let expect = ["--expect", "p99<600s", "--expect", "p99<1ms", "--expect", "p99>1ms", "--expect", "p5<60s"];
    let run = run(&[&["echo", &url], &plan[..], &expect].concat());
    assert_eq!(run.count("latency.unanswered"), 180, "{run}");
    // The last message was due when the drain of six seconds started.
    let exact_below = run.number("latency.exact_below");
    assert!(exact_below >= 5.9e6, "{exact_below}");
    // Half of them were due at least a second before the client gave up.
    assert!(run.number("latency.p50") >= 1_000_000.0, "{run}");
    for (text, is_met) in [("p99<600s", false), ("p99<1ms", false), ("p99>1ms", true), ("p5<60s", true)] {
        assert_eq!(run.is_met(text), is_met, "{text}: {run}");
    }
    assert!(run.stdout.contains('≥'), "{run}");
}

#[test]
fn a_stall_counts_in_the_latency_of_all_messages_due_meanwhile() {
    let server = speech::stalls_after(Kind::Echo, 50, Duration::from_secs(1));
    let plan = ["-c", "1", "--rate", "200", "-n", "400", "--warmup", "0", "--drain-timeout", "30s"];
    let run = run(&[&["echo", &server.url()], &plan[..], &["--depth", "1"]].concat());
    assert_eq!(run.message_count("received"), 400, "{run}");
    assert!(run.number("service_time.max") >= 999_000.0, "the one in flight: {run}");
    // 200 of 400 messages were due in that second, half of them more than half a second before its end.
    assert!(run.number("latency.p90") >= 500_000.0, "{run}");
    assert!(
        run.number("service_time.p90") < run.number("latency.p90") / 2.0,
        "only one was in flight: {run}"
    );
}

#[test]
fn rates_cover_the_window_without_the_drain() {
    let server = speech::delays(Kind::Echo, Duration::from_millis(1500));
    let plan = ["-c", "1", "--rate", "100", "-d", "1s", "--warmup", "0", "--drain-timeout", "30s"];
    let start = Instant::now();
    let run = run(&[&["echo", &server.url()], &plan[..]].concat());
    let elapsed = start.elapsed().as_secs_f64();
    let [seconds, drain] = ["seconds", "drain_seconds"].map(|name| run.number(name));
    assert!(seconds >= 0.9 && drain >= 1.0, "{run}");
    assert!(seconds + drain <= elapsed, "{elapsed}: {run}");
    let sent = run.message_count("sent") as f64;
    assert!((run.number("messages.sent_per_second") * seconds - sent).abs() <= 1.0, "{run}");
}

#[test]
fn a_handshake_is_timed_from_when_it_was_due() {
    let server = connections::delays_handshakes(Kind::Echo, Duration::from_secs(1));
    let plan = ["-c", "60", "--connect-rate", "400", "--connect-concurrency", "20", "-d", "100ms"];
    let run = run(&[&["connect", &server.url()], &plan[..]].concat());
    assert_eq!((run.count("connections.opened"), run.count("connections.handshake.count")), (60, 60));
    assert!(run.number("connections.handshake.min") >= 999_000.0, "{run}");
    // The rate is kept although all connections are opening at the same time.
    assert!(run.number("connections.handshake.max") < 2_900_000.0, "{run}");
}
