//! The command line: every setting with its default and its reason, as a flag and as an environment variable.

#[cfg(feature = "bench")]
use crate::bench::Bench;
use crate::chat;
use crate::net;
use crate::server::{self, Origin};
use crate::values::{size, time};
use crate::ws::head;
use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// Serve chat over WebSockets to very many connections, or put load on any WebSocket server
///
/// Without a command it serves. Sizes are written 65536, 64KiB or 1MiB, times 500ms, 10s or 1m.
/// A limit of 0 is none.
#[derive(Debug, Parser)]
#[command(name = "throng", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve chat, echo and the page (the default)
    Serve(Box<Serve>),
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
    /// What is to be done.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Box::new(self.serve)))
    }
}

/// The settings of `throng serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// Address to listen on; may be repeated
    #[arg(long, env = "THRONG_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080", value_delimiter = ',', value_parser = address)]
    pub listen: Vec<SocketAddr>,
    /// Log connections; twice: messages too
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Serve the files of this folder, such as your own page, in place of the bundled page
    #[arg(long, env = "THRONG_STATIC_DIR", value_name = "DIR")]
    pub static_dir: Option<PathBuf>,
    /// Content-Security-Policy sent with the files of --static-dir; '' sends none
    #[arg(long, env = "THRONG_CSP", value_name = "POLICY", value_parser = policy, requires = "static_dir")]
    pub csp: Option<String>,
    /// Allow pages of this origin to connect, besides the server's own; * for all; may be repeated
    #[arg(long, env = "THRONG_ALLOW_ORIGIN", value_name = "URL", value_delimiter = ',', value_parser = origin)]
    pub allow_origin: Vec<Origin>,
    /// Append this to each text that is echoed
    #[arg(
        long,
        env = "THRONG_ECHO_SUFFIX",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub echo_suffix: String,
    /// Compress messages for those who offer to inflate them (permessage-deflate)
    #[arg(long, env = "THRONG_DEFLATE", value_name = "on|off", default_value = "on", action = ArgAction::Set, value_parser = on_or_off)]
    pub deflate: bool,
    /// Memory for the contexts that clients keep from one compressed message to the next, 48 KiB each; 0: none do
    #[arg(long, env = "THRONG_DEFLATE_CONTEXTS", value_name = "BYTES", default_value = "0", value_parser = size)]
    pub deflate_contexts: usize,
    /// Time for all connections to end after SIGINT or SIGTERM; a second signal ends at once
    #[arg(long, env = "THRONG_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "5s", value_parser = time)]
    pub shutdown_timeout: Duration,
    #[command(flatten)]
    connections: ConnectionLimits,
    #[command(flatten)]
    http: HttpLimits,
    #[command(flatten)]
    messages: MessageLimits,
    #[command(flatten)]
    readers: ReaderLimits,
    #[command(flatten)]
    chat: ChatLimits,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of connections")]
