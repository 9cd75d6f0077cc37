//! The command line of `throng bench`: its flags and the resulting [`Scenario`].

mod help;
mod scenario;
mod shown;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use scenario::{Action, Room, Scenario};
pub(crate) use shown::shown_settings;

use super::preset::PresetKind;
use super::report::expect::Expectation;
use super::sources::Sources;
use super::target::Target;
use super::template::Template;
use crate::values::size;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
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

/// Settings of the messages.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = help::MESSAGES)]
pub(crate) struct MessageOptions {
    /// Make {id} this many bytes long; without --message it is the whole message
    ///
    /// {id} holds a marker of 32 bytes that identifies a message. The marker is padded with dots to this
    /// length.
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = values::message_size)]
    pub size: usize,
    /// Send this text, which must contain {id}
    ///
    /// {id} is the part that identifies a message, {client} and {room} are the numbers of the sender and its
    /// room, {time} is when the message was due in milliseconds, {random:N} is N random letters. Default:
    /// {id} alone, or the message of --preset. If the server is a throng chat, the message of that preset.
    #[arg(long, value_name = "TEMPLATE")]
    pub message: Option<Template>,
    /// Send binary messages instead of text
    #[arg(long)]
    pub binary: bool,
    /// Send this many messages in total, then end (instead of --duration)
    ///
    /// Messages of the warm-up do not count.
    #[arg(short = 'n', long, value_name = "N", value_parser = values::messages, conflicts_with = "duration", help_heading = help::LOAD, display_order = 3)]
    pub messages: Option<u64>,
}

/// Settings of every scenario.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Connect to ws://HOST[:PORT][/PATH] or wss://…
    ///
    /// With several URLs, clients use them in turn. {client} and {room} in the path or query become the
    /// numbers of the client and of its room.
    #[arg(value_name = "URL", required = true, value_parser = values::url)]
    pub urls: Vec<Target>,
    /// Open this many connections
    #[arg(short, long, value_name = "N", default_value = "50", value_parser = values::clients, help_heading = help::LOAD, display_order = 1)]
    pub connections: usize,
    /// Measure for this long
    ///
    /// A bare number is seconds. The warm-up comes before it, the wait for the last deliveries after it.
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = values::period, help_heading = help::LOAD, display_order = 2)]
    pub duration: Duration,
    /// Send for this long before measuring starts
    #[arg(long, visible_alias = "warm-up", value_name = "TIME", default_value = "1s", value_parser = values::wait, help_heading = help::LOAD, display_order = 20)]
    pub warmup: Duration,
    /// Wait at most this long for the last deliveries
    ///
    /// The run ends earlier when every message has arrived.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = values::wait, help_heading = help::LOAD, display_order = 21)]
    pub drain_timeout: Duration,
    /// Divide the connections into this many rooms
    ///
    /// Clients are spread over the rooms in turn. The server learns the room from {room} in the URL,
    /// --header, --on-open or --message.
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::clients, help_heading = help::LOAD, display_order = 22)]
    pub rooms: usize,
    /// Search for the highest load at which these conditions hold
    ///
    /// Runs repeatedly with different rates (connect: numbers of connections). Each step takes --duration.
    /// Write conditions like those of --expect, separated by commas, after an equals sign:
    /// --find-max='p99<10ms,loss=0'. The default is p95<500ms,loss=0; for connect, failed=0,disconnected=0.
    /// Unless you name them, failed, disconnected, duplicated and damaged must also be 0 (connect: only the
    /// first two).
    #[arg(long, value_name = "CONDITIONS", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = values::conditions, help_heading = help::LOAD, display_order = 23)]
    pub find_max: Option<Conditions>,
    /// Use this many threads [default: one less than there are cores]
    #[arg(short, long, value_name = "N", value_parser = values::threads, help_heading = help::LOAD, display_order = 24)]
    pub threads: Option<usize>,
    /// Open this many connections a second [default: as fast as they open]
    ///
    /// Each is opened when it is due, even if others are still opening, so --connect-concurrency does not apply.
    #[arg(long, value_name = "PER_SECOND", value_parser = values::rate, help_heading = help::CONNECTIONS)]
    pub connect_rate: Option<f64>,
    /// Have at most this many connections opening at the same time (not with --connect-rate)
    #[arg(long, value_name = "N", default_value = "20", value_parser = values::clients, help_heading = help::CONNECTIONS)]
    pub connect_concurrency: usize,
    /// Give up on a connection that takes longer to open
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::period, help_heading = help::CONNECTIONS)]
    pub connect_timeout: Duration,
    /// Wait this long after all connections are open before the first message
    ///
    /// By default the first message is sent when nothing has arrived for 300 ms, or after 5 s.
    #[arg(long, value_name = "TIME", value_parser = values::wait, help_heading = help::CONNECTIONS)]
    pub settle: Option<Duration>,
    /// Consider a client joined once it receives a message that contains this text
    ///
    /// Use it for servers where joining takes a while. The first message is sent when all clients have joined.
    #[arg(long, value_name = "TEXT", value_parser = values::text, help_heading = help::CONNECTIONS)]
    pub joined_when: Option<String>,
    /// Connect from these addresses of this machine
    ///
    /// One address has about 28,000 ports for connections to one server. Write addresses and ranges separated
    /// by commas, as in 10.0.0.5,10.0.0.16/28. For servers in 127.0.0.0/8 the load tester chooses the
    /// addresses itself.
    #[arg(long, value_name = "LIST", value_parser = values::sources, help_heading = help::CONNECTIONS)]
    pub source_ip: Option<Sources>,
    /// Number clients from N
    ///
    /// When several machines load one server, give each a different offset, so that {client} and {room}
    /// differ.
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::client_offset, help_heading = help::CONNECTIONS)]
    pub client_offset: usize,
    /// Send a ping on each connection this often
    #[arg(long, value_name = "TIME", value_parser = values::period, help_heading = help::CONNECTIONS)]
    pub ping: Option<Duration>,
    /// Add a header to the handshake; can be repeated
    ///
    /// The value may contain {client}, {room} and {random:N} (N random letters), as in 'Cookie:
    /// session={client}'. A Host header replaces the default one.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = values::header, help_heading = help::HANDSHAKE)]
    pub header: Vec<(String, Template)>,
    /// Send this Origin header
    #[arg(long, value_name = "URL", value_parser = values::origin, help_heading = help::HANDSHAKE)]
    pub origin: Option<String>,
    /// Offer this subprotocol; can be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = values::subprotocol, help_heading = help::HANDSHAKE)]
    pub subprotocol: Vec<String>,
    /// Offer compression (permessage-deflate) as browsers do
    #[arg(long, help_heading = help::HANDSHAKE)]
    pub deflate: bool,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE", help_heading = help::HANDSHAKE)]
    pub cacert: Option<PathBuf>,
    /// Accept any TLS certificate
    #[arg(short = 'k', long, help_heading = help::HANDSHAKE)]
    pub insecure: bool,
    /// Send this as the first message on each connection, for example to join a room
    ///
    /// The text may contain {client}, {room} and {random:N} (N random letters).
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::plain, help_heading = help::MESSAGES)]
    pub on_open: Option<Template>,
    /// Do not count received messages that contain this text as deliveries; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = values::text, help_heading = help::MESSAGES)]
    pub ignore: Vec<String>,
    /// Use the path and the messages that this kind of server expects
    ///
    /// A path in the URL takes precedence. So do --message and --on-open.
    #[arg(long, value_name = "KIND", help_heading = help::SERVER)]
    pub preset: Option<PresetKind>,
    /// Measure CPU and memory of this process, which must be on this machine
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), help_heading = help::SERVER)]
    pub server_pid: Option<u32>,
    /// Return status 0 even if the run is not valid
    ///
    /// A run is not valid if its plan was not carried out, for example because the load tester was too slow.
    /// Its figures do not describe the server, so the status is 4 without this flag.
    #[arg(long, help_heading = help::OUTPUT)]
    pub allow_invalid: bool,
    #[command(flatten)]
    pub reports: Reports,
}

