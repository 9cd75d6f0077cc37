//! Messages of a few senders to all members of a room, at a constant rate.

use super::super::audit::{Arrival, Audit};
use super::super::clients::{ClientPool, ConnectConfig, FrameWriter, Handler};
use super::super::content::{Content, Delivery, Framing, MessageFormat, Reader};
use super::super::marker::Marker;
use super::super::network::Network;
use super::super::recorder::{IN_TIME, MessageRecorder, count};
use super::super::time::{Nanos, Time};
use super::schedule::Next;
use super::{Board, Ending, MAX_CATCH_UP, Rooms, Schedule, Span, Workload, unsent_cause};
use crate::ws::Message;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// Number of own messages whose first delivery to their sender is remembered, to distinguish acknowledgements
/// from duplicates.
const REMEMBERED: usize = 64;

/// Rooms in which some members send.
pub(crate) struct Broadcast<'a> {
    rooms: &'a Rooms,
    board: &'a Board,
    config: &'a ConnectConfig,
    span: Span,
    schedule: Schedule,
    /// The senders of this thread.
    senders: Vec<Sender>,
    /// Per client of this thread, its index in `senders`.
    place_of: Vec<Option<u32>>,
    pub reader: Reader,
    pub audit: Audit,
    /// Clients of this thread that were connected when the run started.
    is_member: Vec<bool>,
    /// The number of the first client among those of all threads.
    first: usize,
    expects: Expects,
    recorder: MessageRecorder,
    payload: Vec<u8>,
    found: Vec<Delivery>,
}

/// Which deliveries are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// Every message at every member.
    All,
    /// Deliveries counted by the scenario. Messages due while a sender is disconnected are not part of the
    /// plan.
    WhatIsCounted,
}

#[derive(Debug)]
struct Sender {
    client: usize,
    /// Its number among the senders of all threads.
    number: usize,
    /// Number of messages due so far.
    due: u32,
    /// The number after the last message written.
    written: u32,
    /// The number after the last message that the socket accepted.
    taken: u32,
    sent: u32,
    /// Own messages received: their numbers, and hashes of the received text.
    own: VecDeque<(u32, u64)>,
}

/// The parameters that all broadcasts of a run share.
pub(crate) struct BroadcastConfig<'a> {
    pub rooms: &'a Rooms,
    pub board: &'a Board,
    pub config: &'a ConnectConfig,
    pub span: Span,
    /// Messages per second, of all senders together.
    pub rate: f64,
    pub format: MessageFormat,
}

