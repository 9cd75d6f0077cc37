//! All settings of the server.
//!
//! This is one list, and so one file. Each is read in [`super::Settings::load`]. The help says what 0 means where it is not that a limit is off.

use super::bounds::{
    LARGEST_HEAD, LARGEST_MESSAGE, MIB, TIB, any_text, chat_format, count, log_format, on_or_off,
    page_directory, pause, policy, positive, size, size_from_one, size_or_most, slow, time, timeout,
    verbosity,
};
use super::listen::endpoint;
use super::setting::{Describe, Form, Setting};
use crate::net::{Endpoint, Slow};
use crate::server::{AllowedHost, AllowedOrigin};
use crate::ws::deflate::INFLATER_SIZE;
use crate::{chat, logging};
use std::path::PathBuf;
use std::time::Duration;

const MOST: u64 = 1_000_000_000;

/// The settings as the help lists them, each group under its heading.
pub(super) const GROUPS: &[(&str, &[&dyn Describe])] = &[
    (
        "Server",
        &[
            &LISTEN,
            &HOST,
            &ALLOW_ORIGIN,
            &STATIC_DIR,
            &CSP,
            &ECHO,
            &ECHO_SUFFIX,
            &FORMATS,
            &DEFLATE,
            &DEFLATE_CONTEXTS,
            &SHUTDOWN_TIMEOUT,
            &LOG_FORMAT,
        ],
    ),
    (
        "Connections",
        &[
            &MAX_CONNECTIONS,
            &MAX_PER_ADDRESS,
            &MAX_HANDSHAKES,
            &MAX_MEMORY,
            &PING_AFTER,
            &PONG_TIMEOUT,
            &CLOSE_TIMEOUT,
        ],
    ),
    (
        "HTTP",
        &[
            &MAX_REQUEST_LINE,
            &MAX_HEAD,
            &MAX_HEADERS,
            &HEAD_TIMEOUT,
            &KEEP_ALIVE_TIMEOUT,
            &KEEP_ALIVE_REQUESTS,
        ],
    ),
    (
        "Messages",
        &[
            &MAX_MESSAGE,
            &MAX_ECHO_MESSAGE,
            &MESSAGE_TIMEOUT,
            &RATE,
            &BURST,
            &BYTE_RATE,
            &BYTE_BURST,
            &FAN_OUT_RATE,
            &ROOM_RATE,
        ],
    ),
    (
        "Slow readers",
        &[
            &SLOW,
            &MAX_QUEUE,
            &HIGH_WATER,
            &HIGH_WATER_TIMEOUT,
            &STALL_TIMEOUT,
            &PAUSE_ABOVE,
            &RESUME_BELOW,
            &COALESCE,
        ],
    ),
    (
        "Chat",
        &[
            &MAX_TEXT,
            &MAX_ROOM_NAME,
            &MAX_NAME,
            &MAX_ROOMS,
            &MAX_ROOMS_JOINED,
            &PRESENCE_LIMIT,
            &HISTORY,
            &HISTORY_BYTES,
            &HISTORY_TOTAL,
            &HISTORY_AGE,
        ],
    ),
];

pub(super) const LISTEN: Setting<Endpoint> = Setting {
    name: "listen",
    value: "ADDR",
    default: "127.0.0.1:8080",
    form: Form::List,
    parse: endpoint,
    help: "Listen on this address and port, as in localhost:8080 or *:8080 (all addresses); may be repeated",
};

pub(super) const HOST: Setting<AllowedHost> = Setting {
    name: "host",
    value: "NAME",
    default: "",
    form: Form::List,
    parse: |text| text.parse(),
    help: "Serve only requests for this host, such as chat.example.com, and refuse others; may be repeated \
           [default: any host]",
};

pub(super) const ALLOW_ORIGIN: Setting<AllowedOrigin> = Setting {
    name: "allow-origin",
    value: "ORIGIN",
    default: "",
    form: Form::List,
    parse: |text| text.parse(),
    help: "Accept pages of this origin besides the server's own: https://example.com, https://*.example.com (subdomains \
           only), null, or * for all; may be repeated",
};

pub(super) const LOG_FORMAT: Setting<logging::Format> = Setting {
    name: "log-format",
    value: "text|json",
    default: "text",
    form: Form::One,
    parse: log_format,
    help: "How to write the log; json writes one object per line",
};