impl Common {
    fn check(&self) -> Result<(), String> {
        if self.rooms > self.connections {
            return Err(format!(
                "{} rooms need at least as many --connections, and there are {}",
                self.rooms, self.connections
            ));
        }
        self.reports.check()
    }
}

/// The conditions of a search.
#[derive(Clone, Debug)]
pub(crate) struct Conditions(pub Vec<Expectation>);

impl Conditions {
    /// Adds the default conditions, except those for a figure that the user named.
    fn with_defaults(self, is_connect: bool) -> Conditions {
        let Conditions(mut all) = self;
        let mut usual: Vec<Expectation> = Vec::new();
        let parse = |text: &&str| text.parse().ok();
        if all.is_empty() && !is_connect {
            usual.extend(["p95<500ms", "loss=0"].iter().filter_map(parse));
        }
        usual.extend(["failed=0", "disconnected=0"].iter().filter_map(parse));
        if !is_connect {
            usual.extend(["duplicated=0", "damaged=0"].iter().filter_map(parse));
        }
        usual.retain(|usual| all.iter().all(|condition| condition.figure_name() != usual.figure_name()));
        all.extend(usual);
        Conditions(all)
    }
}

/// Outputs in addition to the table, and expectations.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = help::OUTPUT)]
pub(crate) struct Reports {
    /// Fail with status 1 unless this holds, as in 'p99<50ms'; can be repeated
    ///
    /// Write a figure, one of <, <=, =, >= and >, and a value, as in 'service-time-p99<5ms', 'loss=0' or
    /// 'loss<0.1%'. A figure that the run did not measure fails too. Use any wrong name to list all figures.
    #[arg(long, value_name = "EXPECTATION")]
    pub expect: Vec<Expectation>,
    /// Write the report as JSON to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a row for each second as CSV to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the histograms as an HdrHistogram log to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// Write the report as an HTML page to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print neither progress nor the table
    #[arg(short, long)]
    pub quiet: bool,
}

impl Reports {
    /// Returns each output file with its flag.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let Reports { json, csv, hdr, html, .. } = self;
        let files = [("--json", json), ("--csv", csv), ("--hdr", hdr), ("--html", html)];
        files.into_iter().filter_map(|(flag, file)| Some((flag, file.as_deref()?)))
    }

    /// Returns true if an output goes to standard output, which nothing else may then use.
    pub fn take_stdout(&self) -> bool {
        self.files().any(|(_, file)| file == Path::new("-"))
    }

    fn check(&self) -> Result<(), String> {
        let files: Vec<_> = self.files().collect();
        for (place, (flag, file)) in files.iter().enumerate() {
            if let Some((other, _)) = files[..place].iter().find(|(_, before)| before == file) {
                return Err(if *file == Path::new("-") {
                    format!("{other} and {flag} cannot both go to standard output")
                } else {
                    format!("{other} and {flag} cannot both write {}", file.display())
                });
            }
        }
        Ok(())
    }
}
