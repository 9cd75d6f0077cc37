//! Chat: who is in which room, what is said there, and how each member hears it.
//!
//! [`Hub`] holds everything. Its caller tells it of connections that [`enter`](Hub::enter), of messages they
//! [send](Hub::receive), of those that [`catch_up`](Hub::catch_up) and of their [`exit`](Hub::exit); it answers through an [`Outbox`]: to one client, or to a
//! [`Channel`], which is all members of a room that hear the same bytes. Nothing here costs more because a room has
//! more members, since who is subscribed to a channel is for the caller to remember.
//!
//! Time and chance are arguments. Sockets, frames and close codes are the caller's; no input of a peer is an error to
//! the caller, it is answered to the peer.
//!
//! | file | owns |
//! |---|---|
//! | `hub/` | the verbs above, and what each format's requests do |
//! | `room`, `history`, `replay`, `kept`, `client`, `taken` | the state: rooms, what they remember, clients, names in use |
//! | `characters`, `name`, `text`, `rate`, `online` | rules: names, texts, rates, notices of large rooms |
//! | `json`, `request`, `lines`, `html`, `size` | how a format is written and read, and how long it gets |
//! | `refusal` | why a request was not carried out: the closed list of error codes |

use std::{fmt, time::Instant};

use jiff::Timestamp;

mod characters;
mod client;
mod history;
mod html;
mod hub;
mod json;
mod kept;
mod lines;
mod message;
mod name;
mod online;
mod rate;
mod refusal;
mod replay;
mod request;
mod room;
mod settings;
mod size;
mod taken;
#[cfg(test)]
mod tests;
mod text;
mod token;

pub use hub::Hub;
pub use rate::Excess;
pub use replay::Run;
pub use settings::Settings;

/// A connection, as its caller names it.
///
/// What arrives under an earlier generation than that of the slot's holder is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientId {
    /// Small, for the hub keeps an array by it.
    pub slot: u32,
    /// Tells the successive holders of a slot apart.
    pub generation: u32,
}

/// How a client speaks and hears, from its coming to its going.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// An object a message, both ways. The only format that can be in several rooms, or in none.
    Json,
    /// A line of text a message.
    Lines,
    /// A fragment of HTML a message, to be appended to a page.
    Html,
    /// A relay among those who asked for it: no names, no presence, no history.
    Raw,
}

impl Format {
    /// Every format there is.
    pub const ALL: [Format; 4] = [Format::Json, Format::Lines, Format::Html, Format::Raw];

    /// The format that [`name`](Format::name) calls so.
    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// How `?format=` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Lines => "lines",
            Format::Html => "html",
            Format::Raw => "raw",
        }
    }
}

/// A room, for as long as it exists. Dense, and used again after the room has ended; by then nobody is subscribed to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoomId(u32);

impl RoomId {
    /// Small, to keep an array of rooms by.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The room with that [index](RoomId::index).
    pub fn at(index: u32) -> RoomId {
        RoomId(index)
    }
}

/// All members of one room that hear the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Channel {
    /// Of the members of this room,
    pub room: RoomId,
    /// those of this format.
    pub format: Format,
}

/// The content of one WebSocket message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message; only `raw` knows them.
    Binary(&'a [u8]),
}

impl Payload<'_> {
    /// The bytes of the message.
    pub fn len(&self) -> usize {
        match self {
            Payload::Text(text) => text.len(),
            Payload::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the message is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why chat wants a connection ended. Displayed, it is the reason to give in the close frame (under 123 bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dismissal {
    /// The member said `quit`: 1000.
    Logout,
    /// A binary message where the format knows text only: 1003.
    BinaryUnsupported,
    /// Faster than a limit for too long: 1008; or in `raw` in a room that is over its limit: 1013.
    RateLimited {
        /// The limit.
        excess: Excess,
        /// Its value.
        per_second: u64,
    },
    /// There are as many rooms as there may be, and none of them is empty: 1013.
    RoomsFull,
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dismissal::Logout => f.write_str("Logout"),
            Dismissal::BinaryUnsupported => f.write_str("This chat format takes text messages only"),
            Dismissal::RateLimited { excess, per_second } => {
                write!(f, "Too many {excess}: the limit is {per_second} a second")
            }
            Dismissal::RoomsFull => f.write_str("All rooms are in use; try again later"),
        }
    }
}

/// Where the hub's output goes. Calls come in the order in which members are to see their effects, so a client hears
/// exactly what is sent to it, and what is published to a channel between its `subscribe` and its `unsubscribe`.
pub trait Outbox {
    /// `to` hears the payload.
    fn send(&mut self, to: ClientId, payload: Payload<'_>);

    /// `to` receives one text message: `before`, the texts of the runs with commas between them, and `after`.
    fn send_around(&mut self, to: ClientId, before: &str, runs: &mut [Run], after: &str);

    /// `to` receives each message of the run as a text message of its own.
    fn send_each(&mut self, to: ClientId, run: &mut Run);

    /// Whoever is subscribed to the channel now hears the payload. There is somebody. `since` is the offset of the
    /// newest message in the room before it.
    ///
    /// A client that reads too slowly may be left out. It then hears nothing of the channel until
    /// [`catch_up`](Hub::catch_up) is called with the `since` of the first payload that it did not hear.
    fn publish(&mut self, to: Channel, since: u64, payload: Payload<'_>);

    /// From now on `client` hears what is published to the channel. It was not subscribed to it before.
    fn subscribe(&mut self, client: ClientId, to: Channel);

    /// From now on `client` no longer hears the channel. It was subscribed to it before.
    fn unsubscribe(&mut self, client: ClientId, from: Channel);

    /// `client` is to be disconnected, after it has been sent what was sent to it. The hub has already forgotten it;
    /// its `exit` may be called or not.
    fn dismiss(&mut self, client: ClientId, why: Dismissal);

    /// A message was refused because of this limit. For the caller to count: the sender has had an error.
    fn note_rate_limited(&mut self, excess: Excess);
}

/// The time of an event.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For intervals; never earlier than in the call before.
    pub instant: Instant,
    /// For people to read.
    pub time: Timestamp,
}

/// What a connection asks for when it opens.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The first room. [`Hub::check_room`] tells whether it may be called so.
    pub room: &'a str,
    /// How it will speak and hear.
    pub format: Format,
    /// The name it would like; another is given, and the reason told, if that cannot be.
    pub name: Option<&'a str>,
    /// `html` only: the first message is the member's uid alone.
    pub greet_with_uid: bool,
    /// `json` only: what it has already heard in the room.
    pub resume: Option<Resume<'a>>,
}

/// A position in a room's history, as a client knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume<'a> {
    /// The offset of the last message it has heard.
    pub since: u64,
    /// The incarnation of the history in which that was.
    pub epoch: &'a str,
}
