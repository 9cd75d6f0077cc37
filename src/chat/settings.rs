//! The limits of chat, and their defaults.

use std::time::Duration;

use jiff::tz::TimeZone;

/// What the person who runs the server decides. A limit of 0 is no limit, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the server calls itself to `json` clients, as in `throng/0.1.0`.
    pub server: String,
    /// The zone of the times in `lines` and `html`.
    pub time_zone: TimeZone,
    /// Bytes of a WebSocket message. Only told to `json` clients: the caller enforces it.
    pub max_message: usize,
    /// Bytes of what is said in one message (not in `raw`).
    pub max_text: usize,
    /// Bytes of a room's name.
    pub max_room: usize,
    /// Characters of a member's name, as people count them: a letter with its marks is one, and so is an emoji. Each may
    /// have 8 bytes on average.
    pub max_name: usize,
    /// Rooms in all, counting the empty ones whose history is kept.
    pub max_rooms: usize,
    /// Rooms one `json` client may be in.
    pub max_rooms_joined: usize,
    /// Members up to which a room announces each join and leave and lists its members; a larger room only counts them.
    /// 0: every room only counts.
    pub presence_limit: usize,
    /// Messages a room remembers. 0: none.
    pub history_messages: usize,
    /// Bytes a room remembers, where each message counts as it is sent in the format in which it is longest. 0: none.
    pub history_bytes: usize,
    /// Bytes all rooms together remember. Beyond it, the room that remembers most forgets its oldest message.
    pub history_total: usize,
    /// Time a message is remembered. Zero: as long as the other limits allow.
    pub history_age: Duration,
    /// Messages a second from one client, over time.
    pub rate: u32,
    /// Messages at once from a client that was quiet. 0 is the same as 1.
    pub burst: u32,
    /// Bytes of messages a second from one client, over time. A message counts as it was sent, or as one member receives
    /// it if that is more.
    pub byte_rate: usize,
    /// Bytes of messages at once from a client that was quiet.
    pub byte_burst: usize,
    /// Bytes a second to all who receive what one client makes the server send, over time, and at once.
    pub fan_out_rate: usize,
    /// Bytes of messages a second in one room, as one member receives them, over time. An eighth of it at once.
    pub room_rate: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            server: concat!("throng/", env!("CARGO_PKG_VERSION")).to_owned(),
            time_zone: TimeZone::UTC,
            max_message: 64 * 1024,
            max_text: 16 * 1024,
            max_room: 64,
            max_name: 32,
            max_rooms: 100_000,
            max_rooms_joined: 32,
            presence_limit: 100,
            history_messages: 100,
            history_bytes: 256 * 1024,
            history_total: 256 * 1024 * 1024,
            history_age: Duration::from_secs(7 * 24 * 60 * 60),
            rate: 50,
            burst: 100,
            byte_rate: 128 * 1024,
            byte_burst: 256 * 1024,
            fan_out_rate: 128 * 1024 * 1024,
            room_rate: 1024 * 1024,
        }
    }
}

/// Whether `value` is beyond `limit`, where a limit of 0 is none.
pub(super) fn exceeds(value: usize, limit: usize) -> bool {
    limit != 0 && value > limit
}