struct ConnectionLimits {
    /// Connections in all; 0: what the file limit allows
    #[arg(long, env = "THRONG_MAX_CONNECTIONS", value_name = "N", default_value_t = 0)]
    max_connections: usize,
    /// Connections from one address; loopback does not count
    #[arg(long, env = "THRONG_MAX_PER_ADDRESS", value_name = "N", default_value_t = 0)]
    max_per_address: usize,
    /// Unfinished opening handshakes in all; beyond it the oldest is dropped
    #[arg(long, env = "THRONG_MAX_HANDSHAKES", value_name = "N", default_value_t = 1000)]
    max_handshakes: usize,
    /// Silence of a peer after which it is pinged
    #[arg(long, env = "THRONG_PING_AFTER", value_name = "TIME", default_value = "25s", value_parser = time)]
    ping_after: Duration,
    /// Time for the answer to a ping
    #[arg(long, env = "THRONG_PONG_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = time)]
    pong_timeout: Duration,
    /// Time for the peer's part in closing a connection
    #[arg(long, env = "THRONG_CLOSE_TIMEOUT", value_name = "TIME", default_value = "5s", value_parser = time)]
    close_timeout: Duration,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of HTTP")]
struct HttpLimits {
    /// The first line of a request
    #[arg(long, env = "THRONG_MAX_REQUEST_LINE", value_name = "BYTES", default_value = "8KiB", value_parser = size)]
    max_request_line: usize,
    /// A whole request head
    #[arg(long, env = "THRONG_MAX_HEAD", value_name = "BYTES", default_value = "16KiB", value_parser = size)]
    max_head: usize,
    /// Header fields of a request
    #[arg(long, env = "THRONG_MAX_HEADERS", value_name = "N", default_value_t = 100)]
    max_headers: usize,
    /// Time for a whole request head
    #[arg(long, env = "THRONG_HEAD_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = time)]
    head_timeout: Duration,
    /// Time between the requests of a kept connection
    #[arg(long, env = "THRONG_KEEP_ALIVE_TIMEOUT", value_name = "TIME", default_value = "2s", value_parser = time)]
    keep_alive_timeout: Duration,
    /// Requests on one connection
    #[arg(long, env = "THRONG_KEEP_ALIVE_REQUESTS", value_name = "N", default_value_t = 100)]
    keep_alive_requests: u32,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of messages")]
struct MessageLimits {
    /// A message of chat
    #[arg(long, env = "THRONG_MAX_MESSAGE", value_name = "BYTES", default_value = "64KiB", value_parser = size)]
    max_message: usize,
    /// A message that is echoed, or relayed in format raw
    #[arg(long, env = "THRONG_MAX_ECHO_MESSAGE", value_name = "BYTES", default_value = "16MiB", value_parser = size)]
    max_echo_message: usize,
    /// Time for a message, from its first byte to its last
    #[arg(long, env = "THRONG_MESSAGE_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = time)]
    message_timeout: Duration,
    /// Messages a second from one connection (chat only)
    #[arg(long, env = "THRONG_RATE", value_name = "N", default_value_t = 50)]
    rate: u32,
    /// Messages at once from a connection that was quiet
    #[arg(long, env = "THRONG_BURST", value_name = "N", default_value_t = 100)]
    burst: u32,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of slow readers")]
struct ReaderLimits {
    /// What becomes of a slow reader: it is closed with 1013, or what rooms say is left out until it has caught up
    #[arg(long, env = "THRONG_SLOW", value_name = "close|drop", default_value = "close", value_parser = slow)]
    slow: net::Slow,
    /// Bytes that others may make wait for one connection
    #[arg(long, env = "THRONG_MAX_QUEUE", value_name = "BYTES", default_value = "1MiB", value_parser = size)]
    max_queue: usize,
    /// Bytes that others may make wait for one connection for a while only
    #[arg(long, env = "THRONG_HIGH_WATER", value_name = "BYTES", default_value = "256KiB", value_parser = size)]
    high_water: usize,
    /// That while
    #[arg(long, env = "THRONG_HIGH_WATER_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = time)]
    high_water_timeout: Duration,
    /// Time for a connection with waiting bytes to take one; beyond it the connection is closed with 1013
    #[arg(long, env = "THRONG_STALL_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = time)]
    stall_timeout: Duration,
    /// A peer is not read from while more than this waits of the answers to it
    #[arg(long, env = "THRONG_PAUSE_ABOVE", value_name = "BYTES", default_value = "256KiB", value_parser = size)]
    pause_above: usize,
    /// Reading goes on when no more than this waits
    #[arg(long, env = "THRONG_RESUME_BELOW", value_name = "BYTES", default_value = "64KiB", value_parser = size)]
    resume_below: usize,
    /// A room that was just flushed waits this long for more to send in one write; 0: not at all
    #[arg(long, env = "THRONG_COALESCE", value_name = "TIME", default_value = "5ms", value_parser = time)]
    coalesce: Duration,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits of chat")]
struct ChatLimits {
    /// What is said in one message
    #[arg(long, env = "THRONG_MAX_TEXT", value_name = "BYTES", default_value = "16KiB", value_parser = size)]
    max_text: usize,
    /// The name of a room
    #[arg(long, env = "THRONG_MAX_ROOM_NAME", value_name = "BYTES", default_value = "64", value_parser = size)]
    max_room_name: usize,
    /// The name of a member, in characters as people count them; each may have 8 bytes on average
    #[arg(long, env = "THRONG_MAX_NAME", value_name = "CHARACTERS", default_value_t = 32)]
    max_name: usize,
    /// Rooms in all, the empty ones with a history too
    #[arg(long, env = "THRONG_MAX_ROOMS", value_name = "N", default_value_t = 100_000)]
    max_rooms: usize,
    /// Rooms that one connection is in
    #[arg(long, env = "THRONG_MAX_ROOMS_JOINED", value_name = "N", default_value_t = 32)]
    max_rooms_joined: usize,
    /// Largest room that announces joins and leaves; larger rooms only report a count; 0: every room only does that
    #[arg(long, env = "THRONG_PRESENCE_LIMIT", value_name = "N", default_value_t = 100)]
    presence_limit: usize,
    /// Messages that a room remembers; 0: none
    #[arg(long, env = "THRONG_HISTORY", value_name = "N", default_value_t = 100)]
    history: usize,
    /// Bytes that a room remembers, each message as it is sent; 0: none
    #[arg(long, env = "THRONG_HISTORY_BYTES", value_name = "BYTES", default_value = "256KiB", value_parser = size)]
    history_bytes: usize,
    /// Bytes that all rooms remember; beyond it, the room that remembers most forgets first
    #[arg(long, env = "THRONG_HISTORY_TOTAL", value_name = "BYTES", default_value = "256MiB", value_parser = size)]
    history_total: usize,
    /// Time a message is remembered; 0: as long as the other limits allow
    #[arg(long, env = "THRONG_HISTORY_AGE", value_name = "TIME", default_value = "168h", value_parser = time)]
    history_age: Duration,
}

impl Serve {
    /// The limit that was asked for; 0 if none was.
    pub fn max_connections(&self) -> usize {
        self.connections.max_connections
    }

