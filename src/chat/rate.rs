//! How much one client may send and cause: messages, bytes of messages, and bytes to all who receive them.
//!
//! A request is judged before it is handled and charged afterwards, when it is known what it cost.

use std::{fmt, time::Instant};

use super::settings::Settings;
use crate::rate::{Bucket, Clock, Rate};

/// Nanoseconds of refusals that end in [`Verdict::GiveUp`].
const PATIENCE: u64 = 10_000_000_000;
/// Refusals further apart than this are not one going on.
const PAUSE: u64 = 1_000_000_000;
/// Deliveries besides those of messages that cost as much as a message.
const DELIVERIES: u64 = 64;
/// Bytes of an answer that cost as much as a delivery.
const DELIVERY: u64 = 1 << 10;
/// How much more an answer costs that repeats what the client has received.
const REPEATED: u64 = 16;
/// A room may have this part of a second's bytes at once.
const ROOM_BURST: u64 = 8;

/// The limits that hold for every client and every room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    clock: Clock,
    messages: Rate,
    bytes: Rate,
    fan_out: Rate,
    room: Rate,
}

/// What one client has left of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    messages: Bucket,
    bytes: Bucket,
    fan_out: Bucket,
    refusing_since: u64,
    refused: u64,
}

/// The limit that a client exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Excess {
    /// Messages.
    Messages,
    /// Bytes of its messages.
    Bytes,
    /// Bytes of its messages, counted for each who receives them.
    FanOut,
    /// Bytes of all messages in a room.
    Room,
}

impl fmt::Display for Excess {
    /// What there is too much of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Excess::Messages => "messages",
            Excess::Bytes => "bytes",
            Excess::FanOut => "bytes for all receivers",
            Excess::Room => "bytes in this room",
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Accept,
    Refuse(Excess),
    /// Refused, and refused for so long that the client should be dismissed.
    GiveUp(Excess),
}

/// What a request has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Bytes of the message, or of what one member receives of it if that is more.
    bytes: u64,
    /// Bytes to all who receive something.
    fan_out: u64,
    /// Deliveries of notices, and answers measured in deliveries.
    deliveries: u64,
}

impl Cost {
    /// A message of so many bytes.
    pub fn of(message: usize) -> Cost {
        Cost { bytes: message as u64, ..Cost::default() }
    }

    /// A message reaches its listeners in one format.
    pub fn message(&mut self, listeners: usize, bytes: usize) {
        self.bytes = self.bytes.max(bytes as u64);
        self.fan_out += listeners as u64 * bytes as u64;
    }

    /// A notice, such as of a new name, reaches the listeners in one format.
    pub fn notice(&mut self, listeners: usize, bytes: usize) {
        self.deliveries += listeners as u64;
        self.fan_out += listeners as u64 * bytes as u64;
    }

    /// The client receives an answer.
    pub fn answer(&mut self, bytes: usize) {
        self.deliveries += bytes as u64 / DELIVERY;
        self.fan_out += bytes as u64;
    }

    /// What the client has received so far repeats what it knows.
    pub fn repeats(&mut self) {
        self.deliveries *= REPEATED;
    }
}

impl Limits {
    pub fn new(settings: &Settings) -> Limits {
        Limits {
            clock: Clock::default(),
            messages: Rate::new(settings.rate.into(), settings.burst.into()),
            bytes: Rate::new(settings.byte_rate as u64, settings.byte_burst as u64),
            fan_out: Rate::new(settings.fan_out_rate as u64, settings.fan_out_rate as u64),
            room: Rate::new(settings.room_rate as u64, settings.room_rate as u64 / ROOM_BURST),
        }
    }

    /// The value of a limit, a second and at once.
    pub fn of(&self, excess: Excess) -> (u64, u64) {
        match excess {
            Excess::Messages => self.messages.limits(),
            Excess::Bytes => self.bytes.limits(),
            Excess::FanOut => self.fan_out.limits(),
            Excess::Room => self.room.limits(),
        }
    }

    /// Judges a message that arrives at `now`.
    pub fn judge(&mut self, budget: &mut Budget, now: Instant) -> Verdict {
        let now = self.clock.nanos(now);
        let excess = if !self.messages.allows(budget.messages, now) {
            Excess::Messages
        } else if !self.bytes.allows(budget.bytes, now) {
            Excess::Bytes
        } else if !self.fan_out.allows(budget.fan_out, now) {
            Excess::FanOut
        } else {
            return Verdict::Accept;
        };
        budget.refuse(now, excess)
    }

    /// Charges a message that was accepted and handled at `now`.
    pub fn charge(&mut self, budget: &mut Budget, now: Instant, cost: Cost) {
        let now = self.clock.nanos(now);
        self.messages.charge(&mut budget.messages, now, 1 + cost.deliveries / DELIVERIES);
        self.bytes.charge(&mut budget.bytes, now, cost.bytes);
        self.fan_out.charge(&mut budget.fan_out, now, cost.fan_out);
    }

    /// Whether a message may be said in the room now.
    pub fn allows_in_room(&mut self, said: Bucket, now: Instant) -> bool {
        self.room.allows(said, self.clock.nanos(now))
    }

    /// A message was said that each member receives in so many bytes, or fewer.
    pub fn charge_room(&mut self, said: &mut Bucket, now: Instant, bytes: usize) {
        self.room.charge(said, self.clock.nanos(now), bytes as u64);
    }
}

impl Budget {
    fn refuse(&mut self, now: u64, excess: Excess) -> Verdict {
        if now.saturating_sub(self.refused) > PAUSE {
            self.refusing_since = now;
        }
        self.refused = now;
        match now - self.refusing_since >= PATIENCE {
            true => Verdict::GiveUp(excess),
            false => Verdict::Refuse(excess),
        }
    }
}