pub(super) const STATIC_DIR: Setting<PathBuf> = Setting {
    name: "static-dir",
    value: "DIR",
    default: "",
    form: Form::One,
    parse: page_directory,
    help: "Serve the files of this directory, such as your own page, instead of the page that is built in",
};

pub(super) const CSP: Setting<String> = Setting {
    name: "csp",
    value: "POLICY",
    default: "",
    form: Form::Text,
    parse: policy,
    help: "Content-Security-Policy to send with the files of --static-dir; '' sends none",
};

pub(super) const ECHO: Setting<bool> = Setting {
    name: "echo",
    value: "on|off",
    default: "on",
    form: Form::One,
    parse: on_or_off,
    help: "Serve /echo, which sends each message back; off: requests for it get status 404",
};

pub(super) const FORMATS: Setting<chat::Format> = Setting {
    name: "formats",
    value: "FORMAT",
    default: "json,lines,html,raw",
    form: Form::List,
    parse: chat_format,
    help: "Serve chat in these formats only; may be repeated",
};

pub(super) const ECHO_SUFFIX: Setting<String> = Setting {
    name: "echo-suffix",
    value: "TEXT",
    default: "",
    form: Form::Text,
    parse: any_text,
    help: "Append this to each text that is echoed",
};

pub(super) const DEFLATE: Setting<bool> = Setting {
    name: "deflate",
    value: "on|off",
    default: "on",
    form: Form::One,
    parse: on_or_off,
    help: "Compress messages for clients that support permessage-deflate",
};

pub(super) const DEFLATE_CONTEXTS: Setting<usize> = Setting {
    name: "deflate-contexts",
    value: "BYTES",
    default: "0",
    form: Form::One,
    parse: size::<INFLATER_SIZE, TIB>,
    help: "Memory for clients that keep a compression context between messages, 48KiB each; 0: none may",
};

pub(super) const SHUTDOWN_TIMEOUT: Setting<Duration> = Setting {
    name: "shutdown-timeout",
    value: "TIME",
    default: "5s",
    form: Form::One,
    parse: time,
    help: "How long connections may take to close after SIGTERM, SIGINT or SIGHUP; 0: cut them off at once",
};

/// The flag itself is `-v`, which has no value; the variable has one.
pub(super) const VERBOSE: Setting<u8> = Setting {
    name: "verbose",
    value: "N",
    default: "0",
    form: Form::One,
    parse: verbosity,
    help: "Log connections; -vv logs messages too [env: THRONG_VERBOSE=1 or 2]",
};

pub(super) const MAX_CONNECTIONS: Setting<usize> = Setting {
    name: "max-connections",
    value: "N",
    default: "0",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Most connections at a time; 0: as many as the file limit allows",
};

pub(super) const MAX_PER_ADDRESS: Setting<usize> = Setting {
    name: "max-per-address",
    value: "N",
    default: "0",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Most connections from one IPv4 address or one IPv6 /64 network; loopback is not limited; 0: no limit",
};

pub(super) const MAX_HANDSHAKES: Setting<usize> = Setting {
    name: "max-handshakes",
    value: "N",
    default: "1000",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Most connections with an incomplete request; beyond it newcomers wait, at most a second; 0: no limit",
};

pub(super) const MAX_MEMORY: Setting<usize> = Setting {
    name: "max-memory",
    value: "SIZE",
    default: "0",
    form: Form::One,
    parse: size::<MIB, TIB>,
    help: "Most memory for what is kept for all clients, besides the history; beyond it those that hold the most are \
           closed with 1013; 0: a quarter of the machine's",
};

pub(super) const PING_AFTER: Setting<Duration> = Setting {
    name: "ping-after",
    value: "TIME",
    default: "25s",
    form: Form::One,
    parse: timeout,
    help: "Ping a client that has sent nothing for this long; 0: never",
};

pub(super) const PONG_TIMEOUT: Setting<Duration> = Setting {
    name: "pong-timeout",
    value: "TIME",
    default: "20s",
    form: Form::One,
    parse: timeout,
    help: "Close a connection that has not answered a ping after this long; 0: never",
};

pub(super) const CLOSE_TIMEOUT: Setting<Duration> = Setting {
    name: "close-timeout",
    value: "TIME",
    default: "5s",
    form: Form::One,
    parse: timeout,
    help: "How long to wait for the client to finish the closing handshake; 0: no limit",
};

