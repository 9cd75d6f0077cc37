//! A room that some come to and leave while others talk.

use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::pacer::{Pacer, Share};
use super::super::recorder::Recorder;
use super::{Broadcast, Span, Work};
use crate::ws::Message;
use std::ops::Range;

/// A broadcast to members that stay, beside others of whom one goes and comes back at a time.
#[derive(Debug)]
pub struct Churn<'a> {
    room: Broadcast<'a>,
    /// The clients of this thread that come and go.
    restless: Range<usize>,
    pacer: Pacer,
    share: Share,
    /// How many have gone so far.
    gone: u64,
    until: u64,
}

impl<'a> Churn<'a> {
    /// Of this thread's clients those come and go that are `restless`; the first of these has the number `first` among
    /// `all`, of whom `rate` a second do so.
    pub fn new(
        room: Broadcast<'a>,
        restless: Range<usize>,
        span: &Span,
        rate: f64,
        first: usize,
        all: usize,
    ) -> Churn<'a> {
        let numbers = (first..first + restless.len()).map(|number| number as u32).collect();
        let (pacer, share) = (Pacer::new(span.start, rate), Share::new(numbers, all as u32));
        Churn { room, restless, pacer, share, gone: 0, until: span.measured.end }
    }

    fn go_and_come(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        loop {
            let (place, event) = self.share.event(self.gone)?;
            let due = self.pacer.due(event);
            if due >= self.until {
                return None;
            }
            if due > now {
                return Some(due);
            }
            self.gone += 1;
            let client = self.restless.start + place;
            crowd.leave(client);
            crowd.connect(client);
        }
    }
}

impl Work for Churn<'_> {
    fn send_due(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        let due = [self.room.send_due(crowd, now), self.go_and_come(crowd, now)];
        due.into_iter().flatten().min()
    }

    fn recorder(&mut self) -> &mut Recorder {
        self.room.recorder()
    }
}

impl Behaviour for Churn<'_> {
    fn open(&mut self, _: usize, _: u64, _: &mut Pen<'_>) {}

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>) {
        if !self.restless.contains(&client) {
            self.room.hear(client, message, now, pen);
        }
    }

    fn lose(&mut self, _: usize) {}
}
