//! One run, from the command line to the report.

use super::cli::{Action, Scenario};
use super::clients::{Addresses, ConnectConfig};
use super::descriptors::FileLimit;
use super::marker;
use super::preset::Preset;
use super::progress::Progress;
use super::report::Report;
use super::report::units::{bytes, thousands};
use super::resolve::{self, Resolver, Unresolved};
use super::run::{self, Outcome, Plan, Probe, Watch};
use super::signals::Interrupt;
use super::sources::Sources;
use super::summary::{self, Invocation};
use super::template::Template;
use super::transport::Tls;
use super::usage::{self, Usage};
use super::{Failure, progress};
use std::time::{Duration, Instant, SystemTime};

/// Length of the longest message that clients accept, in bytes.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;
/// Largest number of members for which the kernel stamps arrivals. With more, stamps cost a tenth of the CPU
/// of a delivery, and the wake-up delay is small compared with the time that a server needs to send to all.
const SMALL_ROOM: usize = 100;
/// The user is informed of an audit that needs more memory than this, in bytes.
const MUCH_MEMORY: u64 = 64 << 20;

/// The parts that the runs of a search share.
pub(crate) struct Session<'a> {
    pub invocation: Invocation,
    pub interrupt: &'a Interrupt,
}

/// A finished run.
pub(crate) struct Finished {
    pub report: Report,
    pub started: SystemTime,
    pub outcome: Outcome,
    pub load_tester_was_limit: bool,
}

/// Memory of load tester and server before the first of several runs, since processes rarely return memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baseline {
    client: Option<u64>,
    server: Option<u64>,
}

impl Session<'_> {
    /// Runs a scenario once. The first of several runs sets `baseline`.
    pub fn run(&self, scenario: &Scenario, baseline: &mut Option<Baseline>) -> Result<Finished, Failure> {
        let common = &scenario.common;
        let preset = common.preset.map(|kind| Preset::of(kind, scenario.is_echo()));
        let on_open = common.on_open.clone().or_else(|| preset.as_ref()?.on_open.clone());
        check_memory(scenario)?;
        let (config, mut notes) = self.config(scenario, preset.as_ref())?;
        check_rooms(scenario, &config, on_open.as_ref())?;
        let limit = FileLimit::raise().map_err(system)?;
        let threads =
            limit.threads(scenario.clients(), common.threads, spare_cores()).map_err(Failure::Usage)?;
        let plan = Plan {
            scenario,
            config: &config,
            preset,
            on_open,
            tag: marker::tag(rand::random()),
            threads,
            seed: config.seed,
            interrupted: self.interrupt.number(),
        };
        let mut watch = Display { progress: (!common.reports.quiet).then(Progress::new), notes: Vec::new() };
        let mut probe = Processes { server: common.server_pid };
        let started = SystemTime::now();
        let outcome = run::run(&plan, Instant::now(), &mut probe, &mut watch);
        if let Some(progress) = watch.progress.take() {
            progress.finish();
        }
        let mut outcome = outcome.map_err(system)?;
        let base = baseline.get_or_insert_with(|| Baseline::of(&outcome));
        base.apply(&mut outcome);
        if outcome.connections.first.opened == 0 {
            self.check_reached(scenario, &outcome)?;
        }
        let (mut report, load_tester_was_limit) =
            summary::report(scenario, self.invocation.clone(), started, &outcome);
        notes.append(&mut watch.notes);
        notes.extend(config.addresses.take_notes());
        report.warnings.splice(0..0, notes);
        Ok(Finished { report, started, outcome, load_tester_was_limit })
    }

    fn check_reached(&self, scenario: &Scenario, outcome: &Outcome) -> Result<(), Failure> {
        if self.interrupt.signal() != 0 {
            return Err(Failure::Interrupted(self.interrupt.signal()));
        }
        let causes: Vec<&str> = outcome.connections.first.failed.keys().map(String::as_str).collect();
        let sentence = format!("cannot connect to {}: {}", scenario.urls(), causes.join("; "));
        Err(match outcome.connections.client_limits.is_empty() {
            true => Failure::Unreachable(sentence),
            false => Failure::System(sentence),
        })
    }

    /// Returns how to connect to the servers, and warnings.
    fn config(
        &self,
        scenario: &Scenario,
        preset: Option<&Preset>,
    ) -> Result<(ConnectConfig, Vec<String>), Failure> {
        let (common, clients) = (&scenario.common, scenario.clients());
        let mut targets = common.urls.clone();
        for target in &mut targets {
            if let Some(preset) = preset.filter(|_| target.path == "/") {
                target.path = preset.path.to_owned();
            }
        }
        let given = common.source_ip.clone().unwrap_or_default();
        let can_reach = {
            let given = given.clone();
            move |address| given.can_reach(address)
        };
        let resolved =
            Resolver::resolve(&targets, can_reach, common.connect_timeout, self.interrupt.is_set());
        let (resolver, warnings) = resolved.map_err(|why| match why {
            Unresolved::Interrupted => Failure::Interrupted(self.interrupt.signal()),
            Unresolved::NotFound(why) => Failure::Unreachable(why),
            Unresolved::OtherFamily(why) => Failure::Usage(why),
        })?;
        let sources = match common.source_ip.is_none() && resolve::are_in_127(&resolver.endpoints()) {
            true => Sources::of_loopback(clients, rand::random()),
            false => given,
        };
        sources.check(clients, targets.len()).map_err(Failure::Usage)?;
        // A file that cannot be read is an error even if it is not needed.
        let is_tls = targets.iter().any(|target| target.is_tls) || common.cacert.is_some();
        let tls = is_tls.then(|| Tls::new(common.cacert.as_deref(), common.insecure)).transpose();
        let mut headers = common.header.clone();
        headers.extend(common.origin.iter().map(|origin| ("Origin".to_owned(), Template::new(origin))));
        let small_buffers = match scenario.action {
            Action::SlowReaders { readers, receive_buffer, .. } => Some((clients - readers, receive_buffer)),
            _ => None,
        };
        let config = ConnectConfig {
            targets,
            addresses: Addresses::Resolved(resolver),
            rooms: common.rooms,
            sources,
            tls: tls.map_err(Failure::Usage)?,
            headers,
            subprotocols: common.subprotocol.clone(),
            deflate: common.deflate,
            timeout: common.connect_timeout.into(),
            max_message: MAX_MESSAGE,
            small_buffers,
            is_stamped: scenario.room().is_none() || clients <= SMALL_ROOM,
            client_offset: common.client_offset,
            seed: rand::random(),
        };
        Ok((config, warnings))
    }
}

