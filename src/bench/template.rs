//! Message templates: text with placeholders.

use super::marker::{Marker, Tag};
use std::str::FromStr;

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The marker, padded to a size.
    Id,
    /// The due time of the message, in milliseconds since the start of the run.
    Time,
    /// The number of the client.
    Client,
    /// The number of the client's room.
    Room,
    /// This many random letters, the same each time the message is written.
    Random(usize),
}

/// Largest number of random letters per placeholder.
const MAX_RANDOM: usize = 1 << 20;

/// The numbers of a client and its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speaker {
    /// Unique among the clients of all threads and, with --client-offset, of all machines.
    pub client: usize,
    /// Unique among all rooms.
    pub room: usize,
}

impl Template {
    /// Parses text with or without `{id}`. Braces around other text are kept as text.
    pub fn new(text: &str) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let place = after.split_once('}').and_then(|(name, after)| Some((part(name)?, after)));
            let (literal, part, after) = match place {
                Some((part, after)) => (before, Some(part), after),
                // A brace of the message itself, as in JSON.
                None => (&rest[..=before.len()], None, after),
            };
            append(&mut parts, literal);
            parts.extend(part);
            rest = after;
        }
        append(&mut parts, rest);
        Template { parts }
    }

    /// Returns true if the messages contain a marker.
    pub fn has_id(&self) -> bool {
        self.parts.contains(&Part::Id)
    }

    /// Returns true if the messages contain the number of their room.
    pub fn names_room(&self) -> bool {
        self.parts.contains(&Part::Room)
    }

    /// Parses text that is not a message. It must not contain `{id}` or `{time}`.
    pub fn plain(text: &str) -> Result<Template, String> {
        let template = Template::new(text);
        if template.parts.iter().any(|part| matches!(part, Part::Id | Part::Time)) {
            return Err(
                "{id} and {time} belong to a --message: here only {client}, {room} and {random:N} are allowed".to_owned()
            );
        }
        Ok(template)
    }

    /// Returns the placeholders, with all text replaced by `…`, since it may contain secrets.
    pub fn masked(&self) -> String {
        let shown = |part: &Part| match part {
            Part::Text(_) => "…".to_owned(),
            Part::Id => "{id}".to_owned(),
            Part::Time => "{time}".to_owned(),
            Part::Client => "{client}".to_owned(),
            Part::Room => "{room}".to_owned(),
            Part::Random(len) => format!("{{random:{len}}}"),
        };
        self.parts.iter().map(shown).collect()
    }

    /// Appends the message of a speaker with this marker, padded to `size` bytes. Returns the offset of the
    /// first marker in the message, or its length if there is none. Messages with the same seed, sender and
    /// number are equal.
    pub fn write(
        &self,
        speaker: Speaker,
        marker: &Marker,
        tag: Tag,
        seed: u64,
        size: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        let begin = out.len();
        let mut id_offset = None;
        let random = seed ^ mix(u64::from(marker.sender) << 32 | u64::from(marker.number));
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Id => {
                    id_offset.get_or_insert(out.len() - begin);
                    marker.write_filled(tag, size, out);
                }
                Part::Time => {
                    out.extend_from_slice((marker.due.as_nanos() / 1_000_000).to_string().as_bytes())
                }
                _ => part.write_plain(speaker, random.wrapping_add(place as u64), out),
            }
        }
        id_offset.unwrap_or(out.len() - begin)
    }

    /// Appends text that is not a message, such as the value of a header field. It is equal for the same
    /// client and seed. `{time}` and `{id}`, which [`Template::plain`] rejects, become 0 and nothing.
    pub fn write_plain(&self, speaker: Speaker, seed: u64, out: &mut Vec<u8>) {
        // Differs from the random letters of messages.
        let random = !seed ^ mix(speaker.client as u64);
        for (place, part) in self.parts.iter().enumerate() {
            part.write_plain(speaker, random.wrapping_add(place as u64), out);
        }
    }
}

impl Part {
    fn write_plain(&self, speaker: Speaker, random: u64, out: &mut Vec<u8>) {
        match self {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Id => {}
            Part::Time => out.push(b'0'),
            Part::Client => out.extend_from_slice(speaker.client.to_string().as_bytes()),
            Part::Room => out.extend_from_slice(speaker.room.to_string().as_bytes()),
            Part::Random(len) => write_random(random, *len, out),
        }
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Template, String> {
        let template = Template::new(text);
        if template.has_id() {
            return Ok(template);
        }
        Err("a message needs {id}, which identifies it when it is received".to_owned())
    }
}

fn part(name: &str) -> Option<Part> {
    match name {
        "id" => Some(Part::Id),
        "time" => Some(Part::Time),
        "client" => Some(Part::Client),
        "room" => Some(Part::Room),
        _ => {
            let len = name.strip_prefix("random:")?.parse().ok()?;
            (len <= MAX_RANDOM).then_some(Part::Random(len))
        }
    }
}

fn append(parts: &mut Vec<Part>, literal: &str) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push_str(literal),
        _ if literal.is_empty() => {}
        _ => parts.push(Part::Text(literal.to_owned())),
    }
}

