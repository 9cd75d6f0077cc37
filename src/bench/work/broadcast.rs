//! Messages of a few to all, at a steady rate whatever becomes of them.

use super::super::audit::{Audit, Heard};
use super::super::crowd::{Behaviour, Crowd, Pen};
use super::super::marker::Marker;
use super::super::pacer::{Pacer, Share};
use super::super::recorder::Recorder;
use super::super::template::Speaker;
use super::{Rooms, Span, Wording, Work};
use crate::ws::Message;
use std::ops::Range;

/// Rooms, of whose members some speak.
#[derive(Debug)]
pub struct Broadcast<'a> {
    rooms: &'a Rooms,
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
    recorder: Recorder,
    hint: usize,
    payload: Vec<u8>,
}

impl<'a> Broadcast<'a> {
    /// The part of the members `own` of all.
    pub fn new(
        span: Span,
        pacer: Pacer,
        wording: Wording,
        own: Range<usize>,
        rooms: &'a Rooms,
    ) -> Broadcast<'a> {
        let senders = rooms.senders();
        let is_own = |(_, client): &(usize, &usize)| own.contains(client);
        let share = senders.iter().enumerate().filter(is_own).map(|(number, _)| number as u32).collect();
        let own_senders = senders.iter().filter(|client| own.contains(client));
        Broadcast {
            rooms,
            span,
            pacer,
            wording,
            share: Share::new(share, senders.len() as u32),
            senders: own_senders.map(|client| (client - own.start, 0)).collect(),
            due: 0,
            audit: Audit::new(own.len(), rooms.senders_each()),
            first: own.start,
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

impl Work for Broadcast<'_> {
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
            let sender = (event % self.rooms.senders().len() as u64) as usize;
            let speaker = Speaker { client: self.first + *client, room: self.rooms.room(sender) };
            let marker = Marker { sender: sender as u32, number: *number, due, lag };
            self.wording.write(speaker, &marker, &mut self.payload);
            if crowd.send(*client, self.wording.opcode, &self.payload) {
                *number += 1;
                self.recorder.sent += 1;
                self.recorder.expected += self.rooms.hearers(sender);
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

impl Behaviour for Broadcast<'_> {
    fn open(&mut self, _: usize, _: u64, _: &mut Pen<'_>) {}

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, _: &mut Pen<'_>) {
        let payload = message.payload();
        let Some(marker) = self.marker(message) else { return };
        let Marker { sender, number, due, lag } = marker;
        let (sender, hearer) = (sender as usize, self.first + client);
        let Some(speaker) = self.rooms.senders().get(sender) else {
            self.recorder.damaged += 1;
            return;
        };
        if self.rooms.room(hearer) != self.rooms.room(sender) {
            self.recorder.strayed += 1;
            return;
        }
        self.recorder.own += u64::from(*speaker == hearer);
        let heard = self.audit.hear(client, self.rooms.place(sender), number);
        if heard == Heard::First && self.span.measured.contains(&due) {
            self.recorder.receive(due, lag, now, payload.len());
        }
    }

    fn lose(&mut self, _: usize) {}
}
