//! The outgoing half of all connections: what handlers enqueue, and how it reaches the sockets.
//!
//! A tick's output takes one of three ways:
//!
//! - answers to the connection whose input is being handled are gathered in one buffer and written once that
//!   input is done;
//! - what is published to a group is appended once to the group's batch, from which every member is written
//!   to directly when the tick ends;
//! - a frame for somebody else, and whatever a socket refuses, waits in that connection's own queue.
//!
//! Frames reach each connection in the order of the calls: before a frame meant for one member is queued, its
//! part of every batch goes before it. Two groups have no order between them. Out of order come only a pong and, if the
//! socket refuses, a close frame that tells of a fault ([`CloseCode::overtakes`]): it goes right after the frame under
//! way, and the rest is dropped.

mod flush;
mod slow;

use super::group::Group;
use super::queue::OutboundQueue;
use super::shed::{Cause, Shed};
use super::timers::Fifo;
use super::{ConnId, GroupId, Limits, Transport};
use crate::ws::{CloseCode, Encoder, Form, Opcode, frame};
use bytes::{Bytes, BytesMut};
use mio::net::TcpStream;
use slab::Slab;
use slow::Lags;
use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// Buffers above this are given back after use, in bytes.
const KEPT_BUFFER: usize = 256 << 10;
/// Empty buffers kept for the next batches.
const SPARE_BUFFERS: usize = 8;

/// Everything that connections are owed. Handlers get it to send, publish and close; none of that writes.
#[derive(Debug)]
pub struct Outbound<T = TcpStream> {
    sinks: Slab<Sink<T>>,
    /// By [`PartId`].
    groups: Vec<Option<Box<Group>>>,
    encoder: Encoder,
    /// How many connections were ever accepted, modulo 2³².
    accepted: u32,
    /// The connection whose input is being handled, and the answers to it.
    answering: Option<ConnId>,
    answers: Vec<u8>,
    /// Connections with a queue that has not been offered to the socket.
    unoffered: Vec<u32>,
    /// Groups with a batch.
    published: Vec<PartId>,
    /// Groups that were written to since the time was told.
    flushed: Vec<PartId>,
    has_large_batch: bool,
    spare_buffers: Vec<BytesMut>,
    /// Connections that were closed from this side; their input is to be told.
    closed: Vec<ConnId>,
    /// Connections to be dropped when the tick ends.
    dead: Vec<u32>,
    /// No byte taken since.
    stalled: Fifo,
    /// More than `Limits::high_water` waiting since.
    crowded: Fifo,
    lags: Lags,
    pub(in crate::net) shed: Shed,
    max_queue: usize,
    high_water: usize,
    coalesce: Duration,
    now: Instant,
}

/// The members of a group that take one form of its messages: to them the same bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PartId(u32);

impl PartId {
    fn of(group: GroupId, form: Form) -> PartId {
        PartId(group.0 * Form::ALL.len() as u32 + form as u32)
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The outgoing half of one connection; what a flush touches of it fits a cache line.
#[derive(Debug)]
struct Sink<T> {
    transport: T,
    generation: u32,
    /// Only while something waits.
    queue: Option<Box<OutboundQueue>>,
    /// The socket refused bytes; it will tell when it takes some.
    is_blocked: bool,
    /// What its groups are sent is left out.
    is_lagging: bool,
    form: Form,
    /// Once set, nothing more is taken.
    finish: Option<Finish>,
    groups: SmallVec<[PartId; 4]>,
}

/// What becomes of a connection when everything that it is owed has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::net) enum Finish {
    /// The peer is to answer a close frame.
    AwaitPeer,
    /// The write side is shut down; the peer is to end the connection, so that it reads what was sent.
    Shutdown,
    /// It is dropped.
    Drop,
}

impl<T: Transport> Outbound<T> {
    /// Nothing, at time `now`.
    pub fn new(limits: &Limits, now: Instant) -> Outbound<T> {
        let mut encoder = Encoder::default();
        if limits.deflate {
            encoder.prepare();
        }
        Outbound {
            sinks: Slab::new(),
            groups: Vec::new(),
            encoder,
            accepted: 0,
            answering: None,
            answers: Vec::new(),
            unoffered: Vec::new(),
            published: Vec::new(),
            flushed: Vec::new(),
            has_large_batch: false,
            spare_buffers: Vec::new(),
            closed: Vec::new(),
            dead: Vec::new(),
            stalled: Fifo::new(limits.stall_timeout, now),
            crowded: Fifo::new(limits.high_water_timeout, now),
            lags: Lags::new(limits),
            shed: Shed::default(),
            max_queue: limits.max_queue,
            high_water: limits.high_water,
            coalesce: limits.coalesce,
            now,
        }
    }

    /// Sends a message to one connection.
    pub fn send(&mut self, to: ConnId, opcode: Opcode, payload: &[u8]) {
        if !self.takes_more(to) {
            return;
        }
        self.settle(to);
        if !self.takes_more(to) {
            return;
        }
        let form = self.sinks[to.slot as usize].form;
        if self.answering == Some(to) {
            self.encoder.encode(form, opcode, payload, &mut self.answers);
        } else {
            let mut frame = Vec::with_capacity(frame::MAX_HEADER + payload.len());
            self.encoder.encode(form, opcode, payload, &mut frame);
            self.enqueue(to.slot, frame.into());
        }
    }

