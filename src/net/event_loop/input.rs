//! The incoming half of all connections: from bytes that were read to requests and messages.

use super::super::memory::Memory;
use super::super::outbound::Finish;
use super::super::shed::Cause;
use super::super::turns::Debt;
use super::super::{Answer, App, ConnId, System};
use super::timeouts::Timers;
use super::{EventLoop, RECEIVE_BUFFER};
use crate::ws::head::{HeadError, HeadScan, Request, Response};
use crate::ws::{Error, Event, Form, Protocol, Role};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;

/// What one connection may have read in one tick, in bytes after inflating, before the others have their turn.
const READ_BUDGET: usize = RECEIVE_BUFFER;
/// What a frame counts at least, in bytes: to handle the smallest takes as long as to handle one of this length.
const LEAST_FRAME: usize = 64;

/// The incoming half of one connection.
pub(super) struct Input<S> {
    pub(super) peer: IpAddr,
    pub(super) state: State<S>,
    /// Bytes read but not handled, since too many answers wait for the peer. Nothing is read while there are any.
    pub(super) held: Option<Box<Held>>,
    pub(super) is_paused: bool,
    /// It waits for a turn to be read.
    pub(super) waits_its_turn: bool,
    /// How many bytes of it are on the account of what is kept for peers.
    pub(super) kept: u32,
    /// What it has taken of the time of the loop.
    pub(super) debt: Debt,
    /// The peer has ended its side, or the connection broke: read on until that shows.
    pub(super) is_hung_up: bool,
    /// Why there is no place for it, if there is none: it gets one answer.
    pub(super) refused: Option<Cause>,
}

pub(super) enum State<S> {
    /// Gathering a request head.
    Head(Head),
    /// Speaking WebSocket.
    Open { protocol: Protocol, session: S },
    /// A close frame was sent and the peer's is awaited; what comes before it is dropped.
    Closing { protocol: Protocol },
    /// The last HTTP response is on its way; whatever comes is dropped until the peer ends the connection.
    Answered,
    /// The WebSocket connection is over; likewise.
    Discard,
}

impl<S> State<S> {
    /// Whether nothing that comes makes a difference any more, but how it ends. It is read nevertheless, whatever
    /// the peer is owed: a socket closed with bytes unread sends a reset, which destroys what is on its way.
    fn drops_input(&self) -> bool {
        match self {
            State::Head(_) | State::Open { .. } => false,
            State::Closing { .. } | State::Answered | State::Discard => true,
        }
    }
}

/// Boxed, since most connections have none.
pub(super) struct Held(Vec<u8>);

impl<S> Input<S> {
    /// Counts what is kept of its bytes.
    pub(super) fn count(&mut self, memory: &Memory) {
        let gathered = match &self.state {
            State::Head(head) => head.begun.len(),
            State::Open { protocol, .. } | State::Closing { protocol } => protocol.gathered(),
            State::Answered | State::Discard => 0,
        };
        let kept = gathered + self.held.as_ref().map_or(0, |held| held.0.len());
        memory.change(self.kept as usize, kept);
        self.kept = kept as u32;
    }
}

#[derive(Default)]
pub(super) struct Head {
    /// Empty while a head lies whole in the receive buffer.
    begun: Vec<u8>,
    scan: HeadScan,
    requests_before: u32,
}

impl Head {
    /// Whether nothing of it has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_empty()
    }
}

impl<A: App<S::Socket>, S: System> EventLoop<A, S> {
    /// Lets the connection have a turn after those that wait already.
    pub(super) fn wait_for_turn(&mut self, conn: ConnId) {
        let now = self.now;
        let input = self.input(conn);
        if !input.is_paused && !std::mem::replace(&mut input.waits_its_turn, true) {
            let debt = input.debt;
            self.turns.push(conn, debt, now);
        }
    }

    /// Reads from the connections that wait for a turn, as far as the time of a tick permits.
    pub(super) fn take_turns(&mut self) {
        let mut began = self.now;
        let mut tick = self.turns.tick(began, self.outbound.is_congested());
        while let Some(conn) = self.turns.next(&mut tick, began) {
            if !self.outbound.is_present(conn) {
                continue;
            }
            self.input(conn).waits_its_turn = false;
            self.resume(conn);
            self.read(conn);
            let now = self.system.now();
            let deliveries = self.outbound.take_deliveries();
            if let Some(Some(input)) = self.inputs.get_mut(conn.slot as usize) {
                input.count(self.outbound.memory());
                let time = now.saturating_duration_since(began);
                self.turns.charge(&mut input.debt, began, time, deliveries);
            }
            began = now;
        }
    }

