//! Writing enqueued output to the sockets.

use super::super::group::VACANT;
use super::super::queue::Flush;
use super::super::{ConnId, Socket};
use super::{Finish, KEPT_BUFFER, Outbound, SPARE_BUFFERS, SubgroupId};
use std::io;

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
                        let answers = std::mem::take(&mut self.answers).into();
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

    /// Writes as much as the sockets accept: first each queue, then the batch of each group that is not held.
    /// Small groups come first, since they delay the others least.
    pub(in crate::net) fn flush(&mut self) {
        while let Some(slot) = self.unoffered.pop() {
            if self.sinks.contains(slot as usize) {
                self.flush_sink(slot);
            }
        }
        self.has_large_batch = false;
        let mut published = std::mem::take(&mut self.published);
        if published.len() > 1 {
            published.sort_unstable_by_key(|id| self.groups[id.index()].as_ref().map(|group| group.len()));
        }
        published.retain(|id| !self.flush_group(*id));
        debug_assert!(self.published.is_empty(), "a flush publishes nothing");
        self.published = published;
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

    fn flush_sink(&mut self, slot: u32) {
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

    /// Writes the batch of a group to each member. Returns false if the batch is held for further messages.
    fn flush_group(&mut self, id: SubgroupId) -> bool {
        let Some(mut group) = self.groups[id.index()].take() else { return true };
        let is_held = group.held_until.is_some_and(|until| self.now < until);
        if is_held && !group.is_batch_over_limit() {
            self.groups[id.index()] = Some(group);
            return false;
        }
        group.is_listed = false;
        let batch = std::mem::take(&mut group.batch).freeze();
        let marks = std::mem::take(&mut group.marks);
        let (from, before) = group.walk();
        for member in from.iter_mut().chain(before) {
            let begin = std::mem::take(&mut member.begin) as usize;
            if member.slot == VACANT || begin == batch.len() {
                continue;
            }
            let sink = &mut self.sinks[member.slot as usize];
            if sink.finish.is_some() {
                continue;
            }
            if sink.queue.is_some() || sink.is_lagging {
                self.enqueue_batch(member.slot, id, begin as u32, batch.slice(begin..), &marks);
                continue;
            }
            match write(&mut sink.transport, &batch[begin..]) {
                Ok(written) if begin + written == batch.len() => {}
                Ok(written) => {
                    sink.queue.get_or_insert_default().push(batch.slice(begin..), written);
                    sink.is_blocked = true;
                    self.stalled.start(member.slot, self.now);
                    if self.high_water > 0 && batch.len() - begin - written > self.high_water {
                        self.over_high_water.start_once(member.slot, self.now);
                    }
                }
                Err(_) => self.dead.push(member.slot),
            }
        }
        if let Ok(mut buffer) = batch.try_into_mut()
            && buffer.capacity() <= KEPT_BUFFER
            && self.spare_buffers.len() < SPARE_BUFFERS
        {
            buffer.clear();
            self.spare_buffers.push(buffer);
        }
        if !group.is_empty() {
            self.groups[id.index()] = Some(group);
            self.flushed.push(id);
        }
        true
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
