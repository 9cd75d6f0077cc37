//! What a `json` client says: the reading of its requests.
//!
//! Text is borrowed from the message unless it holds an escape. Fields are taken whatever their type and judged when
//! they are needed, so that a field nobody needs does no harm, and an error can still echo the request's `id`. That goes
//! for strings with half of a surrogate pair too, which JSON allows and Unicode does not: only a message in which the
//! usual reading fails is read again with an eye on them.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Resume,
    refusal::{Problem, Refusal, quoted},
};

/// Bytes of a request's `id`.
pub(super) const MAX_ID: usize = 64;

pub(super) struct Request<'a> {
    pub id: Option<Cow<'a, str>>,
    /// What is asked, or why that cannot be told.
    pub action: Result<Action<'a>, Refusal>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Action<'a> {
    Say { room: Option<Cow<'a, str>>, text: Cow<'a, str> },
    Join { room: Cow<'a, str>, position: Option<Position<'a>> },
    Leave { room: Option<Cow<'a, str>> },
    Nick { name: Cow<'a, str> },
    Who { room: Option<Cow<'a, str>> },
    Ping,
}

#[derive(Debug, PartialEq)]
pub(super) struct Position<'a> {
    since: u64,
    epoch: Cow<'a, str>,
}

impl Position<'_> {
    pub fn resume(&self) -> Resume<'_> {
        Resume { since: self.since, epoch: &self.epoch }
    }
}

impl<'a> Request<'a> {
    pub fn parse(text: &'a str) -> Request<'a> {
        let mut fields = match Fields::parse(text) {
            Ok(fields) => fields,
            // What serde says of the data would quote the peer at any length.
            Err(error) if error.is_data() || serde_json::from_str::<&RawValue>(text).is_ok() => {
                return Request { id: None, action: Err(Refusal::BadRequest(Problem::NotAnObject)) };
            }
            Err(error) => return Request { id: None, action: Err(Refusal::BadJson(error.to_string())) },
        };
        match fields.take_id() {
            Ok(id) => Request { id, action: fields.into_action() },
            Err(refusal) => Request { id: None, action: Err(refusal) },
        }
    }
}

/// The text of an object `{"message": TEXT}`, whatever else it holds; `None` if that is not what this is.
///
/// # Errors
/// [`Problem::HalfPair`].
pub(super) fn message_of(text: &str) -> Result<Option<Cow<'_, str>>, Refusal> {
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    match Fields::parse(text).map(|fields| fields.message) {
        Ok(Field::Text(message)) => Ok(Some(message)),
        Ok(Field::HalfPair) => Err(Refusal::BadRequest(Problem::HalfPair("message"))),
        _ => Ok(None),
    }
}

/// One value of a request.
#[derive(Default)]
enum Field<'a> {
    /// Missing, or null.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    /// A string that cannot be [`Text`](Field::Text).
    HalfPair,
    Whole(u64),
    Other,
}

#[derive(Default)]
struct Fields<'a> {
    kind: Field<'a>,
    id: Field<'a>,
    room: Field<'a>,
    text: Field<'a>,
    message: Field<'a>,
    name: Field<'a>,
    since: Field<'a>,
    epoch: Field<'a>,
}