    /// Reads what the socket has, up to the budget, and writes the answers.
    fn read(&mut self, conn: ConnId) {
        if self.input(conn).is_paused {
            return;
        }
        self.outbound.begin_answers(conn);
        self.budget = READ_BUDGET;
        match self.input(conn).held.take() {
            None => self.read_socket(conn),
            Some(mut held) => {
                self.handle(conn, &mut held.0);
                self.wait_for_turn(conn);
            }
        }
        self.outbound.end_answers();
        self.stop_closed();
        if self.resume(conn) {
            self.wait_for_turn(conn);
        }
    }

    /// Lets reading go on if few enough answers wait, or nothing can come of it; whether that makes a difference.
    pub(super) fn resume(&mut self, conn: ConnId) -> bool {
        if !self.outbound.is_present(conn) {
            return false;
        }
        let few_wait = self.outbound.owed_answers(conn) <= self.limits.resume_below;
        let input = self.input(conn);
        (few_wait || input.state.drops_input()) && std::mem::take(&mut input.is_paused)
    }

    fn read_socket(&mut self, conn: ConnId) {
        let mut buffer = std::mem::take(&mut self.receive_buffer);
        while let Some(transport) = self.outbound.transport(conn) {
            match transport.read(&mut buffer) {
                Ok(0) => {
                    self.on_end(conn);
                    break;
                }
                Ok(len) => {
                    self.handle(conn, &mut buffer[..len]);
                    let input = self.input(conn);
                    let holds = input.held.is_some();
                    // Less than was asked for: the socket is empty, and will tell when it is not.
                    if input.is_paused || len < RECEIVE_BUFFER && !input.is_hung_up && !holds {
                        break;
                    }
                    self.budget = self.budget.saturating_sub(len);
                    if self.budget == 0 || holds {
                        self.wait_for_turn(conn);
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    log::debug!(connection = conn.generation; "{conn}: {error}");
                    self.outbound.kill(conn);
                    break;
                }
            }
        }
        self.receive_buffer = buffer;
    }

    /// Handles bytes that came, or holds them back when too many answers wait for the peer already, or when those
    /// before them took the connection's turn.
    fn handle(&mut self, conn: ConnId, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let must_pause = self.must_pause(conn);
            if must_pause || self.budget == 0 {
                let input = self.input(conn);
                input.is_paused = must_pause;
                input.held = Some(Box::new(Held(bytes.to_vec())));
                return;
            }
            match &mut self.input(conn).state {
                State::Answered | State::Discard => return,
                State::Open { .. } | State::Closing { .. } => self.handle_frames(conn, &mut bytes),
                State::Head(head) if head.begun.is_empty() => {
                    let scan = std::mem::take(&mut head.scan);
                    match self.scan_head(conn, scan, bytes) {
                        Some(len) => {
                            let (head, rest) = bytes.split_at_mut(len);
                            self.on_head(conn, head);
                            bytes = rest;
                        }
                        None => {
                            if let State::Head(head) = &mut self.input(conn).state {
                                head.begun = bytes.to_vec();
                            }
                            return;
                        }
                    }
                }
                State::Head(head) => {
                    head.begun.extend_from_slice(bytes);
                    let scan = std::mem::take(&mut head.scan);
                    let mut begun = std::mem::take(&mut head.begun);
                    if let Some(len) = self.scan_head(conn, scan, &begun) {
                        let (head, rest) = begun.split_at_mut(len);
                        self.on_head(conn, head);
                        self.handle(conn, rest);
                    } else if let State::Head(head) = &mut self.input(conn).state {
                        head.begun = begun;
                    }
                    return;
                }
            }
        }
    }

    /// Whether too many answers wait for the peer to take more from it.
    fn must_pause(&mut self, conn: ConnId) -> bool {
        let limit = self.limits.pause_above;
        limit > 0 && self.outbound.owed_answers(conn) > limit && !self.input(conn).state.drops_input()
    }

