//! The history of a room as it is sent, kept so that a newcomer costs a copy and not a compression.
//!
//! It is kept in runs of consecutive messages of at most [`RUN`] bytes; a longer message is a run of its own. A run never
//! changes, and is dropped with its oldest message. The messages before the first run and after the last one take at
//! most a run each; they are written anew for each newcomer.

use std::collections::VecDeque;

use super::{
    history::{History, Measure},
    message::Message,
};

/// Bytes of a run. Shorter runs compress worse, longer ones leave more to write for each newcomer.
const RUN: usize = 4 << 10;

/// Consecutive messages of a room's history in one format, with what the outbox made of them.
#[derive(Debug)]
pub struct Run {
    first: u64,
    last: u64,
    text: Box<str>,
    /// Where each message ends in `text`.
    ends: Vec<u32>,
    encodings: [Option<Box<[u8]>>; Run::ENCODINGS],
}

impl Run {
    /// Number of encodings that a run can keep.
    pub const ENCODINGS: usize = 3;

    /// The messages as they are sent; in `json` with commas between them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The messages one by one; not for `json`.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        let begins = [0].into_iter().chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.text[begin as usize..*end as usize])
    }

    /// The encoding with that index, made at its first use.
    pub fn encoding(&mut self, index: usize, encode: impl FnOnce(&Run, &mut Vec<u8>)) -> &[u8] {
        if self.encodings[index].is_none() {
            let mut bytes = Vec::new();
            encode(self, &mut bytes);
            self.encodings[index] = Some(bytes.into());
        }
        self.encodings[index].as_deref().unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        let encodings: usize = self.encodings.iter().flatten().map(|bytes| bytes.len()).sum();
        size_of::<Run>() + self.text.len() + self.ends.len() * size_of::<u32>() + encodings
    }
}

/// The runs of one format.
#[derive(Debug, Default)]
pub(super) struct Runs(VecDeque<Run>);

impl Runs {
    /// Makes runs of what the room holds after the offset `base`, as far as it fills runs. `since` is from where
    /// messages will be sent, `base` or later. `write` appends messages in the format, and where each ends.
    pub fn update(
        &mut self,
        history: &History,
        room: &str,
        (base, since): (u64, u64),
        measure: Measure,
        mut write: impl FnMut(&mut dyn Iterator<Item = Message<'_>>, &mut String, &mut Vec<u32>),
    ) {
        while self.0.front().is_some_and(|run| run.last <= base) {
            self.0.pop_front();
        }
        if let Some(front) = self.0.front() {
            let before = history.sizes(since, measure).take_while(|(offset, _)| *offset < front.first);
            if before.map(|(_, bytes)| bytes).sum::<usize>() > RUN {
                self.0.clear();
            }
        }
        let mut end_run = |runs: &mut VecDeque<Run>, after: u64, last: u64| {
            let mut messages =
                history.since(after, room).take_while(|message| message.offset <= last).peekable();
            let Some(first) = messages.peek().map(|message| message.offset) else { return };
            let (mut text, mut ends) = (String::new(), Vec::new());
            write(&mut messages, &mut text, &mut ends);
            runs.push_back(Run { first, last, text: text.into(), ends, encodings: Default::default() });
        };
        let mut after = self.0.back().map_or(base, |run| run.last);
        let (mut last, mut bytes) = (after, 0);
        for (offset, size) in history.sizes(after, measure) {
            if bytes > 0 && bytes + size > RUN {
                end_run(&mut self.0, after, last);
                (after, bytes) = (last, 0);
            }
            (last, bytes) = (offset, bytes + size);
            if bytes > RUN {
                end_run(&mut self.0, after, last);
                (after, bytes) = (last, 0);
            }
        }
    }

    /// The runs of messages after the offset.
    pub fn since(&mut self, since: u64) -> &mut [Run] {
        let first = self.0.partition_point(|run| run.first <= since);
        &mut self.0.make_contiguous()[first..]
    }

    /// Drops what the room no longer holds, whose oldest message has this offset.
    fn forget_before(&mut self, oldest: u64) {
        while self.0.front().is_some_and(|run| run.first < oldest) {
            self.0.pop_front();
        }
    }
}

/// The offsets of the first and the last message of the runs.
pub(super) fn covered(runs: &[Run]) -> Option<(u64, u64)> {
    Some((runs.first()?.first, runs.last()?.last))
}

/// The runs of one room in all formats that have a history.
#[derive(Debug, Default)]
pub(super) struct Replays {
    pub json: Runs,
    pub lines: Runs,
    pub html: Runs,
    /// The place among all replays, and the bytes by which they are counted; for [`Rooms`](super::room::Rooms).
    pub place: u64,
    pub counted: usize,
}

impl Replays {
    pub fn bytes(&self) -> usize {
        let runs = [&self.json, &self.lines, &self.html].into_iter().flat_map(|runs| &runs.0);
        size_of::<Replays>() + runs.map(Run::bytes).sum::<usize>()
    }

    /// Drops what the history no longer holds.
    pub fn forget_before(&mut self, history: &History) {
        let oldest = history.first_offset().unwrap_or(u64::MAX);
        for runs in [&mut self.json, &mut self.lines, &mut self.html] {
            runs.forget_before(oldest);
        }
    }
}
