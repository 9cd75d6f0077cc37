//! The load client: `throng bench`.
//!
//! A [`run`] has threads of simulated clients ([`crowd`]), which use the same [`crate::ws`] as the server, in the other
//! role. What they do is a [`work`], by scenario. When a message is due is a pure calculation ([`pacer`]); what it
//! carries ([`marker`]) lets each delivery be known, timed from when it was due, and checked ([`audit`]). What threads
//! measured ([`recorder`]) becomes a [`report`] ([`summary`]). What a kind of server wants to be told is its [`dialect`].

pub mod audit;
pub mod crowd;
pub mod descriptors;
pub mod dialect;
pub mod marker;
pub mod options;
pub mod pacer;
pub mod progress;
pub mod recorder;
pub mod report;
pub mod run;
pub mod search;
pub mod sources;
pub mod stream;
pub mod summary;
pub mod target;
pub mod template;
pub mod usage;
pub mod work;

use crowd::{Access, Clock};
use descriptors::FileLimit;
use dialect::Dialect;
use options::{Bench, Compare, Conditions, Order, Scenario};
use progress::Progress;
use recorder::Recorder;
use report::expect::Expectation;
use report::{Report, SCHEMA, compare, csv, figures, hdr, html, table};
use run::Plan;
use search::Search;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use sources::Sources;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{ErrorKind, IsTerminal, Write};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};
use stream::Tls;
use target::Target;
use template::Template;

/// The longest that a thread rests to find more than one message: latencies are that much too long at most.
const REST: Duration = Duration::from_micros(200);
/// The longest message taken, in bytes.
const MAX_MESSAGE: usize = 64 << 20;

/// How near a search comes to what it seeks.
const PRECISION: f64 = 1.05;
/// A search for a rate ends here.
const MOST_RATE: f64 = 1e8;

/// The settings of a run by the name of their flag.
pub type Settings = BTreeMap<String, String>;