    /// Looks for the end of the head; refuses the request if it is over a limit.
    fn scan_head(&mut self, conn: ConnId, mut scan: HeadScan, bytes: &[u8]) -> Option<usize> {
        if self.input(conn).refused.is_none() && !self.timers.head.is_running(conn.slot) {
            self.timers.keep_alive.stop(conn.slot);
            self.timers.head.start(conn.slot, self.now);
        }
        match scan.advance(bytes, &self.limits.head) {
            Ok(Some(len)) => Some(len),
            Ok(None) => {
                if let State::Head(head) = &mut self.input(conn).state {
                    head.scan = scan;
                    if head.requests_before > 0 && !self.may_begin_head(conn) {
                        let busy = Response::text(503, "Too many requests are incomplete; try again later.");
                        self.refuse(conn, &busy.with("Retry-After", "1"));
                    }
                }
                None
            }
            Err(error) => {
                self.refuse_head(conn, &error);
                None
            }
        }
    }

    fn on_head(&mut self, conn: ConnId, head: &[u8]) {
        if let Some(cause) = self.input(conn).refused {
            return self.answer_refused(conn, head, cause);
        }
        let answer = Request::parse(head, &self.limits.head, |request| {
            let keeps_alive = request.keeps_alive() && !request.has_body();
            let answer = self.app.on_request(conn, request, &mut self.outbound);
            (answer, request.method == "HEAD", keeps_alive)
        });
        match answer {
            Err(error) => self.refuse_head(conn, &error),
            Ok((Answer::Reply(response), head_only, keeps_alive)) => {
                self.reply(conn, &response, head_only, keeps_alive)
            }
            Ok((Answer::Upgrade { accepted, max_message, mut session }, ..)) => {
                self.timers.head.stop(conn.slot);
                self.timers.silence.start(conn.slot, self.now);
                accepted.encode(self.outbound.answers());
                self.outbound.set_form(conn, Form::agreed(accepted.deflate.as_ref()));
                self.app.on_open(conn, &mut session, &mut self.outbound);
                let protocol =
                    Protocol::new(Role::Server, max_message).with_deflate(accepted.deflate.as_ref());
                self.input(conn).state = State::Open { protocol, session };
                self.stop_closed();
            }
        }
    }

    fn reply(&mut self, conn: ConnId, response: &Response, head_only: bool, keeps_alive: bool) {
        let State::Head(head) = &self.input(conn).state else { return };
        let requests = head.requests_before + 1;
        let limit = self.limits.keep_alive_requests;
        let may_go_on = !response.is_last && (limit == 0 || requests < limit) && self.shutdown_by.is_none();
        let keeps_alive = keeps_alive && may_go_on;
        response.encode(head_only, keeps_alive, self.outbound.answers());
        if keeps_alive {
            self.timers.head.stop(conn.slot);
            self.timers.keep_alive.start(conn.slot, self.now);
            self.input(conn).state = State::Head(Head { requests_before: requests, ..Head::default() });
        } else {
            self.end_http(conn);
        }
    }

    /// Answers a head that breaks the rules of HTTP or a limit, and ends the connection.
    fn refuse_head(&mut self, conn: ConnId, error: &HeadError) {
        let (cause, setting) = match error {
            HeadError::Malformed(_) => (Cause::Malformed, ""),
            HeadError::RequestLineTooLong(_) => (Cause::HeadTooLarge, " --max-request-line sets this limit."),
            HeadError::HeadTooLong(_) => (Cause::HeadTooLarge, " --max-head sets this limit."),
            HeadError::TooManyFields(_) => (Cause::HeadTooLarge, " --max-headers sets this limit."),
        };
        let response = error.response();
        let peer = self.input(conn).peer;
        self.outbound.shed.count_with(cause, || {
            format!("refused a request from {peer} with {}: {}{setting}", response.status, response.line())
        });
        self.refuse(conn, &response);
    }

    /// Answers with an error and ends the connection.
    pub(super) fn refuse(&mut self, conn: ConnId, response: &Response) {
        log::debug!(connection = conn.generation; "{conn}: refused with status {}", response.status);
        response.encode(false, false, self.outbound.answers());
        self.end_http(conn);
    }

    pub(super) fn end_http(&mut self, conn: ConnId) {
        self.timers.stop(conn.slot);
        self.timers.close.start(conn.slot, self.now);
        self.input(conn).state = State::Answered;
        self.outbound.finish(conn, Finish::Shutdown);
    }