impl<'a> Broadcast<'a> {
    /// Creates the part of the clients `own`. `is_member` says which of them are members.
    pub fn new(
        config: BroadcastConfig<'a>,
        own: Range<usize>,
        is_member: Vec<bool>,
        expects: Expects,
    ) -> Broadcast<'a> {
        let BroadcastConfig { rooms, board, config, span, rate, format } = config;
        let mut place_of = vec![None; own.len()];
        let mut senders = Vec::new();
        for (number, client) in rooms.senders().iter().enumerate().filter(|(_, client)| own.contains(client))
        {
            place_of[client - own.start] = Some(senders.len() as u32);
            let client = client - own.start;
            let own = VecDeque::new();
            senders.push(Sender { client, number, due: 0, written: 0, taken: 0, sent: 0, own });
        }
        let numbers = senders.iter().map(|sender| sender.number as u32).collect();
        let pacer = super::super::pacer::Pacer::new(span.start, rate);
        Broadcast {
            rooms,
            board,
            config,
            span,
            schedule: Schedule::new(pacer, numbers, rooms.senders().len()),
            senders,
            place_of,
            reader: Reader::new(format, Framing::Any),
            audit: Audit::new(own.len(), rooms.senders_each()),
            is_member,
            first: own.start,
            expects,
            recorder: MessageRecorder::default(),
            payload: Vec::new(),
            found: Vec::new(),
        }
    }

    pub fn span(&self) -> &Span {
        &self.span
    }

    pub fn board(&self) -> &'a Board {
        self.board
    }

    pub fn results(&mut self) -> &mut MessageRecorder {
        &mut self.recorder
    }

    /// Returns the deliveries in a message.
    pub fn read(&mut self, message: &Message<'_>) -> &[Delivery] {
        let (rooms, config, schedule) = (self.rooms, self.config, &self.schedule);
        self.reader.read(message, |marker| {
            let sender = marker.sender as usize;
            let client = rooms.senders().get(sender)?;
            (schedule.due(sender, marker.number) == marker.due).then(|| config.speaker(*client))
        })
    }

    /// Returns the senders in the room of a client, with their index in the room.
    fn senders_of(&self, client: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (room, rooms) = (self.rooms.room(self.first + client), self.rooms.count());
        (0..self.rooms.senders_each()).map(move |place| (place, place * rooms + room))
    }

    /// Makes a member that was disconnected expect all messages from the one with `marker` on.
    pub fn begin_member(&mut self, client: usize, marker: &Marker) {
        for (place, sender) in self.senders_of(client) {
            let first = match sender == marker.sender as usize {
                true => marker.number,
                false => self.schedule.count(sender, marker.due + Nanos::new(1)),
            };
            self.audit.begin_at(client, place, first);
        }
    }

    /// Counts the deliveries that a member expected, and missed, from the message due at `since` on.
    pub fn account_member(&mut self, client: usize, since: Time, ending: Ending) {
        let until = self.board.until();
        for (place, sender) in self.senders_of(client) {
            let speaks_itself = self.rooms.senders()[sender] == self.first + client;
            if speaks_itself && !ending.sender_receives {
                continue;
            }
            let first = self.schedule.count(sender, since).max(self.board.resumed_at(sender));
            let total = self.schedule.count(sender, until);
            self.recorder.expected += u64::from(total.saturating_sub(first));
            self.miss(client, place, sender, first..total, ending);
        }
    }

    /// Records the messages of a sender that a member has not received.
    fn miss(&mut self, client: usize, place: usize, sender: usize, numbers: Range<u32>, ending: Ending) {
        let (sent_up_to, max_lag) = (self.board.sent_up_to(sender), self.board.max_lag());
        for missing in self.audit.missing_of(client, place, numbers.end) {
            if missing.start == 0 && missing.end < numbers.end {
                self.recorder.missed_at_first += u64::from(missing.end);
            }
            for number in missing.start.max(numbers.start)..missing.end {
                let due = self.schedule.due(sender, number);
                if !self.span.measures(due) {
                    continue;
                }
                let waited = ending.at.since(due);
                self.recorder.miss(waited);
                if number < sent_up_to {
                    self.recorder.miss_service(waited.saturating_sub(max_lag));
                }
            }
        }
    }

    /// Resumes a sender that has reconnected: messages due from now on are sent again.
    pub fn resume_sender(&mut self, client: usize) {
        if let Some(place) = self.place_of[client] {
            let sender = &mut self.senders[place as usize];
            // Messages that its old connection had not accepted.
            self.recorder.planned -= u64::from(sender.written - sender.taken);
            (sender.written, sender.taken) = (sender.due, sender.due);
            self.board.resume(sender.number, sender.due);
        }
    }

    /// Records a delivery. Deliveries from another room are counted separately.
    fn record(&mut self, client: usize, delivery: &Delivery, payload: &[u8], now: Time) {
        let Delivery { marker: Marker { sender, number, due, lag }, content } = *delivery;
        let (sender, recipient) = (sender as usize, self.first + client);
        match content {
            Content::Intact => {}
            Content::Rewritten => self.recorder.rewritten += 1,
            Content::Damaged => self.recorder.damaged += 1,
            Content::Foreign => {
                self.recorder.damaged += 1;
                return;
            }
        }
        if self.rooms.room(recipient) != self.rooms.room(sender) {
            self.recorder.strayed += 1;
            return;
        }
        let arrival = self.audit.record(client, self.rooms.place(sender), number);
        let own_place = self.place_of[client].filter(|_| self.rooms.senders()[sender] == recipient);
        if let Some(place) = own_place {
            self.record_own(place as usize, number, payload, arrival);
        }
        if arrival != Arrival::First {
            return;
        }
        if self.is_in_window(now) {
            self.recorder.window_received += 1;
            self.recorder.window_bytes += payload.len() as u64;
        }
        let latency = now.since(due);
        self.recorder.latest = latency;
        if self.span.measures(due) {
            self.recorder.answer(latency, lag);
        }
    }

    /// Records a sender's own message: the first time as a delivery, and possibly once more as an
    /// acknowledgement, which has different text.
    fn record_own(&mut self, place: usize, number: u32, payload: &[u8], arrival: Arrival) {
        let own = &mut self.senders[place].own;
        let hash = {
            let mut hasher = DefaultHasher::new();
            payload.hash(&mut hasher);
            hasher.finish()
        };
        match arrival {
            Arrival::First => {
                self.recorder.own += 1;
                if own.len() == REMEMBERED {
                    own.pop_front();
                }
                own.push_back((number, hash));
            }
            Arrival::Repeated => {
                if let Some(at) = own.iter().position(|(known, other)| *known == number && *other != hash) {
                    own.remove(at);
                    self.audit.duplicated -= 1;
                    self.recorder.acknowledged += 1;
                }
            }
            Arrival::Unknown => {}
        }
    }

    fn is_in_window(&self, now: Time) -> bool {
        self.span.measures(now) && now < self.board.until()
    }

    /// Adds due messages to the plan.
    fn plan(&mut self, place: usize, messages: u32) {
        let sender = &mut self.senders[place];
        sender.due += messages;
        self.recorder.planned += u64::from(messages);
        if self.expects == Expects::All {
            self.recorder.expected += self.rooms.recipients(sender.number) * u64::from(messages);
        }
    }
}

