//! What a `json` client hears: one object a message, told by its `type`.

use std::{fmt::Display, mem};

use serde::{Serialize, Serializer};

use super::{
    client::Clients,
    message::Message,
    name,
    refusal::Refusal,
    request::MAX_ID,
    settings::Settings,
    size::Size,
    token::{Epoch, Uid},
};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Event<'a> {
    /// The first of all.
    Welcome {
        uid: Uid,
        name: &'a str,
        server: &'a str,
        limits: Limits,
    },
    /// The client is in the room; what it hears of it from now on follows `offset`.
    Joined {
        room: &'a str,
        epoch: Epoch,
        offset: u64,
        /// `history` is exactly what the client had missed.
        recovered: bool,
        online: usize,
        /// All of them, in a room that announces each join and leave.
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<Members<'a>>,
        /// Written by the caller.
        history: [(); 0],
        /// The room holds older messages, for which the frame had no place.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    Message(Message<'a>),
    Join {
        room: &'a str,
        uid: Uid,
        name: &'a str,
        online: usize,
    },
    Leave {
        room: &'a str,
        uid: Uid,
        name: &'a str,
        online: usize,
    },
    /// Instead of the two above in a room that only counts its members.
    Online {
        room: &'a str,
        online: usize,
    },
    Nick {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        uid: Uid,
        name: &'a str,
        was: &'a str,
    },
    /// The client has left the room itself.
    Left {
        room: &'a str,
    },
    Who {
        room: &'a str,
        online: usize,
        members: Members<'a>,
    },
    /// The messages from the one offset to the other were not sent to the client, which read too slowly.
    Gap {
        room: &'a str,
        from: u64,
        to: u64,
    },
    Pong,
    Error {
        code: &'static str,
        #[serde(serialize_with = "sentence")]
        message: &'a Refusal,
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
}

/// The limits a client must know; 0 is no limit, except where the setting says otherwise.
#[derive(Serialize)]
pub(super) struct Limits {
    message: usize,
    text: usize,
    id: usize,
    room: usize,
    name: usize,
    name_bytes: usize,
    rooms: usize,
    rate: u32,
    burst: u32,
    byte_rate: usize,
    byte_burst: usize,
    presence: usize,
    history: usize,
}

impl Limits {
    pub fn of(settings: &Settings) -> Limits {
        Limits {
            message: settings.max_message,
            text: settings.max_text,
            id: MAX_ID,
            room: settings.max_room,
            name: settings.max_name,
            name_bytes: name::max_bytes(settings.max_name),
            rooms: settings.max_rooms_joined,
            rate: settings.rate,
            burst: settings.burst.max(1),
            byte_rate: settings.byte_rate,
            byte_burst: settings.byte_burst.max(1),
            presence: settings.presence_limit,
            history: settings.history_messages,
        }
    }
}

/// Bytes of a `joined` without what is in its history and its list of members, in a room whose name has so many.
pub(super) fn joined_envelope(room: usize) -> usize {
    const LONGEST: usize = concat!(
        r#"{"type":"joined","room":"","epoch":"0123456789ab","offset":18446744073709551615,"recovered":false,"#,
        r#""online":18446744073709551615,"members":[],"history":[],"more":true}"#
    )
    .len();
    LONGEST + room
}

/// Bytes that a member of that name takes in a list of members.
pub(super) fn listed_length(name: &str) -> usize {
    r#"{"uid":"0123456789abcdef","name":""},"#.len() + Size::of(name).json
}

/// Some members of a room.
pub(super) struct Members<'a> {
    pub slots: &'a [u32],
    pub clients: &'a Clients,
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Member<'a> {
            uid: Uid,
            name: &'a str,
        }
        serializer.collect_seq(self.slots.iter().map(|&slot| {
            let client = self.clients.present(slot);
            Member { uid: client.uid, name: &client.name }
        }))
    }
}

impl<'a> Event<'a> {
    pub fn error(refusal: &'a Refusal, id: Option<&'a str>) -> Event<'a> {
        Event::Error {
            code: refusal.code(),
            message: refusal,
            rule: refusal.rule(),
            limit: refusal.limit(),
            id,
        }
    }

    /// Replaces what is in `out` by the event.
    pub fn write(&self, out: &mut String) {
        out.clear();
        append([self], out);
    }
}

/// Appends events with commas between them.
pub(super) fn append<T: Serialize>(events: impl IntoIterator<Item = T>, out: &mut String) {
    // serde_json writes bytes. Checking them once, at the end, is twice as fast as checking piece by piece.
    let mut bytes = mem::take(out).into_bytes();
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, &event)
            .expect("events are JSON, and writing to memory does not fail");
    }
    *out = String::from_utf8(bytes).expect("serde_json writes UTF-8");
}

fn sentence<S: Serializer>(refusal: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(refusal)
}
