//! What happens when more memory is kept for peers than may be.

use super::super::shed::Cause;
use super::super::{App, ConnId, System};
use super::EventLoop;
use super::input::State;
use crate::ws::CloseCode;
use std::cmp::Reverse;

/// Closing goes on until this part of the limit is free, so that it does not start over with the next message.
const FREED_PART: usize = 10;

impl<A: App<S::Socket>, S: System> EventLoop<A, S> {
    /// Closes the connections that hold the most memory while all together hold more than they may.
    pub(super) fn shed_memory(&mut self) {
        let limit = self.limits.max_memory;
        if limit == 0 || self.outbound.memory().used() <= limit {
            return;
        }
        let mut holders: Vec<(usize, ConnId)> = Vec::new();
        for (slot, input) in self.inputs.iter().enumerate() {
            let Some((input, conn)) = input.as_ref().zip(self.outbound.conn_at(slot as u32)) else {
                continue;
            };
            let held = input.kept as usize + self.outbound.owed(conn);
            holders.extend((held > 0).then_some((held, conn)));
        }
        holders.sort_unstable_by_key(|(held, conn)| (Reverse(*held), conn.generation));
        for (held, conn) in holders {
            if self.outbound.memory().used() <= limit - limit / FREED_PART {
                break;
            }
            let peer = self.input(conn).peer;
            self.outbound.shed.count_with(Cause::Memory, || {
                format!("closed a connection from {peer} that held {held} bytes: more than --max-memory is kept for peers")
            });
            self.shed(conn);
        }
    }

    /// Frees what a connection holds, and closes it.
    fn shed(&mut self, conn: ConnId) {
        if !matches!(self.input(conn).state, State::Open { .. }) {
            return self.outbound.kill_now(conn);
        }
        self.end_session(conn);
        self.outbound.fail(conn, CloseCode::TRY_AGAIN_LATER, "the server is short of memory");
        let memory = self.outbound.memory().clone();
        let input = self.input(conn);
        input.held = None;
        input.count(&memory);
    }
}
