//! Connections that only stay open.

use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::recorder::Recorder;
use super::Work;
use crate::ws::Message;

/// Says nothing.
#[derive(Debug, Default)]
pub struct Idle {
    recorder: Recorder,
}

impl Behaviour for Idle {
    fn open(&mut self, _: usize, _: u64, _: &mut Pen<'_>) {}
    fn hear(&mut self, _: usize, _: &Message<'_>, _: u64, _: &mut Pen<'_>) {}
    fn lose(&mut self, _: usize) {}
}

impl Work for Idle {
    fn send_due(&mut self, _: &mut Crowd<'_>, _: u64) -> Option<u64> {
        None
    }

    fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }
}
