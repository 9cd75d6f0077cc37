//! Handling of connections that read more slowly than messages arrive for them.
//!
//! Under [`Slow::Drop`] a connection lags from the moment its queue would exceed a limit until the queue has
//! drained to the low-water mark. Meanwhile it stays a member of its groups, but their messages are skipped
//! for it, and the first skipped position of each group is recorded. A connection that has caught up lags on
//! until the application is notified ([`Outbound::pop_caught_up`]). A message that the application then sends
//! about the gap therefore stands exactly where the gap is.

use super::super::fanout::SubgroupId;
use super::super::shed::Cause;
use super::super::{ConnId, Limits, Missed, Slow, Socket};
use super::{Finish, Outbound, encoded};
use crate::ws::{CloseCode, Opcode, frame};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The low-water mark is the smaller of the two queue limits divided by this.
const LOW_WATER_DIVISOR: usize = 4;

/// The connections that lag, and the messages they missed.
#[derive(Debug)]
pub(super) struct Lags {
    policy: Slow,
    low_water: usize,
    /// By slot: the first position missed in each group.
    missed: HashMap<u32, Vec<(SubgroupId, u64)>>,
    /// Slots of connections that have caught up and must be reported to the application.
    caught_up: Vec<u32>,
}

impl Lags {
    pub(super) fn new(limits: &Limits) -> Lags {
        let smaller = [limits.max_queue, limits.high_water].into_iter().filter(|limit| *limit > 0).min();
        Lags {
            policy: limits.slow,
            low_water: smaller.unwrap_or(0) / LOW_WATER_DIVISOR,
            missed: HashMap::new(),
            caught_up: Vec::new(),
        }
    }

    /// Returns true if slow connections lag instead of being closed.
    pub(super) fn is_enabled(&self) -> bool {
        self.policy == Slow::Drop
    }

    /// Returns the queue length, in bytes, at which a lagging connection has caught up.
    pub(super) fn low_water(&self) -> usize {
        self.low_water
    }

    /// Records that a connection has caught up.
    pub(super) fn caught_up(&mut self, slot: u32) {
        self.caught_up.push(slot);
    }

    /// Removes what a connection missed in a group that it has left.
    pub(super) fn forget(&mut self, slot: u32, group: SubgroupId) {
        if let Some(missed) = self.missed.get_mut(&slot) {
            missed.retain(|(missed, _)| *missed != group);
        }
    }

    /// Removes a connection that has ended.
    pub(super) fn end(&mut self, slot: u32) {
        self.missed.remove(&slot);
    }

    /// Records that a connection missed the message at `position`, unless an earlier one of the group is
    /// recorded.
    fn note_missed(&mut self, slot: u32, group: SubgroupId, position: u64) {
        let missed = self.missed.entry(slot).or_default();
        if missed.iter().all(|(known, _)| *known != group) {
            missed.push((group, position));
        }
    }
}

impl<T: Socket> Outbound<T> {
    /// Closes connections whose queue timeouts have expired by `now`, or marks them as lagging.
    pub(in crate::net) fn expire(&mut self, now: Instant) {
        while let Some(conn) = self.over_high_water.pop_due(now).and_then(|slot| self.conn_at(slot)) {
            if !self.takes_more(conn) {
                continue;
            }
            if self.lags.is_enabled() {
                self.sinks[conn.slot as usize].is_lagging = true;
                continue;
            }
            let reason = format!("slow consumer: more than {} bytes queued for too long", self.high_water);
            self.shed.count(Cause::HighWater, 1);
            self.close(conn, CloseCode::TRY_AGAIN_LATER, &reason);
        }
        while let Some(conn) = self.stalled.pop_due(now).and_then(|slot| self.conn_at(slot)) {
            if self.takes_bytes(conn) {
                continue;
            }
            self.shed.count(Cause::Stalled, 1);
            if self.takes_more(conn) {
                self.close(conn, CloseCode::TRY_AGAIN_LATER, "slow consumer: no bytes read for too long");
            } else {
                self.dead.push(conn.slot);
            }
        }
    }

    /// Returns true if a blocked socket accepts bytes. The system reports a socket as writable only once a large part of
    /// its buffer is free, which takes a slow reader long.
    fn takes_bytes(&mut self, conn: ConnId) -> bool {
        let before = self.owed(conn);
        self.sinks[conn.slot as usize].is_blocked = false;
        self.flush_sink(conn.slot);
        self.owed(conn) < before
    }

    /// Gives every connection that much more time to read.
    pub(in crate::net) fn extend_timeouts(&mut self, time: Duration) {
        self.over_high_water.extend(time);
        self.stalled.extend(time);
    }

    /// Returns a lagging connection that has caught up, and what it missed. It receives all messages from now
    /// on.
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

    /// Returns true if a caught-up connection has not been reported yet.
    pub(in crate::net) fn has_caught_up(&self) -> bool {
        !self.lags.caught_up.is_empty()
    }

    /// Queues what was published to a group and not sent to this member: `messages` are the position of the first
    /// message and their number. Skips them if the member lags or would exceed the queue limit, in which case it lags
    /// from now on.
    pub(super) fn enqueue_published(
        &mut self,
        slot: u32,
        id: SubgroupId,
        bytes: Bytes,
        messages: Option<(u64, usize)>,
    ) {
        let sink = &self.sinks[slot as usize];
        let is_skipped =
            sink.is_lagging || self.lags.is_enabled() && self.exceeds_queue_limit(slot, bytes.len());
        if !is_skipped {
            return self.enqueue(slot, bytes);
        }
        let Some((position, messages)) = messages.filter(|_| sink.finish.is_none()) else { return };
        self.shed.count(Cause::LeftOut, messages);
        self.sinks[slot as usize].is_lagging = true;
        self.lags.note_missed(slot, id, position);
    }

    /// Queues frames from other connections, within the queue limit.
    pub(super) fn enqueue(&mut self, slot: u32, chunk: Bytes) {
        let exceeds_queue_limit = self.exceeds_queue_limit(slot, chunk.len());
        let sink = &mut self.sinks[slot as usize];
        if sink.finish.is_some() {
            return;
        }
        if exceeds_queue_limit {
            let conn = ConnId { slot, generation: sink.generation };
            sink.finish = Some(Finish::AwaitPeer);
            let reason = format!("slow consumer: more than {} bytes queued", self.max_queue);
            let frame = encoded(Opcode::Close, &frame::close_payload(CloseCode::TRY_AGAIN_LATER, &reason));
            if !sink.queue.as_mut().is_some_and(|queue| queue.overtake(frame.clone())) {
                sink.push(frame);
            }
            self.closed.push(conn);
            self.shed.count(Cause::QueueFull, 1);
            log::debug!(connection = conn.generation; "{conn}: closed with {}: {reason}", CloseCode::TRY_AGAIN_LATER.0);
            return;
        }
        sink.push(chunk);
        let waiting = sink.queue.as_ref().map_or(0, |queue| queue.from_others());
        if self.high_water > 0 && waiting > self.high_water {
            self.over_high_water.start_once(slot, self.now);
        }
        if !sink.is_blocked {
            self.unoffered.push(slot);
        }
    }

    /// Returns true if `len` more bytes would exceed the queue limit. A queue without frames from others
    /// accepts a message of any size, since it could never be sent otherwise.
    fn exceeds_queue_limit(&self, slot: u32, len: usize) -> bool {
        let waiting = self.sinks[slot as usize].queue.as_ref().map_or(0, |queue| queue.from_others());
        waiting > 0 && self.max_queue > 0 && waiting + len > self.max_queue
    }
}
