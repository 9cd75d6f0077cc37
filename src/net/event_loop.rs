//! The loop itself, and the incoming half of all connections.

use super::listener::{self, PerAddress, Spare};
use super::outbound::{Finish, Outbound};
use super::timers::Fifo;
use super::{Answer, App, ConnId, Limits};
use crate::ws::head::{HeadScan, Request, Response};
use crate::ws::{CloseCode, Event, Protocol, Role};
use mio::event::Event as Readiness;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The one receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 64 << 10;
/// What one connection may have read in one tick, in bytes, before the others have their turn.
const READ_BUDGET: usize = 4 * RECEIVE_BUFFER;
/// Connections accepted in one tick, before those that are there have their turn.
const ACCEPT_BUDGET: usize = 128;
/// Readiness events taken in one poll; doubled while a poll fills them.
const EVENTS: usize = 1024;
const MAX_EVENTS: usize = 16 * EVENTS;
/// Refused connections that are told so at the same time; more are dropped untold.
const MAX_REFUSED: usize = 32;
/// After descriptors ran out, accepting is tried again when one is freed, or after this.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

const SIGNALS: Token = Token(usize::MAX);
const LISTENER: usize = usize::MAX - 1;

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// After a signal, every connection was closed and everything owed was delivered.
    Finished,
    /// After a signal, this many connections had not ended within `Limits::shutdown_timeout`.
    CutOff(usize),
    /// A second signal, of this number, ended it at once.
    Forced(i32),
}

/// A server: listeners, connections, and the application that answers them.
pub struct EventLoop<A: App> {
    app: A,
    limits: Limits,
    poll: Poll,
    signals: Signals,
    listeners: Vec<Listener>,
    outbound: Outbound,
    inputs: Vec<Option<Input<A::Session>>>,
    receive_buffer: Vec<u8>,
    /// Connections with more to read than their budget, or whose reading goes on after a pause.
    ready_again: Vec<ConnId>,
    timers: Timers,
    per_address: PerAddress,
    spare: Spare,
    refused: usize,
    accept_paused_until: Option<Instant>,
    shutdown_by: Option<Instant>,
    now: Instant,
}

struct Listener {
    socket: TcpListener,
    is_ready: bool,
}

/// The incoming half of one connection.
struct Input<S> {
    peer: SocketAddr,
    state: State<S>,
    /// Bytes read but not handled, since too much was owed to the peer. Nothing is read while there are any.
    held: Vec<u8>,
    is_paused: bool,
    /// The peer has ended its side, or the connection broke: read on until that shows.
    is_hung_up: bool,
    is_refused: bool,
}

enum State<S> {
    /// Gathering a request head.
    Head(Head),
    /// Speaking WebSocket.
    Open { protocol: Protocol, session: S },
    /// A close frame was sent and the peer's is awaited; messages are dropped.
    Closing { protocol: Protocol },
    /// Whatever comes is dropped until the peer ends the connection.
    Discard,
}

#[derive(Default)]
struct Head {
    /// Empty while a head lies whole in the receive buffer.
    begun: Vec<u8>,
    scan: HeadScan,
    requests_before: u32,
}

/// One FIFO for each kind of timeout; those of output are `Outbound`'s.
struct Timers {
    head: Fifo,
    keep_alive: Fifo,
    message: Fifo,
    silence: Fifo,
    pong: Fifo,
    close: Fifo,
}

impl Timers {
    fn new(limits: &Limits, now: Instant) -> Timers {
        Timers {
            head: Fifo::new(limits.head_timeout, now),
            keep_alive: Fifo::new(limits.keep_alive_timeout, now),
            message: Fifo::new(limits.message_timeout, now),
            silence: Fifo::new(limits.ping_after, now),
            pong: Fifo::new(limits.pong_timeout, now),
            close: Fifo::new(limits.close_timeout, now),
        }
    }

    fn all(&mut self) -> [&mut Fifo; 6] {
        let Timers { head, keep_alive, message, silence, pong, close } = self;
        [head, keep_alive, message, silence, pong, close]
    }

    fn stop(&mut self, slot: u32) {
        self.all().into_iter().for_each(|fifo| fifo.stop(slot));
    }

