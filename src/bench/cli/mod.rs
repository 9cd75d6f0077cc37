//! The command line of `throng bench`: its flags and the resulting [`Scenario`].

mod conditions;
mod help;
mod options;
mod reports;
mod scenario;
mod shown;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use conditions::Conditions;
pub(crate) use options::{Common, MessageOptions};
pub(crate) use reports::Reports;
pub(crate) use scenario::{Action, Room, Scenario};
pub(crate) use shown::shown_settings;

use crate::values::size;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// The settings of `throng bench`.
#[derive(Clone, Debug, Args)]
#[command(after_help = help::BENCH, after_long_help = help::BENCH_LONG)]
pub struct Bench {
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Bench {
    /// Checks settings that depend on each other.
    pub fn check(&self) -> Result<(), String> {
        match &self.command {
            Command::Run(scenario) => scenario.common().check(),
            Command::Compare(_) => Ok(()),
        }
    }
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Put load on a server
    #[command(flatten)]
    Run(Box<ScenarioArgs>),
    /// Compare the reports of several runs
    ///
    /// Reads reports that --json wrote and shows how the runs differ. The others are compared with the first.
    #[command(after_help = help::COMPARE)]
    Compare(Compare),
}

/// The settings of `throng bench compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Compare {
    /// Read these reports, which --json wrote
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    pub files: Vec<PathBuf>,
    /// Write the comparison as an HTML page to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// The scenarios as subcommands.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScenarioArgs {
    /// Open connections and hold them
    ///
    /// Opens the connections, holds them for the duration and closes them. Sends no messages. Shows how long
    /// handshakes take, how many connections fail and how many are lost.
    #[command(
        after_help = help::CONNECT,
        mut_arg("duration", |arg| arg.value_parser(values::duration_or_none).help("Hold the connections for this long")),
        mut_arg("warmup", |arg| arg.help("Hold the connections this long before measuring starts")),
        mut_arg("drain_timeout", |arg| arg.hide(true)),
        mut_arg("ignore", |arg| arg.hide(true)),
    )]
    Connect(ConnectArgs),
    /// Send messages that the server sends back to their sender
    ///
    /// Each client sends messages, and the server returns each to the client that sent it. Every reply is
    /// compared with the message sent. Without --rate, a client sends its next message when a reply has
    /// arrived (closed loop). With --rate, every message is due at a fixed time (open loop), and latency
    /// counts from that time.
    #[command(after_help = help::ECHO)]
    Echo(EchoArgs),
    /// Send messages that the server sends to everyone in a room
    ///
    /// Some members of a room send messages at a fixed rate, and the server delivers each to all members.
    /// Every member is checked: each message must arrive once, in order and unchanged. Latency counts from
    /// when a message was due.
    #[command(after_help = help::BROADCAST)]
    Broadcast(BroadcastArgs),
    /// Broadcast while some members read slowly or not at all
    ///
    /// Some members of a room send messages at a fixed rate, and the server delivers each to all members.
    /// Further members (--stalled-readers) stop reading when the first message is due. The report covers the
    /// members that do read, and so shows whether slow readers delay the others.
    #[command(after_help = help::SLOW_READERS)]
    SlowReaders(SlowReadersArgs),
    /// Broadcast while some members keep leaving and rejoining
    ///
    /// Some members of a room send messages at a fixed rate, and the server delivers each to all members.
    /// Further members (--churners) disconnect and reconnect, one after the other. The report covers the
    /// members that stay, and so shows how much reconnecting members cost them.
    #[command(after_help = help::CHURN)]
    Churn(ChurnArgs),
    /// Drop all connections at once and measure the recovery
    ///
    /// Some members of a room send messages at a fixed rate, and the server delivers each to all members.
    /// When measuring starts, the load tester drops all connections at once, and every member reconnects. The
    /// report shows how long it takes until all members are connected and receive messages again.
    #[command(after_help = help::STORM)]
    Storm(StormArgs),
}

#[derive(Clone, Debug, Args)]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    common: Common,
    /// Send no messages
    #[arg(short = 'n', long = "messages", value_name = "N", hide = true, value_parser = values::no_messages)]
    _messages: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct EchoArgs {
    #[command(flatten)]
    common: Common,
    /// Send this many messages per second, all clients together [default: as fast as replies arrive]
    ///
    /// Every message is due at a fixed time, even if earlier ones were delayed. Latency counts from that time.
    #[arg(short, long, value_name = "PER_SECOND", value_parser = values::rate, help_heading = help::LOAD, display_order = 4)]
    rate: Option<f64>,
    /// Allow each client this many unanswered messages [default: 1; with --rate: no limit]
    #[arg(long, value_name = "N", value_parser = values::depth, help_heading = help::LOAD, display_order = 5)]
    depth: Option<u32>,
    /// Stop waiting for a reply after this long
    ///
    /// After this time the message counts as timed out and its client sends the next one.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::period, help_heading = help::LOAD, display_order = 6)]
    response_timeout: Duration,
    #[command(flatten)]
    message: MessageOptions,
}

