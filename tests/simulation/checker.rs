//! What must hold for all clients together.

use super::wire::Tag;
use std::collections::{HashMap, HashSet};

/// What all clients have seen of the rooms.
#[derive(Debug, Default)]
pub struct Checker {
    /// What was said in each room, by offset.
    logs: HashMap<u8, Log>,
    /// Length of the page.
    page: Option<usize>,
    /// Connections may be refused or dropped before their handshake.
    pub may_refuse: bool,
    /// Slow readers miss messages and stay.
    pub drops: bool,
    pub is_shut_down: bool,
    /// Messages that clients have heard.
    pub heard: u64,
}

#[derive(Debug, Default)]
struct Log {
    epoch: Option<String>,
    tags: Vec<Option<Tag>>,
}

/// What a client that is told no offsets has heard in a room.
#[derive(Clone, Copy, Debug)]
pub enum Heard {
    Text(Tag),
    /// It was told that so many messages are missing.
    Gap(usize),
}

impl Checker {
    /// A client was told the epoch of a room.
    pub fn see_epoch(&mut self, room: u8, epoch: &str) -> Result<(), String> {
        let log = self.logs.entry(room).or_default();
        match &log.epoch {
            Some(known) if known != epoch => Err(format!("room {room} has a second epoch")),
            Some(_) => Ok(()),
            None => {
                log.epoch = Some(epoch.to_owned());
                Ok(())
            }
        }
    }

    /// A client has seen what is at an offset.
    pub fn see(&mut self, room: u8, offset: u64, tag: Tag) -> Result<(), String> {
        self.heard += 1;
        if tag.room != room {
            return Err(format!("room {room} hears what was said elsewhere: {tag:?}"));
        }
        let tags = &mut self.logs.entry(room).or_default().tags;
        let index = offset.checked_sub(1).ok_or("an offset of 0")? as usize;
        if tags.len() <= index {
            tags.resize(index + 1, None);
        }
        match tags[index] {
            Some(known) if known != tag => {
                Err(format!("offset {offset} of room {room} was {known:?} and is {tag:?}"))
            }
            _ => {
                tags[index] = Some(tag);
                Ok(())
            }
        }
    }

    /// The observer of a room that knows no offsets has heard this.
    pub fn append(&mut self, room: u8, tag: Tag) -> Result<(), String> {
        let next = self.logs.get(&room).map_or(0, |log| log.tags.len()) as u64 + 1;
        self.see(room, next, tag)
    }

    pub fn see_page(&mut self, len: usize) -> Result<(), String> {
        match self.page {
            Some(known) if known != len => Err(format!("the page has {known} bytes, and then {len}")),
            _ => {
                self.page = Some(len);
                Ok(())
            }
        }
    }

    /// The offset of the last message of a room.
    pub fn last(&self, room: u8) -> u64 {
        self.logs.get(&room).map_or(0, |log| log.tags.len()) as u64
    }

    /// Checks that nothing was said twice, and that no offset was left out.
    pub fn check_logs(&self) -> Result<(), String> {
        for (room, log) in &self.logs {
            let mut seen = HashSet::new();
            for tag in &log.tags {
                let tag = tag.ok_or_else(|| format!("room {room} has offsets that nobody saw"))?;
                if !seen.insert(tag) {
                    return Err(format!("room {room} heard twice: {tag:?}"));
                }
            }
        }
        Ok(())
    }

    /// Checks that a client has heard a part of the log without omission, or with those that it was told, and returns
    /// the position after it, if it has heard anything. `tells` is false if omissions are not told.
    pub fn check_part(&self, room: u8, heard: &[Heard], tells: bool) -> Result<Option<usize>, String> {
        let Some(log) = self.logs.get(&room) else { return Ok(None) };
        let index: HashMap<Tag, usize> =
            log.tags.iter().enumerate().filter_map(|(index, tag)| Some(((*tag)?, index))).collect();
        let mut next = None;
        for heard in heard {
            match heard {
                Heard::Gap(count) => next = next.map(|next| next + count),
                Heard::Text(tag) => {
                    let at = *index.get(tag).ok_or_else(|| format!("{tag:?} is not in the log"))?;
                    match next {
                        Some(next) if at != next && (tells || at < next) => {
                            return Err(format!("heard position {at} of room {room} where {next} is due"));
                        }
                        _ => next = Some(at + 1),
                    }
                }
            }
        }
        Ok(next)
    }
}
