//! The output half of all connections: the output that handlers enqueue, and how it reaches the sockets.
//!
//! The output of a tick takes one of three paths:
//!
//! - Answers to the connection whose input is being handled are collected in one buffer, which is written
//!   once when that input is done.
//! - A message published to a group is appended once to the group's log (`fanout`). At the end of the
//!   tick, what a member has not received is written to its socket from there.
//! - Frames for other connections, and all bytes that a socket does not accept, wait in the queue of the
//!   connection.
//!
//! Each connection receives frames in the order of the calls: before a frame for a single member is queued,
//! what its groups have not sent to it is queued for it. The order between two groups is not defined. Only two kinds
//! of frame are sent out of order: a pong and, if the socket is blocked, a close frame that reports an error
//! ([`CloseCode::overtakes`]). The close frame follows the partly written frame, and the rest of the queue is
//! dropped.

mod flush;
mod slow;

use super::fanout::{Fanout, SubgroupId};
use super::memory::Memory;
use super::queue::OutboundQueue;
use super::shed::{Cause, Shed};
use super::timers::Fifo;
use super::{ConnId, GroupId, Limits, Socket};
use crate::ws::{CloseCode, Encoder, Form, Opcode, frame};
use bytes::Bytes;
use mio::net::TcpStream;
use slab::Slab;
use slow::Lags;
use smallvec::SmallVec;
use std::time::Instant;

/// Larger buffers are freed after use. In bytes.
const KEPT_BUFFER: usize = 256 << 10;

/// The output of all connections. Handlers use it to send, publish and close; these calls never write to a
/// socket.
#[derive(Debug)]
pub struct Outbound<T = TcpStream> {
    sinks: Slab<Sink<T>>,
    fanout: Fanout,
    memory: Memory,
    encoder: Encoder,
    /// Number of connections accepted so far, modulo 2³².
    accepted: u32,
    /// The connection whose input is being handled; `answers` are the answers collected for it.
    answering: Option<ConnId>,
    answers: Vec<u8>,
    /// Connections whose queue has not been offered to the socket yet.
    unoffered: Vec<u32>,
    /// So much was published to some group that publishers must wait.
    is_congested: bool,
    /// Deliveries that were published since they were last asked for.
    deliveries: usize,
    /// Connections closed from this side, of which the event loop must still be notified.
    closed: Vec<ConnId>,
    /// Connections to be removed at the end of the tick.
    dead: Vec<u32>,
    /// Time since a blocked socket last accepted a byte.
    stalled: Fifo,
    /// Time since the queue exceeded `Limits::high_water`.
    over_high_water: Fifo,
    lags: Lags,
    pub(in crate::net) shed: Shed,
    max_queue: usize,
    high_water: usize,
    now: Instant,
}

/// The output half of one connection. The fields that a flush touches fit in one cache line.
#[derive(Debug)]
struct Sink<T> {
    transport: T,
    generation: u32,
    /// `None` if nothing is queued.
    queue: Option<Box<OutboundQueue>>,
    /// The socket did not accept all bytes; it becomes writable again later.
    is_blocked: bool,
    /// Messages to its groups are skipped until it has caught up.
    is_lagging: bool,
    form: Form,
    /// If set, nothing more may be enqueued.
    finish: Option<Finish>,
    groups: SmallVec<[SubgroupId; 4]>,
}

/// What to do with a connection once all its output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) enum Finish {
    /// Wait for the peer's close frame.
    AwaitPeer,
    /// Shut down the write direction and let the peer close the connection, so that it reads everything.
    Shutdown,
    /// Drop the connection.
    Drop,
}

impl<T: Socket> Outbound<T> {
    /// Creates an empty set of connections at time `now`.
    pub fn new(limits: &Limits, now: Instant) -> Outbound<T> {
        let mut encoder = Encoder::default();
        if limits.deflate {
            encoder.prepare();
        }
        Outbound {
            sinks: Slab::new(),
            fanout: Fanout::new(limits.coalesce),
            memory: Memory::default(),
            encoder,
            accepted: 0,
            answering: None,
            answers: Vec::new(),
            unoffered: Vec::new(),
            is_congested: false,
            deliveries: 0,
            closed: Vec::new(),
            dead: Vec::new(),
            stalled: Fifo::new(limits.stall_timeout, now),
            over_high_water: Fifo::new(limits.high_water_timeout, now),
            lags: Lags::new(limits),
            shed: Shed::default(),
            max_queue: limits.max_queue,
            high_water: limits.high_water,
            now,
        }
    }

