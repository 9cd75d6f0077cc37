//! Messages that each come back to the client that sent them.

use super::super::audit::{Audit, Heard};
use super::super::crowd::{Behaviour, Clock, Crowd, Pen};
use super::super::marker::Marker;
use super::super::pacer::{Pacer, Share};
use super::super::recorder::Recorder;
use super::super::template::Speaker;
use super::{Span, Wording, Work};
use crate::ws::Message;
use std::ops::Range;

/// Clients that send when an answer has come, or by a plan.
#[derive(Debug)]
pub struct Echo {
    span: Span,
    wording: Wording,
    clock: Clock,
    /// Messages that a client may have on the way.
    depth: u32,
    /// By which messages are due; without, each is due when the one before has come back.
    plan: Option<(Pacer, Share)>,
    /// Events of the plan so far.
    due: u64,
    /// The number of the first client among those of all threads, and how many there are in all.
    first: usize,
    all: usize,
    /// Which clients take in turn.
    rooms: usize,
    clients: Vec<Client>,
    has_begun: bool,
    audit: Audit,
    recorder: Recorder,
    hint: usize,
    payload: Vec<u8>,
    /// What an answer is to be.
    sent: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    /// Messages that were due so far.
    due: u32,
    sent: u32,
    on_the_way: u32,
}

impl Echo {
    /// The part of the clients `own` of `all`, whose rate together is `rate`.
    pub fn new(
        span: Span,
        wording: Wording,
        clock: Clock,
        (depth, rate): (u32, Option<f64>),
        own: Range<usize>,
        (all, rooms): (usize, usize),
    ) -> Echo {
        let share = Share::new(own.clone().map(|number| number as u32).collect(), all as u32);
        Echo {
            plan: rate.map(|rate| (Pacer::new(span.start, rate), share)),
            span,
            wording,
            clock,
            depth,
            due: 0,
            first: own.start,
            all,
            rooms,
            clients: vec![Client::default(); own.len()],
            has_begun: false,
            audit: Audit::new(own.len(), 1),
            recorder: Recorder::default(),
            hint: 0,
            payload: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Makes the next message of a client, if it is time for one.
    fn next_message(&mut self, client: usize, now: u64) -> bool {
        let state = &mut self.clients[client];
        if state.on_the_way >= self.depth {
            return false;
        }
        let due = match &self.plan {
            None if now >= self.span.measured.end => return false,
            None => now,
            Some(_) if state.sent == state.due => return false,
            Some((pacer, _)) => {
                pacer.due(u64::from(state.sent) * self.all as u64 + (self.first + client) as u64)
            }
        };
        let sender = (self.first + client) as u32;
        let marker = Marker { sender, number: state.sent, due, lag: now.saturating_sub(due) };
        state.sent += 1;
        state.on_the_way += 1;
        self.wording.write(self.speaker(client), &marker, &mut self.payload);
        self.recorder.sent += 1;
        self.recorder.expected += 1;
        if self.span.measured.contains(&due) {
            self.recorder.measured_sent += 1;
        }
        true
    }

    fn speaker(&self, client: usize) -> Speaker {
        let client = self.first + client;
        Speaker { client, room: client % self.rooms }
    }

    /// Whether an answer holds what was sent.
    fn is_intact(&mut self, client: usize, marker: &Marker, message: &Message<'_>) -> bool {
        let payload = message.payload();
        let came = match self.wording.is_rewritten {
            false => {
                self.wording.write(self.speaker(client), marker, &mut self.sent);
                payload
            }
            true => {
                self.wording.write_id(marker, &mut self.sent);
                &payload[self.hint..payload.len().min(self.hint + self.sent.len())]
            }
        };
        came == self.sent
            && marker.sender as usize == self.first + client
            && message.opcode() == self.wording.opcode
    }

    fn send_to(&mut self, crowd: &mut Crowd<'_>, client: usize, now: u64) {
        while crowd.is_open(client) && self.next_message(client, now) {
            crowd.send(client, self.wording.opcode, &self.payload);
        }
    }
}

impl Work for Echo {
    fn send_due(&mut self, crowd: &mut Crowd<'_>, now: u64) -> Option<u64> {
        if !self.has_begun {
            self.has_begun = true;
            for client in 0..self.clients.len() {
                self.send_to(crowd, client, now);
            }
        }
        loop {
            let (pacer, share) = self.plan.as_ref()?;
            let (client, event) = share.event(self.due)?;
            let due = pacer.due(event);
            if due >= self.span.measured.end {
                return None;
            }
            if due > now {
                return Some(due);
            }
            self.due += 1;
            self.clients[client].due += 1;
            if self.span.measured.contains(&due) {
                self.recorder.lag.saturating_record((now - due).max(1));
            }
            self.send_to(crowd, client, now);
        }
    }

    fn recorder(&mut self) -> &mut Recorder {
        self.recorder.take_over(&self.audit);
        &mut self.recorder
    }
}

impl Behaviour for Echo {
    fn open(&mut self, _: usize, _: u64, _: &mut Pen<'_>) {}

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>) {
        let payload = message.payload();
        let Some(marker) = Marker::find(payload, self.wording.tag, &mut self.hint) else { return };
        if !self.is_intact(client, &marker, message) {
            self.recorder.damaged += 1;
        }
        if self.audit.hear(client, 0, marker.number) == Heard::Again {
            return;
        }
        if self.span.measured.contains(&marker.due) {
            self.recorder.receive(marker.due, marker.lag, now, payload.len());
        }
        let state = &mut self.clients[client];
        state.on_the_way = state.on_the_way.saturating_sub(1);
        while self.next_message(client, self.clock.now()) {
            pen.send(self.wording.opcode, &self.payload);
        }
    }

    fn lose(&mut self, _: usize) {}
}
