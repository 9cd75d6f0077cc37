//! Finds deliveries in what was received, and compares each with what was sent.

use super::marker::{LENGTH, Marker, TELLING, Tag};
use super::template::{Speaker, Template};
use crate::ws::{Message, Opcode};

/// How the messages of a run are made.
#[derive(Clone, Debug)]
pub(crate) struct MessageFormat {
    pub template: Template,
    pub tag: Tag,
    /// Bytes that a marker is filled up to.
    pub size: usize,
    pub opcode: Opcode,
    /// Seed of `{random:N}`.
    pub seed: u64,
    /// The server is known to write anew what is around the marker.
    pub is_rewritten: bool,
}

impl MessageFormat {
    /// Writes a message; the offset of its marker.
    pub fn write(&self, speaker: Speaker, marker: &Marker, out: &mut Vec<u8>) -> usize {
        out.clear();
        self.template.write(speaker, marker, self.tag, self.seed, self.size, out)
    }
}

/// How what came compares with what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Intact,
    /// The marker and what fills it up are intact, but not all that was around it.
    Rewritten,
    Damaged,
    /// Its marker is none that a client of this run has sent.
    Foreign,
}

/// A message of this run that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub marker: Marker,
    pub content: Content,
}

/// Whether anything may be around what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A room may add who said it and when.
    Any,
    /// An echo is what was sent.
    Exact,
}

/// Reads the messages that the clients of one thread receive.
///
/// In a room one member after the other receives the same messages. What was found in the last ones is remembered, so
/// that a further member costs one comparison.
#[derive(Debug)]
pub(crate) struct Reader {
    pub format: MessageFormat,
    framing: Framing,
    /// Messages read before, each at the place that its marker has. The last place is for what is not remembered.
    remembered: Vec<Remembered>,
    /// Where a marker was found last.
    hint: usize,
    /// What a message is compared with.
    sent: Vec<u8>,
}

/// A message, and what it holds.
#[derive(Clone, Debug, Default)]
struct Remembered {
    payload: Vec<u8>,
    opcode: Option<Opcode>,
    found: Vec<Delivery>,
}

/// Messages that are remembered.
const PLACES: usize = 64;
/// A longer message is not remembered.
const MAX_REMEMBERED: usize = 4096;

impl Reader {
    pub fn new(format: MessageFormat, framing: Framing) -> Reader {
        let remembered = vec![Remembered::default(); PLACES + 1];
        Reader { format, framing, remembered, hint: 0, sent: Vec::new() }
    }

    /// The deliveries in a message: none if it is something else that the server says, several if the server joins
    /// what it sends. `speaker` tells who has sent a message with this marker, if anybody has.
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

    /// Where a message is remembered: by the sender and number of its marker, if it is where the last one was.
    fn place(&self, payload: &[u8]) -> usize {
        let digits = payload.get(self.hint + TELLING.start..self.hint + TELLING.end);
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
    fn a_delivery_is_compared_whole_whatever_is_around_it() {
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
    fn the_same_bytes_are_the_same_delivery_for_every_member() {
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
    fn deliveries_joined_in_one_message_are_told_apart() {
        let mut reader = reader("{id}", Framing::Any);
        let joined = format!("{}\n{}\u{1e}{}", text(&reader, 0, 1), text(&reader, 3, 2), text(&reader, 0, 2));
        let found = read(&mut reader, &joined);
        assert_eq!(found, [(0, 1, Content::Intact), (3, 2, Content::Intact), (0, 2, Content::Intact)]);
    }

    #[test]
    fn an_echo_with_something_added_is_not_what_was_sent() {
        let mut reader = reader("{id}", Framing::Exact);
        let sent = text(&reader, 1, 1);
        assert_eq!(read(&mut reader, &sent), [(1, 1, Content::Intact)]);
        assert_eq!(read(&mut reader, &format!("{sent}!")), [(1, 1, Content::Rewritten)]);
        let joined = format!("{sent}\n{}", text(&reader, 1, 2));
        assert_eq!(read(&mut reader, &joined), [(1, 1, Content::Intact), (1, 2, Content::Intact)]);
    }

    #[test]
    fn a_sender_that_does_not_exist_is_foreign() {
        let mut reader = reader("{id}", Framing::Any);
        let sent = text(&reader, 4, 0);
        assert_eq!(read(&mut reader, &sent), [(4, 0, Content::Foreign)]);
    }
}
