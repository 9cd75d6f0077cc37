//! Messages that the server returns to their sender.

use super::super::audit::{Arrival, Audit};
use super::super::clients::{ClientPool, ConnectConfig, FrameWriter, Handler};
use super::super::content::{Content, Delivery, Framing, MessageFormat, Reader};
use super::super::marker::Marker;
use super::super::network::Network;
use super::super::recorder::{IN_TIME, MessageRecorder, count};
use super::super::time::{Nanos, Time};
use super::schedule::Next;
use super::{Board, Ending, MAX_CATCH_UP, Schedule, Span, Workload, unsent_cause};
use crate::ws::Message;
use std::collections::VecDeque;
use std::ops::Range;

/// How often overdue replies are checked for.
const TIMEOUT_CHECK: Nanos = Nanos::millis(100);

/// When a client sends.
#[derive(Clone, Debug)]
pub(crate) enum Loop {
    /// When a reply to an earlier message has arrived. `messages` limits the measured messages of this
    /// thread.
    Closed { messages: Option<u64> },
    /// According to a plan.
    Open(Schedule),
}

/// Clients that send messages and compare the replies.
pub(crate) struct Echo<'a> {
    board: &'a Board,
    config: &'a ConnectConfig,
    span: Span,
    sends: Loop,
    /// Largest number of unanswered messages per client.
    depth: Option<u32>,
    /// Time after which an unanswered message no longer counts for `depth`.
    response_timeout: Nanos,
    next_check: Time,
    /// The number of the first client among those of all threads.
    first: usize,
    clients: Vec<Client>,
    has_begun: bool,
    reader: Reader,
    audit: Audit,
    recorder: MessageRecorder,
    payload: Vec<u8>,
    found: Vec<Delivery>,
}

#[derive(Clone, Debug, Default)]
struct Client {
    /// Number of messages due so far.
    due: u32,
    written: u32,
    /// The number after the last message that the socket accepted.
    taken: u32,
    /// Unanswered messages with their send times. Empty without a depth.
    waiting: VecDeque<(u32, Time)>,
    timed_out: Vec<(u32, Time)>,
}

impl<'a> Echo<'a> {
    /// Creates the part of the clients `own`.
    pub fn new(
        (board, config): (&'a Board, &'a ConnectConfig),
        (span, format): (Span, MessageFormat),
        sends: Loop,
        (depth, response_timeout): (Option<u32>, Nanos),
        own: Range<usize>,
    ) -> Echo<'a> {
        Echo {
            board,
            config,
            span,
            sends,
            depth,
            response_timeout,
            next_check: Time::ZERO,
            first: own.start,
            clients: vec![Client::default(); own.len()],
            has_begun: false,
            reader: Reader::new(format, Framing::Exact),
            audit: Audit::new(own.len(), 1),
            recorder: MessageRecorder::default(),
            payload: Vec::new(),
            found: Vec::new(),
        }
    }

    fn has_depth_left(&self, client: usize) -> bool {
        self.depth.is_none_or(|depth| self.clients[client].waiting.len() < depth as usize)
    }

    /// Returns when the next message of a client is or was due, if it may be sent now.
    fn next_due(&mut self, client: usize, now: Time) -> Option<Time> {
        if !self.has_depth_left(client) {
            return None;
        }
        let Client { due, written, .. } = self.clients[client];
        match &mut self.sends {
            Loop::Open(schedule) => (written < due).then(|| schedule.due(self.first + client, written)),
            Loop::Closed { messages } => {
                if now >= self.board.until() {
                    return None;
                }
                if let Some(left) = messages
                    && self.span.measures(now)
                {
                    *left = left.checked_sub(1)?;
                }
                Some(now)
            }
        }
    }

    fn is_in_window(&self, now: Time) -> bool {
        self.span.measures(now) && now < self.board.until()
    }

    /// Gives up overdue replies, so that their clients can send again.
    fn expire<N: Network>(&mut self, pool: &mut ClientPool<'_, N>, now: Time) {
        for client in 0..self.clients.len() {
            let state = &mut self.clients[client];
            let before = state.timed_out.len();
            while let Some((number, sent)) = state.waiting.front().copied()
                && now.since(sent) >= self.response_timeout
            {
                state.waiting.pop_front();
                state.timed_out.push((number, sent));
            }
            let expired = state.timed_out.len() - before;
            if expired > 0 {
                self.recorder.timed_out += expired as u64;
                pool.write_to(client, self);
            }
        }
    }

    fn account_open<N: Network>(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        let (until, max_lag) = (self.board.until(), self.board.max_lag());
        for client in 0..self.clients.len() {
            let waits = pool.is_open(client) && !pool.is_blocked(client) && !self.has_depth_left(client);
            let Loop::Open(schedule) = &self.sends else { return };
            let number = self.first + client;
            let total = schedule.count(number, until);
            let Client { due, taken, .. } = self.clients[client];
            self.recorder.planned += u64::from(total - due);
            self.recorder.expected += u64::from(total - due);
            let cause =
                if waits { "the sender waited for replies (--depth)" } else { unsent_cause(pool, client) };
            count(&mut self.recorder.unsent, cause, u64::from(total - taken));
            for missing in self.audit.missing_of(client, 0, total) {
                for event in missing {
                    let due = schedule.due(number, event);
                    if !self.span.measures(due) {
                        continue;
                    }
                    let waited = ending.at.since(due);
                    self.recorder.miss(waited);
                    if event < taken {
                        self.recorder.miss_service(waited.saturating_sub(max_lag));
                    }
                }
            }
        }
    }

    fn account_closed<N: Network>(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        for (place, client) in self.clients.iter().enumerate() {
            let unsent = client.written - client.taken;
            count(&mut self.recorder.unsent, unsent_cause(pool, place), unsent.into());
            let missing: Vec<Range<u32>> = self.audit.missing_of(place, 0, client.written).collect();
            for (number, sent) in client.timed_out.iter().chain(&client.waiting) {
                let is_missing = missing.iter().any(|numbers| numbers.contains(number));
                if is_missing && self.span.measures(*sent) {
                    self.recorder.miss_service(ending.at.since(*sent));
                }
            }
        }
    }
}

