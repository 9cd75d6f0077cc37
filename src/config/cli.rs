//! The commands of the program, and the flags that the server is started with.

use super::flags::{GROUPS, VERBOSE};
#[cfg(feature = "bench")]
use crate::bench::Bench;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;

const EXAMPLES: &str = "\
Examples:
  throng
  throng --listen '*:8080' --allow-origin https://www.example.com
  THRONG_MAX_QUEUE=4MiB throng --slow drop

Values:
  Sizes      4096, 64KiB, 1.5MiB
  Times      10 or 10s (seconds), 500ms, 1m30s
  Numbers    50, 10k, 1.5M
  Lists      repeat the flag, or separate the values by commas

A flag wins over its environment variable. A limit of 0 is off, unless its help says otherwise.";

/// A WebSocket chat server, and a load tester for any WebSocket server
///
/// Without a command, throng serves chat, echo and a web page.
#[derive(Debug, Parser)]
#[command(
    name = "throng",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Flags,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve chat, echo and a web page (the default)
    #[command(after_help = EXAMPLES)]
    Serve(Box<Flags>),
    /// Put load on a WebSocket server, this one or any other, and measure it
    #[cfg(feature = "bench")]
    Bench(Box<Bench>),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  throng completions bash > ~/.local/share/bash-completion/completions/throng"
    )]
    Completions {
        /// Complete in this shell
        shell: Shell,
    },
    /// Print the manual page
    ///
    /// Prints the page of the whole program in roff, or that of one subcommand.
    #[command(after_help = "Examples:\n  throng man | man -l -\n  throng man bench echo | man -l -")]
    Man {
        /// Print the page of this subcommand only, as in 'bench echo'
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

impl Cli {
    /// The command, which is to serve if none was given.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Box::new(self.serve)))
    }
}

/// The flags of `throng serve` as they were given, not yet read.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    given: Vec<(&'static str, Vec<OsString>)>,
    verbose: u8,
}

impl Flags {
    /// The values that were given to the flag of a setting.
    pub(super) fn find(&self, name: &str) -> Option<&[OsString]> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, values)| &**values)
    }

    /// How often `-v` was given.
    pub(super) fn verbose(&self) -> u8 {
        self.verbose
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, clap::Error> {
        let mut flags = Flags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.verbose = matches.get_count(VERBOSE.name);
        self.given.clear();
        for (_, settings) in GROUPS {
            for name in settings.iter().map(|setting| setting.about().name) {
                // What clap has read from the environment is read again with all other variables.
                if matches.value_source(name) == Some(ValueSource::CommandLine) {
                    let values = matches.get_many::<OsString>(name).into_iter().flatten();
                    self.given.push((name, values.cloned().collect()));
                }
            }
        }
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(command: clap::Command) -> clap::Command {
        let settings = GROUPS
            .iter()
            .flat_map(|(heading, settings)| settings.iter().map(|setting| setting.about().arg(heading)));
        command.args(settings).arg(
            Arg::new(VERBOSE.name)
                .short('v')
                .long(VERBOSE.name)
                .action(ArgAction::Count)
                .help(VERBOSE.help)
                .help_heading(GROUPS[0].0),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Flags::augment_args(command)
    }
}

/// The error to show for one of the parser's: it names the command or the flag that was probably meant, where the parser
/// has not seen that.
pub fn explain(error: clap::Error) -> clap::Error {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        // Of an unknown command after flags of `serve` the parser says only that it cannot stand there.
        (ErrorKind::ArgumentConflict, Some(ContextValue::String(name)), _) => {
            match Cli::command().try_get_matches_from(["throng", name]) {
                Err(alone) if alone.kind() == ErrorKind::InvalidSubcommand => alone,
                _ => error,
            }
        }
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(flag))) if is_for_listening(flag) => {
            let advice = format!("unexpected argument '{flag}': use --listen, as in --listen 127.0.0.1:8080");
            Cli::command().error(ErrorKind::UnknownArgument, advice)
        }
        _ => error,
    }
}

/// Whether other servers have a flag of this name for the address or the port.
fn is_for_listening(flag: &str) -> bool {
    let names = ["--port", "-p", "--bind", "-b", "--address", "--addr", "-l"];
    names.contains(&flag)
}
