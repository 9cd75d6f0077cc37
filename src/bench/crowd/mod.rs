//! The simulated clients of one thread, and the loop that they share.
//!
//! As in the server, a client at rest owns no buffer: all read into one, messages are handed out where they lie, and
//! bytes are kept only while a message is unfinished or a socket refuses.

mod access;
mod client;
mod pen;

pub use access::Access;
pub use pen::Pen;

use super::recorder::{Causes, Recorder};
use super::stream::Stream;
use crate::ws::deflate::{Compressor, Inflater};
use crate::ws::handshake::ResponseError;
use crate::ws::{CloseCode, Event, Message, Opcode, Protocol, Role, frame};
use client::{Client, Opening, State, cause, write_some};
use mio::event::Event as Readiness;
use mio::{Events, Interest, Poll, Token};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// The one receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 64 << 10;
/// Longer answers to a handshake are none.
const MAX_HEAD: usize = 64 << 10;
/// Few, so that what is due meanwhile is not late.
const EVENTS: usize = 128;
/// What the system is to take in for a client that does not read, in bytes.
const LITTLE_ROOM: usize = 4096;

/// Nanoseconds since the run began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub Instant);

impl Clock {
    /// Now.
    pub fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What clients do: called for each thing that happens to one. What it gives to the pen goes to that client.
pub trait Behaviour {
    /// The handshake was answered, at this time.
    fn open(&mut self, client: usize, now: u64, pen: &mut Pen<'_>);
    /// A message came, at this time.
    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>);
    /// An open connection ended.
    fn lose(&mut self, client: usize);
}

/// The clients of one thread.
pub struct Crowd<'a> {
    access: &'a Access,
    clock: Clock,
    poll: Poll,
    events: Events,
    /// Of these, how many are done with.
    handled: usize,
    /// When something came last.
    heard_at: u64,
    /// The number of the first client among those of all threads.
    first: usize,
    clients: Vec<Client>,
    open: usize,
    /// Deadlines of those that have not opened, in the order in which they began.
    opening: VecDeque<(u64, usize, u32)>,
    unopened: usize,
    /// What became of connections.
    pub recorder: Recorder,
    buffer: Vec<u8>,
    frames: Vec<u8>,
    inflater: Inflater,
    compressor: Compressor,
    rng: StdRng,
}

