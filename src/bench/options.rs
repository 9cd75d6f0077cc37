//! The command line of `throng bench`.

use super::dialect::Kind;
use super::report::expect::Expectation;
use super::sources::Sources;
use super::target::Target;
use super::template::Template;
use crate::config::{size, time};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// The settings of `throng bench`.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    /// What is to be done
    #[command(subcommand)]
    pub order: Order,
}

/// What is to be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Order {
    /// Load a server.
    #[command(flatten)]
    Play(Box<Scenario>),
    /// Show how runs differ, from their reports in JSON
    Compare(Compare),
}

/// The settings of `throng bench compare`.
#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// Reports that --json wrote; the others are compared with the first
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    pub files: Vec<PathBuf>,
    /// Write a page there, with the curves over one another
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What the clients do.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// Open connections and hold them
    Connect(Connect),
    /// Send messages that the server sends back, and check each
    Echo(Echo),
    /// Have some members of a room speak, and check that every member hears everything, once and in order
    Broadcast(Broadcast),
    /// The same with further members that do not read: what they do to those that do
    Slow(Slow),
    /// The same with further members of whom one after the other goes and comes back
    Churn(Churn),
    /// The same where all members lose their connection at once and come back: until when everybody is served again
    Storm(Storm),
}

/// The settings of `throng bench connect`.
#[derive(Clone, Debug, Args)]
pub struct Connect {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
}

/// The settings of `throng bench echo`.
#[derive(Clone, Debug, Args)]
pub struct Echo {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub wording: Wording,
    /// Messages that a client may have on the way
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: u32,
    /// Messages a second of all clients together, sent when they are due; without it each is sent when the one
    /// before has come back
    #[arg(long, value_name = "PER SECOND", value_parser = rate)]
    pub rate: Option<f64>,
}

/// The settings of `throng bench broadcast`.
#[derive(Clone, Debug, Args)]
pub struct Broadcast {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
}

/// The settings of `throng bench slow`.
#[derive(Clone, Debug, Args)]
pub struct Slow {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
    /// Members beside the --connections that stop reading when the first message is due
    #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one)]
    pub stalled: usize,
    /// Bytes a second that each of them reads nevertheless
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size)]
    pub read_rate: usize,
}

/// The settings of `throng bench churn`.
#[derive(Clone, Debug, Args)]
pub struct Churn {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
    /// Members beside the --connections that come and go
    #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one)]
    pub restless: usize,
    /// Of these, so many go and come back a second
    #[arg(long, value_name = "PER SECOND", default_value = "50", value_parser = rate)]
    pub churn: f64,
}

/// The settings of `throng bench storm`.
#[derive(Clone, Debug, Args)]
pub struct Storm {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: Common,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub talk: Talk,
    /// Members come back within this time, each when chance says; 0: all at once
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time)]
    pub jitter: Duration,
}

/// Who says how much to a room.
#[derive(Clone, Debug, Args)]
pub struct Talk {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub wording: Wording,
    /// Members that speak, in each room
    #[arg(long, value_name = "N", default_value = "10", value_parser = at_least_one)]
    pub senders: usize,
    /// Messages a second, of all senders together
    #[arg(long, value_name = "PER SECOND", default_value = "100", value_parser = rate)]
    pub rate: f64,
}

/// What is said.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct Wording {
    /// Bytes of a message's text, that is, of what {id} stands for; a marker of 32 bytes and dots
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = size)]
    pub size: usize,
    /// Text with places: {id} by which it is known when it comes, {time}, {client}, {room}, {random:N}. Without it {id}
    /// alone, what --for says, or what a chat of throng wants if the server says that it is one
    #[arg(long, value_name = "TEMPLATE")]
    pub message: Option<Template>,
    /// Send binary messages
    #[arg(long)]
    pub binary: bool,
}

/// What all scenarios have.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The server: ws://HOST:PORT/PATH or wss://…; of several the clients take one after the other. {client} and {room}
    /// in the path become numbers
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<Target>,
    /// Connections
    #[arg(short, long, value_name = "N", default_value = "1000", value_parser = at_least_one)]
    pub connections: usize,
    /// Connections begun a second; without it as fast as they open
    #[arg(long, value_name = "PER SECOND", value_parser = rate, help_heading = "Connections")]
    pub ramp: Option<f64>,
    /// Connections that are being opened at a time
    #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one, help_heading = "Connections")]
    pub at_once: usize,
    /// For a connection to open
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time, help_heading = "Connections")]
    pub timeout: Duration,
    /// What is measured takes so long
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub duration: Duration,
    /// What goes before is not measured
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub warm_up: Duration,
    /// Silence after which no more is waited for
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time)]
    pub patience: Duration,
    /// Threads of clients; without it one less than there are cores, at least one
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
    /// Addresses to connect from, with up to 28,000 connections each to a server: a list, or ranges as in 10.0.0.16/28.
    /// On loopback 127/8 is used by itself
    #[arg(long, value_name = "LIST", help_heading = "Connections")]
    pub source_ip: Option<Sources>,
    /// A field of the request, as in 'Authorization: Bearer x'; may be repeated
    #[arg(long, value_name = "FIELD", value_parser = field, help_heading = "Connections")]
    pub header: Vec<(String, String)>,
    /// Rooms that clients take in turn, by {room} in the URL, --hello or --message
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    pub rooms: usize,
    /// The kind of server: its path if the URL has none, what it wants to be told and --message
    #[arg(id = "for", long, value_name = "KIND")]
    pub kind: Option<Kind>,
    /// What each client says when its connection is open, with the places of --message but {id}
    #[arg(long, value_name = "TEMPLATE", value_parser = hello, help_heading = "Connections")]
    pub hello: Option<Template>,
    /// The field Origin
    #[arg(long, value_name = "URL", help_heading = "Connections")]
    pub origin: Option<String>,
    /// A subprotocol to offer; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Connections")]
    pub subprotocol: Vec<String>,
    /// Offer permessage-deflate, and compress if the server takes it
    #[arg(long, help_heading = "Connections")]
    pub deflate: bool,
    /// Trust the authorities in this file, in PEM, and not those of the system
    #[arg(long, value_name = "FILE", help_heading = "Connections")]
    pub cacert: Option<PathBuf>,
    /// Trust every certificate
    #[arg(long, help_heading = "Connections")]
    pub insecure: bool,
    /// Find the highest rate (with connect: the most connections) at which these expectations hold; without any,
    /// p95<500ms and loss=0 (with connect: failed=0)
    #[arg(long, value_name = "EXPECTATIONS", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = conditions)]
    pub find_max: Option<Conditions>,
    /// The server's process on this machine, whose CPU and memory are told
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reports: Reports,
}

