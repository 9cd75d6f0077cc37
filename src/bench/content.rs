//! Finds deliveries in received messages, and compares each with the message sent.

use super::marker::{DISTINCTIVE, LENGTH, Marker, Tag};
use super::template::{Speaker, Template};
use crate::ws::{Message, Opcode};

/// How to create the messages of a run.
#[derive(Clone, Debug)]
pub(crate) struct MessageFormat {
    pub template: Template,
    pub tag: Tag,
    /// Length to which markers are padded, in bytes.
    pub size: usize,
    pub opcode: Opcode,
    /// Seed of `{random:N}`.
    pub seed: u64,
    /// Whether the server is known to rewrite the text around the marker.
    pub is_rewritten: bool,
}

impl MessageFormat {
    /// Writes a message and returns the offset of its marker.
    pub fn write(&self, speaker: Speaker, marker: &Marker, out: &mut Vec<u8>) -> usize {
        out.clear();
        self.template.write(speaker, marker, self.tag, self.seed, self.size, out)
    }
}

/// Result of comparing a delivery with the message sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Intact,
    /// The marker and its padding are intact, but the text around them differs.
    Rewritten,
    Damaged,
    /// No client of this run sent this marker.
    Foreign,
}

/// A message of this run that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub marker: Marker,
    pub content: Content,
}

/// Whether a delivery may contain additional text around the message sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Any text may be added, such as the name of the sender.
    Any,
    /// The delivery must equal the message sent.
    Exact,
}

/// Reads the messages that the clients of one thread receive.
///
/// The members of a room receive the same messages one after the other. The results for recent messages are
/// cached, so that every further member costs only one comparison.
#[derive(Debug)]
pub(crate) struct Reader {
    pub format: MessageFormat,
    framing: Framing,
    /// Cached results, indexed by a hash of the marker. The last entry is for messages that are not cached.
    remembered: Vec<Remembered>,
    /// Offset at which the last marker was found.
    hint: usize,
    /// Buffer for the message sent, which a delivery is compared with.
    sent: Vec<u8>,
}

/// A cached message and the deliveries found in it.
#[derive(Clone, Debug, Default)]
struct Remembered {
    payload: Vec<u8>,
    opcode: Option<Opcode>,
    found: Vec<Delivery>,
}

/// Number of cached messages.
const PLACES: usize = 64;
/// Length of the longest message that is cached, in bytes.
const MAX_REMEMBERED: usize = 4096;

impl Reader {
    pub fn new(format: MessageFormat, framing: Framing) -> Reader {
        let remembered = vec![Remembered::default(); PLACES + 1];
        Reader { format, framing, remembered, hint: 0, sent: Vec::new() }
    }

    /// Returns the deliveries in a message: none if the server sent something else, several if the server
    /// joins messages. `speaker` returns the sender of a message with this marker, or `None` if nobody sent
    /// it.
    pub fn read(
        &mut self,
        message: &Message<'_>,
        speaker: impl Fn(&Marker) -> Option<Speaker>,
    ) -> &[Delivery] {
        let (payload, opcode) = (message.payload(), message.opcode());
        let place = self.place(payload);
        let remembered = &self.remembered[place];
        if place < PLACES && remembered.opcode == Some(opcode) && remembered.payload == payload {
            return &self.remembered[place].found;
        }
        let mut found = std::mem::take(&mut self.remembered[place].found);
        found.clear();
        let (mut from, mut hint) = (0, self.hint);
        while let Some((at, marker)) = Marker::find(payload, self.format.tag, from, hint) {
            if from == 0 {
                (self.hint, hint) = (at, at);
            }
            let content = match speaker(&marker) {
                Some(speaker) => self.compare(payload, at, speaker, &marker, opcode),
                None => Content::Foreign,
            };
            found.push(Delivery { marker, content });
            let is_found_whole = matches!(content, Content::Intact | Content::Rewritten);
            from = at + if is_found_whole { self.format.size.max(LENGTH) } else { LENGTH };
        }
        let is_alone = self.framing == Framing::Exact && !self.format.is_rewritten && found.len() == 1;
        if is_alone && found[0].content == Content::Intact && payload.len() != self.sent.len() {
            found[0].content = Content::Rewritten;
        }
        let remembered = &mut self.remembered[place];
        remembered.found = found;
        if place < PLACES {
            remembered.payload.clear();
            remembered.payload.extend_from_slice(payload);
            remembered.opcode = Some(opcode);
        }
        &self.remembered[place].found
    }

