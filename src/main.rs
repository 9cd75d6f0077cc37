//! The `throng` command.

use clap::Parser;
use log::LevelFilter;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use std::error::Error;
use std::process::ExitCode;
use throng::chat::Hub;
use throng::config::{Cli, Serve};
use throng::http::Site;
use throng::net::{EventLoop, Exit};
use throng::server::Server;

/// Descriptors kept for other things than connections: the loop's own, and those to refuse with.
const RESERVED_DESCRIPTORS: usize = 64;

fn main() -> ExitCode {
    let serve = Cli::parse().into_serve();
    start_logging(serve.verbose);
    match run(&serve) {
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
    let max_connections = max_connections(serve.max_connections())?;
    let site = match &serve.static_dir {
        None => Site::embedded(),
        Some(folder) => Site::in_folder(folder)
            .map_err(|error| format!("cannot serve the page from {}: {error}", folder.display()))?,
    };
    let rng = StdRng::try_from_rng(&mut SysRng)?;
    let hub = Hub::new(serve.chat(jiff::tz::TimeZone::system()), rng);
    let server = Server::new(serve.server(), site, hub, jiff::Timestamp::now);
    let event_loop = EventLoop::bind(server, &serve.listen, serve.net(max_connections))?;
    for address in event_loop.addresses()? {
        log::info!("listening on http://{address}, for at most {max_connections} connections");
    }
    Ok(event_loop.run()?)
}

/// Raises the file limit as far as it goes, and says how many connections it allows.
fn max_connections(wanted: usize) -> Result<usize, Box<dyn Error>> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // Where there are few descriptors at all, most are still for connections.
    let possible = limit - RESERVED_DESCRIPTORS.min(limit / 4);
    match wanted {
        0 => Ok(possible),
        wanted if wanted <= possible => Ok(wanted),
        wanted => Err(format!(
            "--max-connections {wanted} is more than the {possible} that the file limit of {limit} allows; raise it (ulimit -n)"
        )
        .into()),
    }
}

fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    env_logger::Builder::new().filter_module("throng", level).format_target(false).init();
}