impl<N: Network> Workload<N> for Echo<'_> {
    fn run_due(&mut self, pool: &mut ClientPool<'_, N>, now: Time) -> Option<Time> {
        if now < self.span.start {
            return Some(self.span.start);
        }
        if !self.has_begun {
            self.has_begun = true;
            if matches!(self.sends, Loop::Closed { .. }) {
                (0..self.clients.len()).for_each(|client| pool.write_to(client, self));
            }
        }
        let check = self.depth.map(|_| self.next_check);
        if check.is_some_and(|check| check <= now) {
            self.next_check = now + TIMEOUT_CHECK;
            self.expire(pool, now);
        }
        let until = self.board.until();
        for _ in 0..MAX_CATCH_UP {
            let Loop::Open(schedule) = &mut self.sends else { return check };
            match schedule.next(now, until) {
                Next::End => return check,
                Next::At(due) => return Some(check.map_or(due, |check| check.min(due))),
                Next::Due(client) => {
                    self.clients[client].due += 1;
                    self.recorder.planned += 1;
                    self.recorder.expected += 1;
                    pool.write_to(client, self);
                }
            }
        }
        Some(now)
    }

    fn account(&mut self, pool: &ClientPool<'_, N>, ending: Ending) {
        match self.sends {
            Loop::Open(_) => self.account_open(pool, ending),
            Loop::Closed { .. } => self.account_closed(pool, ending),
        }
    }

    fn recorder(&mut self) -> &mut MessageRecorder {
        self.recorder.take_over(&self.audit);
        &mut self.recorder
    }

    fn is_sent(&self) -> bool {
        match &self.sends {
            Loop::Open(schedule) => schedule.is_done(self.board.until()),
            Loop::Closed { messages } => *messages == Some(0),
        }
    }
}

impl Handler for Echo<'_> {
    fn on_open(&mut self, _: usize, _: Time, _: &mut FrameWriter<'_>) {}

    fn on_message(
        &mut self,
        client: usize,
        message: &Message<'_>,
        now: Time,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        found.extend_from_slice(
            self.reader.read(message, |marker| Some(self.config.speaker(marker.sender as usize))),
        );
        for Delivery { marker, content } in &found {
            let Marker { sender, number, due, lag } = *marker;
            if sender as usize != self.first + client {
                self.recorder.strayed += 1;
                continue;
            }
            if number >= self.clients[client].written {
                self.recorder.damaged += 1;
                continue;
            }
            match content {
                Content::Intact => {}
                Content::Rewritten => self.recorder.rewritten += 1,
                Content::Damaged | Content::Foreign => self.recorder.damaged += 1,
            }
            if self.audit.record(client, 0, number) != Arrival::First {
                continue;
            }
            let waiting = &mut self.clients[client].waiting;
            if let Some(at) = waiting.iter().position(|(waiting, _)| *waiting == number) {
                waiting.remove(at);
            }
            if self.is_in_window(now) {
                self.recorder.window_received += 1;
                self.recorder.window_bytes += message.payload().len() as u64;
            }
            self.recorder.latest = now.since(due);
            if self.span.measures(due) {
                self.recorder.answer(now.since(due), lag);
            }
        }
        self.found = found;
        if self.found.is_empty() {
            return false;
        }
        self.on_writable(client, writer);
        true
    }

    fn on_writable(&mut self, client: usize, writer: &mut FrameWriter<'_>) {
        let now = writer.now();
        while writer.has_room()
            && let Some(due) = self.next_due(client, now)
        {
            let lag = now.since(due);
            let state = &mut self.clients[client];
            let number = state.written;
            state.written += 1;
            if self.depth.is_some() {
                state.waiting.push_back((number, now));
            }
            let marker = Marker { sender: (self.first + client) as u32, number, due, lag };
            self.reader.format.write(self.config.speaker(self.first + client), &marker, &mut self.payload);
            writer.send(self.reader.format.opcode, &self.payload);
            if lag <= IN_TIME {
                self.recorder.sent_in_time += 1;
            }
            if matches!(self.sends, Loop::Closed { .. }) {
                self.recorder.planned += 1;
                self.recorder.expected += 1;
            } else if self.span.measures(due) {
                self.recorder.lag.record(lag);
                self.board.lagged(lag);
            }
        }
    }

    fn on_sent(&mut self, client: usize, messages: u32, now: Time) {
        self.clients[client].taken += messages;
        self.recorder.sent += u64::from(messages);
        if self.is_in_window(now) {
            self.recorder.window_sent += u64::from(messages);
        }
    }
}
