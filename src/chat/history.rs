//! What a room remembers: its last messages, within a number of messages and of bytes, and for a time.
//!
//! The oldest go first. A message that alone exceeds the bytes is not kept, and those before it stay; so the offsets
//! held may have a hole, and `lost` is what makes an answer about "everything since" honest.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{message::Message, size::Size, token::Uid};

#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The newest offset that is no longer held, or never was; 0 if there is none.
    lost: u64,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    time: Timestamp,
    /// For the age, which the clock that people read must not change.
    said: Instant,
    uid: Uid,
    id_length: Option<u8>,
    name_length: u32,
    size: Encoded,
    /// Name, id and text in one allocation.
    body: Box<str>,
}

/// A [`Size`] in half the memory.
#[derive(Clone, Copy, Debug)]
struct Encoded {
    json: u32,
    html: u32,
}

/// How a message is counted when a replay must fit a number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Measure {
    Json,
    Line,
    Html,
}

/// The newest part of a history that fits a number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tail {
    /// It holds everything after this offset.
    pub since: u64,
    /// Whether older messages were left out of it.
    pub is_cut: bool,
}

impl History {
    /// The bytes of all messages held, each in the format in which it takes the most.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When the oldest message held was said.
    pub fn oldest(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.said)
    }

    /// The offset of the oldest message held.
    pub fn first_offset(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.offset)
    }

    /// Remembers the room's newest message, and forgets old ones to hold at most so many messages and bytes.
    pub fn keep(
        &mut self,
        message: &Message<'_>,
        size: Size,
        said: Instant,
        max_messages: usize,
        max_bytes: usize,
    ) {
        if max_messages == 0 || size.largest() > max_bytes {
            self.lost = message.offset;
            return;
        }
        let entry = Entry::new(message, size, said);
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > max_messages || self.bytes > max_bytes {
            self.forget_oldest();
        }
    }

    /// Forgets one message, if there is one.
    pub fn forget_oldest(&mut self) {
        let Some(oldest) = self.entries.pop_front() else { return };
        self.bytes -= oldest.bytes();
        self.lost = self.lost.max(oldest.offset);
    }

    /// Forgets messages that are `age` old, at most so many, and returns their number.
    pub fn expire(&mut self, now: Instant, age: Duration, most: usize) -> usize {
        let is_old = |entry: &Entry| now.saturating_duration_since(entry.said) >= age;
        let old = self.entries.iter().take(most).take_while(|entry| is_old(entry)).count();
        (0..old).for_each(|_| self.forget_oldest());
        old
    }

    /// Whether every message after `offset` is held.
    pub fn holds_all_since(&self, offset: u64) -> bool {
        offset >= self.lost
    }

    /// The messages held whose offset is greater than `offset`, oldest first.
    pub fn since<'a>(&'a self, offset: u64, room: &'a str) -> impl DoubleEndedIterator<Item = Message<'a>> {
        let first = self.entries.partition_point(|entry| entry.offset <= offset);
        self.entries.range(first..).map(move |entry| entry.message(room))
    }

    /// The offsets of the messages held after `offset` and the bytes that each takes in a replay, oldest first.
    pub fn sizes(&self, offset: u64, measure: Measure) -> impl Iterator<Item = (u64, usize)> {
        let first = self.entries.partition_point(|entry| entry.offset <= offset);
        self.entries.range(first..).map(move |entry| (entry.offset, entry.measured(measure)))
    }

    /// The newest messages after `offset` that take at most so many bytes.
    pub fn tail(&self, offset: u64, max_bytes: usize, measure: Measure) -> Tail {
        let first = self.entries.partition_point(|entry| entry.offset <= offset);
        let mut bytes = 0;
        for entry in self.entries.range(first..).rev() {
            bytes += entry.measured(measure);
            if bytes > max_bytes {
                return Tail { since: entry.offset, is_cut: true };
            }
        }
        Tail { since: offset, is_cut: false }
    }
}

impl Entry {
    fn new(message: &Message<'_>, size: Size, said: Instant) -> Entry {
        let id = message.id.unwrap_or_default();
        let mut body = String::with_capacity(message.name.len() + id.len() + message.text.len());
        body.push_str(message.name);
        body.push_str(id);
        body.push_str(message.text);
        let short = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        Entry {
            offset: message.offset,
            time: message.time,
            said,
            uid: message.uid,
            id_length: message
                .id
                .map(|id| u8::try_from(id.len()).expect("a request's id is at most 64 bytes")),
            name_length: u32::try_from(message.name.len())
                .expect("a name is shorter than a WebSocket message"),
            size: Encoded { json: short(size.json), html: short(size.html) },
            body: body.into_boxed_str(),
        }
    }

    fn bytes(&self) -> usize {
        self.size.json.max(self.size.html) as usize
    }

    /// With the comma or the frame header that goes with it.
    fn measured(&self, measure: Measure) -> usize {
        match measure {
            Measure::Json => self.size.json as usize + 1,
            Measure::Html => self.size.html as usize,
            Measure::Line => self.message("").line_length(),
        }
    }

    fn message<'a>(&'a self, room: &'a str) -> Message<'a> {
        let (name, rest) = self.body.split_at(self.name_length as usize);
        let (id, text) = rest.split_at(usize::from(self.id_length.unwrap_or(0)));
        let id = self.id_length.map(|_| id);
        Message { room, offset: self.offset, time: self.time, uid: self.uid, name, text, id }
    }
}
