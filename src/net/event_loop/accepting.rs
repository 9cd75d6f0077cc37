//! New connections: how many, from whom, and what becomes of those for which there is no place.
//!
//! A few of the latter are kept until their request has arrived, since a health check is answered even then. When there
//! are too many of them, a newcomer is refused at once.

use super::super::listener::{self, Accepted};
use super::super::shed::Cause;
use super::super::turns::Debt;
use super::super::{App, ConnId, Socket, System};
use super::EventLoop;
use super::input::{Head, Input, State};
use crate::ws::head::{HeadScan, Request, Response};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections accepted in one tick, before those that are there have their turn.
const ACCEPT_BUDGET: usize = 64;
/// A connection whose request has been incomplete for this long makes room for others when there are too many.
const SLOW_HEAD: Duration = Duration::from_secs(1);

impl<A: App<S::Socket>, S: System> EventLoop<A, S> {
    pub(super) fn accept(&mut self) {
        for index in 0..self.listeners.len() {
            self.listeners[index].resume_if_due(self.now);
            let mut aborted = 0;
            for _ in 0..ACCEPT_BUDGET {
                if !self.listeners[index].may_accept() || self.must_wait_for_handshakes() {
                    break;
                }
                let listener = &mut self.listeners[index];
                match listener::accepted(self.system.accept(index)) {
                    Accepted::Connection(socket, peer) => self.admit(socket, peer),
                    Accepted::Nobody => listener.recover(self.now),
                    Accepted::Aborted(error) => {
                        aborted += 1;
                        if aborted == ACCEPT_BUDGET {
                            listener.fail(&error, self.now);
                        }
                    }
                    Accepted::Failed(error) => {
                        listener.fail(&error, self.now);
                        if listener::is_out_of_descriptors(&error) {
                            if let Some(socket) = self.system.accept_with_spare(index) {
                                self.refuse_at_once(socket, Cause::Descriptors);
                            }
                            self.system.renew_spare();
                        }
                    }
                }
            }
        }
    }

    fn admit(&mut self, socket: S::Socket, peer: SocketAddr) {
        let most = self.limits.max_connections;
        let refused = if most > 0 && self.outbound.len() - self.refused >= most {
            Some(Cause::Connections)
        } else if !self.per_address.admit(peer.ip()) {
            Some(Cause::PerAddress)
        } else {
            None
        };
        if let Some(cause) = refused
            && self.refused >= self.limits.max_refused
        {
            self.refuse_oldest();
            return self.refuse_at_once(socket, cause);
        }
        let conn = self.outbound.insert(socket);
        let slot = conn.slot as usize;
        if self.inputs.len() <= slot {
            self.inputs.resize_with(slot + 1, || None);
        }
        self.inputs[slot] = Some(Input {
            peer: peer.ip(),
            state: State::Head(Head::default()),
            held: None,
            is_paused: false,
            waits_its_turn: false,
            kept: 0,
            debt: Debt::default(),
            is_hung_up: false,
            refused,
        });
        log::debug!(connection = conn.generation; "{conn}: connected from {peer}");
        if let Some(socket) = self.outbound.transport(conn)
            && let Err(error) = self.system.watch(socket, conn.token())
        {
            let what = || format!("the system cannot watch a connection from {}: {error}", peer.ip());
            self.outbound.shed.count_with(Cause::Unwatched, what);
            self.outbound.kill(conn);
        }
        match refused {
            None => {
                self.make_place_for_handshake();
                self.timers.head.start(conn.slot, self.now);
            }
            Some(_) => {
                self.refused += 1;
                self.timers.refused.start(conn.slot, self.now);
            }
        }
    }

    /// Answers the request on a connection for which there is no place.
    pub(super) fn answer_refused(&mut self, conn: ConnId, head: &[u8], cause: Cause) {
        let (response, head_only) = self.response_to_refused(head, cause);
        log::debug!("{conn}: answered with status {}, since there is no place", response.status);
        response.encode(head_only, false, self.outbound.answers());
        self.end_http(conn);
    }