#[derive(Clone, Debug, Args)]
pub(super) struct BroadcastArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    room: RoomArgs,
}

#[derive(Clone, Debug, Args)]
pub(super) struct SlowReadersArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    room: RoomArgs,
    /// Add this many members that stop reading
    #[arg(long, value_name = "N", default_value = "100", value_parser = values::clients, help_heading = help::LOAD, display_order = 7)]
    stalled_readers: usize,
    /// Let each stalled reader read this many bytes per second [default: 0, no reading]
    #[arg(long, value_name = "BYTES", default_value = "0", hide_default_value = true, value_parser = size, help_heading = help::LOAD, display_order = 8)]
    read_rate: usize,
    /// Give each stalled reader a kernel receive buffer of this size
    ///
    /// The smaller it is, the sooner the server notices that the client does not read. Linux doubles the
    /// value and has a minimum.
    #[arg(long, value_name = "BYTES", default_value = "4KiB", value_parser = values::receive_buffer, help_heading = help::LOAD, display_order = 9)]
    receive_buffer: usize,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ChurnArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    room: RoomArgs,
    /// Add this many members that keep leaving and rejoining
    #[arg(long, value_name = "N", default_value = "100", value_parser = values::clients, help_heading = help::LOAD, display_order = 7)]
    churners: usize,
    /// Let this many churners per second leave and rejoin
    #[arg(long, value_name = "PER_SECOND", default_value = "50", value_parser = values::rate, help_heading = help::LOAD, display_order = 8)]
    churn_rate: f64,
}

#[derive(Clone, Debug, Args)]
pub(super) struct StormArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    room: RoomArgs,
    /// Spread the reconnects randomly over this time; 0 reconnects all at once
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::wait, help_heading = help::LOAD, display_order = 7)]
    jitter: Duration,
}

#[derive(Clone, Debug, Args)]
pub(super) struct RoomArgs {
    /// Send this many messages per second, all senders together
    ///
    /// Every message is due at a fixed time, even if earlier ones were delayed. Latency counts from that time.
    #[arg(short, long, value_name = "PER_SECOND", default_value = "100", value_parser = values::rate, help_heading = help::LOAD, display_order = 4)]
    rate: f64,
    /// Let this many members of each room send
    #[arg(long, value_name = "N", default_value = "10", value_parser = values::clients, help_heading = help::LOAD, display_order = 5)]
    senders: usize,
    #[command(flatten)]
    message: MessageOptions,
}

impl RoomArgs {
    fn into_parts(self) -> (Room, Option<MessageOptions>) {
        (Room { senders: self.senders, rate: self.rate }, Some(self.message))
    }
}

impl ScenarioArgs {
    fn common(&self) -> &Common {
        match self {
            ScenarioArgs::Connect(args) => &args.common,
            ScenarioArgs::Echo(args) => &args.common,
            ScenarioArgs::Broadcast(args) => &args.common,
            ScenarioArgs::SlowReaders(args) => &args.common,
            ScenarioArgs::Churn(args) => &args.common,
            ScenarioArgs::Storm(args) => &args.common,
        }
    }

    /// Returns the scenario that the flags describe.
    pub fn into_scenario(self) -> Scenario {
        let (action, mut common, message) = match self {
            ScenarioArgs::Connect(ConnectArgs { common, .. }) => (Action::Connect, common, None),
            ScenarioArgs::Echo(EchoArgs { common, message, depth, rate, response_timeout }) => {
                let is_closed_loop = rate.is_none() && common.find_max.is_none();
                let depth = depth.or(is_closed_loop.then_some(1));
                (Action::Echo { depth, rate, response_timeout }, common, Some(message))
            }
            ScenarioArgs::Broadcast(BroadcastArgs { common, room }) => {
                let (room, message) = room.into_parts();
                (Action::Broadcast(room), common, message)
            }
            ScenarioArgs::SlowReaders(args) => {
                let SlowReadersArgs { common, room, stalled_readers: readers, read_rate, receive_buffer } =
                    args;
                let (room, message) = room.into_parts();
                (Action::SlowReaders { room, readers, read_rate, receive_buffer }, common, message)
            }
            ScenarioArgs::Churn(ChurnArgs { common, room, churners, churn_rate }) => {
                let (room, message) = room.into_parts();
                (Action::Churn { room, churners, rate: churn_rate }, common, message)
            }
            ScenarioArgs::Storm(StormArgs { common, room, jitter }) => {
                let (room, message) = room.into_parts();
                (Action::Storm { room, jitter }, common, message)
            }
        };
        let is_connect = matches!(action, Action::Connect);
        common.find_max = common.find_max.map(|conditions| conditions.with_defaults(is_connect));
        Scenario { action, common, message }
    }
}