    /// Sends a message to one connection.
    pub fn send(&mut self, to: ConnId, opcode: Opcode, payload: &[u8]) {
        self.send_frames(to, |encoder, form, out| {
            out.reserve(frame::MAX_HEADER + payload.len());
            encoder.encode(form, opcode, payload, out);
        });
    }

    /// Sends what `encode` appends to one connection: whole frames in the given form.
    pub fn send_frames(&mut self, to: ConnId, encode: impl FnOnce(&mut Encoder, Form, &mut Vec<u8>)) {
        if !self.takes_more(to) {
            return;
        }
        self.settle(to);
        if !self.takes_more(to) {
            return;
        }
        let form = self.sinks[to.slot as usize].form;
        if self.answering == Some(to) {
            encode(&mut self.encoder, form, &mut self.answers);
        } else {
            let mut frames = Vec::new();
            encode(&mut self.encoder, form, &mut frames);
            let frames = self.memory.keep(frames);
            self.enqueue(to.slot, frames);
        }
    }

    /// Sends a message to all members of a group. It is encoded once for each form that has members.
    /// `position` is passed to [`App::on_caught_up`](super::App::on_caught_up) if this message is the first
    /// that a member misses.
    pub fn publish(&mut self, to: GroupId, position: u64, opcode: Opcode, payload: &[u8]) {
        for form in Form::ALL {
            let part = SubgroupId::of(to, form);
            let Some(group) = self.fanout.publish(part) else { continue };
            if self.lags.is_enabled() {
                group.mark(position);
            }
            self.encoder.encode(form, opcode, payload, group.tail());
            self.is_congested |= group.is_congested();
            self.deliveries += group.len();
        }
    }

    /// Adds a connection to a group. It receives messages published from now on.
    pub fn subscribe(&mut self, conn: ConnId, group: GroupId) {
        if !self.takes_more(conn) {
            return;
        }
        let sink = &mut self.sinks[conn.slot as usize];
        let group = SubgroupId::of(group, sink.form);
        if sink.groups.contains(&group) {
            return;
        }
        sink.groups.push(group);
        self.fanout.insert(group, conn.generation, conn.slot);
    }

    /// Removes a connection from a group. Messages published before are still delivered.
    pub fn unsubscribe(&mut self, conn: ConnId, group: GroupId) {
        if self.is_present(conn) {
            if self.takes_more(conn) {
                self.settle(conn);
            }
            let sink = &mut self.sinks[conn.slot as usize];
            let group = SubgroupId::of(group, sink.form);
            sink.groups.retain(|joined| *joined != group);
            self.lags.forget(conn.slot, group);
            self.fanout.remove(group, conn.generation);
        }
    }

    /// Starts the closing handshake. Nothing is sent after the close frame. The close frame follows
    /// everything sent so far, unless its code overtakes a queue that the socket has not accepted.
    pub fn close(&mut self, conn: ConnId, code: CloseCode, reason: &str) {
        if self.takes_more(conn) {
            log::debug!(connection = conn.generation; "{conn}: closed with {}: {reason}", code.0);
            self.push_close(conn, Some(code), reason);
            self.finish(conn, Finish::AwaitPeer);
            self.closed.push(conn);
        }
    }

    /// Returns true if the connection exists and no close frame was sent on it.
    pub fn takes_more(&self, conn: ConnId) -> bool {
        self.get(conn).is_some_and(|sink| sink.finish.is_none())
    }

    /// Returns the time at which the loop handles its current event. It never goes back.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Counts an operation that the application refused.
    pub fn count_shed(&mut self, cause: Cause) {
        self.shed.count(cause, 1);
    }

    /// Does the same and describes the operation in a sentence for the log, which takes at most one a second.
    pub fn count_shed_with(&mut self, cause: Cause, example: impl FnOnce() -> String) {
        self.shed.count_with(cause, example);
    }

    // The functions below are for the event loop.

    pub(in crate::net) fn insert(&mut self, transport: T) -> ConnId {
        let generation = self.accepted;
        self.accepted = self.accepted.wrapping_add(1);
        let slot = self.sinks.insert(Sink {
            transport,
            generation,
            queue: None,
            is_blocked: false,
            is_lagging: false,
            form: Form::default(),
            finish: None,
            groups: SmallVec::new(),
        });
        ConnId { slot: slot as u32, generation }
    }

