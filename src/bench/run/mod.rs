//! A run: threads of clients that pass through its phases together.
//!
//! Connecting → settling, until the server has greeted all clients → warm-up → measuring → draining, until
//! outstanding deliveries have arrived. The `coordinator` controls the `worker`s; they communicate through
//! `shared`. Both are state machines that take the time as an argument, so that tests can run them in a
//! simulated network.

mod coordinator;
mod read_batching;
mod shared;
mod worker;

#[cfg(test)]
mod tests;

pub(crate) use coordinator::{Probe, Usages};

use super::cli::Scenario;
use super::clients::ConnectConfig;
use super::descriptors::take_own_table;
use super::marker::Tag;
use super::network::Sockets;
use super::other::OtherMessages;
use super::preset::Preset;
use super::progress::Snapshot;
use super::recorder::{ConnectionRecorder, MessageRecorder};
use super::report::Row;
use super::template::Template;
use super::time::{Nanos, Time};
use coordinator::Coordinator;
use shared::Shared;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::Builder;
use std::time::Instant;
use worker::Worker;

/// Longest time that a thread waits before it checks for a new stage.
const TICK: Nanos = Nanos::millis(10);

/// The plan of a run.
pub(crate) struct Plan<'a> {
    pub scenario: &'a Scenario,
    pub config: &'a ConnectConfig,
    /// The preset of the server. Without one, a throng chat is recognised by its greeting.
    pub preset: Option<Preset>,
    /// The first message of each client.
    pub on_open: Option<Template>,
    pub tag: Tag,
    pub threads: usize,
    pub seed: u64,
    /// The signal with which the user ended the run, or 0.
    pub interrupted: &'a AtomicUsize,
}

/// The results of a run.
#[derive(Default)]
pub(crate) struct Outcome {
    pub connections: ConnectionRecorder,
    pub messages: MessageRecorder,
    pub other: OtherMessages,
    /// Clients connected when the run started.
    pub settled: u64,
    /// Those of them that are to receive messages.
    pub recipients: u64,
    pub rows: Vec<Row>,
    /// Time from the first connection until all had opened or failed.
    pub connecting: Nanos,
    /// The measured window.
    pub window: Range<Time>,
    /// Time from the end of the window until the last delivery.
    pub drain: Nanos,
    pub interrupted: Option<i32>,
    /// Whether the server sends a message to its sender too.
    pub sender_receives: bool,
    /// Deliveries while CPU usage was measured.
    pub deliveries: u64,
    pub usages: Usages,
    /// Longest time that a thread did not run.
    pub longest_pause: Nanos,
    /// Clients greeted only after the run had started.
    pub late_greetings: u64,
}

/// Observes a run.
pub(crate) trait Watch {
    /// Called several times per second.
    fn show(&mut self, snapshot: &Snapshot);
    /// Reports something that the user should know before the run is over.
    fn note(&mut self, note: String);
}

/// Executes a plan.
pub(crate) fn run(
    plan: &Plan<'_>,
    started: Instant,
    probe: &mut dyn Probe,
    watch: &mut dyn Watch,
) -> io::Result<Outcome> {
    let threads = plan.threads.min(plan.scenario.clients());
    let shared = Shared::new(threads, plan.scenario.common.rooms);
    std::thread::scope(|scope| {
        let workers: io::Result<Vec<_>> = (0..threads)
            .map(|thread| {
                let shared = &shared;
                let work = move || {
                    let outcome = work(plan, shared, thread, started);
                    if outcome.is_err() {
                        shared.is_aborted.store(true, Relaxed);
                    }
                    outcome
                };
                Builder::new().spawn_scoped(scope, work)
            })
            .collect();
        let workers = workers.map_err(|error| {
            shared.is_aborted.store(true, Relaxed);
            io::Error::new(error.kind(), format!("cannot start {threads} threads: {error}"))
        })?;
        let now = || Time::from_nanos(started.elapsed().as_nanos() as u64);
        let mut coordinator = Coordinator::new(plan, &shared, probe, watch, now());
        while coordinator.step(now()) && !shared.is_aborted.load(Relaxed) {
            let now = now();
            std::thread::sleep(coordinator.next_step(now).since(now).into());
        }
        let mut results = Vec::new();
        for worker in workers {
            results.push(worker.join().expect("a thread of clients does not panic")?);
        }
        Ok(coordinator.finish(now(), results))
    })
}

fn work(plan: &Plan<'_>, shared: &Shared, thread: usize, started: Instant) -> io::Result<worker::Results> {
    take_own_table();
    let mut worker = Worker::new(plan, shared, thread, Sockets::new(started)?);
    loop {
        if shared.is_aborted.load(Relaxed) || !worker.step()? {
            return Ok(worker.into_results());
        }
    }
}
