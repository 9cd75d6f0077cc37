//! Messages of a few to all, at a steady rate whatever becomes of them.

use super::super::audit::{Audit, Heard};
use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::marker::Marker;
use super::super::pacer::{Pacer, Share};
use super::super::recorder::Recorder;
use super::{Span, Wording, Work};
use crate::ws::Message;
use std::ops::Range;

/// A room, of whose members some speak.
#[derive(Debug)]
pub struct Broadcast {
    span: Span,
    pacer: Pacer,
    wording: Wording,
    /// Of all senders, those of this thread.
    share: Share,
    /// The clients that these are, and how many messages each has sent.
    senders: Vec<(usize, u32)>,
    /// How many messages of this thread were due so far.
    due: u64,
    audit: Audit,
    /// The number of the first client among those of all threads.
    first: usize,
    /// The clients of all threads that speak.
    all_senders: Vec<usize>,
    recorder: Recorder,
    hint: usize,
    payload: Vec<u8>,
}

impl Broadcast {
    /// The part of the members `own` of all; `senders` are the clients that speak.
    pub fn new(
        span: Span,
        pacer: Pacer,
        wording: Wording,
        own: Range<usize>,
        senders: Vec<usize>,
    ) -> Broadcast {
        let is_own = |(_, client): &(usize, &usize)| own.contains(client);
        let share = senders.iter().enumerate().filter(is_own).map(|(number, _)| number as u32).collect();
        let own_senders = senders.iter().filter(|client| own.contains(client));
        Broadcast {
            span,
            pacer,
            wording,
            share: Share::new(share, senders.len() as u32),
            senders: own_senders.map(|client| (client - own.start, 0)).collect(),
            due: 0,
            audit: Audit::new(own.len(), senders.len()),
            first: own.start,
            all_senders: senders,
            recorder: Recorder::default(),
            hint: 0,
            payload: Vec::new(),
        }
    }

    /// What a message of this run carries.
    pub fn marker(&mut self, message: &Message<'_>) -> Option<Marker> {
        Marker::find(message.payload(), self.wording.tag, &mut self.hint)
    }
}

impl Work for Broadcast {
    fn send_due(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        loop {
            let (place, event) = self.share.event(self.due)?;
            let due = self.pacer.due(event);
            if due >= self.span.measured.end {
                return None;
            }
            if due > now {
                return Some(due);
            }
            self.due += 1;
            let lag = now - due;
            let (client, number) = &mut self.senders[place];
            let sender = (event % self.all_senders.len() as u64) as u32;
            self.wording.write(&Marker { sender, number: *number, due, lag }, &mut self.payload);
            if crowd.send(*client, self.wording.opcode, &self.payload) {
                *number += 1;
                self.recorder.sent += 1;
                if self.span.measured.contains(&due) {
                    self.recorder.send(lag);
                }
            }
        }
    }

    fn recorder(&mut self) -> &mut Recorder {
        self.recorder.take_over(&self.audit);
        &mut self.recorder
    }
}

impl Behaviour for Broadcast {
    fn open(&mut self, _: usize, _: u64, _: &mut Pen<'_>) {}

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, _: &mut Pen<'_>) {
        let payload = message.payload();
        let Some(marker) = self.marker(message) else { return };
        let Marker { sender, number, due, lag } = marker;
        let Some(speaker) = self.all_senders.get(sender as usize) else {
            self.recorder.damaged += 1;
            return;
        };
        self.recorder.own += u64::from(*speaker == self.first + client);
        let heard = self.audit.hear(client, sender as usize, number);
        if heard == Heard::First && self.span.measured.contains(&due) {
            self.recorder.receive(due, lag, now, payload.len());
        }
    }

    fn lose(&mut self, _: usize) {}
}