    /// Sends a message to all members of a group. It is encoded once in each form that a member takes. The position is
    /// what [`App::on_caught_up`](super::App::on_caught_up) is told if this is the first that a member misses.
    pub fn publish(&mut self, to: GroupId, position: u64, opcode: Opcode, payload: &[u8]) {
        for form in Form::ALL {
            let part = PartId::of(to, form);
            let Some(Some(group)) = self.groups.get_mut(part.index()) else { continue };
            if !group.is_listed {
                group.is_listed = true;
                self.published.push(part);
            }
            if group.batch.is_empty()
                && let Some(buffer) = self.spare_buffers.pop()
            {
                group.batch = buffer;
            }
            if self.lags.are_allowed() {
                group.marks.push(group.batch.len(), position);
            }
            self.encoder.encode(form, opcode, payload, &mut group.batch);
            self.has_large_batch |= group.has_large_batch();
        }
    }

    /// Makes a connection a member of a group: it hears what is published from now on.
    pub fn subscribe(&mut self, conn: ConnId, group: GroupId) {
        if !self.takes_more(conn) {
            return;
        }
        let sink = &mut self.sinks[conn.slot as usize];
        let group = PartId::of(group, sink.form);
        if sink.groups.contains(&group) {
            return;
        }
        sink.groups.push(group);
        if self.groups.len() <= group.index() {
            self.groups.resize_with(group.index() + 1, || None);
        }
        self.groups[group.index()].get_or_insert_default().insert(conn.generation, conn.slot);
    }

    /// Ends a membership. What was published before is still delivered, nothing after.
    pub fn unsubscribe(&mut self, conn: ConnId, group: GroupId) {
        if self.is_present(conn) {
            if self.takes_more(conn) {
                self.settle(conn);
            }
            let sink = &mut self.sinks[conn.slot as usize];
            let group = PartId::of(group, sink.form);
            sink.groups.retain(|joined| *joined != group);
            self.lags.forget(conn.slot, group);
            self.leave(conn, group);
        }
    }

    /// Begins the closing handshake: nothing goes after the close frame, and it goes after everything sent so far
    /// unless its code overtakes what the socket has refused.
    pub fn close(&mut self, conn: ConnId, code: CloseCode, reason: &str) {
        if self.takes_more(conn) {
            log::debug!("{conn}: closed with {}: {reason}", code.0);
            self.push_close(conn, Some(code), reason);
            self.finish(conn, Finish::AwaitPeer);
            self.closed.push(conn);
        }
    }

    /// Whether the connection is still there and no close frame was sent on it.
    pub fn takes_more(&self, conn: ConnId) -> bool {
        self.get(conn).is_some_and(|sink| sink.finish.is_none())
    }

    /// Counts what the application did not carry out.
    pub fn count_shed(&mut self, cause: Cause) {
        self.shed.count(cause, 1);
    }

    // What follows is for the loop.

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

    /// The form of messages that was agreed on, before there are any.
    pub(in crate::net) fn set_form(&mut self, conn: ConnId, form: Form) {
        if let Some(sink) = self.get_mut(conn) {
            debug_assert!(sink.groups.is_empty());
            sink.form = form;
        }
    }