impl<'a> Fields<'a> {
    fn parse(text: &'a str) -> Result<Fields<'a>, serde_json::Error> {
        Fields::read::<Field<'a>>(text).or_else(|error| match error.is_syntax() {
            true => Fields::read::<&'a RawValue>(text),
            false => Err(error),
        })
    }

    fn read<V: Deserialize<'a> + Into<Field<'a>>>(text: &'a str) -> Result<Fields<'a>, serde_json::Error> {
        let mut input = serde_json::Deserializer::from_str(text);
        let fields = input.deserialize_any(FieldsVisitor::<V>(PhantomData))?;
        input.end().map(|()| fields)
    }

    fn take_id(&mut self) -> Result<Option<Cow<'a, str>>, Refusal> {
        let id = std::mem::take(&mut self.id).optional_text("id")?;
        match id {
            Some(id) if id.len() > MAX_ID => {
                Err(Refusal::BadRequest(Problem::LongId { bytes: id.len(), limit: MAX_ID }))
            }
            id => Ok(id),
        }
    }

    fn into_action(self) -> Result<Action<'a>, Refusal> {
        let kind = match self.kind.optional_text("type")? {
            Some(kind) => kind,
            None if matches!(self.message, Field::Absent) => {
                return Err(Refusal::BadRequest(Problem::Missing("type")));
            }
            None => {
                return Ok(Action::Say {
                    room: self.room.optional_text("room")?,
                    text: self.message.text("message")?,
                });
            }
        };
        Ok(match &*kind {
            "say" => Action::Say { room: self.room.optional_text("room")?, text: self.text.text("text")? },
            "join" => Action::Join {
                room: self.room.text("room")?,
                position: match (self.since.optional_whole("since")?, self.epoch.optional_text("epoch")?) {
                    (Some(since), Some(epoch)) => Some(Position { since, epoch }),
                    (None, None) => None,
                    _ => return Err(Refusal::BadRequest(Problem::HalfPosition)),
                },
            },
            "leave" => Action::Leave { room: self.room.optional_text("room")? },
            "nick" => Action::Nick { name: self.name.text("name")? },
            "who" => Action::Who { room: self.room.optional_text("room")? },
            "ping" => Action::Ping,
            _ => return Err(Refusal::UnknownType(quoted(&kind))),
        })
    }
}

impl<'a> Field<'a> {
    fn optional_text(self, name: &'static str) -> Result<Option<Cow<'a, str>>, Refusal> {
        match self {
            Field::Absent => Ok(None),
            Field::Text(text) => Ok(Some(text)),
            Field::HalfPair => Err(Refusal::BadRequest(Problem::HalfPair(name))),
            Field::Whole(_) | Field::Other => Err(Refusal::BadRequest(Problem::NotAString(name))),
        }
    }

    fn text(self, name: &'static str) -> Result<Cow<'a, str>, Refusal> {
        self.optional_text(name)?.ok_or(Refusal::BadRequest(Problem::Missing(name)))
    }

    fn optional_whole(self, name: &'static str) -> Result<Option<u64>, Refusal> {
        match self {
            Field::Absent => Ok(None),
            Field::Whole(number) => Ok(Some(number)),
            _ => Err(Refusal::BadRequest(Problem::NotWhole(name))),
        }
    }
}

impl<'a> From<&'a RawValue> for Field<'a> {
    /// Reads a value that is known to be JSON.
    fn from(value: &'a RawValue) -> Field<'a> {
        let unreadable = if value.get().starts_with('"') { Field::HalfPair } else { Field::Other };
        serde_json::from_str(value.get()).unwrap_or(unreadable)
    }
}

/// Reads the fields of an object, and nothing but an object, where derived code would also take an array of them. Each
/// value is first taken as a `V`.
struct FieldsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de> + Into<Field<'de>>> Visitor<'de> for FieldsVisitor<V> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        let mut seen = [false; 8];
        while let Some(Key(key)) = map.next_key()? {
            let (index, name, field) = match &*key {
                b"type" => (0, "type", &mut fields.kind),
                b"id" => (1, "id", &mut fields.id),
                b"room" => (2, "room", &mut fields.room),
                b"text" => (3, "text", &mut fields.text),
                b"message" => (4, "message", &mut fields.message),
                b"name" => (5, "name", &mut fields.name),
                b"since" => (6, "since", &mut fields.since),
                b"epoch" => (7, "epoch", &mut fields.epoch),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if std::mem::replace(&mut seen[index], true) {
                return Err(A::Error::duplicate_field(name));
            }
            *field = map.next_value::<V>()?.into();
        }
        Ok(fields)
    }
}

/// The name of a field, in bytes since it may hold anything. Borrows where it can, which `Cow` alone does not.
struct Key<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_bytes<E>(self, key: &'de [u8]) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field<'de>, E> {
        Ok(Field::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}
