//! A run: threads of clients, and the phases through which they go together.
//!
//! Connecting → settling, until the server has greeted all → running, warm-up first → draining, until what is on the
//! way has come. The `conductor` leads the `worker`s; what both know is `shared`. The threads tell what they do in
//! gauges that are read a few times a second; what they measured is merged when they have ended.

mod conductor;
mod rest;
mod shared;
mod worker;

use super::crowd::{Access, Clock};
use super::dialect::Dialect;
use super::marker::Tag;
use super::options::Scenario;
use super::progress::Snapshot;
use super::recorder::Recorder;
use super::report::Row;
use super::template::Template;
use super::usage::Usage;
use shared::Shared;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::Builder;
use std::time::Duration;

/// The longest that a thread sleeps, so that it sees a new phase.
const GLANCE: Duration = Duration::from_millis(10);

/// What is to be done.
pub struct Plan<'a> {
    /// Of whom.
    pub scenario: &'a Scenario,
    /// How the server is reached.
    pub access: &'a Access,
    /// How to talk to it; without, as to a chat of throng if it says that it is one.
    pub dialect: Option<Dialect>,
    /// What each client says first.
    pub hello: Option<Template>,
    /// Of this run.
    pub tag: Tag,
    /// Of the clients.
    pub threads: usize,
    /// Chance.
    pub seed: u64,
    /// How long a thread that has little to do rests; latencies are that much too long at most.
    pub rest: Duration,
    /// Set when the user wants no more.
    pub interrupted: &'a AtomicBool,
}

/// What came of it.
pub struct Outcome {
    /// Of all threads together.
    pub recorder: Recorder,
    /// Connections that were open when the run began, of those that are to hear something.
    pub hearers: u64,
    /// All that were open then.
    pub settled: u64,
    /// A row a second.
    pub rows: Vec<Row>,
    /// From the first connection until all had opened or failed, in nanoseconds.
    pub connecting: u64,
    /// When measuring began, and how long it was until the last delivery, in nanoseconds.
    pub measured_from: u64,
    /// Likewise.
    pub measured: u64,
    /// Whether what the user asked for ended before its time.
    pub interrupted: bool,
    /// All that came while it was measured, of warm-up too: what the use of CPU was for.
    pub deliveries: u64,
    /// Of this process, when measuring began and ended.
    pub client: Range<Usage>,
    /// Memory of this process before the first connection and when all had settled.
    pub client_memory: Range<u64>,
    /// Of the server: before the first connection, when all had settled, when measuring began and when it ended.
    pub server: Option<[Usage; 4]>,
}

/// Plays a scenario. `watch` is called a few times a second.
pub fn run(plan: &Plan<'_>, clock: Clock, mut watch: impl FnMut(&Snapshot)) -> io::Result<Outcome> {
    let threads = plan.threads.min(plan.scenario.clients());
    let shared = Shared::new(clock, threads, plan.scenario.common().rooms);
    std::thread::scope(|scope| {
        let workers: io::Result<Vec<_>> = (0..threads)
            .map(|thread| {
                let shared = &shared;
                let work = move || {
                    let outcome = worker::work(plan, shared, thread);
                    // One that cannot go on ends the run for all.
                    if outcome.is_err() {
                        shared.is_over.store(true, Relaxed);
                    }
                    outcome
                };
                Builder::new().spawn_scoped(scope, work)
            })
            .collect();
        let watched = match &workers {
            Ok(_) => conductor::conduct(plan, &shared, &mut watch),
            Err(error) => {
                Err(io::Error::new(error.kind(), format!("cannot start {threads} threads: {error}")))
            }
        };
        shared.is_over.store(true, Relaxed);
        let mut recorder = Recorder::default();
        for worker in workers.into_iter().flatten() {
            recorder.add(&worker.join().expect("a thread of clients does not panic")?);
        }
        watched.map(|outcome| Outcome { recorder, ..outcome })
    })
}
