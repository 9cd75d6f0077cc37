//! The settings of the server, checked each and together.

use super::bounds::KIB;
use super::cli::Flags;
use super::environment::Environment;
use super::fault::Fault;
use super::flags::{self as all, GROUPS, VERBOSE};
use super::setting::variable;
use super::values::{Value, Values};
use crate::net::{self, Endpoint};
use crate::ws::head;
use crate::{chat, logging, server};
use jiff::tz::TimeZone;
use std::path::PathBuf;

/// Left for the header fields if a longer request line makes the limit on heads follow.
const ROOM_FOR_FIELDS: usize = 8 * KIB;
/// Left for what is written around a text if a longer text makes the limit on messages follow.
const ROOM_AROUND_TEXT: usize = KIB;

/// All that the server is started with. It was checked: the server runs with any value of this type.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses to listen on.
    pub listen: Vec<Endpoint>,
    /// What to log: 0 for what matters to the operator, 1 for connections too, 2 for messages too.
    pub verbosity: u8,
    /// How the lines of the log look.
    pub log_format: logging::Format,
    /// The page, unless it is the one that is built in.
    pub static_dir: Option<PathBuf>,
    /// Content-Security-Policy of the files in that directory, unless it is the default one.
    pub csp: Option<String>,
    /// Limits of the loop. Of connections it has what was asked for, with 0 for as many as the file limit allows.
    pub net: net::Limits,
    /// Limits of chat.
    pub chat: chat::Settings,
    /// Everything else.
    pub server: server::Settings,
    /// What the operator may want to know: settings that follow others, or that have no effect.
    pub notes: Vec<String>,
    /// Variables that look like settings and are none.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the settings from flags and environment.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Settings, Vec<Fault>> {
        let mut values = Values::new(flags, environment);
        let listen = values.list(&all::LISTEN);
        let verbosity = values.find(&VERBOSE).map_or(0, |verbosity| verbosity.value);
        let log_format = values.take(&all::LOG_FORMAT);
        let static_dir = values.find(&all::STATIC_DIR).map(|directory| directory.value);
        let csp = values.find(&all::CSP);
        if static_dir.is_none()
            && let Some(csp) = &csp
        {
            values.refuse(csp, "it is for the files of --static-dir, which is not given");
        }
        let mut max_message = values.read(&all::MAX_MESSAGE);
        let mut max_text = values.read(&all::MAX_TEXT);
        values.order(&mut max_text, &mut max_message, ROOM_AROUND_TEXT);
        let mut server = server_settings(&mut values, &max_message);
        let net = net_limits(&mut values, server.deflate);
        let chat = chat_settings(&mut values, max_message.value, max_text.value);
        server.echo_rate = chat.fan_out_rate;
        let Values { faults, notes, .. } = values;
        if !faults.is_empty() {
            return Err(faults);
        }
        let names =
            GROUPS.iter().flat_map(|(_, settings)| settings.iter().map(|setting| setting.about().name));
        let variables: Vec<String> = names.chain([VERBOSE.name]).map(variable).collect();
        Ok(Settings {
            listen,
            verbosity: if flags.verbose() > 0 { flags.verbose() } else { verbosity },
            log_format,
            static_dir,
            csp: csp.map(|csp| csp.value),
            net,
            chat,
            server,
            notes,
            warnings: environment.unknown(&variables),
        })
    }
}

fn server_settings(values: &mut Values<'_>, max_message: &Value<usize>) -> server::Settings {
    let echo = values.read(&all::ECHO);
    let echo_suffix = values.find(&all::ECHO_SUFFIX);
    let formats = values.list(&all::FORMATS);
    let mut max_echo_message = values.read(&all::MAX_ECHO_MESSAGE);
    max_echo_message.follow(max_message);
    if !echo.value {
        if let Some(suffix) = &echo_suffix {
            values.note_unused(suffix, &echo);
        }
        if !formats.contains(&chat::Format::Raw) {
            values.note_unused(&max_echo_message, &echo);
        }
    }
    let deflate = values.read(&all::DEFLATE);
    let deflate_contexts = values.read(&all::DEFLATE_CONTEXTS);
    if !deflate.value {
        values.note_unused(&deflate_contexts, &deflate);
    }
    server::Settings {
        hosts: values.list(&all::HOST),
        allowed_origins: values.list(&all::ALLOW_ORIGIN),
        echo: echo.value,
        echo_suffix: echo_suffix.map_or_else(String::new, |suffix| suffix.value),
        formats,
        deflate: deflate.value,
        deflate_contexts: deflate_contexts.value,
        max_message: max_message.value,
        max_echo_message: max_echo_message.value,
        echo_rate: 0,
    }
}