    fn handle_frames(&mut self, conn: ConnId, bytes: &mut &mut [u8]) {
        let mut message_ended = false;
        loop {
            if self.must_pause(conn) || self.budget == 0 {
                break;
            }
            let come = bytes.len();
            let Some(Input { state, .. }) = &mut self.inputs[conn.slot as usize] else { return };
            let (protocol, session) = match state {
                State::Open { protocol, session } => (protocol, Some(session)),
                State::Closing { protocol } => (protocol, None),
                _ => return,
            };
            let event = protocol.receive(bytes, &mut self.inflater);
            let handled = match &event {
                Ok(Some(Event::Message(message))) => message.payload().len().max(LEAST_FRAME),
                _ => LEAST_FRAME,
            };
            // Its bytes as they came are counted with those of the read.
            self.budget = self.budget.saturating_sub(handled.saturating_sub(come - bytes.len()));
            match event {
                Ok(Some(Event::Message(message))) => {
                    message_ended = true;
                    if let Some(session) = session {
                        self.app.on_message(conn, session, &message, &mut self.outbound);
                        self.stop_closed();
                    }
                    if self.outbound.is_congested() {
                        self.budget = 0;
                    }
                }
                Ok(Some(Event::Ping(payload))) => self.outbound.pong(conn, &payload),
                Ok(Some(Event::Fragment | Event::Pong(_))) => {}
                Ok(Some(Event::Close(close))) => {
                    let code = close.as_ref().map_or("no code".into(), |close| close.code.0.to_string());
                    log::debug!(connection = conn.generation; "{conn}: closed by the peer with {code}");
                    self.end_session(conn);
                    self.outbound.answer_close(conn, close.map(|close| close.code));
                    if self.shutdown_by.is_some() {
                        // A server that goes does not wait for those who are done.
                        self.outbound.finish(conn, Finish::Drop);
                    }
                    return;
                }
                Ok(None) => break,
                Err(error) => {
                    log::debug!(connection = conn.generation; "{conn}: failed with {}: {error}", error.close_code().0);
                    if error == Error::LostContext {
                        self.outbound.shed.count(Cause::LostContext, 1);
                    }
                    self.end_session(conn);
                    self.outbound.fail(conn, error.close_code(), &error.to_string());
                    return;
                }
            }
        }
        self.watch(conn, message_ended);
    }

    /// Sets the timeouts of a connection from which bytes came.
    fn watch(&mut self, conn: ConnId, message_ended: bool) {
        let State::Open { protocol, .. } = &self.input(conn).state else { return };
        let is_gathering = protocol.is_gathering();
        let Timers { message, silence, pong, .. } = &mut self.timers;
        pong.stop(conn.slot);
        silence.touch(conn.slot, self.now);
        match (is_gathering, message_ended) {
            (false, _) => message.stop(conn.slot),
            (true, true) => message.start(conn.slot, self.now),
            (true, false) => message.start_once(conn.slot, self.now),
        }
    }

    /// The connection's input is over; the application is told, if it does not know.
    pub(super) fn end_session(&mut self, conn: ConnId) {
        self.timers.stop(conn.slot);
        self.timers.close.start(conn.slot, self.now);
        let state = std::mem::replace(&mut self.input(conn).state, State::Discard);
        if let State::Open { session, .. } = state {
            self.app.on_close(conn, session, &mut self.outbound);
        }
    }

    /// The application, or a limit, has closed connections: nothing of theirs is delivered any more.
    pub(super) fn stop_closed(&mut self) {
        while let Some(conn) = self.outbound.pop_closed() {
            let Some(Some(input)) = self.inputs.get_mut(conn.slot as usize) else { continue };
            match std::mem::replace(&mut input.state, State::Discard) {
                State::Open { mut protocol, session } => {
                    protocol.drop_messages();
                    input.state = State::Closing { protocol };
                    if std::mem::take(&mut input.is_paused) {
                        self.wait_for_turn(conn);
                    }
                    self.timers.stop(conn.slot);
                    self.timers.close.start(conn.slot, self.now);
                    self.app.on_close(conn, session, &mut self.outbound);
                }
                other => input.state = other,
            }
        }
    }

    /// The peer has ended its side. What it is owed is still delivered.
    fn on_end(&mut self, conn: ConnId) {
        log::debug!(connection = conn.generation; "{conn}: ended by the peer");
        self.end_session(conn);
        self.timers.close.stop(conn.slot);
        self.outbound.finish(conn, Finish::Drop);
    }
}