impl<'a> Crowd<'a> {
    /// So many clients, none of whom has connected. `first` is the number of the first among those of all threads.
    pub fn new(
        access: &'a Access,
        clock: Clock,
        first: usize,
        len: usize,
        rng: StdRng,
    ) -> io::Result<Crowd<'a>> {
        Ok(Crowd {
            access,
            clock,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            handled: 0,
            heard_at: 0,
            first,
            clients: std::iter::repeat_with(Client::default).take(len).collect(),
            open: 0,
            opening: VecDeque::new(),
            unopened: 0,
            recorder: Recorder::default(),
            buffer: vec![0; RECEIVE_BUFFER],
            frames: Vec::new(),
            inflater: Inflater::default(),
            compressor: Compressor::new(15),
            rng,
        })
    }

    /// By which it tells the time.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Clients whose connection is open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Clients that are connecting.
    pub fn unopened(&self) -> usize {
        self.unopened
    }

    /// Whether a client's connection is open.
    pub fn is_open(&self, client: usize) -> bool {
        matches!(self.clients[client].state, State::Open { .. })
    }

    /// Whether a client has no connection, and none is being opened.
    pub fn is_absent(&self, client: usize) -> bool {
        matches!(self.clients[client].state, State::Absent)
    }

    /// Begins a connection.
    pub fn connect(&mut self, client: usize) {
        debug_assert!(self.is_absent(client));
        self.recorder.begun += 1;
        let since = self.clock.now();
        let number = self.first + client;
        let Access { sources, tls, .. } = self.access;
        let (target, address) = self.access.target(number);
        let tls = tls.as_ref().filter(|_| target.is_tls).map(|tls| (tls, target.host.as_str()));
        let room = (number >= self.access.readers).then_some(LITTLE_ROOM);
        let begun =
            Stream::connect(address, sources.for_client(number / self.access.targets.len()), room, tls)
                .and_then(|mut stream| {
                    let generation = self.clients[client].generation.wrapping_add(1);
                    self.clients[client].generation = generation;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, token(client, generation), interest)?;
                    Ok((stream, generation))
                });
        match begun {
            Ok((stream, generation)) => {
                let mut nonce = [0; 16];
                self.rng.fill_bytes(&mut nonce);
                let opening = Opening { stream, since, nonce, is_connected: false, head: Vec::new() };
                self.clients[client].state = State::Opening(Box::new(opening));
                let deadline = since + self.access.timeout.as_nanos() as u64;
                self.opening.push_back((deadline, client, generation));
                self.unopened += 1;
            }
            Err(error) => count(&mut self.recorder.failed, cause(&error)),
        }
    }

    /// Has the open connections acknowledge late what comes; see [`Stream::acknowledge_late`].
    pub fn acknowledge_late(&self) {
        for client in &self.clients {
            if let State::Open { stream, .. } = &client.state {
                // Refused by a connection that has ended, which reading tells.
                let _ = stream.acknowledge_late();
            }
        }
    }

    /// Fails the connections that took too long to open.
    pub fn expire(&mut self) {
        let now = self.clock.now();
        while let Some((deadline, client, generation)) = self.opening.front().copied() {
            let Client { state, generation: current, .. } = &self.clients[client];
            let is_opening = matches!(state, State::Opening(_)) && *current == generation;
            if is_opening && deadline > now {
                break;
            }
            self.opening.pop_front();
            if is_opening {
                self.fail(client, "no answer to the handshake in time".to_owned());
            }
        }
    }

    /// Sends a message to an open connection; whether it is open.
    pub fn send(&mut self, client: usize, opcode: Opcode, payload: &[u8]) -> bool {
        let State::Open { deflate, .. } = self.clients[client].state else { return false };
        let mut frames = std::mem::take(&mut self.frames);
        self.pen(&mut frames, deflate).send(opcode, payload);
        self.write(client, &mut frames);
        self.frames = frames;
        true
    }

    /// Handles what is ready, waiting for it at most so long; how many events that were. If what comes lasts until
    /// `until`, the rest is left for the next time.
    pub fn poll(&mut self, wait: Duration, until: u64, behaviour: &mut impl Behaviour) -> io::Result<usize> {
        if !self.has_left_some() {
            self.handled = 0;
            match self.poll.poll(&mut self.events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => self.events.clear(),
                result => result?,
            }
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let before = self.handled;
        for event in events.iter().skip(before) {
            if !self.handle(event, until, behaviour) {
                break;
            }
            self.handled += 1;
            if self.heard_at >= until {
                break;
            }
        }
        self.events = events;
        Ok(self.handled - before)
    }

    /// Whether something was ready that is not handled yet.
    pub fn has_left_some(&self) -> bool {
        self.events.iter().nth(self.handled).is_some()
    }

    /// Handles an event; whether all of it.
    fn handle(&mut self, event: &Readiness, until: u64, behaviour: &mut impl Behaviour) -> bool {
        let Token(token) = event.token();
        let (client, generation) = (token as u32 as usize, (token >> 32) as u32);
        if self.clients[client].generation != generation {
            return true;
        }
        if event.is_writable() {
            self.writable(client);
        }
        let is_hung_up = event.is_read_closed() || event.is_error();
        if is_hung_up || event.is_readable() && !self.clients[client].is_stalled {
            return self.read(client, is_hung_up, usize::MAX, until, behaviour);
        }
        true
    }

    /// Has a client read no more of itself.
    pub fn stall(&mut self, client: usize) {
        self.clients[client].is_stalled = true;
    }

    /// Has a client read that has stalled, so many bytes at most.
    pub fn read_some(&mut self, client: usize, most: usize, behaviour: &mut impl Behaviour) {
        self.read(client, false, most, u64::MAX, behaviour);
    }

    /// Has a client read again that has stalled.
    pub fn resume(&mut self, client: usize, behaviour: &mut impl Behaviour) {
        self.clients[client].is_stalled = false;
        self.read(client, false, usize::MAX, u64::MAX, behaviour);
    }

    /// Has a client say goodbye and go, without waiting for the answer.
    pub fn leave(&mut self, client: usize) {
        self.say_goodbye(client);
        self.drop_connection(client);
    }

    /// Begins the closing handshake of every open connection, and gives up those that are not.
    pub fn say_farewell(&mut self) {
        for client in 0..self.clients.len() {
            match self.is_open(client) {
                true => self.say_goodbye(client),
                false => self.drop_connection(client),
            }
        }
    }

    fn say_goodbye(&mut self, client: usize) {
        let mut frames = std::mem::take(&mut self.frames);
        self.pen(&mut frames, false).control(Opcode::Close, &frame::close_payload(CloseCode::NORMAL, ""));
        self.write(client, &mut frames);
        self.frames = frames;
    }

    /// Ends a connection without a word, whatever its state.
    pub fn drop_connection(&mut self, client: usize) {
        match std::mem::take(&mut self.clients[client].state) {
            State::Absent => {}
            State::Opening(_) => self.unopened -= 1,
            State::Open { .. } => self.open -= 1,
        }
        self.clients[client].unsent = Vec::new();
    }

    fn pen<'p>(&'p mut self, frames: &'p mut Vec<u8>, deflate: bool) -> Pen<'p> {
        Pen { frames, compressor: deflate.then_some(&mut self.compressor), rng: &mut self.rng }
    }

    /// Writes frames after what waits, and empties them. If the connection is broken, reading tells.
    fn write(&mut self, client: usize, frames: &mut Vec<u8>) {
        let Client { state, unsent, .. } = &mut self.clients[client];
        if let Some(stream) = state.stream() {
            let written = if unsent.is_empty() { write_some(stream, frames) } else { 0 };
            unsent.extend_from_slice(&frames[written..]);
        }
        frames.clear();
    }

    fn writable(&mut self, client: usize) {
        if let State::Opening(opening) = &mut self.clients[client].state
            && !opening.is_connected
        {
            match opening.stream.connected() {
                Ok(false) => return,
                Ok(true) => {
                    opening.is_connected = true;
                    let nonce = opening.nonce;
                    let mut head = Vec::new();
                    self.access.with_request(self.first + client, nonce, |request| request.encode(&mut head));
                    self.write(client, &mut head);
                }
                Err(error) => return self.fail(client, cause(&error)),
            }
        }
        self.flush(client);
    }

    /// Offers what waits to the socket.
    fn flush(&mut self, client: usize) {
        let Client { state, unsent, .. } = &mut self.clients[client];
        let Some(stream) = state.stream() else { return };
        if !unsent.is_empty() {
            let written = write_some(stream, unsent);
            unsent.drain(..written);
            if unsent.is_empty() {
                *unsent = Vec::new();
            }
        }
        let _blocked_or_broken = stream.flush();
    }

    /// Reads so many bytes at most, and not beyond a time; whether it got that far.
    fn read(
        &mut self,
        client: usize,
        is_hung_up: bool,
        mut most: usize,
        until: u64,
        behaviour: &mut impl Behaviour,
    ) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut is_done = true;
        while let Some(stream) = self.clients[client].state.stream()
            && most > 0
        {
            let space = most.min(RECEIVE_BUFFER);
            match stream.read(&mut buffer[..space]) {
                Ok(0) => self.end(client, "ended by the server".to_owned(), behaviour),
                Ok(len) => {
                    self.take(client, &mut buffer[..len], behaviour);
                    most -= len;
                    // Less than was asked for: the socket is empty, and will tell when it is not.
                    if len < space && !is_hung_up {
                        break;
                    }
                    if self.heard_at >= until {
                        is_done = false;
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end(client, cause(&error), behaviour),
            }
        }
        self.buffer = buffer;
        self.flush(client);
        is_done
    }

    fn take(&mut self, client: usize, bytes: &mut [u8], behaviour: &mut impl Behaviour) {
        let now = self.clock.now();
        self.heard_at = now;
        let State::Opening(opening) = &mut self.clients[client].state else {
            return self.take_frames(client, bytes, now, behaviour);
        };
        opening.head.extend_from_slice(bytes);
        let (nonce, mut head) = (opening.nonce, std::mem::take(&mut opening.head));
        match self.access.with_request(self.first + client, nonce, |request| request.check_response(&head)) {
            Ok(None) if head.len() < MAX_HEAD => {
                if let State::Opening(opening) = &mut self.clients[client].state {
                    opening.head = head;
                }
            }
            Ok(None) => self.fail(client, "an answer to the handshake that does not end".to_owned()),
            Err(ResponseError::Status(status)) => {
                self.fail(client, format!("the handshake was answered with status {status}"));
            }
            Err(error) => self.fail(client, format!("the handshake was answered badly: {error}")),
            Ok(Some(opened)) => {
                let State::Opening(opening) = std::mem::take(&mut self.clients[client].state) else { return };
                let Opening { stream, since, .. } = *opening;
                self.recorder.opened += 1;
                self.recorder.handshake.saturating_record((now - since).max(1));
                self.unopened -= 1;
                self.open += 1;
                let protocol = Protocol::new(Role::Client, self.access.max_message)
                    .with_deflate(opened.deflate.as_ref());
                let deflate = opened.deflate.is_some();
                self.clients[client].state = State::Open { stream, protocol, deflate };
                let mut frames = std::mem::take(&mut self.frames);
                behaviour.open(client, now, &mut self.pen(&mut frames, deflate));
                self.write(client, &mut frames);
                self.frames = frames;
                self.take_frames(client, &mut head[opened.head_len..], now, behaviour);
            }
        }
    }

    fn take_frames(&mut self, client: usize, mut bytes: &mut [u8], now: u64, behaviour: &mut impl Behaviour) {
        let mut frames = std::mem::take(&mut self.frames);
        let mut ended = None;
        while let State::Open { protocol, deflate, .. } = &mut self.clients[client].state {
            let compressor = deflate.then_some(&mut self.compressor);
            let mut pen = Pen { frames: &mut frames, compressor, rng: &mut self.rng };
            match protocol.receive(&mut bytes, &mut self.inflater) {
                Ok(None) => break,
                Ok(Some(Event::Message(message))) => behaviour.hear(client, &message, now, &mut pen),
                Ok(Some(Event::Fragment | Event::Pong(_))) => {}
                Ok(Some(Event::Ping(payload))) => pen.control(Opcode::Pong, &payload),
                Ok(Some(Event::Close(close))) => {
                    let code = close.as_ref().map(|close| close.code);
                    let answer = code.map_or(Vec::new(), |code| frame::close_payload(code, ""));
                    pen.control(Opcode::Close, &answer);
                    let code = code.map_or("no code".to_owned(), |code| code.0.to_string());
                    ended = Some(format!("closed by the server with {code}"));
                    break;
                }
                Err(error) => {
                    pen.control(Opcode::Close, &frame::close_payload(error.close_code(), ""));
                    ended = Some(format!("the server broke the protocol: {error}"));
                    break;
                }
            }
        }
        if !frames.is_empty() {
            self.write(client, &mut frames);
        }
        self.frames = frames;
        if let Some(cause) = ended {
            self.end(client, cause, behaviour);
        }
    }

    /// The connection ended, open or not.
    fn end(&mut self, client: usize, cause: String, behaviour: &mut impl Behaviour) {
        if !self.is_open(client) {
            return self.fail(client, format!("{cause} in the handshake"));
        }
        self.drop_connection(client);
        count(&mut self.recorder.lost, cause);
        behaviour.lose(client);
    }

    fn fail(&mut self, client: usize, cause: String) {
        self.drop_connection(client);
        count(&mut self.recorder.failed, cause);
    }
}

fn token(client: usize, generation: u32) -> Token {
    Token((generation as usize) << 32 | client)
}

fn count(causes: &mut Causes, cause: String) {
    *causes.entry(cause).or_default() += 1;
}