    /// Refuses a connection whose request has not arrived.
    pub(super) fn refuse_unread(&mut self, conn: ConnId, cause: Cause) {
        self.outbound.begin_answers(conn);
        let refusal = self.refusal(cause);
        self.refuse(conn, &refusal);
        self.outbound.end_answers();
    }

    /// Makes room for another connection that is to be refused.
    fn refuse_oldest(&mut self) {
        let Some(oldest) = self.timers.refused.oldest().and_then(|slot| self.outbound.conn_at(slot)) else {
            return;
        };
        if let Some(cause) = self.input(oldest).refused {
            self.refuse_unread(oldest, cause);
            self.outbound.kill(oldest);
        }
    }

    /// Answers what a connection has sent already and ends it, as well as can be: a socket that is closed with bytes
    /// unread takes the answer back.
    fn refuse_at_once(&mut self, mut socket: S::Socket, cause: Cause) {
        let mut bytes = [0; 4096];
        let len = socket.read(&mut bytes).unwrap_or(0);
        let head = match HeadScan::default().advance(&bytes[..len], &self.limits.head) {
            Ok(Some(len)) => &bytes[..len],
            Ok(None) | Err(_) => &[],
        };
        let (response, head_only) = self.response_to_refused(head, cause);
        let mut out = Vec::new();
        response.encode(head_only, false, &mut out);
        let _ = socket.write(&out);
        let _ = socket.shutdown_write();
        let _ = socket.read(&mut bytes);
    }

    /// The answer to a request for which there is no place, and whether it is to be without its body.
    fn response_to_refused(&mut self, head: &[u8], cause: Cause) -> (Response, bool) {
        if head.is_empty() {
            return (self.refusal(cause), false);
        }
        let answer = Request::parse(head, &self.limits.head, |request| {
            (self.app.on_refused(request), request.method == "HEAD")
        });
        match answer {
            Ok((Some(response), head_only)) => (response, head_only),
            Ok((None, head_only)) => (self.refusal(cause), head_only),
            Err(error) => (error.response(), false),
        }
    }

    fn refusal(&mut self, cause: Cause) -> Response {
        self.outbound.shed.count(cause, 1);
        if cause == Cause::PerAddress {
            let most = self.limits.max_per_address;
            return Response::text(
                429,
                format_args!("Your address has {most} connections, as many as it may."),
            );
        }
        Response::text(503, "The server has as many connections as it can hold; try again later.")
            .with("Retry-After", "10")
    }

    /// If as many request heads are incomplete as may be, returns when the oldest gives up its place. Until then
    /// newcomers wait in the backlog of the listener.
    pub(super) fn handshakes_full_until(&self) -> Option<Instant> {
        let most = self.limits.max_unfinished;
        if most == 0 || self.timers.head.running() < most {
            return None;
        }
        Some(self.timers.head.oldest_start()? + SLOW_HEAD)
    }

    fn must_wait_for_handshakes(&self) -> bool {
        self.handshakes_full_until().is_some_and(|until| self.lateness.time() < until)
    }

    /// Drops the connection whose request has been incomplete for longest if there is no place for another.
    fn make_place_for_handshake(&mut self) {
        if self.handshakes_full_until().is_none() {
            return;
        }
        self.outbound.shed.count(Cause::Handshakes, 1);
        if let Some(oldest) = self.timers.head.oldest().and_then(|slot| self.outbound.conn_at(slot)) {
            self.timers.head.stop(oldest.slot);
            self.outbound.kill(oldest);
        }
    }

    /// Returns true if a connection that has had an answer may begin another request that does not arrive whole.
    pub(super) fn may_begin_head(&mut self, conn: ConnId) -> bool {
        let most = self.limits.max_unfinished;
        if most == 0 || self.timers.head.running() <= most {
            return true;
        }
        if self.must_wait_for_handshakes() || self.timers.head.oldest() == Some(conn.slot) {
            self.outbound.shed.count(Cause::Handshakes, 1);
            return false;
        }
        self.make_place_for_handshake();
        true
    }
}
