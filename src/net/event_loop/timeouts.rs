//! What happens when peers take too long.

use super::super::shed::Cause;
use super::super::timers::Fifo;
use super::super::{App, ConnId, Limits, System};
use super::EventLoop;
use super::input::State;
use crate::ws::CloseCode;
use crate::ws::head::Response;
use std::time::{Duration, Instant};

/// How long a connection for which there is no place may take to send its request.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(1);

/// One FIFO for each kind of timeout; those of output are `Outbound`'s.
pub(super) struct Timers {
    pub(super) head: Fifo,
    pub(super) refused: Fifo,
    pub(super) keep_alive: Fifo,
    pub(super) message: Fifo,
    pub(super) silence: Fifo,
    pub(super) pong: Fifo,
    pub(super) close: Fifo,
}

impl Timers {
    pub(super) fn new(limits: &Limits, now: Instant) -> Timers {
        Timers {
            head: Fifo::new(limits.head_timeout, now),
            refused: Fifo::new(REFUSED_TIMEOUT, now),
            keep_alive: Fifo::new(limits.keep_alive_timeout, now),
            message: Fifo::new(limits.message_timeout, now),
            silence: Fifo::new(limits.ping_after, now),
            pong: Fifo::new(limits.pong_timeout, now),
            close: Fifo::new(limits.close_timeout, now),
        }
    }

    fn all(&mut self) -> [&mut Fifo; 7] {
        let Timers { head, refused, keep_alive, message, silence, pong, close } = self;
        [head, refused, keep_alive, message, silence, pong, close]
    }

    pub(super) fn stop(&mut self, slot: u32) {
        self.all().into_iter().for_each(|fifo| fifo.stop(slot));
    }

    /// Postpones all running timeouts by `time`.
    pub(super) fn extend(&mut self, time: Duration) {
        self.all().into_iter().for_each(|fifo| fifo.extend(time));
    }

    pub(super) fn due(&mut self) -> Option<Instant> {
        self.all().into_iter().filter_map(|fifo| fifo.due()).min()
    }
}

impl<A: App<S::Socket>, S: System> EventLoop<A, S> {
    pub(super) fn expire(&mut self) {
        while let Some(conn) = self.next_due(|timers| &mut timers.head) {
            if matches!(&self.input(conn).state, State::Head(head) if head.is_empty()) {
                // Browsers connect before they have something to ask, and might take an answer for that to what they
                // ask next.
                log::debug!(connection = conn.generation; "{conn}: closed, since no request has arrived");
                self.end_http(conn);
                continue;
            }
            let seconds = self.limits.head_timeout.as_secs_f64();
            let late = format!("The request was not complete within {seconds} seconds.");
            self.outbound.shed.count(Cause::HeadTimeout, 1);
            self.outbound.begin_answers(conn);
            self.refuse(conn, &Response::text(408, late));
            self.outbound.end_answers();
        }
        while let Some(conn) = self.next_due(|timers| &mut timers.refused) {
            if let Some(cause) = self.input(conn).refused {
                self.refuse_unread(conn, cause);
            }
        }
        while let Some(conn) = self.next_due(|timers| &mut timers.keep_alive) {
            if self.outbound.owed(conn) > 0 {
                self.timers.keep_alive.start(conn.slot, self.now);
            } else {
                self.end_http(conn);
            }
        }
        while let Some(conn) = self.next_due(|timers| &mut timers.message) {
            if self.input(conn).is_paused {
                // It is this side that does not read.
                self.timers.message.start(conn.slot, self.now);
                continue;
            }
            let seconds = self.limits.message_timeout.as_secs_f64();
            let reason = format!("a message was not complete within {seconds} seconds");
            self.outbound.shed.count(Cause::MessageTimeout, 1);
            self.end_session(conn);
            self.outbound.fail(conn, CloseCode::POLICY, &reason);
        }
        while let Some(conn) = self.next_due(|timers| &mut timers.pong) {
            let seconds = self.limits.pong_timeout.as_secs_f64();
            let reason = format!("no answer to a ping within {seconds} seconds");
            self.outbound.shed.count(Cause::PongTimeout, 1);
            self.outbound.close(conn, CloseCode::GOING_AWAY, &reason);
        }
        while let Some(conn) = self.next_due(|timers| &mut timers.silence) {
            if self.outbound.owed(conn) > 0 {
                // It does not read, so it cannot answer; its queue has limits of its own.
                self.timers.silence.start(conn.slot, self.now);
            } else {
                self.outbound.ping(conn);
                self.timers.pong.start(conn.slot, self.now);
            }
        }
        while let Some(conn) = self.next_due(|timers| &mut timers.close) {
            // What is still being read has the limit of slow readers, not this one.
            if self.outbound.owed(conn) > 0 && !self.limits.stall_timeout.is_zero() {
                self.timers.close.start(conn.slot, self.now);
            } else {
                self.outbound.shed.count(Cause::CloseTimeout, 1);
                self.outbound.kill(conn);
            }
        }
        self.outbound.expire(self.lateness.time());
        if self.app.due().is_some_and(|due| due <= self.now) {
            self.app.on_due(&mut self.outbound);
        }
        self.stop_closed();
    }

    /// Returns a connection whose timeout of this kind is due. One that waits for a turn is not late: what it sent may
    /// not have been read.
    fn next_due(&mut self, kind: fn(&mut Timers) -> &mut Fifo) -> Option<ConnId> {
        loop {
            let slot = kind(&mut self.timers).pop_due(self.lateness.time())?;
            let Some(conn) = self.outbound.conn_at(slot) else { continue };
            if !self.input(conn).waits_its_turn {
                return Some(conn);
            }
            kind(&mut self.timers).start(slot, self.now);
        }
    }
}
