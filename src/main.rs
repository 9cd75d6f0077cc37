//! The `throng` command.

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use log::LevelFilter;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use throng::chat::Hub;
use throng::config::{self, Cli, Command, Environment, Flags, Settings};
use throng::http::Site;
use throng::logging;
use throng::manual;
use throng::net::{self, EventLoop, Exit, Mio, System};
use throng::server::Server;

fn main() -> ExitCode {
    let matches = Cli::command().try_get_matches().unwrap_or_else(|error| config::explain(error).exit());
    let command = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).into_command();
    match command {
        Command::Serve(flags) => serve(&flags),
        #[cfg(feature = "bench")]
        Command::Bench(bench) => {
            if let Err(why) = bench.check() {
                subcommand("bench").error(ErrorKind::ArgumentConflict, why).exit();
            }
            throng::bench::main(*bench, &Cli::command(), &matches)
        }
        Command::Completions { shell } => print(&manual::completions(shell)),
        Command::Man { command } => match manual::page(&command) {
            Ok(Some(page)) => print(&page),
            Ok(None) => {
                let why = format!("there is no command 'throng {}'", command.join(" "));
                subcommand("man").error(ErrorKind::InvalidSubcommand, why).exit()
            }
            Err(error) => fail(&error),
        },
    }
}

fn subcommand(name: &str) -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command.find_subcommand(name).cloned().unwrap_or(command)
}

/// Prints to standard output. That nobody reads it is no failure.
fn print(text: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(text).and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(&error),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error. That it cannot be printed is no other failure.
fn fail(error: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "throng: {error}");
    ExitCode::FAILURE
}

fn serve(flags: &Flags) -> ExitCode {
    let settings = match Settings::load(flags, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(faults) => {
            let faults: String = faults.iter().map(|fault| format!("error: {fault}\n")).collect();
            let _ = write!(io::stderr(), "{faults}\nFor more information, try 'throng serve --help'.\n");
            return ExitCode::from(2);
        }
    };
    // It is dropped last, so that everything is written.
    let _log = match logging::start(level(settings.verbosity), settings.log_format) {
        Ok(log) => log,
        Err(error) => return fail(&format_args!("cannot start the log: {error}")),
    };
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    for note in &settings.notes {
        log::info!("{note}");
    }
    match run(settings) {
        Ok(Exit::Finished) => ExitCode::SUCCESS,
        Ok(Exit::CutOff(connections)) => {
            log::warn!("{connections} connections did not end in time and were cut off");
            ExitCode::SUCCESS
        }
        Ok(Exit::Forced(signal)) => ExitCode::from(128 + signal as u8),
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<Exit, Box<dyn Error>> {
    let Settings { listen, static_dir, csp, net, chat, server, .. } = settings;
    let listeners = listen.iter().map(|endpoint| endpoint.addresses.len()).sum();
    let (max_connections, max_refused) = divide_descriptors(net.max_connections, listeners)?;
    let site = match &static_dir {
        None => Site::bundled(),
        Some(folder) => Site::in_folder(folder, csp.as_deref())
            .map_err(|error| format!("cannot serve the page from {}: {error}", folder.display()))?,
    };
    let rng = StdRng::try_from_rng(&mut SysRng)?;
    let server = Server::new(server, site, Hub::new(chat, rng), jiff::Timestamp::now);
    let max_memory = if net.max_memory == 0 { machine_memory() / 4 } else { net.max_memory };
    let limits = net::Limits { max_connections, max_refused, max_memory, ..net };
    let system = Mio::bind(&listen)?;
    for address in system.addresses() {
        log::info!(address:%; "listening on http://{address}, for at most {max_connections} connections");
    }
    Ok(EventLoop::new(server, system, limits).run()?)
}

/// Returns the memory of the machine in bytes, or that of the control group if it may use less. 0 if it is not known.
fn machine_memory() -> usize {
    let read = |path| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|info| {
        let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
    });
    let group = read("/sys/fs/cgroup/memory.max").and_then(|max| max.trim().parse().ok());
    machine.into_iter().chain(group).min().unwrap_or(0)
}

/// Raises the file limit as far as it goes, and returns how many connections it allows: those that are served, and
/// those that are answered that the server is full.
fn divide_descriptors(wanted: usize, listeners: usize) -> Result<(usize, usize), Box<dyn Error>> {
    /// Standard streams, the log, poll, signals, the spare, and a file of the page.
    const OWN: usize = 11;
    /// Most descriptors that are kept for the rest: connections refused, and files that were inherited.
    const MAX_REST: usize = 52;
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let rest = (limit / 8).min(MAX_REST);
    let reserved = OWN + listeners + rest;
    let possible = limit.saturating_sub(reserved);
    if possible == 0 || wanted > possible {
        let wanted = wanted.max(1);
        return Err(format!(
            "{wanted} connections are more than the {possible} that the file limit of {limit} allows; raise it \
             (ulimit -n) or lower --max-connections"
        )
        .into());
    }
    let max_connections = if wanted == 0 { possible } else { wanted };
    Ok((max_connections, (OWN + 1 + rest) / 4))
}

fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    }
}