pub(super) const MAX_REQUEST_LINE: Setting<usize> = Setting {
    name: "max-request-line",
    value: "BYTES",
    default: "8KiB",
    form: Form::One,
    parse: size::<20, { LARGEST_HEAD / 2 }>,
    help: "Longest request line; 0: no limit of its own",
};

pub(super) const MAX_HEAD: Setting<usize> = Setting {
    name: "max-head",
    value: "BYTES",
    default: "16KiB",
    form: Form::One,
    parse: size_or_most::<200, LARGEST_HEAD>,
    help: "Largest request head; 0: 1MiB, the greatest value",
};

pub(super) const MAX_HEADERS: Setting<usize> = Setting {
    name: "max-headers",
    value: "N",
    default: "100",
    form: Form::One,
    parse: count::<_, 5, MOST>,
    help: "Most header fields of a request; 0: no limit",
};

pub(super) const HEAD_TIMEOUT: Setting<Duration> = Setting {
    name: "head-timeout",
    value: "TIME",
    default: "10s",
    form: Form::One,
    parse: timeout,
    help: "How long a request head may take to arrive; 0: no limit",
};

pub(super) const KEEP_ALIVE_TIMEOUT: Setting<Duration> = Setting {
    name: "keep-alive-timeout",
    value: "TIME",
    default: "2s",
    form: Form::One,
    parse: timeout,
    help: "Close an idle HTTP connection after this long; 0: never",
};

pub(super) const KEEP_ALIVE_REQUESTS: Setting<u32> = Setting {
    name: "keep-alive-requests",
    value: "N",
    default: "100",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Most requests on one HTTP connection; 0: no limit",
};

pub(super) const MAX_MESSAGE: Setting<usize> = Setting {
    name: "max-message",
    value: "BYTES",
    default: "64KiB",
    form: Form::One,
    parse: size_or_most::<1, LARGEST_MESSAGE>,
    help: "Largest chat message, as it is sent; 0: 256MiB, the greatest value",
};

pub(super) const MAX_ECHO_MESSAGE: Setting<usize> = Setting {
    name: "max-echo-message",
    value: "BYTES",
    default: "64KiB",
    form: Form::One,
    parse: size_or_most::<1, LARGEST_MESSAGE>,
    help: "Largest message that is echoed or relayed in format raw; 0: 256MiB, the greatest value; follows --max-message if \
           only that is given",
};

pub(super) const MESSAGE_TIMEOUT: Setting<Duration> = Setting {
    name: "message-timeout",
    value: "TIME",
    default: "60s",
    form: Form::One,
    parse: timeout,
    help: "How long a message may take to arrive, from its first byte to its last; 0: no limit",
};

pub(super) const RATE: Setting<u32> = Setting {
    name: "rate",
    value: "N",
    default: "50",
    form: Form::One,
    parse: count::<_, 1, 1_000_000>,
    help: "Messages per second that a chat client may send; 0: no limit",
};

pub(super) const BURST: Setting<u32> = Setting {
    name: "burst",
    value: "N",
    default: "100",
    form: Form::One,
    parse: positive::<_, 1_000_000>,
    help: "Messages that a chat client may send at once after a pause; at least 1",
};

pub(super) const BYTE_RATE: Setting<usize> = Setting {
    name: "byte-rate",
    value: "BYTES",
    default: "128KiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Bytes of messages per second that a chat client may send; 0: no limit",
};

pub(super) const BYTE_BURST: Setting<usize> = Setting {
    name: "byte-burst",
    value: "BYTES",
    default: "256KiB",
    form: Form::One,
    parse: size_from_one,
    help: "Bytes of messages that a chat client may send at once after a pause; at least 1",
};

pub(super) const FAN_OUT_RATE: Setting<usize> = Setting {
    name: "fan-out-rate",
    value: "BYTES",
    default: "128MiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Bytes per second that the server sends because of one client, counted for each receiver, and echoes to one; 0: no limit",
};

pub(super) const ROOM_RATE: Setting<usize> = Setting {
    name: "room-rate",
    value: "BYTES",
    default: "1MiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Bytes of messages per second that may be said in one room, an eighth of them at once; 0: no limit",
};

pub(super) const SLOW: Setting<Slow> = Setting {
    name: "slow",
    value: "close|drop",
    default: "close",
    form: Form::One,
    parse: slow,
    help: "What to do with a client that reads too slowly: close it with code 1013, or drop messages of rooms until it \
           has caught up",
};

pub(super) const MAX_QUEUE: Setting<usize> = Setting {
    name: "max-queue",
    value: "BYTES",
    default: "1MiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Most bytes queued for one client by other clients; 0: no limit",
};