impl<N: Network> Workload<N> for Broadcast<'_> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        let until = self.board.until();
        for _ in 0..MAX_CATCH_UP {
            match self.schedule.next(now, until) {
                Next::End => return None,
                Next::At(due) => return Some(due),
                Next::Due(place) => {
                    let client = self.senders[place].client;
                    if self.expects == Expects::WhatIsCounted && !pool.is_open(client) {
                        self.senders[place].due += 1;
                        continue;
                    }
                    self.plan(place, 1);
                    pool.write_to(client, self);
                }
            }
        }
        Some(now)
    }

    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        let until = self.board.until();
        for place in 0..self.senders.len() {
            // Messages that this thread has not handled yet, and messages due but not sent.
            let Sender { client, number, due, .. } = self.senders[place];
            let late = self.schedule.count(number, until).saturating_sub(due);
            if self.expects == Expects::All {
                self.plan(place, late);
            }
            let Sender { due, written, taken, .. } = self.senders[place];
            let unsent = if self.expects == Expects::All { due - taken } else { written - taken };
            count(&mut self.recorder.unsent, unsent_cause(pool, client), unsent.into());
            if self.expects == Expects::All && self.is_member[client] && !ending.sender_receives {
                self.recorder.expected -= u64::from(due);
            }
        }
        if self.expects == Expects::WhatIsCounted {
            return;
        }
        for client in (0..self.is_member.len()).filter(|client| self.is_member[*client]).collect::<Vec<_>>() {
            for (place, sender) in self.senders_of(client) {
                let speaks_itself = self.rooms.senders()[sender] == self.first + client;
                if ending.sender_receives || !speaks_itself {
                    let total = self.schedule.count(sender, until);
                    self.miss(client, place, sender, 0..total, ending);
                }
            }
        }
    }

    fn recorder(&mut self) -> &mut MessageRecorder {
        self.recorder.take_over(&self.audit);
        &mut self.recorder
    }

    fn is_sent(&self) -> bool {
        self.schedule.is_done(self.board.until())
    }
}

impl Handler for Broadcast<'_> {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        _: &mut FrameWriter<'_>,
    ) -> bool {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        found.extend_from_slice(self.read(message));
        for delivery in &found {
            self.record(client, delivery, message.payload(), now);
        }
        self.found = found;
        !self.found.is_empty()
    }

    fn on_writable(&mut self, client: usize, writer: &mut FrameWriter<'_>) {
        let Some(place) = self.place_of[client] else { return };
        let sender = &mut self.senders[place as usize];
        while sender.written < sender.due && writer.has_room() {
            let due = self.schedule.due(sender.number, sender.written);
            let lag = writer.now().since(due);
            let marker = Marker { sender: sender.number as u32, number: sender.written, due, lag };
            let speaker = self.config.speaker(self.first + client);
            self.reader.format.write(speaker, &marker, &mut self.payload);
            writer.send(self.reader.format.opcode, &self.payload);
            sender.written += 1;
            if lag <= IN_TIME {
                self.recorder.sent_in_time += 1;
            }
            if self.span.measures(due) {
                self.recorder.lag.record(lag);
                self.board.lagged(lag);
            }
        }
    }

    fn on_sent(&mut self, client: usize, messages: u32, now: Time) {
        let Some(place) = self.place_of[client] else { return };
        let sender = &mut self.senders[place as usize];
        sender.taken += messages;
        sender.sent += messages;
        self.board.sent(sender.number, sender.taken);
        self.recorder.sent += u64::from(messages);
        if self.is_in_window(now) {
            self.recorder.window_sent += u64::from(messages);
        }
    }
}
