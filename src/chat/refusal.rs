//! Why a request was not carried out. A refused request has changed nothing, and the connection goes on.
//!
//! | code | the client should |
//! |---|---|
//! | `bad_json` | send text that is JSON |
//! | `bad_request` | correct a field that is missing, of the wrong type, given twice, too long or not Unicode |
//! | `unknown_type` | send a type this server knows |
//! | `not_in_room` | join the room first |
//! | `room_required` | name the room, being in several |
//! | `bad_room`, `bad_name` | choose another room or name; `rule` names the rule it breaks |
//! | `name_taken` | choose another name |
//! | `text_empty`, `text_too_long` | say something that can be seen, or less |
//! | `bad_text` | leave out control characters |
//! | `too_many_rooms` | leave a room first |
//! | `rooms_full` | try again later |
//! | `rate_limited` | wait, and send it again |

use std::fmt;

use super::{name::Fault, rate::Excess};

/// Characters of what a client sent that are quoted back to it.
const QUOTED: usize = 40;

/// Displayed, it is a sentence that names the limit and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    BadJson(String),
    BadRequest(Problem),
    UnknownType(String),
    NotInRoom(String),
    InNoRoom,
    RoomRequired { rooms: usize },
    BadRoom(Fault),
    BadName(Fault),
    NameTaken(String),
    TextEmpty,
    TextTooLong { bytes: usize, limit: usize },
    TextEscaped { bytes: usize, limit: usize },
    BadText,
    TooManyRooms { limit: usize },
    RoomsFull { limit: usize },
    RateLimited { excess: Excess, per_second: u64, burst: u64 },
}

/// What is wrong with the fields of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Problem {
    NotAnObject,
    Missing(&'static str),
    NotAString(&'static str),
    NotWhole(&'static str),
    HalfPair(&'static str),
    LongId { bytes: usize, limit: usize },
    HalfPosition,
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
            Refusal::TextTooLong { .. } | Refusal::TextEscaped { .. } => "text_too_long",
            Refusal::BadText => "bad_text",
            Refusal::TooManyRooms { .. } => "too_many_rooms",
            Refusal::RoomsFull { .. } => "rooms_full",
            Refusal::RateLimited { .. } => "rate_limited",
        }
    }

    /// Which rule of the code's is broken, if the code has several.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Refusal::BadRequest(problem) => Some(problem.rule()),
            Refusal::BadRoom(fault) | Refusal::BadName(fault) => Some(fault.rule()),
            Refusal::TextTooLong { .. } => Some("bytes"),
            Refusal::TextEscaped { .. } => Some("escaped"),
            Refusal::BadText => Some("control"),
            Refusal::RateLimited { excess, .. } => match excess {
                Excess::Messages => None,
                Excess::Bytes => Some("bytes"),
                Excess::FanOut => Some("receivers"),
                Excess::Room => Some("room"),
            },
            _ => None,
        }
    }

    /// The number that is exceeded.
    pub fn limit(&self) -> Option<u64> {
        let limit = match self {
            Refusal::BadRequest(Problem::LongId { limit, .. }) => *limit,
            Refusal::BadRoom(fault) | Refusal::BadName(fault) => fault.limit()?,
            Refusal::TextTooLong { limit, .. } | Refusal::TextEscaped { limit, .. } => *limit,
            Refusal::TooManyRooms { limit } | Refusal::RoomsFull { limit } => *limit,
            Refusal::RateLimited { per_second, .. } => return Some(*per_second),
            _ => return None,
        };
        u64::try_from(limit).ok()
    }
}

impl Problem {
    fn rule(self) -> &'static str {
        match self {
            Problem::NotAnObject => "object",
            Problem::Missing(_) => "missing",
            Problem::NotAString(_) | Problem::NotWhole(_) => "type",
            Problem::HalfPair(_) => "surrogate",
            Problem::LongId { .. } => "bytes",
            Problem::HalfPosition => "position",
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
            Refusal::TextEscaped { bytes, limit } => {
                write!(
                    f,
                    "The text takes {bytes} bytes when it is escaped; the limit is {limit}. It was not said."
                )
            }
            Refusal::BadText => {
                f.write_str("A text must not contain control characters, except newlines and tabs.")
            }
            Refusal::TooManyRooms { limit } => {
                write!(f, "You are in {limit} rooms, which is the limit; leave one.")
            }
            Refusal::RoomsFull { limit } => {
                write!(f, "There are {limit} rooms, which is the limit, and none is empty; try again later.")
            }
            Refusal::RateLimited { excess, per_second, burst } => write!(
                f,
                "Too fast: the limit is {per_second} {excess} a second and {burst} at once. This one was not handled."
            ),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NotAnObject => f.write_str("A request is one object, which has each field once"),
            Problem::Missing(field) => write!(f, "`{field}` is missing"),
            Problem::NotAString(field) => write!(f, "`{field}` must be a string"),
            Problem::NotWhole(field) => write!(f, "`{field}` must be a whole number from 0"),
            Problem::HalfPair(field) => {
                write!(
                    f,
                    "`{field}` holds half of a surrogate pair, as in \\ud83d alone, which is not a character"
                )
            }
            Problem::LongId { bytes, limit } => write!(f, "`id` has {bytes} bytes; the limit is {limit}"),
            Problem::HalfPosition => f.write_str("`since` and `epoch` go together"),
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
