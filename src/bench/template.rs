//! What clients say: text with places to be filled in.

use super::marker::{Marker, Tag};
use std::str::FromStr;

/// A message with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The marker, filled up to a size.
    Id,
    /// When the message was due, in milliseconds since the run began.
    Time,
    /// The number of the client.
    Client,
    /// The number of its room.
    Room,
    /// So many characters of chance, the same whenever this message is written.
    Random(usize),
}

/// The most characters of chance in one place.
const MOST_RANDOM: usize = 1 << 20;

/// A client, and the room that it is in, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Among the clients of all threads.
    pub client: usize,
    /// Among all rooms.
    pub room: usize,
}

impl Template {
    /// Text with places, of which `{id}` need not be one.
    pub fn new(text: &str) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let place = after.split_once('}').and_then(|(name, after)| Some((part(name)?, after)));
            let (literal, part, after) = match place {
                Some((part, after)) => (before, Some(part), after),
                // A brace of the message's own, as in JSON.
                None => (&rest[..=before.len()], None, after),
            };
            append(&mut parts, literal);
            parts.extend(part);
            rest = after;
        }
        append(&mut parts, rest);
        Template { parts }
    }

    /// Whether a message can be known by it.
    pub fn has_id(&self) -> bool {
        self.parts.contains(&Part::Id)
    }

    /// Whether it tells messages of one room from those of another.
    pub fn names_room(&self) -> bool {
        self.parts.contains(&Part::Room)
    }

    /// Writes the message of a speaker with this marker, which is filled up to `size` bytes.
    pub fn write(&self, speaker: Speaker, marker: &Marker, tag: Tag, size: usize, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Id => marker.write_filled(tag, size, out),
                Part::Time => out.extend_from_slice((marker.due / 1_000_000).to_string().as_bytes()),
                Part::Client => out.extend_from_slice(speaker.client.to_string().as_bytes()),
                Part::Room => out.extend_from_slice(speaker.room.to_string().as_bytes()),
                Part::Random(len) => write_random(marker, *len, out),
            }
        }
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Template, String> {
        let template = Template::new(text);
        match template.has_id() {
            true => Ok(template),
            false => Err("a message needs {id}, by which it is known when it comes back".to_owned()),
        }
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
            (len <= MOST_RANDOM).then_some(Part::Random(len))
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

/// By SplitMix64 from what makes the message the one it is, so that an echo can be compared.
fn write_random(marker: &Marker, len: usize, out: &mut Vec<u8>) {
    let mut state = u64::from(marker.sender) << 32 | u64::from(marker.number);
    let end = out.len() + len;
    while out.len() < end {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let letters = bits.to_le_bytes().map(|byte| b'a' + byte % 26);
        out.extend_from_slice(&letters[..letters.len().min(end - out.len())]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::marker::LENGTH;
    use super::*;

    const SPEAKER: Speaker = Speaker { client: 7, room: 3 };
    const MARKER: Marker = Marker { sender: 0, number: 2, due: 1_234_567_890, lag: 0 };
    const TAG: Tag = *b"test";

    fn written(template: &Template, size: usize) -> String {
        let mut out = Vec::new();
        template.write(SPEAKER, &MARKER, TAG, size, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn id() -> String {
        written(&Template::new("{id}"), 0)
    }

    #[test]
    fn places_are_filled_in_and_other_braces_are_kept() {
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
    fn the_marker_is_filled_up_to_the_size() {
        assert_eq!(id().len(), LENGTH);
        assert_eq!(written(&Template::new("{id}"), 64), format!("{:.<64}", id()));
        assert_eq!(written(&Template::new(r#"["{id}"]"#), 40), format!(r#"["{:.<40}"]"#, id()));
    }

    #[test]
    fn a_message_that_could_not_be_known_again_is_refused() {
        for wrong in ["", "hello", "{ID}", "{time}", "{id"] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
        assert!("{id}{random:99999999}".parse::<Template>().is_ok_and(|template| template.parts.len() == 2));
    }
}