/// Appends random letters from SplitMix64.
fn write_random(seed: u64, len: usize, out: &mut Vec<u8>) {
    let mut state = mix(seed);
    let end = out.len() + len;
    while out.len() < end {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let letters = mix(state).to_le_bytes().map(|byte| b'a' + byte % 26);
        out.extend_from_slice(&letters[..letters.len().min(end - out.len())]);
    }
}

fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::marker::LENGTH;
    use super::super::time::{Nanos, Time};
    use super::*;

    const SPEAKER: Speaker = Speaker { client: 7, room: 3 };
    const MARKER: Marker =
        Marker { sender: 0, number: 2, due: Time::from_nanos(1_234_567_890), lag: Nanos::ZERO };
    const TAG: Tag = *b"test";
    const SEED: u64 = 5;

    fn written(template: &Template, size: usize) -> String {
        let mut out = Vec::new();
        template.write(SPEAKER, &MARKER, TAG, SEED, size, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn plain(template: &Template, client: usize, seed: u64) -> String {
        let mut out = Vec::new();
        template.write_plain(Speaker { client, room: 3 }, seed, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn id() -> String {
        written(&Template::new("{id}"), 0)
    }

    #[test]
    fn placeholders_are_replaced_and_other_braces_kept() {
        let template: Template =
            r#"{"a":{"b":"{id}"},"c":[{client},{room}],"t":{time},"n":{},"r":"{random:3}"}"#.parse().unwrap();
        let text = written(&template, 0);
        let (before, after) = text.split_once(&id()).unwrap();
        assert_eq!(before, r#"{"a":{"b":""#);
        let (fixed, random) = after.split_at(r#""},"c":[7,3],"t":1234,"n":{},"r":""#.len());
        assert_eq!(fixed, r#""},"c":[7,3],"t":1234,"n":{},"r":""#);
        assert!(
            random.len() == 3 + 2 && random[..3].bytes().all(|byte| byte.is_ascii_lowercase()),
            "{random}"
        );
        assert_eq!(text, written(&template, 0));
    }

    #[test]
    fn the_marker_is_padded_to_the_size() {
        assert_eq!(id().len(), LENGTH);
        assert_eq!(written(&Template::new("{id}"), 64), format!("{:.<64}", id()));
        assert_eq!(written(&Template::new(r#"["{id}"]"#), 40), format!(r#"["{:.<40}"]"#, id()));
    }

    #[test]
    fn a_message_without_id_is_rejected() {
        for wrong in ["", "hello", "{ID}", "{time}", "{id"] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
        assert!("{id}{random:99999999}".parse::<Template>().is_ok_and(|template| template.parts.len() == 2));
    }

    #[test]
    fn writing_returns_the_offset_of_the_first_marker() {
        for (text, offset) in
            [("{id}", 0), (r#"["{client}{id}{id}"]"#, 3), ("{random:70}{id}", 70), ("none", 4)]
        {
            let mut out = b"before".to_vec();
            assert_eq!(
                Template::new(text).write(SPEAKER, &MARKER, TAG, SEED, 40, &mut out),
                offset,
                "{text}"
            );
        }
    }

    #[test]
    fn random_letters_depend_on_seed_message_and_position() {
        let template = Template::new("{random:12}");
        let of = |seed, sender, number| {
            let mut out = Vec::new();
            template.write(SPEAKER, &Marker { sender, number, ..MARKER }, TAG, seed, 0, &mut out);
            out
        };
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        for other in [of(2, 2, 3), of(1, 3, 3), of(1, 2, 4)] {
            assert_ne!(of(1, 2, 3), other);
        }
        let two = written(&Template::new("{random:9} {random:9}"), 0);
        let (one, other) = two.split_once(' ').unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn plain_text_contains_the_numbers_of_its_client() {
        let template = Template::plain("user-{client} {room} {random:8}").unwrap();
        let text = plain(&template, 12, SEED);
        assert!(text.starts_with("user-12 3 ") && text.len() == 18, "{text}");
        assert_eq!(text, plain(&template, 12, SEED));
        assert_ne!(text[10..], plain(&template, 13, SEED)[10..]);
        assert_ne!(text[10..], plain(&template, 12, SEED + 1)[10..]);
        for wrong in ["{id}", "a{time}"] {
            assert!(Template::plain(wrong).is_err_and(|fault| fault.contains("--message")), "{wrong}");
        }
    }

    #[test]
    fn a_masked_template_keeps_only_placeholders() {
        for (text, masked) in [
            ("{id}", "{id}"),
            ("secret", "…"),
            (r#"{"token":"x","text":"{id}","n":{client}}"#, "…{id}…{client}…"),
            ("{room}{time}{random:7}", "{room}{time}{random:7}"),
        ] {
            assert_eq!(Template::new(text).masked(), masked);
        }
    }
}
