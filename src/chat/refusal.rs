//! Why a request was not carried out. A refused request has changed nothing, and the connection goes on.
//!
//! | code | the client should |
//! |---|---|
//! | `bad_json` | send text that is JSON |
//! | `bad_request` | correct a field that is missing, of the wrong type, given twice or too long |
//! | `unknown_type` | send a type this server knows |
//! | `not_in_room` | join the room first |
//! | `room_required` | name the room, being in several |
//! | `bad_room`, `bad_name` | choose another room or name; the message says which rule it breaks |
//! | `name_taken` | choose another name |
//! | `text_empty`, `text_too_long` | say something, or less |
//! | `too_many_rooms` | leave a room first |
//! | `rooms_full` | try again later |
//! | `rate_limited` | wait; the message was not looked at |

use std::fmt;

use super::name::Fault;

/// Characters of what a client sent that are quoted back to it.
const QUOTED: usize = 40;

/// Displayed, it is a sentence that names the limit and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    BadJson(String),
    BadRequest(String),
    UnknownType(String),
    NotInRoom(String),
    InNoRoom,
    RoomRequired { rooms: usize },
    BadRoom(Fault),
    BadName(Fault),
    NameTaken(String),
    TextEmpty,
    TextTooLong { bytes: usize, limit: usize },
    TooManyRooms { limit: usize },
    RoomsFull { limit: usize },
    RateLimited { per_second: u32, burst: u32 },
}

impl Refusal {
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::BadJson(_) => "bad_json",
            Refusal::BadRequest(_) => "bad_request",
            Refusal::UnknownType(_) => "unknown_type",
            Refusal::NotInRoom(_) | Refusal::InNoRoom => "not_in_room",
            Refusal::RoomRequired { .. } => "room_required",
            Refusal::BadRoom(_) => "bad_room",
            Refusal::BadName(_) => "bad_name",
            Refusal::NameTaken(_) => "name_taken",
            Refusal::TextEmpty => "text_empty",
            Refusal::TextTooLong { .. } => "text_too_long",
            Refusal::TooManyRooms { .. } => "too_many_rooms",
            Refusal::RoomsFull { .. } => "rooms_full",
            Refusal::RateLimited { .. } => "rate_limited",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::BadJson(problem) => write!(f, "This is not JSON: {problem}."),
            Refusal::BadRequest(problem) => write!(f, "{problem}."),
            Refusal::UnknownType(kind) => write!(f, "There is no type '{kind}'."),
            Refusal::NotInRoom(room) => write!(f, "You are not in the room '{room}'."),
            Refusal::InNoRoom => f.write_str("You are in no room; join one first."),
            Refusal::RoomRequired { rooms } => write!(f, "You are in {rooms} rooms; say which with `room`."),
            Refusal::BadRoom(fault) => write!(f, "A room's name {fault}."),
            Refusal::BadName(fault) => write!(f, "A name {fault}."),
            Refusal::NameTaken(name) => write!(f, "The name '{name}' is taken."),
            Refusal::TextEmpty => f.write_str("The text is empty."),
            Refusal::TextTooLong { bytes, limit } => {
                write!(f, "The text has {bytes} bytes; the limit is {limit}. It was not said.")
            }
            Refusal::TooManyRooms { limit } => {
                write!(f, "You are in {limit} rooms, which is the limit; leave one.")
            }
            Refusal::RoomsFull { limit } => {
                write!(f, "There are {limit} rooms, which is the limit, and none is empty; try again later.")
            }
            Refusal::RateLimited { per_second, burst } => write!(
                f,
                "Too fast: the limit is {per_second} messages a second and {burst} at once. This one was not handled."
            ),
        }
    }
}

/// The beginning of what a client sent, to quote it.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
