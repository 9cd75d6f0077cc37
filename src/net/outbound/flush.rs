//! Writing enqueued output to the sockets.

use super::super::fanout::{Group, Size, SubgroupId, Visit};
use super::super::queue::Flush;
use super::super::{ConnId, Socket};
use super::{Finish, KEPT_BUFFER, Outbound};
use std::io;
use std::time::{Duration, Instant};

/// How long the groups of one size are written to before sockets are polled again.
const SLICE: Duration = Duration::from_millis(1);
/// Number of writes after which the clock is read: about a tenth of a slice.
const WRITES: u32 = 16;

impl<T: Socket> Outbound<T> {
    /// Writes the collected answers.
    pub(in crate::net) fn end_answers(&mut self) {
        let Some(conn) = self.answering.take() else { return };
        if let Some(sink) = self.sinks.get_mut(conn.slot as usize).filter(|_| !self.answers.is_empty()) {
            if sink.queue.is_some() {
                self.queue_answers(conn.slot);
                self.flush_sink(conn.slot);
            } else {
                match write(&mut sink.transport, &self.answers) {
                    Ok(written) if written == self.answers.len() => {}
                    Ok(written) => {
                        let answers = self.memory.keep(std::mem::take(&mut self.answers));
                        sink.queue.get_or_insert_default().push_answers(answers, written);
                        sink.is_blocked = true;
                        self.stalled.start(conn.slot, self.now);
                    }
                    Err(_) => self.dead.push(conn.slot),
                }
            }
        }
        self.answers.clear();
        self.answers.shrink_to(KEPT_BUFFER);
        self.finish_if_drained(conn.slot);
    }

    /// Flushes the connection's queue after its socket became writable.
    pub(in crate::net) fn writable(&mut self, conn: ConnId) {
        if let Some(sink) = self.get_mut(conn)
            && sink.is_blocked
        {
            sink.is_blocked = false;
            self.flush_sink(conn.slot);
        }
    }

    /// Writes as much as the sockets accept: first the queues of connections, then what was published to groups, except
    /// to those that wait for more. Stops after about `SLICE` of the time of `clock` for each size of group; then
    /// [`Outbound::is_flushing`] is true, and the next flush continues.
    pub(in crate::net) fn flush(&mut self, clock: impl Fn() -> Instant) {
        while let Some(slot) = self.unoffered.pop() {
            if self.sinks.contains(slot as usize) {
                self.flush_sink(slot);
            }
        }
        self.fanout.release(self.now);
        for size in [Size::Small, Size::Large] {
            let mut slice = Slice::new(&clock);
            while let Some((id, group)) = self.fanout.next(size) {
                if !self.flush_group(id, group, size, &mut slice) {
                    break;
                }
            }
        }
        self.is_congested = self.fanout.is_congested();
    }

    pub(super) fn finish_if_drained(&mut self, slot: u32) {
        let Some(sink) = self.sinks.get_mut(slot as usize) else { return };
        let is_answering = self.answering.is_some_and(|conn| conn.slot == slot);
        if sink.queue.is_some() || is_answering {
            return;
        }
        match sink.finish {
            None | Some(Finish::AwaitPeer) => {}
            Some(Finish::Drop) => self.dead.push(slot),
            Some(Finish::Shutdown) => {
                sink.finish = Some(Finish::AwaitPeer);
                if sink.transport.shutdown_write().is_err() {
                    self.dead.push(slot);
                }
            }
        }
    }

    pub(super) fn flush_sink(&mut self, slot: u32) {
        let sink = &mut self.sinks[slot as usize];
        if sink.is_blocked {
            return;
        }
        let Some(queue) = &mut sink.queue else { return };
        let before = queue.len();
        match queue.flush(&mut sink.transport) {
            Ok(Flush::Drained) => {
                sink.queue = None;
                self.stalled.stop(slot);
                self.over_high_water.stop(slot);
                if sink.is_lagging {
                    self.lags.caught_up(slot);
                }
                self.finish_if_drained(slot);
            }
            Ok(Flush::Blocked) => {
                sink.is_blocked = true;
                if queue.len() < before || !self.stalled.is_running(slot) {
                    self.stalled.start(slot, self.now);
                }
                if queue.from_others() <= self.high_water {
                    self.over_high_water.stop(slot);
                }
                if sink.is_lagging && queue.from_others() <= self.lags.low_water() {
                    self.lags.caught_up(slot);
                }
            }
            Err(_) => self.dead.push(slot),
        }
    }

    /// Writes to each member of a group what it has not received. Returns false if the time of the slice was over
    /// before.
    fn flush_group(
        &mut self,
        id: SubgroupId,
        mut group: Box<Group>,
        size: Size,
        slice: &mut Slice<impl Fn() -> Instant>,
    ) -> bool {
        let began = group.begin_round(self.now);
        let is_over = group.continue_round(|visit| {
            self.flush_member(id, visit);
            !slice.is_over()
        });
        match is_over {
            true => self.fanout.sent(id, group, began),
            false => self.fanout.interrupted(id, group, size),
        }
        is_over
    }

    fn flush_member(&mut self, id: SubgroupId, visit: &mut Visit<'_>) {
        let slot = visit.slot;
        let sink = &mut self.sinks[slot as usize];
        if sink.finish.is_some() {
            return;
        }
        if sink.queue.is_some() || sink.is_lagging {
            let (bytes, messages) = (visit.keep(&self.memory), visit.messages());
            return self.enqueue_published(slot, id, bytes, messages);
        }
        let bytes = visit.bytes();
        match write(&mut sink.transport, bytes) {
            Ok(written) if written == bytes.len() => {}
            Ok(written) => {
                let unsent = bytes.len() - written;
                sink.queue.get_or_insert_default().push(visit.keep(&self.memory), written);
                sink.is_blocked = true;
                self.stalled.start(slot, self.now);
                if self.high_water > 0 && unsent > self.high_water {
                    self.over_high_water.start_once(slot, self.now);
                }
            }
            Err(_) => self.dead.push(slot),
        }
    }
}

/// The time that a flush may take until sockets are polled again.
struct Slice<C> {
    clock: C,
    ends: Instant,
    /// Writes until the clock is read again.
    writes: u32,
}

impl<C: Fn() -> Instant> Slice<C> {
    fn new(clock: C) -> Slice<C> {
        let ends = clock() + SLICE;
        Slice { clock, ends, writes: WRITES }
    }

    /// Counts a write. Returns true if the time is over.
    fn is_over(&mut self) -> bool {
        self.writes -= 1;
        if self.writes > 0 {
            return false;
        }
        self.writes = WRITES;
        self.ends <= (self.clock)()
    }
}

/// Writes as many bytes as the socket accepts and returns their number, which may be 0.
fn write(transport: &mut impl Socket, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match transport.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