    /// Takes a connection out, with all its memberships.
    pub(in crate::net) fn remove(&mut self, conn: ConnId) -> Option<T> {
        if !self.is_present(conn) {
            return None;
        }
        self.stalled.stop(conn.slot);
        self.crowded.stop(conn.slot);
        self.lags.end(conn.slot);
        let sink = self.sinks.remove(conn.slot as usize);
        for group in sink.groups {
            self.leave(conn, group);
        }
        Some(sink.transport)
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

    /// Bytes that the connection is owed.
    pub(in crate::net) fn owed(&self, conn: ConnId) -> usize {
        self.queue(conn).map_or(0, OutboundQueue::len) + self.unfinished_answers(conn)
    }

    /// Of these, what answers its own input.
    pub(in crate::net) fn owed_answers(&self, conn: ConnId) -> usize {
        self.queue(conn).map_or(0, OutboundQueue::answers) + self.unfinished_answers(conn)
    }

    fn queue(&self, conn: ConnId) -> Option<&OutboundQueue> {
        self.get(conn)?.queue.as_deref()
    }

    fn unfinished_answers(&self, conn: ConnId) -> usize {
        if self.answering == Some(conn) { self.answers.len() } else { 0 }
    }

    /// The time, to be told before and after a flush. A group that was written to is left alone for `Limits::coalesce`
    /// from the beginning of that, and if that took long, for half of the time it took from the end of it, so that
    /// there is time for others.
    pub(in crate::net) fn set_now(&mut self, now: Instant) {
        let pause = (now.saturating_duration_since(self.now) / 2).min(self.coalesce);
        let until = (self.now + self.coalesce).max(now + pause);
        for id in self.flushed.drain(..) {
            if let Some(group) = &mut self.groups[id.index()] {
                group.held_until = Some(until);
            }
        }
        self.now = now;
    }

    /// Begins to gather answers to a connection, which [`Outbound::end_answers`] writes.
    pub(in crate::net) fn begin_answers(&mut self, conn: ConnId) {
        debug_assert!(self.answers.is_empty());
        self.answering = Some(conn);
    }

    /// The answers to the connection that is being handled, for what is not a message.
    pub(in crate::net) fn answers(&mut self) -> &mut Vec<u8> {
        &mut self.answers
    }

    /// Answers a ping. While earlier output waits, only the newest ping is answered.
    pub(in crate::net) fn pong(&mut self, conn: ConnId, payload: &[u8]) {
        if !self.takes_more(conn) {
            return;
        }
        match &mut self.sinks[conn.slot as usize].queue {
            Some(queue) => queue.set_pong(encoded(Opcode::Pong, payload)),
            None => frame::encode(Opcode::Pong, payload, &mut self.answers),
        }
    }

    /// Asks the peer for a sign of life.
    pub(in crate::net) fn ping(&mut self, conn: ConnId) {
        if self.takes_more(conn) {
            self.settle(conn);
            self.enqueue(conn.slot, encoded(Opcode::Ping, b""));
        }
    }

    /// Answers the peer's close frame. When the peer has what it is owed, this side ends the connection first
    /// (RFC 6455 §7.1.1).
    pub(in crate::net) fn answer_close(&mut self, conn: ConnId, code: Option<CloseCode>) {
        if self.takes_more(conn) {
            self.push_close(conn, code, "");
        }
        self.finish(conn, Finish::Shutdown);
    }

    /// Fails the connection (RFC 6455 §7.1.7): the peer gets a close frame and the end of the stream.
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

    /// Whether a batch should not wait for the end of the tick.
    pub(in crate::net) fn has_large_batch(&self) -> bool {
        self.has_large_batch
    }

    /// When something falls due here: a batch that was held back, a limit of time, or what is to be told of them.
    pub(in crate::net) fn due(&self) -> Option<Instant> {
        let held = self.published.iter().filter_map(|id| self.groups[id.index()].as_ref()?.held_until);
        let others = [self.stalled.due(), self.crowded.due(), self.shed.due()];
        held.chain(others.into_iter().flatten()).min()
    }

    /// One that was closed from this side and whose input has not been told, if there is one.
    pub(in crate::net) fn pop_closed(&mut self) -> Option<ConnId> {
        self.closed.pop()
    }

    /// One that is to be dropped, if there is one.
    pub(in crate::net) fn pop_dead(&mut self) -> Option<ConnId> {
        while let Some(slot) = self.dead.pop() {
            if let Some(conn) = self.conn_at(slot) {
                return Some(conn);
            }
        }
        None
    }

    /// Whether connections have ended or were closed of which the loop has not been told.
    pub(in crate::net) fn has_ended(&self) -> bool {
        !self.dead.is_empty() || !self.closed.is_empty()
    }

    pub(in crate::net) fn kill(&mut self, conn: ConnId) {
        if self.is_present(conn) {
            self.dead.push(conn.slot);
        }
    }

    fn get(&self, conn: ConnId) -> Option<&Sink<T>> {
        self.sinks.get(conn.slot as usize).filter(|sink| sink.generation == conn.generation)
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Sink<T>> {
        self.sinks.get_mut(conn.slot as usize).filter(|sink| sink.generation == conn.generation)
    }

    /// Gives a member its part of every batch now, so that what follows keeps its place in the order.
    fn settle(&mut self, conn: ConnId) {
        for index in 0..self.sinks[conn.slot as usize].groups.len() {
            let id = self.sinks[conn.slot as usize].groups[index];
            let Some(mut group) = self.groups[id.index()].take() else { continue };
            let begin = group.take_part(conn.generation);
            let part = &group.batch[begin as usize..];
            if !part.is_empty() {
                if self.answering == Some(conn) {
                    self.queue_answers(conn.slot);
                }
                self.enqueue_part(conn.slot, id, begin, Bytes::copy_from_slice(part), &group.marks);
            }
            self.groups[id.index()] = Some(group);
        }
    }

    /// Queues the answers gathered so far.
    fn queue_answers(&mut self, slot: u32) {
        if self.answers.is_empty() {
            return;
        }
        let sink = &mut self.sinks[slot as usize];
        sink.queue.get_or_insert_default().push_answers(Bytes::copy_from_slice(&self.answers), 0);
        self.answers.clear();
        if !sink.is_blocked {
            self.unoffered.push(slot);
        }
    }

    fn leave(&mut self, conn: ConnId, id: PartId) {
        let Some(entry) = self.groups.get_mut(id.index()) else { return };
        let Some(group) = entry else { return };
        group.remove(conn.generation);
        if group.is_empty() && !group.is_listed {
            *entry = None;
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