pub(super) const HIGH_WATER: Setting<usize> = Setting {
    name: "high-water",
    value: "BYTES",
    default: "256KiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Bytes queued for one client by other clients that it may exceed only for a while; 0: off",
};

pub(super) const HIGH_WATER_TIMEOUT: Setting<Duration> = Setting {
    name: "high-water-timeout",
    value: "TIME",
    default: "10s",
    form: Form::One,
    parse: timeout,
    help: "How long a queue may stay above --high-water; 0: no limit",
};

pub(super) const STALL_TIMEOUT: Setting<Duration> = Setting {
    name: "stall-timeout",
    value: "TIME",
    default: "20s",
    form: Form::One,
    parse: timeout,
    help: "Close a client with code 1013 if it reads none of its queue for this long; 0: never",
};

pub(super) const PAUSE_ABOVE: Setting<usize> = Setting {
    name: "pause-above",
    value: "BYTES",
    default: "256KiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Stop reading from a client that leaves more than this many bytes of replies unread; 0: never",
};

pub(super) const RESUME_BELOW: Setting<usize> = Setting {
    name: "resume-below",
    value: "BYTES",
    default: "64KiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Resume reading from such a client when it has this many bytes left to read; 0: none",
};

pub(super) const COALESCE: Setting<Duration> = Setting {
    name: "coalesce",
    value: "TIME",
    default: "5ms",
    form: Form::One,
    parse: pause,
    help: "How long a busy room collects messages to send them in one write, 1s at most; 0: not at all",
};

pub(super) const MAX_TEXT: Setting<usize> = Setting {
    name: "max-text",
    value: "BYTES",
    default: "16KiB",
    form: Form::One,
    parse: size::<1, { LARGEST_MESSAGE / 2 }>,
    help: "Longest text in a chat message; 0: no limit of its own",
};

pub(super) const MAX_ROOM_NAME: Setting<usize> = Setting {
    name: "max-room-name",
    value: "BYTES",
    default: "64",
    form: Form::One,
    parse: size::<5, MIB>,
    help: "Longest name of a room; 0: no limit",
};

pub(super) const MAX_NAME: Setting<usize> = Setting {
    name: "max-name",
    value: "CHARACTERS",
    default: "32",
    form: Form::One,
    parse: count::<_, 1, { MIB as u64 }>,
    help: "Longest name of a member, in characters as people count them, 8 bytes each on average; 0: no limit",
};

pub(super) const MAX_ROOMS: Setting<usize> = Setting {
    name: "max-rooms",
    value: "N",
    default: "100000",
    form: Form::One,
    parse: count::<_, 1, 100_000_000>,
    help: "Most rooms, counting empty ones that still have a history; 0: no limit",
};

pub(super) const MAX_ROOMS_JOINED: Setting<usize> = Setting {
    name: "max-rooms-joined",
    value: "N",
    default: "32",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Most rooms that one client can be in; 0: no limit",
};

pub(super) const PRESENCE_LIMIT: Setting<usize> = Setting {
    name: "presence-limit",
    value: "N",
    default: "100",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Largest room that announces who joins and leaves and lists its members; larger rooms report only their \
           number; 0: all rooms do",
};

pub(super) const HISTORY: Setting<usize> = Setting {
    name: "history",
    value: "N",
    default: "100",
    form: Form::One,
    parse: count::<_, 1, MOST>,
    help: "Messages that each room keeps for newcomers; 0: none",
};

pub(super) const HISTORY_BYTES: Setting<usize> = Setting {
    name: "history-bytes",
    value: "BYTES",
    default: "256KiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Bytes of messages that each room keeps, counted as they are sent; 0: none",
};

pub(super) const HISTORY_TOTAL: Setting<usize> = Setting {
    name: "history-total",
    value: "BYTES",
    default: "256MiB",
    form: Form::One,
    parse: size::<1, TIB>,
    help: "Bytes of messages that all rooms keep together; beyond it, the room with the most drops its oldest; \
           0: no limit",
};

pub(super) const HISTORY_AGE: Setting<Duration> = Setting {
    name: "history-age",
    value: "TIME",
    default: "168h",
    form: Form::One,
    parse: timeout,
    help: "How long each message is kept; 0: as long as the other limits allow",
};

const _: () = assert!(INFLATER_SIZE == 48 << 10, "the help says so");
