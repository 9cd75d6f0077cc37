//! Checks that `throng bench` reports the true latency of a server: `cargo bench --bench latency`.
//!
//! The server delivers each message after a known delay, with an accuracy of some microseconds. The reported
//! p50 must equal the delay within 5 % or 30 µs, whichever is more. The server uses one core all the time;
//! the client uses the others. The exit status is 1 if a row fails. The defaults are `-- --delay-us 4700
//! --seconds 3`.

#[path = "../tests/misbehaving/mod.rs"]
mod misbehaving;

use misbehaving::Kind;
use misbehaving::delay::{self, Idle};
use serde_json::Value;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const RATES: [u32; 7] = [10, 100, 300, 900, 1000, 2000, 5000];
const THREADS: [u32; 2] = [1, 2];

struct Settings {
    delay: Duration,
    seconds: u32,
}

/// The results of one run, in µs.
struct Seen {
    p50: f64,
    /// Median of how late the client sent messages.
    lag: f64,
    /// Median of how late the server was.
    server: f64,
    is_valid: bool,
}

fn main() -> ExitCode {
    let settings = Settings {
        // Not a multiple of any interval of these rates: a client that reads only when it sends would report
        // such a multiple.
        delay: Duration::from_micros(argument("--delay-us").unwrap_or(4700)),
        seconds: argument("--seconds").unwrap_or(3) as u32,
    };
    let delay = micros(settings.delay);
    let allowed = (delay * 0.05).max(30.0);
    println!("delay of the server {delay} µs, allowed ±{allowed:.0} µs; all in µs");
    println!("                     | 1 thread                           | 2 threads");
    println!(
        "scenario       rate  |  delay    p50  error  lag  server   |  delay    p50  error  lag  server"
    );
    let mut failed = 0;
    for (scenario, kind) in [("echo", Kind::Echo), ("broadcast", Kind::Room)] {
        for rate in RATES {
            print!("{scenario:9} {rate:6}/s  ");
            for threads in THREADS {
                let Seen { p50, lag, server, is_valid } = measure(&settings, scenario, kind, rate, threads);
                let error = p50 - delay;
                let is_right = error.abs() <= allowed;
                failed += u32::from(!is_right);
                let verdict = match (is_right, is_valid) {
                    (true, true) => "pass",
                    (true, false) => "pass, run not valid",
                    (false, _) => "FAIL",
                };
                print!("| {delay:6.0} {p50:6.0} {error:+6.0} {lag:4.0} {server:6.1} {verdict} ");
            }
            println!();
        }
    }
    println!("{failed} of {} failed", 2 * RATES.len() * THREADS.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(settings: &Settings, scenario: &str, kind: Kind, rate: u32, threads: u32) -> Seen {
    let server = delay::start(kind, settings.delay, Idle::Spins);
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.args(["bench", scenario, &server.url(), "--rate", &rate.to_string()]);
    command.args(["--threads", &threads.to_string(), "-d", &format!("{}s", settings.seconds)]);
    match kind {
        Kind::Echo => command.args(["-c", "10"]),
        // Few members, since the server sends to one after the other.
        Kind::Room => command.args(["-c", "2", "--senders", "1"]),
    };
    let output = command.args(["--quiet", "--json", "-"]).stderr(Stdio::inherit()).output().unwrap();
    let [lateness, _] = server.stop();
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let of = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Seen {
        p50: of("/latency/p50"),
        lag: of("/client/lag/p50"),
        server: micros(lateness),
        is_valid: report["is_valid"] == true,
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}
