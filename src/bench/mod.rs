//! The load tester: `throng bench`.
//!
//! A `run` has threads of simulated clients (`clients`), which use the same `crate::ws` as the server, in the
//! client role, over a `network`. The `workload` of a scenario defines what they do. The due times of
//! messages are computed from the plan alone (`pacer`). The marker in each message (`marker`) allows
//! recognising each delivery, comparing its content (`content`), measuring its latency from the due time, and
//! detecting loss, duplicates and reordering (`audit`). The measurements of the threads (`recorder`) are
//! merged into a `report` (`summary`), which states whether it can be trusted (`validity`). A `session` is
//! one run, from the command line (`cli`) to the report; `find_max` searches with several runs.

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

/// The reason why there is no report.
#[derive(Debug)]
enum Failure {
    /// The request cannot be carried out.
    Usage(String),
    /// No connection to the server was opened.
    Unreachable(String),
    /// A signal arrived before there was anything to report.
    Interrupted(i32),
    /// An output cannot be written.
    Output(String),
    /// The system denied something.
    System(String),
}

/// Exit statuses, as listed by `--help`.
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

/// Executes the command: runs a scenario or compares reports, prints the results and writes output files.
/// `program` is the definition of the whole command line, and `matches` its parsed arguments.
pub fn main(bench: Bench, program: &clap::Command, matches: &ArgMatches) -> ExitCode {
    let done = match bench.command {
        Command::Run(scenario) => {
            let (settings, command) = shown_settings(program, matches);
            run_scenario(&scenario.into_scenario(), Invocation { settings, command })
        }
        Command::Compare(compare) => output::compare(&compare).map(|()| 0),
    };
    ExitCode::from(done.unwrap_or_else(|failure| {
        output::print_error(&failure);
        failure.status()
    }))
}

/// Runs a scenario, or several for a search, and returns the exit status.
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
            output::print_error(&failure);
            Ok(status)
        }
        Ok(()) => Ok(status),
    }
}

/// Returns the exit status for a finished run.
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
