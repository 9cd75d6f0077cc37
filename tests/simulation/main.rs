//! The whole server in a simulated system: chat, HTTP and the event loop, against clients that speak bytes, with faults
//! and a clock of its own. Everything follows from a seed, so that each run can be repeated.
//!
//! `SIMULATION_SEEDS=FIRST..END` chooses the seeds; a single one is run with a log of its events.
//! `SIMULATION_FAILURES` is the number of failures after which no more seeds are run.

mod chance;
mod checker;
mod client;
mod schedule;
mod socket;
mod system;
mod wire;

use client::Act;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use schedule::{BUSY, Plan, QUIET};
use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use system::{Event, Shared, SimSystem, World};
use throng::chat::{Format, Hub};
use throng::http::Site;
use throng::net::{EventLoop, Exit};
use throng::server::{self, Server};

/// Seeds that are run unless others are chosen.
const SEEDS: Range<u64> = 0..500;
/// Seconds after which everything of clients that have gone must have ended, those included that went silently.
const END: Duration = Duration::from_secs(60);
/// Ticks of one run, far more than any takes.
const MAX_TICKS: u64 = 3_000_000;

type Loop = EventLoop<Server, SimSystem>;

struct Simulation {
    event_loop: Loop,
    world: Shared,
    ticks: u64,
    exit: Option<Exit>,
}

impl Simulation {
    fn new(plan: Plan, is_verbose: bool) -> Simulation {
        let Plan { limits, chat, mut world, .. } = plan;
        world.is_verbose = is_verbose;
        world.note(|| format!("{limits:?}\n{:?}", world.faults));
        let world = Rc::new(RefCell::new(world));
        let settings = server::Settings {
            hosts: Vec::new(),
            allowed_origins: Vec::new(),
            echo: true,
            echo_suffix: String::new(),
            formats: Format::ALL.to_vec(),
            deflate: limits.deflate,
            deflate_contexts: 0,
            max_message: 64 << 10,
            max_echo_message: 64 << 10,
            echo_rate: 0,
        };
        let hub = Hub::new(chat, StdRng::seed_from_u64(1));
        let server = Server::new(settings, Site::bundled(), hub, || Timestamp::UNIX_EPOCH);
        let event_loop = EventLoop::new(server, SimSystem::new(&world), limits);
        Simulation { event_loop, world, ticks: 0, exit: None }
    }

    /// Runs until that time, or until an invariant is broken, or the server ends or waits for ever.
    fn run_until(&mut self, time: Duration) -> Result<(), String> {
        loop {
            match self.event_loop.tick() {
                Ok(exit) => self.exit = exit,
                Err(error) => return Err(format!("the loop failed: {error}")),
            }
            self.ticks += 1;
            let mut world = self.world.borrow_mut();
            if let Some(failure) = world.failure.take() {
                return Err(failure);
            }
            if self.ticks > MAX_TICKS {
                return Err("too many ticks".to_owned());
            }
            if self.exit.is_some() || world.is_asleep || world.running_time() >= time {
                return Ok(());
            }
        }
    }

    fn run(&mut self, ends_by_signal: bool) -> Result<(), String> {
        self.run_until(BUSY)?;
        self.run_until(BUSY + QUIET)?;
        self.check_clients(|client, world| client.check_caught_up(world))?;
        if ends_by_signal {
            self.shut_down()?
        } else {
            self.end()?
        }
        self.check_clients(|client, world| client.check_heard(world).map(drop))?;
        self.world.borrow().checker.check_logs()
    }

    fn now(&self) -> Duration {
        self.world.borrow().running_time()
    }

    fn check_clients(
        &self,
        check: impl Fn(&client::Client, &World) -> Result<(), String>,
    ) -> Result<(), String> {
        let world = self.world.borrow();
        for client in world.clients.iter().flatten() {
            check(client, &world)
                .map_err(|what| format!("client {} ({:?}): {what}", client.id, client.manner))?;
        }
        Ok(())
    }

    /// All clients go, and nothing is left.
    fn end(&mut self) -> Result<(), String> {
        {
            let mut world = self.world.borrow_mut();
            let now = world.now;
            for client in 0..world.clients.len() {
                let at = now + Duration::from_micros(world.chance.below(2_000_000) as u64);
                let act = world.chance.pick(&[Act::Close, Act::Close, Act::Reset, Act::HalfClose]);
                world.schedule(at, Event::Do(client, act));
            }
        }
        let end = self.now() + END;
        self.run_until(end)?;
        let world = self.world.borrow();
        if world.held > 0 {
            let left: Vec<usize> =
                world.pipes.iter().filter(|pipe| pipe.is_held).map(|pipe| pipe.client).collect();
            return Err(format!("connections of clients {left:?} are left after all have gone"));
        }
        if !world.is_asleep {
            return Err("the loop has deadlines after all clients have gone".to_owned());
        }
        Ok(())
    }

    /// A signal ends the server, within its time.
    fn shut_down(&mut self) -> Result<(), String> {
        let begin = self.now();
        {
            let mut world = self.world.borrow_mut();
            world.checker.is_shut_down = true;
            let now = world.now;
            world.schedule(now, Event::Signal(libc::SIGTERM));
        }
        self.run_until(begin + END)?;
        let took = self.now() - begin;
        match self.exit {
            None => Err("the server did not end after a signal".to_owned()),
            Some(_) if took > Duration::from_secs(7) => Err(format!("the end took {took:?}")),
            Some(_) => Ok(()),
        }
    }
}

/// Runs one seed. Returns what was heard, or what went wrong.
fn run(seed: u64, is_verbose: bool) -> Result<u64, String> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let plan = Plan::new(seed);
        let ends_by_signal = plan.ends_by_signal;
        let mut simulation = Simulation::new(plan, is_verbose);
        let result = simulation.run(ends_by_signal);
        let heard = simulation.world.borrow().checker.heard;
        result.map(|()| heard)
    }));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "panicked: {}",
            text.or(panic.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default()
        ))
    })
}

fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var("SIMULATION_SEEDS") else { return SEEDS };
    let parse = || {
        let (first, end) = range.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    };
    parse().unwrap_or_else(|| panic!("SIMULATION_SEEDS is FIRST..END, not {range:?}"))
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = seeds();
    let max_failures = std::env::var("SIMULATION_FAILURES").map_or(10, |most| most.parse().unwrap());
    let is_replay = seeds.clone().count() == 1;
    let mut failures = Vec::new();
    let mut heard = 0;
    for seed in seeds.clone() {
        match run(seed, is_replay) {
            Ok(messages) => heard += messages,
            Err(what) => {
                println!(
                    "seed {seed}: {what}\nrepeat it: SIMULATION_SEEDS={seed}..{} cargo test --test simulation -- \
                     --nocapture",
                    seed + 1
                );
                failures.push(seed);
            }
        }
        if failures.len() == max_failures {
            break;
        }
    }
    println!("{} seeds, {heard} messages heard", seeds.end - seeds.start);
    assert!(failures.is_empty(), "these seeds failed: {failures:?}");
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..20 {
        let run = || {
            let mut simulation = Simulation::new(Plan::new(seed), false);
            let result = simulation.run(false);
            let world = simulation.world.borrow();
            (result, simulation.ticks, world.now, world.calls, world.checker.heard)
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn a_room_of_thousands_hears_everything() {
    let mut simulation = Simulation::new(Plan::crowd(1, 3000), false);
    simulation.run(false).unwrap();
    assert!(simulation.world.borrow().max_held > 2000);
    assert!(simulation.world.borrow().checker.heard > 20_000);
}