impl Baseline {
    fn of(outcome: &Outcome) -> Baseline {
        let before = &outcome.usages.before;
        let memory = |usage: &Option<Usage>| usage.as_ref().map(|usage| usage.memory);
        Baseline { client: memory(&before.client), server: memory(&before.server) }
    }

    fn apply(self, outcome: &mut Outcome) {
        let before = &mut outcome.usages.before;
        for (usage, memory) in [(&mut before.client, self.client), (&mut before.server, self.server)] {
            if let (Some(usage), Some(memory)) = (usage, memory) {
                usage.memory = memory;
            }
        }
    }
}

/// The processes of load tester and server, as far as they can be observed.
struct Processes {
    server: Option<u32>,
}

impl Probe for Processes {
    fn client(&mut self) -> Option<Usage> {
        Usage::of(std::process::id()).ok()
    }

    fn server(&mut self) -> Option<Usage> {
        Usage::of(self.server?).ok()
    }

    fn throttled(&mut self) -> Option<Duration> {
        usage::throttled()
    }
}

/// Shows progress and collects notes for the report.
struct Display {
    progress: Option<Progress>,
    notes: Vec<String>,
}

impl Watch for Display {
    fn show(&mut self, snapshot: &progress::Snapshot) {
        if let Some(progress) = &mut self.progress {
            progress.show(snapshot);
        }
    }

    fn note(&mut self, note: String) {
        if let Some(progress) = &mut self.progress {
            progress.note(&note);
        }
        self.notes.push(note);
    }
}

/// Checks that there is memory for the audit of order and duplicates, which needs a word per member and
/// sender.
fn check_memory(scenario: &Scenario) -> Result<(), Failure> {
    let needed = summary::audit_memory(scenario);
    let shown = bytes(needed as f64);
    if usage::available_memory().is_some_and(|available| needed > available / 2) {
        return Err(Failure::Usage(format!(
            "the audit of {} connections needs {shown}, more than half of this machine's free memory: use fewer --senders \
             or fewer connections",
            thousands(scenario.clients() as u64)
        )));
    }
    if needed > MUCH_MEMORY && !scenario.common.reports.quiet {
        super::output::print_line(&format!("The audit of order and duplicates needs {shown}."));
    }
    Ok(())
}

/// Checks that the server can learn the room of each client if there are several rooms.
fn check_rooms(
    scenario: &Scenario,
    config: &ConnectConfig,
    on_open: Option<&Template>,
) -> Result<(), Failure> {
    let message = scenario.message.as_ref().and_then(|options| options.message.as_ref());
    let headers = config.headers.iter().map(|(_, value)| value);
    let is_named = config.targets.iter().any(|target| target.path.contains("{room}"))
        || on_open.into_iter().chain(message).chain(headers).any(Template::names_room);
    if scenario.common.rooms == 1 || is_named {
        return Ok(());
    }
    Err(Failure::Usage("--rooms needs {room} in the URL, --header, --on-open or --message".to_owned()))
}

/// Returns the number of cores less one, at least one.
fn spare_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

fn system(error: std::io::Error) -> Failure {
    Failure::System(error.to_string())
}
