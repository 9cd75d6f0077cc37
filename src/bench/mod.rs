//! The load tester: `throng bench`.
//!
//! A `run` has threads of simulated clients (`clients`), which use the same `crate::ws` as the server, in the other
//! role, over a `network`. What they do is a `workload`, by scenario. When a message is due is a pure calculation
//! (`pacer`). What it carries (`marker`) lets each delivery be recognised and compared (`content`), timed from when
//! it was due, and checked for order and duplicates (`audit`). What threads measured (`recorder`) becomes a
//! `report` (`summary`), which says whether it can be trusted (`validity`). A `session` is one run from the
//! command line (`cli`) to the report; `find_max` searches with several.

mod audit;
mod cli;
mod clients;
mod content;
mod descriptors;
mod find_max;
mod marker;
mod network;
mod other;
mod output;
mod pacer;
mod preset;
mod progress;
mod recorder;
mod refusal;
mod report;
mod resolve;
mod run;
mod search;
mod session;
mod signals;
mod sources;
mod summary;
mod target;
mod template;
mod throng_limits;
mod time;
mod transport;
mod usage;
mod validity;
mod workload;

pub use cli::Bench;

use clap::ArgMatches;
use cli::{Command, Conditions, Scenario, shown_settings};
use output::Outputs;
use report::Report;
use session::Session;
use signals::Interrupt;
use std::fmt;
use std::process::ExitCode;
use summary::Invocation;

/// Why there is no report.
#[derive(Debug)]
enum Failure {
    /// What was asked for cannot be done.
    Usage(String),
    /// No connection to the server was opened.
    Unreachable(String),
    /// A signal came before there was anything to report.
    Interrupted(i32),
    /// An output cannot be written.
    Output(String),
    /// The system refused something.
    System(String),
}

/// Exit statuses, as `--help` lists them.
const UNMET: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const INVALID: u8 = 4;
const OUTPUT: u8 = 5;

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Unreachable(_) => UNREACHABLE,
            Failure::Interrupted(signal) => 128 + *signal as u8,
            Failure::Output(_) => OUTPUT,
            Failure::System(_) => INVALID,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(why) | Failure::Unreachable(why) | Failure::Output(why) | Failure::System(why) => {
                f.write_str(why)
            }
            Failure::Interrupted(_) => f.write_str("interrupted before there was anything to report"),
        }
    }
}

impl std::error::Error for Failure {}

/// Does what the command line says: runs a scenario or compares reports, prints what was found and writes it to files.
/// `program` is the whole command line, and `matches` what was given of it.
pub fn main(bench: Bench, program: &clap::Command, matches: &ArgMatches) -> ExitCode {
    let done = match bench.command {
        Command::Run(scenario) => {
            let (settings, command) = shown_settings(program, matches);
            run_scenario(&scenario.into_scenario(), Invocation { settings, command })
        }
        Command::Compare(compare) => output::compare(&compare).map(|()| 0),
    };
    ExitCode::from(done.unwrap_or_else(|failure| {
        output::complain(&failure);
        failure.status()
    }))
}

/// Runs a scenario, or several for a search; the exit status.
fn run_scenario(scenario: &Scenario, invocation: Invocation) -> Result<u8, Failure> {
    let interrupt = Interrupt::on_signals().map_err(|error| Failure::System(error.to_string()))?;
    let outputs = Outputs::open(&scenario.common.reports)?;
    let session = Session { invocation, interrupt: &interrupt };
    let mut finished = match &scenario.common.find_max {
        None => session.run(scenario, &mut None)?,
        Some(Conditions(conditions)) => find_max::find_max(&session, scenario, conditions)?,
    };
    let report = &mut finished.report;
    let outcomes = scenario.common.reports.expect.iter().map(|expectation| expectation.outcome(report));
    report.expectations = outcomes.collect();
    let written = outputs.write(&finished);
    let status = status(&finished.report, interrupt.signal(), scenario.common.allow_invalid);
    match written {
        Err(failure) if status == 0 => Err(failure),
        Err(failure) => {
            output::complain(&failure);
            Ok(status)
        }
        Ok(()) => Ok(status),
    }
}

/// What a job is told of a run.
fn status(report: &Report, signal: i32, allow_invalid: bool) -> u8 {
    let has_held = report.search.as_ref().is_none_or(|search| search.highest.is_some());
    if report.interrupted.is_some() && signal != 0 {
        128 + signal as u8
    } else if !report.is_valid && !allow_invalid {
        INVALID
    } else if !has_held || report.expectations.iter().any(|expectation| !expectation.is_met) {
        UNMET
    } else {
        0
    }
}