    /// Returns the index of the cache entry for a message, from the sender and number of its marker if the
    /// marker is at the same offset as the last one.
    fn place(&self, payload: &[u8]) -> usize {
        let digits = payload.get(self.hint + DISTINCTIVE.start..self.hint + DISTINCTIVE.end);
        match digits.and_then(|digits| digits.try_into().ok()).map(u64::from_le_bytes) {
            Some(digits) if self.framing == Framing::Any && payload.len() <= MAX_REMEMBERED => {
                (digits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
            }
            _ => PLACES,
        }
    }

    fn compare(
        &mut self,
        payload: &[u8],
        at: usize,
        speaker: Speaker,
        marker: &Marker,
        opcode: Opcode,
    ) -> Content {
        let offset = self.format.write(speaker, marker, &mut self.sent);
        if opcode != self.format.opcode {
            return Content::Damaged;
        }
        let begins_at =
            |start: usize, part: &[u8]| payload.get(start..).is_some_and(|it| it.starts_with(part));
        let id = offset..offset + self.format.size.max(LENGTH);
        if at.checked_sub(offset).is_some_and(|start| begins_at(start, &self.sent)) {
            Content::Intact
        } else if !begins_at(at, &self.sent[id]) {
            Content::Damaged
        } else if self.format.is_rewritten {
            Content::Intact
        } else {
            Content::Rewritten
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::marker::tag;
    use super::super::time::{Nanos, Time};
    use super::*;
    use std::borrow::Cow;

    fn reader(template: &str, framing: Framing) -> Reader {
        let format = MessageFormat {
            template: Template::new(template),
            tag: tag(7),
            size: 64,
            opcode: Opcode::Text,
            seed: 1,
            is_rewritten: false,
        };
        Reader::new(format, framing)
    }

    fn marker(sender: u32, number: u32) -> Marker {
        Marker { sender, number, due: Time::from_nanos(5), lag: Nanos::ZERO }
    }

    fn speaker(marker: &Marker) -> Option<Speaker> {
        (marker.sender < 4).then_some(Speaker { client: marker.sender as usize * 10, room: 0 })
    }

    fn text(reader: &Reader, sender: u32, number: u32) -> String {
        let mut out = Vec::new();
        let who = Speaker { client: sender as usize * 10, room: 0 };
        reader.format.write(who, &marker(sender, number), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn read(reader: &mut Reader, text: &str) -> Vec<(u32, u32, Content)> {
        let message = Message::Text(Cow::Borrowed(text));
        let found = reader.read(&message, speaker);
        found.iter().map(|it| (it.marker.sender, it.marker.number, it.content)).collect()
    }

    #[test]
    fn a_delivery_is_compared_whole_whatever_text_surrounds_it() {
        let mut reader = reader(r#"{"from":{client},"text":"{id}"}"#, Framing::Any);
        let sent = text(&reader, 2, 9);
        assert_eq!(read(&mut reader, &sent), [(2, 9, Content::Intact)]);
        assert_eq!(read(&mut reader, &format!("12:00:01 guest say: {sent}")), [(2, 9, Content::Intact)]);
        let rewritten = sent.replace(",", ", ");
        assert_eq!(read(&mut reader, &rewritten), [(2, 9, Content::Rewritten)]);
        let damaged = sent.replace("..\"}", ".x\"}");
        assert_eq!(read(&mut reader, &damaged), [(2, 9, Content::Damaged)]);
        let cut = &sent[..sent.len() - 3];
        assert_eq!(read(&mut reader, cut), [(2, 9, Content::Damaged)]);
        assert_eq!(read(&mut reader, r#"{"type":"welcome"}"#), []);
    }

    #[test]
    fn equal_messages_are_equal_deliveries_for_every_member() {
        let mut reader = reader("{id}", Framing::Any);
        let sent = text(&reader, 1, 1);
        let others: Vec<String> = (0..200).map(|number| text(&reader, 1, number)).collect();
        for _ in 0..3 {
            for (number, other) in others.iter().enumerate() {
                assert_eq!(read(&mut reader, other), [(1, number as u32, Content::Intact)]);
            }
            assert_eq!(read(&mut reader, &sent), [(1, 1, Content::Intact)]);
        }
        let binary = Message::Binary(Cow::Borrowed(sent.as_bytes()));
        assert_eq!(reader.read(&binary, speaker)[0].content, Content::Damaged, "another type");
        assert_eq!(read(&mut reader, &sent), [(1, 1, Content::Intact)]);
    }

    #[test]
    fn deliveries_joined_in_one_message_are_separated() {
        let mut reader = reader("{id}", Framing::Any);
        let joined = format!("{}\n{}\u{1e}{}", text(&reader, 0, 1), text(&reader, 3, 2), text(&reader, 0, 2));
        let found = read(&mut reader, &joined);
        assert_eq!(found, [(0, 1, Content::Intact), (3, 2, Content::Intact), (0, 2, Content::Intact)]);
    }

    #[test]
    fn an_echo_with_added_text_is_rewritten() {
        let mut reader = reader("{id}", Framing::Exact);
        let sent = text(&reader, 1, 1);
        assert_eq!(read(&mut reader, &sent), [(1, 1, Content::Intact)]);
        assert_eq!(read(&mut reader, &format!("{sent}!")), [(1, 1, Content::Rewritten)]);
        let joined = format!("{sent}\n{}", text(&reader, 1, 2));
        assert_eq!(read(&mut reader, &joined), [(1, 1, Content::Intact), (1, 2, Content::Intact)]);
    }

    #[test]
    fn a_message_of_an_unknown_sender_is_foreign() {
        let mut reader = reader("{id}", Framing::Any);
        let sent = text(&reader, 4, 0);
        assert_eq!(read(&mut reader, &sent), [(4, 0, Content::Foreign)]);
    }
}