    /// Sets the negotiated form of messages. Must be called before the first message.
    pub(in crate::net) fn set_form(&mut self, conn: ConnId, form: Form) {
        if let Some(sink) = self.get_mut(conn) {
            debug_assert!(sink.groups.is_empty());
            sink.form = form;
        }
    }

    /// Removes a connection from all its groups and returns its transport.
    pub(in crate::net) fn remove(&mut self, conn: ConnId) -> Option<T> {
        if !self.is_present(conn) {
            return None;
        }
        self.stalled.stop(conn.slot);
        self.over_high_water.stop(conn.slot);
        self.lags.end(conn.slot);
        let sink = self.sinks.remove(conn.slot as usize);
        for group in sink.groups {
            self.fanout.remove(group, conn.generation);
        }
        Some(sink.transport)
    }

    /// Returns the account of the bytes that are kept for peers.
    pub(in crate::net) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(in crate::net) fn len(&self) -> usize {
        self.sinks.len()
    }

    pub(in crate::net) fn conn_at(&self, slot: u32) -> Option<ConnId> {
        let generation = self.sinks.get(slot as usize)?.generation;
        Some(ConnId { slot, generation })
    }

    pub(in crate::net) fn is_present(&self, conn: ConnId) -> bool {
        self.get(conn).is_some()
    }

    pub(in crate::net) fn transport(&mut self, conn: ConnId) -> Option<&mut T> {
        self.get_mut(conn).map(|sink| &mut sink.transport)
    }

    /// Returns the number of bytes queued for the connection.
    pub(in crate::net) fn owed(&self, conn: ConnId) -> usize {
        self.queue(conn).map_or(0, OutboundQueue::len) + self.unfinished_answers(conn)
    }

    /// Returns how many of those bytes are answers to the connection's own input.
    pub(in crate::net) fn owed_answers(&self, conn: ConnId) -> usize {
        self.queue(conn).map_or(0, OutboundQueue::answers) + self.unfinished_answers(conn)
    }

    fn queue(&self, conn: ConnId) -> Option<&OutboundQueue> {
        self.get(conn)?.queue.as_deref()
    }

    fn unfinished_answers(&self, conn: ConnId) -> usize {
        if self.answering == Some(conn) { self.answers.len() } else { 0 }
    }

    /// Sets the current time.
    pub(in crate::net) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Starts collecting answers to a connection; [`Outbound::end_answers`] writes them.
    pub(in crate::net) fn begin_answers(&mut self, conn: ConnId) {
        debug_assert!(self.answers.is_empty());
        self.answering = Some(conn);
    }

    /// Returns the buffer of collected answers, for HTTP responses.
    pub(in crate::net) fn answers(&mut self) -> &mut Vec<u8> {
        &mut self.answers
    }

    /// Answers a ping. While output is queued, only the newest ping is answered.
    pub(in crate::net) fn pong(&mut self, conn: ConnId, payload: &[u8]) {
        if !self.takes_more(conn) {
            return;
        }
        match &mut self.sinks[conn.slot as usize].queue {
            Some(queue) => queue.set_pong(encoded(Opcode::Pong, payload)),
            None => frame::encode(Opcode::Pong, payload, &mut self.answers),
        }
    }

    /// Sends a ping.
    pub(in crate::net) fn ping(&mut self, conn: ConnId) {
        if self.takes_more(conn) {
            self.settle(conn);
            self.enqueue(conn.slot, encoded(Opcode::Ping, b""));
        }
    }

    /// Answers the peer's close frame. Once all output is written, this side ends the connection (RFC 6455
    /// §7.1.1).
    pub(in crate::net) fn answer_close(&mut self, conn: ConnId, code: Option<CloseCode>) {
        if self.takes_more(conn) {
            self.push_close(conn, code, "");
        }
        self.finish(conn, Finish::Shutdown);
    }

    /// Fails the connection (RFC 6455 §7.1.7): sends a close frame, then shuts down the write direction.
    pub(in crate::net) fn fail(&mut self, conn: ConnId, code: CloseCode, reason: &str) {
        if self.takes_more(conn) {
            self.push_close(conn, Some(code), reason);
        }
        self.finish(conn, Finish::Shutdown);
    }

    pub(in crate::net) fn finish(&mut self, conn: ConnId, finish: Finish) {
        if let Some(sink) = self.get_mut(conn) {
            sink.finish = Some(finish);
            self.finish_if_drained(conn.slot);
        }
    }

    /// Returns true if so much was published to some group that publishers must wait until it is sent.
    pub(in crate::net) fn is_congested(&self) -> bool {
        self.is_congested
    }