    /// The limits of the loop; the two given are what the flag and the file limit come to.
    pub fn net(&self, max_connections: usize, max_refused: usize) -> net::Limits {
        net::Limits {
            head: head::Limits {
                request_line: self.http.max_request_line,
                head: self.http.max_head,
                fields: self.http.max_headers,
            },
            head_timeout: self.http.head_timeout,
            max_unfinished: self.connections.max_handshakes,
            keep_alive_timeout: self.http.keep_alive_timeout,
            keep_alive_requests: self.http.keep_alive_requests,
            message_timeout: self.messages.message_timeout,
            ping_after: self.connections.ping_after,
            pong_timeout: self.connections.pong_timeout,
            close_timeout: self.connections.close_timeout,
            deflate: self.deflate,
            slow: self.readers.slow,
            max_queue: self.readers.max_queue,
            high_water: self.readers.high_water,
            high_water_timeout: self.readers.high_water_timeout,
            stall_timeout: self.readers.stall_timeout,
            pause_above: self.readers.pause_above,
            resume_below: self.readers.resume_below,
            max_connections,
            max_refused,
            max_per_address: self.connections.max_per_address,
            coalesce: self.readers.coalesce,
            shutdown_timeout: self.shutdown_timeout,
        }
    }

    /// The limits of chat.
    pub fn chat(&self, time_zone: jiff::tz::TimeZone) -> chat::Settings {
        chat::Settings {
            server: concat!("throng/", env!("CARGO_PKG_VERSION")).to_owned(),
            time_zone,
            max_message: self.messages.max_message,
            max_text: self.chat.max_text,
            max_room: self.chat.max_room_name,
            max_name: self.chat.max_name,
            max_rooms: self.chat.max_rooms,
            max_rooms_joined: self.chat.max_rooms_joined,
            presence_limit: self.chat.presence_limit,
            history_messages: self.chat.history,
            history_bytes: self.chat.history_bytes,
            history_total: self.chat.history_total,
            history_age: self.chat.history_age,
            rate: self.messages.rate,
            burst: self.messages.burst,
        }
    }

    /// What the server does beside.
    pub fn server(&self) -> server::Settings {
        server::Settings {
            allowed_origins: self.allow_origin.clone(),
            echo_suffix: self.echo_suffix.clone(),
            deflate: self.deflate,
            deflate_contexts: self.deflate_contexts,
            max_message: self.messages.max_message,
            max_echo_message: self.messages.max_echo_message,
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let addresses =
        text.to_socket_addrs().map_err(|error| format!("{error}; write HOST:PORT, as in 0.0.0.0:8080"));
    addresses?.next().ok_or_else(|| "the host has no address".to_owned())
}

fn origin(text: &str) -> Result<Origin, String> {
    if text == "*" {
        return Ok(Origin::Any);
    }
    let is_origin = text.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '?', '#', '@', ' '])
    });
    match is_origin {
        true => Ok(Origin::Is(text.to_ascii_lowercase())),
        false => Err("write scheme://host or scheme://host:port, as in https://chat.example.com".to_owned()),
    }
}

fn policy(text: &str) -> Result<String, String> {
    let is_wrong = |character: &char| !matches!(character, ' '..='~');
    match text.chars().find(is_wrong) {
        None => Ok(text.trim().to_owned()),
        Some(wrong) => Err(format!("a header cannot contain {wrong:?}; write printable ASCII in one line")),
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

fn slow(text: &str) -> Result<net::Slow, String> {
    match text {
        "close" => Ok(net::Slow::Close),
        "drop" => Ok(net::Slow::Drop),
        _ => Err("write close or drop".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn serve(arguments: &[&str]) -> Serve {
        match Cli::parse_from(arguments).into_command() {
            Command::Serve(serve) => *serve,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound_and_serving_is_the_default() {
        Cli::command().debug_assert();
        let bare = serve(&["throng", "--listen", "[::1]:0", "-vv"]);
        let named = serve(&["throng", "serve", "--listen", "[::1]:0", "-vv"]);
        assert_eq!((bare.listen, bare.verbose), (named.listen, named.verbose));
    }

    #[test]
    fn the_defaults_shown_are_those_of_the_library() {
        let serve = serve(&["throng"]);
        assert_eq!(format!("{:?}", serve.net(0, 16)), format!("{:?}", net::Limits::default()));
        let chat = serve.chat(jiff::tz::TimeZone::UTC);
        assert_eq!(format!("{chat:?}"), format!("{:?}", chat::Settings::default()));
    }

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        let given = serve(&["throng", "--max-queue", "1.5MiB", "--head-timeout", "5"]);
        assert_eq!((given.readers.max_queue, given.http.head_timeout), (3 << 19, Duration::from_secs(5)));
        let refused = Cli::try_parse_from(["throng", "--max-queue", "64KB"]).unwrap_err().to_string();
        assert!(refused.contains("write 64KiB (65,536) or 64000"), "{refused}");
    }

    #[test]
    fn origins_are_read_as_people_write_them() {
        assert_eq!(origin("*"), Ok(Origin::Any));
        assert_eq!(origin("https://Chat.Example"), Ok(Origin::Is("https://chat.example".into())));
        for wrong in ["chat.example", "https://", "https://chat.example/"] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }
}
