//! The flags that scenarios share.

use super::super::preset::PresetKind;
use super::super::sources::Sources;
use super::super::target::Target;
use super::super::template::Template;
use super::{Conditions, Reports, help, values};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Checks settings that depend on each other.
    pub fn check(&self) -> Result<(), String> {
        if self.rooms > self.connections {
            return Err(format!(
                "{} rooms need at least as many --connections, and there are {}",
                self.rooms, self.connections
            ));
        }
        self.reports.check()
    }
}