    /// Returns how many deliveries have been published since the last call.
    pub(in crate::net) fn take_deliveries(&mut self) -> usize {
        std::mem::take(&mut self.deliveries)
    }

    /// Returns true if a flush was interrupted and is to be continued after the next poll.
    pub(in crate::net) fn is_flushing(&self) -> bool {
        self.fanout.is_sending()
    }

    /// Returns the time of the next event here: a group that waits for more messages, a timeout, or a log line about
    /// shed load.
    pub(in crate::net) fn due(&self) -> Option<Instant> {
        let due = [self.fanout.due(), self.stalled.due(), self.over_high_water.due(), self.shed.due()];
        due.into_iter().flatten().min()
    }

    /// Returns a connection that was closed from this side and not reported yet.
    pub(in crate::net) fn pop_closed(&mut self) -> Option<ConnId> {
        self.closed.pop()
    }

    /// Returns a connection that is to be removed.
    pub(in crate::net) fn pop_dead(&mut self) -> Option<ConnId> {
        while let Some(slot) = self.dead.pop() {
            if let Some(conn) = self.conn_at(slot) {
                return Some(conn);
            }
        }
        None
    }

    /// Returns true if `pop_closed` or `pop_dead` has something to return.
    pub(in crate::net) fn has_ended(&self) -> bool {
        !self.dead.is_empty() || !self.closed.is_empty()
    }

    pub(in crate::net) fn kill(&mut self, conn: ConnId) {
        if self.is_present(conn) {
            self.dead.push(conn.slot);
        }
    }

    /// Drops all output of a connection, which is then to be removed.
    pub(in crate::net) fn kill_now(&mut self, conn: ConnId) {
        if let Some(sink) = self.get_mut(conn) {
            sink.queue = None;
            self.dead.push(conn.slot);
        }
    }

    fn get(&self, conn: ConnId) -> Option<&Sink<T>> {
        self.sinks.get(conn.slot as usize).filter(|sink| sink.generation == conn.generation)
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Sink<T>> {
        self.sinks.get_mut(conn.slot as usize).filter(|sink| sink.generation == conn.generation)
    }

    /// Queues what its groups have not sent to the connection yet, so that frames enqueued later follow it.
    fn settle(&mut self, conn: ConnId) {
        for index in 0..self.sinks[conn.slot as usize].groups.len() {
            let id = self.sinks[conn.slot as usize].groups[index];
            let Some(group) = self.fanout.get_mut(id) else { continue };
            let Some((part, bytes)) = group.take_unsent(conn.generation) else { continue };
            let messages = group.messages(part);
            if self.answering == Some(conn) {
                self.queue_answers(conn.slot);
            }
            let bytes = self.memory.keep(bytes);
            self.enqueue_published(conn.slot, id, bytes, messages);
        }
    }

    /// Moves the answers collected so far to the queue.
    fn queue_answers(&mut self, slot: u32) {
        if self.answers.is_empty() {
            return;
        }
        let sink = &mut self.sinks[slot as usize];
        let answers = self.memory.keep(self.answers.clone());
        sink.queue.get_or_insert_default().push_answers(answers, 0);
        self.answers.clear();
        if !sink.is_blocked {
            self.unoffered.push(slot);
        }
    }

    fn push_close(&mut self, conn: ConnId, code: Option<CloseCode>, reason: &str) {
        let payload = code.map_or(Vec::new(), |code| frame::close_payload(code, reason));
        let frame = encoded(Opcode::Close, &payload);
        let sink = &mut self.sinks[conn.slot as usize];
        if sink.is_blocked
            && code.is_some_and(CloseCode::overtakes)
            && sink.queue.as_mut().is_some_and(|queue| queue.overtake(frame.clone()))
        {
            if self.answering == Some(conn) {
                self.answers.clear();
            }
            return;
        }
        self.settle(conn);
        if !self.takes_more(conn) {
            return;
        }
        if self.answering == Some(conn) {
            self.answers.extend_from_slice(&frame);
        } else {
            self.sinks[conn.slot as usize].push(frame);
            self.unoffered.push(conn.slot);
        }
    }
}

impl<T> Sink<T> {
    fn push(&mut self, chunk: Bytes) {
        self.queue.get_or_insert_default().push(chunk, 0);
    }
}

fn encoded(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(frame::MAX_HEADER + payload.len());
    frame::encode(opcode, payload, &mut frame);
    frame.into()
}

#[cfg(test)]
mod tests;