/// Why there is no report.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for cannot be done.
    Usage(String),
    /// No connection to the server was opened.
    Unreachable(String),
    /// The system refused something.
    System(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Usage(why) | Failure::Unreachable(why) | Failure::System(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Failure {}

/// Does what the command line says: plays a scenario or compares reports, prints what was found and writes it to files.
/// `settings` are those of the command line by name, for the reports.
pub fn main(bench: &Bench, settings: &Settings) -> ExitCode {
    let done = match &bench.order {
        Order::Play(scenario) => play_and_report(scenario, settings),
        Order::Compare(compare) => compare_reports(compare).map(|()| Vec::new()),
    };
    match done {
        Ok(unmet) if unmet.is_empty() => ExitCode::SUCCESS,
        Ok(unmet) => {
            unmet.iter().for_each(|sentence| eprintln!("throng bench: {sentence}"));
            ExitCode::from(1)
        }
        Err(failure) => {
            eprintln!("throng bench: {failure}");
            ExitCode::from(match failure {
                Failure::System(_) => 1,
                Failure::Usage(_) => 2,
                Failure::Unreachable(_) => 3,
            })
        }
    }
}

/// Returns which expectations were not met.
fn play_and_report(scenario: &Scenario, settings: &Settings) -> Result<Vec<String>, Failure> {
    let reports = &scenario.common().reports;
    let interrupted = interrupted_by_signals().map_err(system)?;
    let played = match &scenario.common().find_max {
        None => play(scenario, settings, &interrupted, &mut None)?,
        Some(Conditions(conditions)) => find_max(scenario, settings, conditions, &interrupted)?,
    };
    let report = &played.report;
    if !reports.quiet {
        let colour =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
        print(&table::table(report, colour))?;
    }
    if let Some(file) = &reports.json {
        write(file, &to_json(report)?)?;
    }
    if let Some(file) = &reports.csv {
        write(file, &csv::csv(report))?;
    }
    if let Some(file) = &reports.hdr {
        write(file, &played.hdr_log()?)?;
    }
    if let Some(file) = &reports.html {
        write(file, &html::page(&[(report.scenario.clone(), report.clone())]))?;
    }
    Ok(reports.expect.iter().filter_map(|expectation| expectation.check(report).err()).collect())
}

fn compare_reports(compare: &Compare) -> Result<(), Failure> {
    let stem = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stems: HashSet<String> = compare.files.iter().map(|file| stem(file)).collect();
    let is_told_apart = stems.len() == compare.files.len();
    let name = |file: &Path| if is_told_apart { stem(file) } else { file.display().to_string() };
    let mut reports = Vec::new();
    for file in &compare.files {
        let wrong = |why: &dyn fmt::Display| Failure::Usage(format!("cannot read {}: {why}", file.display()));
        let text = std::fs::read(file).map_err(|error| wrong(&error))?;
        let report: Report = serde_json::from_slice(&text)
            .map_err(|error| wrong(&format!("not a report of throng bench: {error}")))?;
        if report.schema != SCHEMA {
            return Err(wrong(&format!("its schema is {}, and this program reads {SCHEMA}", report.schema)));
        }
        reports.push((name(file), report));
    }
    print(&compare::table(&reports))?;
    match &compare.html {
        Some(file) => write(file, &html::page(&reports)),
        None => Ok(()),
    }
}

/// A run that is over.
struct Played {
    report: Report,
    started: SystemTime,
    recorder: Recorder,
    /// Since the start.
    measured: Range<Duration>,
}

/// Memory of the client and the server before the first run of several: what a process has had, it mostly keeps.
type Baseline = (u64, Option<u64>);

fn play(
    scenario: &Scenario,
    settings: &Settings,
    interrupted: &AtomicBool,
    baseline: &mut Option<Baseline>,
) -> Result<Played, Failure> {
    let common = scenario.common();
    let dialect = common.kind.map(|kind| Dialect::of(kind, scenario.is_echo()));
    let hello = common.hello.clone().or_else(|| dialect.as_ref()?.hello.clone());
    let access = access(scenario, dialect.as_ref())?;
    check_rooms(scenario, &access, hello.as_ref())?;
    let limit = FileLimit::raise().map_err(system)?;
    let threads = limit.threads(scenario.clients(), common.threads, spare_cores()).map_err(Failure::Usage)?;
    let plan = Plan {
        scenario,
        access: &access,
        dialect,
        hello,
        tag: marker::tag(rand::random()),
        threads,
        seed: rand::random(),
        rest: match scenario {
            Scenario::Echo(_) => Duration::ZERO,
            _ => REST,
        },
        interrupted,
    };
    let mut progress = (!common.reports.quiet).then(Progress::new);
    let (started, clock) = (SystemTime::now(), Clock(Instant::now()));
    let outcome = run::run(&plan, clock, |snapshot| {
        if let Some(progress) = &mut progress {
            progress.show(snapshot);
        }
    });
    if let Some(progress) = progress {
        progress.finish();
    }
    let mut outcome = outcome.map_err(system)?;
    let before = outcome.server.as_mut().map(|[before, ..]| &mut before.memory);
    let (client, server) = baseline.get_or_insert((outcome.client_memory.start, before.as_deref().copied()));
    outcome.client_memory.start = *client;
    if let (Some(before), Some(server)) = (before, server) {
        *before = *server;
    }
    if outcome.recorder.opened == 0 && !outcome.interrupted {
        let causes: Vec<&str> = outcome.recorder.failed.keys().map(String::as_str).collect();
        return Err(Failure::Unreachable(format!(
            "cannot connect to {}: {}",
            scenario.urls(),
            causes.join("; ")
        )));
    }
    let report = summary::report(scenario, settings.clone(), started, &outcome);
    let end = Duration::from_nanos(outcome.measured_from + outcome.measured);
    Ok(Played {
        report,
        started,
        measured: Duration::from_nanos(outcome.measured_from)..end,
        recorder: outcome.recorder,
    })
}

/// Plays with one load after the other until the highest is found at which the conditions hold; the run with that.
fn find_max(
    scenario: &Scenario,
    settings: &Settings,
    conditions: &[Expectation],
    interrupted: &AtomicBool,
) -> Result<Played, Failure> {
    let is_connect = matches!(scenario, Scenario::Connect(_));
    let usual: &[&str] = if is_connect { &["failed=0", "disconnected=0"] } else { &["p95<500ms", "loss=0"] };
    let usual: Vec<Expectation> = usual.iter().filter_map(|text| text.parse().ok()).collect();
    let conditions = if conditions.is_empty() { &usual } else { conditions };
    let (start, name) = scenario.load();
    let limit = FileLimit::raise().map_err(system)?;
    let most = match is_connect {
        true => limit.most_connections(scenario.common().threads) as f64,
        false => MOST_RATE,
    };
    let search = Search::new(start, 1.0, most, PRECISION);
    let mut search = if is_connect { search.whole() } else { search };
    let (mut best, mut why_not, mut baseline) = (None, String::new(), None);
    while let Some(load) = search.next() {
        let mut settings = settings.clone();
        settings.insert(name.to_owned(), load.to_string());
        let played = play(&scenario.with_load(load), &settings, interrupted, &mut baseline)?;
        if played.report.interrupted {
            // What it shows is not whether this load goes.
            best.get_or_insert(played);
            break;
        }
        let verdict = verdict(&played.report, conditions);
        if !scenario.common().reports.quiet {
            eprintln!("{name} {}: {}", figures::short(load), verdict.as_deref().unwrap_or("holds"));
        }
        search.tell(load, verdict.is_none());
        match verdict {
            None => best = Some(played),
            Some(why) => why_not = why,
        }
    }
    let mut best = best.ok_or_else(|| Failure::System(format!("nothing was found that holds: {why_not}")))?;
    if !why_not.is_empty() {
        let what = if is_connect { "connections" } else { "messages a second" };
        best.report.warnings.push(format!(
            "This is the highest number of {what} that was found to hold. Above it: {why_not}"
        ));
    }
    Ok(best)
}

/// Why a load does not go, if it does not. A client that could not keep up comes first: what is not met then says
/// nothing of the server, but there is no more to be found.
fn verdict(report: &Report, conditions: &[Expectation]) -> Option<String> {
    match report.is_valid {
        true => conditions.iter().find_map(|condition| condition.check(report).err()),
        false => Some(report.warnings.join(" ")),
    }
}

impl Played {
    fn hdr_log(&self) -> Result<String, Failure> {
        let Recorder { latency, latency_raw, .. } = &self.recorder;
        let histograms: &[_] = match self.report.latency {
            Some(_) => &[("corrected", latency), ("raw", latency_raw)],
            None => &[("raw", latency_raw)],
        };
        hdr::log(self.started, self.measured.clone(), histograms)
            .map_err(|error| Failure::System(format!("cannot write a histogram: {error:?}")))
    }
}

fn to_json(report: &Report) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report).map_err(|error| Failure::System(error.to_string()))?;
    Ok(text + "\n")
}

