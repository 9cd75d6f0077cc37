//! What the clients of one thread do in a run, by scenario.

mod broadcast;
mod churn;
mod echo;
mod idle;
mod rooms;
mod slow;
mod storm;

pub use broadcast::Broadcast;
pub use churn::Churn;
pub use echo::Echo;
pub use idle::Idle;
pub use rooms::Rooms;
pub use slow::Slow;
pub use storm::Storm;

use super::crowd::{Behaviour, Crowd};
use super::marker::{Marker, Tag};
use super::recorder::Recorder;
use super::template::{Speaker, Template};
use crate::ws::Opcode;
use std::ops::Range;

/// The part of a scenario that one thread plays.
pub trait Work: Behaviour {
    /// Sends what is due at this time; when something is due next, if anything is.
    fn send_due(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64>;
    /// The run is over: whether anything is left to be heard.
    fn finish(&mut self, _: &mut Crowd<'_>) -> bool {
        false
    }
    /// What was measured so far.
    fn recorder(&mut self) -> &mut Recorder;
}

/// When messages are due and which of them are measured, in nanoseconds since the run began.
#[derive(Clone, Debug)]
pub struct Span {
    /// The first message.
    pub start: u64,
    /// Those due in it are measured; nothing is sent after it.
    pub measured: Range<u64>,
}

/// How a message is made.
#[derive(Clone, Debug)]
pub struct Wording {
    /// Its text.
    pub template: Template,
    /// Of this run.
    pub tag: Tag,
    /// Bytes that the marker is filled up to.
    pub size: usize,
    /// Text or binary.
    pub opcode: Opcode,
    /// The server writes anew what is around the marker.
    pub is_rewritten: bool,
}

impl Wording {
    fn write(&self, speaker: Speaker, marker: &Marker, out: &mut Vec<u8>) {
        out.clear();
        self.template.write(speaker, marker, self.tag, self.size, out);
    }

    /// The marker alone, filled up.
    fn write_id(&self, marker: &Marker, out: &mut Vec<u8>) {
        out.clear();
        marker.write_filled(self.tag, self.size, out);
    }
}
