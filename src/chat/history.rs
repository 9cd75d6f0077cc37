//! What a room remembers: its last messages, within a number of messages and of bytes.
//!
//! The oldest go first. A message that alone exceeds the bytes is not kept, and those before it stay; so the offsets
//! held may have a hole, and `lost` is what makes an answer about "everything since" honest.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::{message::Message, token::Uid};

/// Counted for each message beside its text, name and id: the entry itself and its allocation.
pub(super) const OVERHEAD: usize = 64;

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
    uid: Uid,
    id_length: Option<u8>,
    name_length: u32,
    /// Name, id and text in one allocation.
    body: Box<str>,
}

impl History {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Remembers the room's newest message, and forgets old ones to hold at most so many messages and bytes.
    pub fn keep(&mut self, message: &Message<'_>, max_messages: usize, max_bytes: usize) {
        let entry = Entry::new(message);
        if max_messages == 0 || entry.bytes() > max_bytes {
            self.lost = message.offset;
            return;
        }
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > max_messages || self.bytes > max_bytes {
            self.forget_oldest();
        }
    }

    /// Forgets one message; false if there was none.
    pub fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        self.bytes -= oldest.bytes();
        self.lost = self.lost.max(oldest.offset);
        true
    }

    /// Whether every message after `offset` is held.
    pub fn holds_all_since(&self, offset: u64) -> bool {
        offset >= self.lost
    }

    /// The messages held whose offset is greater than `offset`, oldest first.
    pub fn since<'a>(&'a self, offset: u64, room: &'a str) -> impl Iterator<Item = Message<'a>> {
        let first = self.entries.partition_point(|entry| entry.offset <= offset);
        self.entries.range(first..).map(move |entry| entry.message(room))
    }
}

impl Entry {
    fn new(message: &Message<'_>) -> Entry {
        let id = message.id.unwrap_or_default();
        let mut body = String::with_capacity(message.name.len() + id.len() + message.text.len());
        body.push_str(message.name);
        body.push_str(id);
        body.push_str(message.text);
        Entry {
            offset: message.offset,
            time: message.time,
            uid: message.uid,
            id_length: message
                .id
                .map(|id| u8::try_from(id.len()).expect("a request's id is at most 64 bytes")),
            name_length: u32::try_from(message.name.len())
                .expect("a name is shorter than a WebSocket message"),
            body: body.into_boxed_str(),
        }
    }

    fn bytes(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    fn message<'a>(&'a self, room: &'a str) -> Message<'a> {
        let (name, rest) = self.body.split_at(self.name_length as usize);
        let (id, text) = rest.split_at(usize::from(self.id_length.unwrap_or(0)));
        let id = self.id_length.map(|_| id);
        Message { room, offset: self.offset, time: self.time, uid: self.uid, name, text, id }
    }
}
