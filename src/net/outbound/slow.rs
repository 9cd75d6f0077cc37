//! What becomes of connections that read more slowly than they are sent to.
//!
//! Under [`Slow::Drop`] a connection lags from when its queue would pass a limit until it has been read down to the low
//! water. Meanwhile it remains a member of its groups, but its part of each batch is left out, and of each group
//! where that began is kept. When it has caught up it lags on until the application is told ([`Outbound::pop_caught_up`]):
//! so what the application then says of the hole stands right where the hole is.

use super::super::group::Marks;
use super::super::shed::Cause;
use super::super::{ConnId, GroupId, Limits, Missed, Slow, Transport};
use super::{Finish, Outbound, PartId, encoded};
use crate::ws::{CloseCode, Form, Opcode, frame};
use bytes::Bytes;
use std::collections::HashMap;

/// The low water is the smaller limit of a queue divided by this.
const LOW_WATER_PART: usize = 4;

/// The connections that lag, and what they miss.
#[derive(Debug)]
pub(super) struct Lags {
    policy: Slow,
    low_water: usize,
    /// By slot; of each group from which position on.
    missed: HashMap<u32, Vec<(PartId, u64)>>,
    /// Slots of those that have caught up and of which the application is to be told.
    caught_up: Vec<u32>,
}

impl Lags {
    pub(super) fn new(limits: &Limits) -> Lags {
        let smaller = [limits.max_queue, limits.high_water].into_iter().filter(|limit| *limit > 0).min();
        Lags {
            policy: limits.slow,
            low_water: smaller.unwrap_or(0) / LOW_WATER_PART,
            missed: HashMap::new(),
            caught_up: Vec::new(),
        }
    }

    /// Whether it may come to that at all.
    pub(super) fn are_allowed(&self) -> bool {
        self.policy == Slow::Drop
    }

    /// Bytes that may still wait for a connection that has caught up.
    pub(super) fn low_water(&self) -> usize {
        self.low_water
    }

    /// The application is to be told that a connection has caught up.
    pub(super) fn caught_up(&mut self, slot: u32) {
        self.caught_up.push(slot);
    }

    /// A connection is no longer a member, so it misses nothing.
    pub(super) fn forget(&mut self, slot: u32, group: PartId) {
        if let Some(missed) = self.missed.get_mut(&slot) {
            missed.retain(|(missed, _)| *missed != group);
        }
    }

    /// A connection has ended.
    pub(super) fn end(&mut self, slot: u32) {
        self.missed.remove(&slot);
    }

    /// A connection misses a message of that position, and perhaps has missed some before.
    fn note_missed(&mut self, slot: u32, group: PartId, position: u64) {
        let missed = self.missed.entry(slot).or_default();
        if missed.iter().all(|(known, _)| *known != group) {
            missed.push((group, position));
        }
    }
}

impl<T: Transport> Outbound<T> {
    /// Closes the connections that read too slowly, or lets them lag.
    pub(in crate::net) fn expire(&mut self) {
        while let Some(conn) = self.crowded.pop_due(self.now).and_then(|slot| self.conn_at(slot)) {
            if !self.takes_more(conn) {
                continue;
            }
            if self.lags.are_allowed() {
                self.sinks[conn.slot as usize].is_lagging = true;
                continue;
            }
            let reason = format!("slow consumer: over {} bytes waited for too long", self.high_water);
            self.shed.count(Cause::HighWater, 1);
            self.close(conn, CloseCode::TRY_AGAIN_LATER, &reason);
        }
        while let Some(conn) = self.stalled.pop_due(self.now).and_then(|slot| self.conn_at(slot)) {
            self.shed.count(Cause::Stalled, 1);
            if self.takes_more(conn) {
                self.close(conn, CloseCode::TRY_AGAIN_LATER, "slow consumer: nothing was read for too long");
            } else {
                self.dead.push(conn.slot);
            }
        }
    }

    /// One that lagged and has caught up, if there is one, and what it missed. From now on it misses nothing.
    pub(in crate::net) fn pop_caught_up(&mut self) -> Option<(ConnId, Vec<Missed>)> {
        while let Some(slot) = self.lags.caught_up.pop() {
            let Some(conn) = self.conn_at(slot).filter(|conn| self.takes_more(*conn)) else { continue };
            if !self.sinks[slot as usize].is_lagging {
                continue;
            }
            self.settle(conn);
            self.sinks[slot as usize].is_lagging = false;
            let missed = self.lags.missed.remove(&slot).unwrap_or_default();
            let missed = missed.into_iter().map(|(part, position)| Missed { group: part.group(), position });
            return Some((conn, missed.collect()));
        }
        None
    }

    /// Whether there is one of which the application has not been told.
    pub(in crate::net) fn has_caught_up(&self) -> bool {
        !self.lags.caught_up.is_empty()
    }

    /// Queues a member's part of a batch, which begins there; leaves it out if the member lags, or is to lag from
    /// now on.
    pub(super) fn enqueue_part(&mut self, slot: u32, id: PartId, begin: u32, part: Bytes, marks: &Marks) {
        let sink = &self.sinks[slot as usize];
        let is_left_out = sink.is_lagging || self.lags.are_allowed() && self.is_too_much(slot, part.len());
        if !is_left_out {
            return self.enqueue(slot, part);
        }
        let Some((position, messages)) = marks.since(begin).filter(|_| sink.finish.is_none()) else { return };
        self.shed.count(Cause::LeftOut, messages);
        self.sinks[slot as usize].is_lagging = true;
        self.lags.note_missed(slot, id, position);
    }

    /// Queues what others send to a connection, within its limit.
    pub(super) fn enqueue(&mut self, slot: u32, chunk: Bytes) {
        let is_too_much = self.is_too_much(slot, chunk.len());
        let sink = &mut self.sinks[slot as usize];
        if sink.finish.is_some() {
            return;
        }
        if is_too_much {
            let conn = ConnId { slot, generation: sink.generation };
            sink.finish = Some(Finish::AwaitPeer);
            let reason = format!("slow consumer: over {} bytes waiting", self.max_queue);
            sink.push(encoded(Opcode::Close, &frame::close_payload(CloseCode::TRY_AGAIN_LATER, &reason)));
            self.closed.push(conn);
            self.shed.count(Cause::QueueFull, 1);
            log::debug!("{conn}: closed with {}: {reason}", CloseCode::TRY_AGAIN_LATER.0);
            return;
        }
        sink.push(chunk);
        let waiting = sink.queue.as_ref().map_or(0, |queue| queue.from_others());
        if self.high_water > 0 && waiting > self.high_water {
            self.crowded.start_once(slot, self.now);
        }
        if !sink.is_blocked {
            self.unoffered.push(slot);
        }
    }

    /// Whether so much more would pass the limit of a queue. A message that finds nothing of others' is taken whatever
    /// its size, since it could never be sent otherwise.
    fn is_too_much(&self, slot: u32, len: usize) -> bool {
        let waiting = self.sinks[slot as usize].queue.as_ref().map_or(0, |queue| queue.from_others());
        waiting > 0 && self.max_queue > 0 && waiting + len > self.max_queue
    }
}

impl PartId {
    fn group(self) -> GroupId {
        GroupId(self.0 / Form::ALL.len() as u32)
    }
}