    fn due(&mut self) -> Option<Instant> {
        self.all().into_iter().filter_map(|fifo| fifo.due()).min()
    }
}

impl<A: App> EventLoop<A> {
    /// Binds the addresses and takes over SIGINT and SIGTERM.
    pub fn bind(app: A, addresses: &[SocketAddr], limits: Limits) -> io::Result<EventLoop<A>> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let mut listeners = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let mut socket = listener::bind(*address).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
            })?;
            poll.registry().register(&mut socket, Token(LISTENER - index), Interest::READABLE)?;
            listeners.push(Listener { socket, is_ready: false });
        }
        let now = Instant::now();
        Ok(EventLoop {
            app,
            poll,
            signals,
            listeners,
            outbound: Outbound::new(&limits, now),
            inputs: Vec::new(),
            receive_buffer: vec![0; RECEIVE_BUFFER],
            ready_again: Vec::new(),
            timers: Timers::new(&limits, now),
            per_address: PerAddress::new(limits.max_per_address),
            spare: Spare::new(),
            refused: 0,
            accept_paused_until: None,
            shutdown_by: None,
            now,
            limits,
        })
    }

    /// The addresses that are listened on, with the ports that the system chose.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(|listener| listener.socket.local_addr()).collect()
    }

    /// Serves until a signal ends it.
    pub fn run(mut self) -> io::Result<Exit> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.poll_timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.now = Instant::now();
            self.outbound.set_now(self.now);
            let mut taken = 0;
            for event in &events {
                taken += 1;
                if let Some(exit) = self.dispatch(event) {
                    return Ok(exit);
                }
            }
            if taken == events.capacity() && taken < MAX_EVENTS {
                events = Events::with_capacity(2 * taken);
            }
            for conn in std::mem::take(&mut self.ready_again) {
                self.resume(conn);
                self.read(conn);
            }
            self.expire();
            self.reap();
            self.accept();
            self.outbound.flush();
            if let Some(exit) = self.is_shut_down() {
                return Ok(exit);
            }
        }
    }

    /// How long nothing is to be done unless a socket tells.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let accepts =
            self.accept_paused_until.is_none() && self.listeners.iter().any(|listener| listener.is_ready);
        if accepts || !self.ready_again.is_empty() || self.outbound.has_dead() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.timers.due(),
            self.outbound.due(),
            self.app.due(),
            self.accept_paused_until,
            self.shutdown_by,
        ];
        let next = due.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn dispatch(&mut self, event: &Readiness) -> Option<Exit> {
        match event.token() {
            SIGNALS => return self.on_signals(),
            Token(token) if token > LISTENER - self.listeners.len() => {
                self.listeners[LISTENER - token].is_ready = true;
            }
            Token(token) => {
                let conn = ConnId { slot: token as u32, generation: (token >> 32) as u32 };
                if !self.outbound.is_present(conn) {
                    return None;
                }
                let mut has_input = event.is_readable();
                if event.is_writable() {
                    self.outbound.writable(conn);
                    has_input |= self.resume(conn);
                }
                if event.is_read_closed() || event.is_error() {
                    self.input(conn).is_hung_up = true;
                    has_input = true;
                }
                // Of a new socket the system first tells that it can be written to, which is nothing to read.
                if has_input {
                    self.read(conn);
                }
            }
        }
        None
    }

    // Reading

    /// Reads what the socket has, up to the budget, and writes the answers.
    fn read(&mut self, conn: ConnId) {
        if !self.outbound.is_present(conn) || self.input(conn).is_paused {
            return;
        }
        self.outbound.begin_answers(conn);
        let mut held = std::mem::take(&mut self.input(conn).held);
        if held.is_empty() {
            self.read_socket(conn);
        } else {
            self.handle(conn, &mut held);
            self.ready_again.push(conn);
        }
        self.outbound.end_answers();
        self.stop_closed();
        if self.resume(conn) {
            self.ready_again.push(conn);
        }
        if self.outbound.has_large_batch() {
            self.outbound.flush();
        }
    }

    fn read_socket(&mut self, conn: ConnId) {
        let mut buffer = std::mem::take(&mut self.receive_buffer);
        let mut budget = READ_BUDGET;
        while let Some(transport) = self.outbound.transport(conn) {
            match transport.read(&mut buffer) {
                Ok(0) => {
                    self.on_end(conn);
                    break;
                }
                Ok(len) => {
                    self.handle(conn, &mut buffer[..len]);
                    let input = self.input(conn);
                    // Less than was asked for: the socket is empty, and will tell when it is not.
                    if input.is_paused || len < RECEIVE_BUFFER && !input.is_hung_up {
                        break;
                    }
                    budget = budget.saturating_sub(len);
                    if budget == 0 {
                        self.ready_again.push(conn);
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    log::debug!("{conn}: {error}");
                    self.outbound.kill(conn);
                    break;
                }
            }
        }
        self.receive_buffer = buffer;
    }

    /// Handles bytes that came, or holds them back when too much waits for the peer already.
    fn handle(&mut self, conn: ConnId, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.must_pause(conn) {
                let input = self.input(conn);
                input.is_paused = true;
                input.held = bytes.to_vec();
                return;
            }
            match &mut self.input(conn).state {
                State::Discard => return,
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

    fn must_pause(&self, conn: ConnId) -> bool {
        let limit = self.limits.pause_above;
        limit > 0 && self.outbound.owed(conn) > limit
    }

    /// Lets reading go on if few enough bytes wait; whether that makes a difference.
    fn resume(&mut self, conn: ConnId) -> bool {
        let resume_below = self.limits.resume_below;
        if !self.outbound.is_present(conn) || self.outbound.owed(conn) > resume_below {
            return false;
        }
        std::mem::take(&mut self.input(conn).is_paused)
    }

    // HTTP

    /// Looks for the end of the head; refuses the request if it is over a limit.
    fn scan_head(&mut self, conn: ConnId, mut scan: HeadScan, bytes: &[u8]) -> Option<usize> {
        if !self.timers.head.is_running(conn.slot) {
            self.timers.keep_alive.stop(conn.slot);
            self.timers.head.start(conn.slot, self.now);
        }
        match scan.advance(bytes, &self.limits.head) {
            Ok(Some(len)) => Some(len),
            Ok(None) => {
                if let State::Head(head) = &mut self.input(conn).state {
                    head.scan = scan;
                }
                None
            }
            Err(error) => {
                self.refuse(conn, &error.response());
                None
            }
        }
    }

    fn on_head(&mut self, conn: ConnId, head: &[u8]) {
        let answer = Request::parse(head, &self.limits.head, |request| {
            let keeps_alive = request.keeps_alive() && !request.has_body();
            (self.app.on_request(conn, request), request.method == "HEAD", keeps_alive)
        });
        match answer {
            Err(error) => self.refuse(conn, &error.response()),
            Ok((Answer::Reply(response), head_only, keeps_alive)) => {
                self.reply(conn, &response, head_only, keeps_alive)
            }
            Ok((Answer::Upgrade { accepted, max_message, mut session }, ..)) => {
                self.timers.head.stop(conn.slot);
                self.timers.silence.start(conn.slot, self.now);
                accepted.encode(self.outbound.answers());
                self.app.on_open(conn, &mut session, &mut self.outbound);
                let protocol = Protocol::new(Role::Server, max_message);
                self.input(conn).state = State::Open { protocol, session };
                self.stop_closed();
            }
        }
    }

    fn reply(&mut self, conn: ConnId, response: &Response, head_only: bool, keeps_alive: bool) {
        let State::Head(head) = &self.input(conn).state else { return };
        let requests = head.requests_before + 1;
        let limit = self.limits.keep_alive_requests;
        let keeps_alive = keeps_alive && (limit == 0 || requests < limit) && self.shutdown_by.is_none();
        response.encode(head_only, keeps_alive, self.outbound.answers());
        if keeps_alive {
            self.timers.head.stop(conn.slot);
            self.timers.keep_alive.start(conn.slot, self.now);
            self.input(conn).state = State::Head(Head { requests_before: requests, ..Head::default() });
        } else {
            self.end_http(conn);
        }
    }

    /// Answers with an error and ends the connection.
    fn refuse(&mut self, conn: ConnId, response: &Response) {
        log::debug!("{conn}: refused with status {}", response.status);
        response.encode(false, false, self.outbound.answers());
        self.end_http(conn);
    }

    fn end_http(&mut self, conn: ConnId) {
        self.timers.stop(conn.slot);
        self.timers.close.start(conn.slot, self.now);
        self.input(conn).state = State::Discard;
        self.outbound.finish(conn, Finish::Shutdown);
    }

    // WebSocket

    fn handle_frames(&mut self, conn: ConnId, bytes: &mut &mut [u8]) {
        let mut message_ended = false;
        loop {
            if self.must_pause(conn) {
                return;
            }
            let Some(Input { state, .. }) = &mut self.inputs[conn.slot as usize] else { return };
            let (protocol, session) = match state {
                State::Open { protocol, session } => (protocol, Some(session)),
                State::Closing { protocol } => (protocol, None),
                _ => return,
            };
            match protocol.receive(bytes) {
                Ok(Some(Event::Message(message))) => {
                    message_ended = true;
                    if let Some(session) = session {
                        self.app.on_message(conn, session, &message, &mut self.outbound);
                        self.stop_closed();
                    }
                }
                Ok(Some(Event::Ping(payload))) => self.outbound.pong(conn, &payload),
                Ok(Some(Event::Pong(_))) => {}
                Ok(Some(Event::Close(close))) => {
                    let code = close.as_ref().map_or("no code".into(), |close| close.code.0.to_string());
                    log::debug!("{conn}: closed by the peer with {code}");
                    self.end_session(conn);
                    self.outbound.answer_close(conn, close.map(|close| close.code));
                    return;
                }
                Ok(None) => break,
                Err(error) => {
                    log::debug!("{conn}: failed with {}: {error}", error.close_code().0);
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
    fn end_session(&mut self, conn: ConnId) {
        self.timers.stop(conn.slot);
        self.timers.close.start(conn.slot, self.now);
        let state = std::mem::replace(&mut self.input(conn).state, State::Discard);
        if let State::Open { session, .. } = state {
            self.app.on_close(conn, session, &mut self.outbound);
        }
    }

    /// The application, or a limit, has closed connections: nothing of theirs is delivered any more.
    fn stop_closed(&mut self) {
        while let Some(conn) = self.outbound.pop_closed() {
            let Some(Some(input)) = self.inputs.get_mut(conn.slot as usize) else { continue };
            match std::mem::replace(&mut input.state, State::Discard) {
                State::Open { protocol, session } => {
                    input.state = State::Closing { protocol };
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
        log::debug!("{conn}: ended by the peer");
        self.end_session(conn);
        self.timers.close.stop(conn.slot);
        self.outbound.finish(conn, Finish::Drop);
    }

    // Time

    fn expire(&mut self) {
        while let Some(conn) = self.timers.head.pop_due(self.now).and_then(|slot| self.outbound.conn_at(slot))
        {
            let seconds = self.limits.head_timeout.as_secs_f64();
            let late = format_args!("The request was not complete within {seconds} seconds.").to_string();
            self.outbound.begin_answers(conn);
            self.refuse(conn, &Response::text(408, late));
            self.outbound.end_answers();
        }
        while let Some(conn) =
            self.timers.keep_alive.pop_due(self.now).and_then(|slot| self.outbound.conn_at(slot))
        {
            self.end_http(conn);
        }
        while let Some(conn) =
            self.timers.message.pop_due(self.now).and_then(|slot| self.outbound.conn_at(slot))
        {
            let seconds = self.limits.message_timeout.as_secs_f64();
            let reason = format!("a message was not complete within {seconds} seconds");
            self.end_session(conn);
            self.outbound.fail(conn, CloseCode::POLICY, &reason);
        }
        while let Some(conn) = self.timers.pong.pop_due(self.now).and_then(|slot| self.outbound.conn_at(slot))
        {
            let seconds = self.limits.pong_timeout.as_secs_f64();
            let reason = format!("no answer to a ping within {seconds} seconds");
            self.outbound.close(conn, CloseCode::GOING_AWAY, &reason);
        }
        while let Some(conn) =
            self.timers.silence.pop_due(self.now).and_then(|slot| self.outbound.conn_at(slot))
        {
            if self.outbound.owed(conn) > 0 {
                // It does not read, so it cannot answer; its queue has limits of its own.
                self.timers.silence.start(conn.slot, self.now);
            } else {
                self.outbound.ping(conn);
                self.timers.pong.start(conn.slot, self.now);
            }
        }
        while let Some(conn) =
            self.timers.close.pop_due(self.now).and_then(|slot| self.outbound.conn_at(slot))
        {
            self.outbound.kill(conn);
        }
        self.outbound.expire();
        if self.app.due().is_some_and(|due| due <= self.now) {
            self.app.on_due(self.now, &mut self.outbound);
        }
        self.stop_closed();
    }

    /// Frees what has ended.
    fn reap(&mut self) {
        while let Some(conn) = self.outbound.pop_dead() {
            self.end_session(conn);
            self.timers.stop(conn.slot);
            if let Some(input) = self.inputs[conn.slot as usize].take() {
                if input.is_refused {
                    self.refused -= 1;
                } else {
                    self.per_address.release(input.peer.ip());
                }
                log::debug!("{conn}: disconnected");
            }
            drop(self.outbound.remove(conn));
            self.accept_paused_until = None;
        }
        self.stop_closed();
    }

    // Accepting

    fn accept(&mut self) {
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
                    listener::Accepted::Connection(stream, peer) => self.admit(stream, peer),
                    listener::Accepted::Nobody => listener.is_ready = false,
                    listener::Accepted::Exhausted => {
                        let mut response = Vec::new();
                        full().encode(false, false, &mut response);
                        self.spare.refuse_one(&listener.socket, &response);
                        self.accept_paused_until = Some(self.now + ACCEPT_PAUSE);
                        log::warn!("no descriptors are left: new connections wait until one is freed");
                        return;
                    }
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let most = self.limits.max_connections;
        let refusal = if most > 0 && self.outbound.len() - self.refused >= most {
            Some(full())
        } else if !self.per_address.admit(peer.ip()) {
            let most = self.limits.max_per_address;
            Some(Response::text(429, format_args!("Your address has {most} connections, as many as it may.")))
        } else {
            None
        };
        if refusal.is_some() && self.refused == MAX_REFUSED {
            return;
        }
        let conn = self.outbound.insert(stream);
        let slot = conn.slot as usize;
        if self.inputs.len() <= slot {
            self.inputs.resize_with(slot + 1, || None);
        }
        self.inputs[slot] = Some(Input {
            peer,
            state: State::Head(Head::default()),
            held: Vec::new(),
            is_paused: false,
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
            Some(response) => {
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
                self.timers.head.stop(oldest.slot);
                self.outbound.kill(oldest);
            }
        }
    }

    // Ending

    fn on_signals(&mut self) -> Option<Exit> {
        let signals: Vec<i32> = self.signals.pending().collect();
        for signal in signals {
            if self.shutdown_by.is_some() {
                return Some(Exit::Forced(signal));
            }
            self.shut_down();
        }
        None
    }

    fn shut_down(&mut self) {
        log::info!("shutting down: closing {} connections", self.outbound.len());
        self.shutdown_by = Some(self.now + self.limits.shutdown_timeout);
        self.listeners.clear();
        let conns: Vec<ConnId> =
            (0..self.inputs.len()).filter_map(|slot| self.outbound.conn_at(slot as u32)).collect();
        for conn in conns {
            match self.input(conn).state {
                State::Open { .. } => {
                    self.outbound.close(conn, CloseCode::GOING_AWAY, "the server is shutting down")
                }
                State::Head(_) => self.end_http(conn),
                State::Closing { .. } | State::Discard => {}
            }
        }
        self.stop_closed();
    }

    fn is_shut_down(&self) -> Option<Exit> {
        let by = self.shutdown_by?;
        match self.outbound.len() {
            0 => Some(Exit::Finished),
            left if by <= self.now => Some(Exit::CutOff(left)),
            _ => None,
        }
    }

    /// The input of a connection that is present.
    fn input(&mut self, conn: ConnId) -> &mut Input<A::Session> {
        self.inputs[conn.slot as usize].as_mut().expect("a sink and its input come and go together")
    }
}

fn full() -> Response {
    Response::text(503, "The server has as many connections as it can hold; try again later.")
        .with("Retry-After", "10")
}