fn net_limits(values: &mut Values<'_>, deflate: bool) -> net::Limits {
    let mut request_line = values.read(&all::MAX_REQUEST_LINE);
    let mut head = values.read(&all::MAX_HEAD);
    values.order(&mut request_line, &mut head, ROOM_FOR_FIELDS);
    let mut high_water = values.read(&all::HIGH_WATER);
    let mut max_queue = values.read(&all::MAX_QUEUE);
    values.order(&mut high_water, &mut max_queue, 0);
    let high_water_timeout = values.read(&all::HIGH_WATER_TIMEOUT);
    if high_water.value == 0 {
        values.note_unused(&high_water_timeout, &high_water);
    }
    let mut resume_below = values.read(&all::RESUME_BELOW);
    let mut pause_above = values.read(&all::PAUSE_ABOVE);
    values.order(&mut resume_below, &mut pause_above, 0);
    if pause_above.value == 0 {
        values.note_unused(&resume_below, &pause_above);
    }
    let ping_after = values.read(&all::PING_AFTER);
    let pong_timeout = values.read(&all::PONG_TIMEOUT);
    if ping_after.value.is_zero() {
        values.note_unused(&pong_timeout, &ping_after);
    }
    net::Limits {
        head: head::Limits {
            request_line: request_line.value,
            head: head.value,
            fields: values.take(&all::MAX_HEADERS),
        },
        head_timeout: values.take(&all::HEAD_TIMEOUT),
        max_unfinished: values.take(&all::MAX_HANDSHAKES),
        keep_alive_timeout: values.take(&all::KEEP_ALIVE_TIMEOUT),
        keep_alive_requests: values.take(&all::KEEP_ALIVE_REQUESTS),
        message_timeout: values.take(&all::MESSAGE_TIMEOUT),
        ping_after: ping_after.value,
        pong_timeout: pong_timeout.value,
        close_timeout: values.take(&all::CLOSE_TIMEOUT),
        deflate,
        slow: values.take(&all::SLOW),
        max_queue: max_queue.value,
        high_water: high_water.value,
        high_water_timeout: high_water_timeout.value,
        stall_timeout: values.take(&all::STALL_TIMEOUT),
        pause_above: pause_above.value,
        resume_below: resume_below.value,
        max_connections: values.take(&all::MAX_CONNECTIONS),
        max_memory: values.take(&all::MAX_MEMORY),
        max_per_address: values.take(&all::MAX_PER_ADDRESS),
        coalesce: values.take(&all::COALESCE),
        shutdown_timeout: values.take(&all::SHUTDOWN_TIMEOUT),
        ..net::Limits::default()
    }
}

fn chat_settings(values: &mut Values<'_>, max_message: usize, max_text: usize) -> chat::Settings {
    let history = values.read(&all::HISTORY);
    let mut history_bytes = values.read(&all::HISTORY_BYTES);
    let mut history_total = values.read(&all::HISTORY_TOTAL);
    let history_age = values.read(&all::HISTORY_AGE);
    values.order(&mut history_bytes, &mut history_total, 0);
    if history.value == 0 {
        values.note_unused(&history_bytes, &history);
        values.note_unused(&history_total, &history);
        values.note_unused(&history_age, &history);
    }
    let rate = values.read(&all::RATE);
    let burst = values.read(&all::BURST);
    let byte_rate = values.read(&all::BYTE_RATE);
    let byte_burst = values.read(&all::BYTE_BURST);
    let fan_out_rate = values.read(&all::FAN_OUT_RATE);
    let room_rate = values.read(&all::ROOM_RATE);
    if rate.value == 0 {
        values.note_unused(&burst, &rate);
    }
    if byte_rate.value == 0 {
        values.note_unused(&byte_burst, &byte_rate);
    }
    // Without a limit on messages there is none on their bytes, unless it is given.
    let bytes = |limit: Value<usize>| limit.unless_off_by_default(rate.value == 0);
    chat::Settings {
        server: concat!("throng/", env!("CARGO_PKG_VERSION")).to_owned(),
        time_zone: TimeZone::system(),
        max_message,
        max_text,
        max_room: values.take(&all::MAX_ROOM_NAME),
        max_name: values.take(&all::MAX_NAME),
        max_rooms: values.take(&all::MAX_ROOMS),
        max_rooms_joined: values.take(&all::MAX_ROOMS_JOINED),
        presence_limit: values.take(&all::PRESENCE_LIMIT),
        history_messages: history.value,
        history_bytes: history_bytes.value,
        history_total: history_total.value,
        history_age: history_age.value,
        rate: rate.value,
        burst: burst.value,
        byte_rate: bytes(byte_rate),
        byte_burst: byte_burst.value,
        fan_out_rate: bytes(fan_out_rate),
        room_rate: bytes(room_rate),
    }
}