/// Writes to a file, or to standard output if it is `-`.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    if file == Path::new("-") {
        return print(text);
    }
    std::fs::write(file, text)
        .map_err(|error| Failure::System(format!("cannot write {}: {error}", file.display())))
}

/// Prints to standard output; nobody who reads it is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(system(error)),
        _ => Ok(()),
    }
}

fn system(error: std::io::Error) -> Failure {
    Failure::System(error.to_string())
}

/// Set by the first signal, which ends the run and still reports; the second ends the program.
fn interrupted_by_signals() -> std::io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupted))?;
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// Several rooms are those of the server: something has to tell it which one is meant.
fn check_rooms(scenario: &Scenario, access: &Access, hello: Option<&Template>) -> Result<(), Failure> {
    let common = scenario.common();
    if common.rooms > common.connections {
        return Err(Failure::Usage(format!(
            "{} rooms are more than there are --connections to be in them",
            common.rooms
        )));
    }
    let message = scenario.wording().and_then(|wording| wording.message.as_ref());
    let is_named = access.targets.iter().any(|target| target.path.contains("{room}"))
        || hello.into_iter().chain(message).any(Template::names_room);
    match common.rooms == 1 || is_named {
        true => Ok(()),
        false => Err(Failure::Usage("--rooms needs {room} in the URL, --hello or --message".to_owned())),
    }
}

fn access(scenario: &Scenario, dialect: Option<&Dialect>) -> Result<Access, Failure> {
    let (common, clients) = (scenario.common(), scenario.clients());
    let mut targets = common.urls.clone();
    for target in &mut targets {
        if let Some(dialect) = dialect.filter(|_| target.path == "/") {
            target.path = dialect.path.to_owned();
        }
        target
            .resolve()
            .map_err(|error| Failure::Unreachable(format!("cannot find {}: {error}", target.host)))?;
    }
    let sources = match &common.source_ip {
        Some(sources) => sources.clone(),
        None if targets.iter().all(Target::is_in_127) => Sources::of_loopback(clients, rand::random()),
        None => Sources::default(),
    };
    sources.check(clients.div_ceil(targets.len())).map_err(Failure::Usage)?;
    for target in &mut targets {
        target.addresses.retain(|address| sources.can_reach(address.ip()));
        if target.addresses.is_empty() {
            return Err(Failure::Usage(format!(
                "{} cannot be reached from the addresses of --source-ip",
                target.host
            )));
        }
        target.keep_answering(common.timeout);
    }
    let is_tls = targets.iter().any(|target| target.is_tls);
    let tls = is_tls.then(|| Tls::new(common.cacert.as_deref(), common.insecure)).transpose();
    let mut fields = common.header.clone();
    fields.extend(common.origin.iter().map(|origin| ("Origin".to_owned(), origin.clone())));
    Ok(Access {
        targets,
        rooms: common.rooms,
        sources,
        tls: tls.map_err(Failure::Usage)?,
        fields,
        subprotocols: common.subprotocol.clone(),
        deflate: common.deflate,
        timeout: common.timeout,
        max_message: MAX_MESSAGE,
        readers: match scenario {
            Scenario::Slow(slow) => clients - slow.stalled,
            _ => clients,
        },
    })
}

/// All but one, at least one.
fn spare_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use report::sample;

    #[test]
    fn a_search_ends_at_the_limit_of_the_client_whatever_else_is_not_met() {
        let conditions: Vec<Expectation> = ["loss<1%", "p99<1ms"].map(|text| text.parse().unwrap()).into();
        let mut report = sample::broadcast();
        assert_eq!(verdict(&report, &conditions[..1]), None);
        assert!(verdict(&report, &conditions).is_some_and(|why| why.starts_with("p99<1ms is not met")));
        (report.is_valid, report.warnings) = (false, vec!["The client was busy.".to_owned()]);
        assert_eq!(verdict(&report, &conditions).as_deref(), Some("The client was busy."));
    }
}