/// What has to hold of a run.
#[derive(Clone, Debug)]
pub struct Conditions(pub Vec<Expectation>);

/// What is told of a run, besides a table on standard output.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reports")]
pub struct Reports {
    /// Write the report there in JSON; - for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a row a second there
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the latencies there as a log of HdrHistogram
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// Write the report there as a page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// End with status 1 unless this holds, as in 'p99<50ms' or 'loss=0'; may be repeated
    #[arg(long, value_name = "EXPECTATION")]
    pub expect: Vec<Expectation>,
    /// Show no progress and no table
    #[arg(short, long)]
    pub quiet: bool,
}

/// Where the search for the highest rate begins if none is given.
const FIRST_RATE: f64 = 1_000.0;

impl Scenario {
    /// Whether what is sent comes back to who sent it alone.
    pub fn is_echo(&self) -> bool {
        matches!(self, Scenario::Echo(_))
    }

    /// As it stands in the report.
    pub fn name(&self) -> &'static str {
        match self {
            Scenario::Connect(_) => "connect",
            Scenario::Echo(_) => "echo",
            Scenario::Broadcast(_) => "broadcast",
            Scenario::Slow(_) => "slow",
            Scenario::Churn(_) => "churn",
            Scenario::Storm(_) => "storm",
        }
    }

    /// What is said, if anything is.
    pub fn wording(&self) -> Option<&Wording> {
        match self {
            Scenario::Echo(echo) => Some(&echo.wording),
            _ => self.talk().map(|talk| &talk.wording),
        }
    }

    /// Of a scenario with a room.
    pub fn talk(&self) -> Option<&Talk> {
        match self {
            Scenario::Connect(_) | Scenario::Echo(_) => None,
            Scenario::Broadcast(Broadcast { talk, .. })
            | Scenario::Slow(Slow { talk, .. })
            | Scenario::Churn(Churn { talk, .. })
            | Scenario::Storm(Storm { talk, .. }) => Some(talk),
        }
    }

    /// The same with another load: connections where these are the load, else messages a second.
    pub fn with_load(&self, load: f64) -> Scenario {
        let mut scenario = self.clone();
        match &mut scenario {
            Scenario::Connect(connect) => connect.common.connections = load as usize,
            Scenario::Echo(echo) => echo.rate = Some(load),
            Scenario::Broadcast(Broadcast { talk, .. })
            | Scenario::Slow(Slow { talk, .. })
            | Scenario::Churn(Churn { talk, .. })
            | Scenario::Storm(Storm { talk, .. }) => talk.rate = load,
        }
        scenario
    }

    /// The load, and its name.
    pub fn load(&self) -> (f64, &'static str) {
        match (self, self.talk()) {
            (Scenario::Echo(echo), _) => (echo.rate.unwrap_or(FIRST_RATE), "rate"),
            (_, Some(talk)) => (talk.rate, "rate"),
            (_, None) => (self.common().connections as f64, "connections"),
        }
    }

    /// Clients in all: those of --connections come first.
    pub fn clients(&self) -> usize {
        let further = match self {
            Scenario::Connect(_) | Scenario::Echo(_) | Scenario::Broadcast(_) | Scenario::Storm(_) => 0,
            Scenario::Slow(slow) => slow.stalled,
            Scenario::Churn(churn) => churn.restless,
        };
        self.common().connections + further
    }

    /// The servers, as they were written.
    pub fn urls(&self) -> String {
        let urls: Vec<&str> = self.common().urls.iter().map(|target| target.url.as_str()).collect();
        urls.join(", ")
    }

    /// What all scenarios have.
    pub fn common(&self) -> &Common {
        match self {
            Scenario::Connect(Connect { common })
            | Scenario::Echo(Echo { common, .. })
            | Scenario::Broadcast(Broadcast { common, .. })
            | Scenario::Slow(Slow { common, .. })
            | Scenario::Churn(Churn { common, .. })
            | Scenario::Storm(Storm { common, .. }) => common,
        }
    }
}

fn conditions(text: &str) -> Result<Conditions, String> {
    let each = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    each.map(str::parse).collect::<Result<_, _>>().map(Conditions)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a number from 1".to_owned())
}

fn hello(text: &str) -> Result<Template, String> {
    let template = Template::new(text);
    match template.has_id() {
        true => Err("what is said first has no {id}, since it is not expected back".to_owned()),
        false => Ok(template),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "write how many a second, as in 100 or 0.5".to_owned())
}

fn field(text: &str) -> Result<(String, String), String> {
    let is_token = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    text.split_once(':')
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .filter(|(name, value)| is_token(name) && !value.contains(['\r', '\n', '\0']))
        .ok_or_else(|| "write NAME: VALUE".to_owned())
}
