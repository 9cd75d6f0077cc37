//! The load driver: one thread that opens connections, sends, counts, and prints one line of JSON.
#![forbid(unsafe_code)]

mod broadcast;
mod crowd;
mod echo;
mod marker;
mod usage;

use broadcast::{Broadcast, Plan};
use clap::{Parser, Subcommand};
use crowd::Crowd;
use echo::Echo;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What a member takes in that will not read, in bytes.
const LITTLE: usize = 4096;

pub type Fault = Box<dyn std::error::Error>;

/// Loads a WebSocket server on 127.0.0.1 and says what that cost it.
#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    port: u16,
    /// The server, whose CPU and memory are read
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value = "/")]
    path: String,
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Handshakes under way at a time
    #[arg(long, default_value_t = 100)]
    connect_at_once: usize,
    /// Quiet that shows that all have joined
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    settle: Duration,
    /// Time for what is on the way to come, after the last message
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    patience: Duration,
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Only connect
    Connect,
    /// Each message comes to all
    Broadcast {
        /// Messages a second, of all senders together
        #[arg(long)]
        rate: f64,
        #[arg(long, default_value = "4", value_parser = seconds)]
        seconds: Duration,
        #[arg(long, default_value_t = 10)]
        senders: usize,
        /// Bytes of the text
        #[arg(long, default_value_t = 64, value_parser = size)]
        size: usize,
        /// Further members, who take in little and then stop reading
        #[arg(long, default_value_t = 0)]
        stalled: usize,
        /// What is sent, with % for the text
        #[arg(long, default_value = "%")]
        wrap: String,
    },
    /// Each message comes back
    Echo {
        /// Messages that a client has on the way
        #[arg(long, default_value_t = 1)]
        outstanding: u32,
        #[arg(long, default_value = "4", value_parser = seconds)]
        seconds: Duration,
        /// Bytes of a message
        #[arg(long, default_value_t = 64, value_parser = size)]
        size: usize,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or("not seconds".into())
}

fn size(text: &str) -> Result<usize, String> {
    let least = marker::LENGTH;
    text.parse().ok().filter(|size| *size >= least).ok_or(format!("write a number from {least}"))
}

/// Nanoseconds since the driver started.
#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    let clock = Clock(Instant::now());
    let (pid, clients, patience) = (arguments.pid, arguments.clients, arguments.patience);

    let ([cpu, _], rss) = (usage::cpu_and_wait_of(pid)?, usage::rss_of(pid)?);
    let path = &arguments.path;
    let time = Duration::from_secs(60);
    let mut crowd = Crowd::connect(arguments.port, path, clients, arguments.connect_at_once, None, time)?;
    let connect_seconds = clock.now() as f64 / 1e9;
    crowd.settle(arguments.settle, time)?;
    let [cpu_now, _] = usage::cpu_and_wait_of(pid)?;
    let mut report = json!({
        "clients": clients,
        "connect_seconds": connect_seconds,
        "connect_cpu": (cpu_now - cpu).as_secs_f64(),
        "rss": usage::rss_of(pid)?.saturating_sub(rss),
    });

    let work = match arguments.work {
        Work::Connect => json!({}),
        Work::Broadcast { rate, seconds, senders, size, stalled, wrap } => {
            let (port, at_once) = (arguments.port, arguments.connect_at_once);
            let _stalled = Crowd::connect(port, path, stalled, at_once, Some(LITTLE), time)?;
            crowd.settle(arguments.settle, time)?;
            let (before, after) = wrap.split_once('%').ok_or("--wrap is without %")?;
            let around = (before.to_owned(), after.to_owned());
            let plan = Plan { rate, senders, size, around, patience };
            let broadcast = Broadcast::new(plan, clients, clock)?;
            let mut report = measure_broadcast(&mut crowd, broadcast, rate, seconds, pid)?;
            merge(&mut report, json!({ "peak": usage::peak_of(pid)? }));
            report
        }
        Work::Echo { outstanding, seconds, size } => {
            let mut echo = Echo::new(clients, outstanding, size, clock)?;
            echo.run(&mut crowd, seconds / 4, patience)?; // To warm up.
            let meter = Meter::start(pid)?;
            let seconds = echo.run(&mut crowd, seconds, patience)?;
            let mut report = meter.stop(seconds)?;
            merge(&mut report, json!({ "trips": echo.trips, "latency_ms": latency(&echo.latency) }));
            report
        }
    };
    merge(&mut report, work);
    println!("{report}");
    Ok(())
}

fn measure_broadcast(
    crowd: &mut Crowd,
    mut broadcast: Broadcast,
    rate: f64,
    seconds: Duration,
    pid: u32,
) -> Result<Value, Fault> {
    // To warm up: a second, of what every server can do.
    let warm = rate.min(100_000.0 / crowd.len() as f64);
    let stretch = broadcast.run(crowd, warm, warm.ceil() as u64)?;
    if stretch.deliveries != stretch.wanted {
        let closed = crowd.closed();
        let (heard, wanted) = (stretch.deliveries, stretch.wanted);
        return Err(
            format!("warming up, {heard} of {wanted} deliveries came, and {closed} were closed").into()
        );
    }
    broadcast.latency.clear();
    let meter = Meter::start(pid)?;
    let stretch = broadcast.run(crowd, rate, (rate * seconds.as_secs_f64()).ceil() as u64)?;
    let mut report = meter.stop(stretch.seconds)?;
    let (missing, extra) = broadcast.missing_and_extra();
    let outcome = json!({
        "deliveries": stretch.deliveries,
        "wanted": stretch.wanted,
        "missing": missing,
        "extra": extra,
        "out_of_order": broadcast.out_of_order,
        "closed": crowd.closed(),
        "verified": broadcast.verified(),
        "latency_ms": latency(&broadcast.latency),
    });
    merge(&mut report, outcome);
    Ok(report)
}

/// What server and driver use while something is measured.
struct Meter {
    pid: u32,
    cpu_and_wait: [Duration; 2],
    ticks: [u64; 2],
    own: [Duration; 2],
}

impl Meter {
    fn start(pid: u32) -> Result<Meter, Fault> {
        let (cpu_and_wait, ticks) = (usage::cpu_and_wait_of(pid)?, usage::ticks_of(pid)?);
        Ok(Meter { pid, cpu_and_wait, ticks, own: usage::cpu_and_wait_of(std::process::id())? })
    }

    fn stop(self, seconds: f64) -> Result<Value, Fault> {
        let [cpu, wait] = usage::cpu_and_wait_of(self.pid)?;
        let cpu = (cpu - self.cpu_and_wait[0]).as_secs_f64();
        let wait = (wait - self.cpu_and_wait[1]).as_secs_f64();
        let [user, system] = usage::ticks_of(self.pid)?;
        let [own, own_wait] = usage::cpu_and_wait_of(std::process::id())?;
        Ok(json!({
            "seconds": seconds,
            "cpu": cpu,
            "user_ticks": user - self.ticks[0],
            "system_ticks": system - self.ticks[1],
            "server_busy": cpu / seconds,
            "server_waited": wait / seconds,
            "driver_busy": (own - self.own[0]).as_secs_f64() / seconds,
            "driver_waited": (own_wait - self.own[1]).as_secs_f64() / seconds,
        }))
    }
}

/// For microseconds, up to ten minutes, to a thousandth.
pub fn new_histogram() -> Result<Histogram<u64>, Fault> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

fn latency(histogram: &Histogram<u64>) -> Value {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    json!({ "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": histogram.max() as f64 / 1000.0 })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
