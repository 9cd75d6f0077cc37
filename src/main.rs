//! The `throng` command.

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use log::LevelFilter;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use std::error::Error;
use std::ffi::OsStr;
use std::process::ExitCode;
use throng::bench::Settings;
use throng::chat::Hub;
use throng::config::{Cli, Command, Serve};
use throng::http::Site;
use throng::net::{EventLoop, Exit};
use throng::server::Server;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let command = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()).into_command();
    match command {
        Command::Serve(serve) => serve_until_ended(&serve),
        Command::Bench(bench) => throng::bench::main(&bench, &given(&matches)),
    }
}

/// The settings of a scenario of the load client by name, without the URL and what does not change its figures. Of
/// header fields only the names and of what clients say first nothing, since a report is shared and these may hold a
/// secret.
fn given(matches: &ArgMatches) -> Settings {
    let cli = Cli::command();
    let (mut command, mut matches) = (&cli, matches);
    while let Some((name, inner)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        (command, matches) = (subcommand, inner);
    }
    let changes_figures = |arg: &&Arg| {
        !arg.is_positional() && arg.get_help_heading() != Some("Reports") && arg.get_id() != "server_pid"
    };
    let setting = |arg: &Arg| {
        let values = matches.try_get_raw(arg.get_id().as_str()).ok()??;
        let shown = |value: &OsStr| {
            let text = value.to_string_lossy();
            match arg.get_id().as_str() {
                "header" => text.split(':').next().unwrap_or_default().to_owned(),
                "hello" => "…".to_owned(),
                _ => text.into_owned(),
            }
        };
        let values: Vec<String> = values.map(shown).collect();
        Some((arg.get_id().as_str().replace('_', "-"), values.join(", ")))
    };
    command.get_arguments().filter(changes_figures).filter_map(setting).collect()
}

fn serve_until_ended(serve: &Serve) -> ExitCode {
    start_logging(serve.verbose);
    match run(serve) {
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

fn run(serve: &Serve) -> Result<Exit, Box<dyn Error>> {
    let (max_connections, max_refused) = divide_descriptors(serve.max_connections())?;
    let site = match &serve.static_dir {
        None => Site::embedded(),
        Some(folder) => Site::in_folder(folder)
            .map_err(|error| format!("cannot serve the page from {}: {error}", folder.display()))?,
    };
    let rng = StdRng::try_from_rng(&mut SysRng)?;
    let hub = Hub::new(serve.chat(jiff::tz::TimeZone::system()), rng);
    let server = Server::new(serve.server(), site, hub, jiff::Timestamp::now);
    let event_loop = EventLoop::bind(server, &serve.listen, serve.net(max_connections, max_refused))?;
    for address in event_loop.addresses()? {
        log::info!("listening on http://{address}, for at most {max_connections} connections");
    }
    Ok(event_loop.run()?)
}

/// Raises the file limit as far as it goes, and says how many connections it allows: those that are served, and
/// those that are told that there is no place.
fn divide_descriptors(wanted: usize) -> Result<(usize, usize), Box<dyn Error>> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // The loop itself needs about ten.
    let reserved = (12 + limit / 8).min(64);
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
    Ok((max_connections, reserved / 4))
}

fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    env_logger::Builder::new().filter_module("throng", level).format_target(false).init();
}
