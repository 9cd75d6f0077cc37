//! New connections: how many, from whom, and what those are told for whom there is no place.

use super::super::listener::{self, Accepted};
use super::super::shed::Cause;
use super::super::{App, ConnId};
use super::EventLoop;
use super::input::{Head, Input, State};
use crate::ws::head::Response;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::net::SocketAddr;
use std::time::Duration;

/// Connections accepted in one tick, before those that are there have their turn.
const ACCEPT_BUDGET: usize = 128;
/// After descriptors ran out, accepting is tried again when one is freed, or after this.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

impl<A: App> EventLoop<A> {
    pub(super) fn accept(&mut self) {
        if self.accept_paused_until.is_some_and(|until| self.now < until) {
            return;
        }
        self.accept_paused_until = None;
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPT_BUDGET {
                let listener = &mut self.listeners[index];
                if !listener.is_ready {
                    break;
                }
                match listener::accept(&listener.socket) {
                    Accepted::Connection(stream, peer) => self.admit(stream, peer),
                    Accepted::Nobody => {
                        listener.is_ready = false;
                        self.is_exhausted = false;
                    }
                    Accepted::Exhausted => {
                        let mut response = Vec::new();
                        full().encode(false, false, &mut response);
                        if self.spare.refuse_one(&listener.socket, &response) {
                            self.outbound.shed.count(Cause::Descriptors, 1);
                        }
                        self.accept_paused_until = Some(self.now + ACCEPT_PAUSE);
                        if !std::mem::replace(&mut self.is_exhausted, true) {
                            log::warn!("no descriptors are left: new connections wait until one is freed");
                        }
                        return;
                    }
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let most = self.limits.max_connections;
        let refusal = if most > 0 && self.outbound.len() - self.refused >= most {
            Some((full(), Cause::Connections))
        } else if !self.per_address.admit(peer.ip()) {
            let most = self.limits.max_per_address;
            let why = format_args!("Your address has {most} connections, as many as it may.");
            Some((Response::text(429, why), Cause::PerAddress))
        } else {
            None
        };
        if let Some((_, cause)) = refusal {
            self.outbound.shed.count(cause, 1);
        }
        if let Some((response, _)) = &refusal
            && self.refused >= self.limits.max_refused
        {
            let mut bytes = Vec::new();
            response.encode(false, false, &mut bytes);
            return listener::refuse(stream, &bytes);
        }
        let conn = self.outbound.insert(stream);
        let slot = conn.slot as usize;
        if self.inputs.len() <= slot {
            self.inputs.resize_with(slot + 1, || None);
        }
        self.inputs[slot] = Some(Input {
            peer: peer.ip(),
            state: State::Head(Head::default()),
            held: Box::default(),
            is_paused: false,
            waits_its_turn: false,
            is_hung_up: false,
            is_refused: refusal.is_some(),
        });
        log::debug!("{conn}: connected from {peer}");
        if let Some(stream) = self.outbound.transport(conn) {
            let token = Token((conn.generation as usize) << 32 | slot);
            let both = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(stream, token, both) {
                log::warn!("{peer}: cannot be polled: {error}");
                self.outbound.kill(conn);
            }
        }
        match refusal {
            None => self.await_head(conn),
            Some((response, _)) => {
                self.refused += 1;
                self.outbound.begin_answers(conn);
                self.refuse(conn, &response);
                self.outbound.end_answers();
            }
        }
    }

    fn await_head(&mut self, conn: ConnId) {
        self.timers.head.start(conn.slot, self.now);
        let most = self.limits.max_unfinished;
        if most > 0 && self.timers.head.running() > most {
            let oldest = self.timers.head.oldest().and_then(|slot| self.outbound.conn_at(slot));
            if let Some(oldest) = oldest {
                self.outbound.shed.count(Cause::Handshakes, 1);
                self.timers.head.stop(oldest.slot);
                self.outbound.kill(oldest);
            }
        }
    }
}

fn full() -> Response {
    Response::text(503, "The server has as many connections as it can hold; try again later.")
        .with("Retry-After", "10")
}
