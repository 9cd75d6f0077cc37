//! The simulated clients of one thread, and their sockets.
//!
//! As in the server, an idle client owns no buffer. All clients read into one buffer, complete messages are
//! handled in place, and bytes are kept only while a message is incomplete or the socket does not accept
//! them.
//!
//! The pool is one file, since whatever moves a client between its states also updates the counters and deadlines of
//! the pool; what has state of its own is in the modules below.

mod client;
mod config;
mod deadlines;
mod handler;
mod handshakes;
mod pings;
mod writer;

pub(crate) use config::{Addresses, ConnectConfig};
pub(crate) use handler::{Handler, Ignore};
pub(crate) use writer::FrameWriter;

use super::network::{Network, Ready, Received, Wait};
use super::recorder::{Attempts, ConnectionRecorder, count};
use super::time::{Nanos, Time};
use crate::ws::{CloseCode, Codec, Error, Event};
use client::{Cause, Client, Open, Opening, State};
use deadlines::Deadlines;
use handshakes::{Answer, Handshakes};
use pings::Pings;
use rand::Rng;
use rand::rngs::StdRng;
use std::io::{self, ErrorKind, Write};
use writer::is_full;

/// Size of the shared receive buffer.
const RECEIVE_BUFFER: usize = 64 << 10;
/// How long to wait for the body of a refusal.
const REFUSAL_TIMEOUT: Nanos = Nanos::millis(200);
/// Number of unsent bytes of a client from which on it sends no pings.
const MAX_HELD: usize = 512 << 10;
/// Longest duration of a closing handshake.
pub(crate) const CLOSE_TIMEOUT: Nanos = Nanos::secs(2);

/// The clients of one thread.
pub(crate) struct ClientPool<'a, N: Network> {
    config: &'a ConnectConfig,
    pub network: N,
    ready: Vec<Ready>,
    /// Number of entries in `ready` that are handled.
    handled: usize,
    /// When something was last received.
    last_received: Time,
    /// The number of the first client among those of all threads.
    first: usize,
    clients: Vec<Client<N::Stream>>,
    open: usize,
    opening: usize,
    closing: usize,
    handshakes: Handshakes<'a>,
    opening_deadlines: Deadlines,
    refusal_deadlines: Deadlines,
    closing_deadlines: Deadlines,
    pings: Pings,
    pub recorder: ConnectionRecorder,
    buffer: Vec<u8>,
    /// Memory for the output of the client that is being handled.
    output: Vec<u8>,
    codec: Codec,
}

impl<'a, N: Network> ClientPool<'a, N> {
    /// Creates `len` clients without connections. `first` is the number of the first one among those of all
    /// threads.
    pub fn new(config: &'a ConnectConfig, network: N, first: usize, len: usize, mut rng: StdRng) -> Self {
        ClientPool {
            config,
            network,
            ready: Vec::new(),
            handled: 0,
            last_received: Time::ZERO,
            first,
            clients: std::iter::repeat_with(Client::default).take(len).collect(),
            open: 0,
            opening: 0,
            closing: 0,
            handshakes: Handshakes::new(config, first),
            opening_deadlines: Deadlines::default(),
            refusal_deadlines: Deadlines::default(),
            closing_deadlines: Deadlines::default(),
            pings: Pings::default(),
            recorder: ConnectionRecorder::default(),
            buffer: vec![0; RECEIVE_BUFFER],
            output: Vec::new(),
            codec: Codec::with_random(move |bytes| rng.fill_bytes(bytes)),
        }
    }

    pub fn open(&self) -> usize {
        self.open
    }

    pub fn opening(&self) -> usize {
        self.opening
    }

    pub fn is_open(&self, client: usize) -> bool {
        matches!(self.clients[client].state, State::Open(_))
    }

    /// Returns true if a client has no connection and none is being opened or closed.
    pub fn is_absent(&self, client: usize) -> bool {
        matches!(self.clients[client].state, State::Absent)
    }

    /// Returns true if the socket has not accepted everything that the client has written.
    pub fn is_blocked(&self, client: usize) -> bool {
        self.clients[client].state.waiting() > 0
    }

    /// Opens a connection that was due at `since`, from which its handshake is timed.
    pub fn connect(&mut self, client: usize, since: Time) {
        debug_assert!(self.is_absent(client));
        let number = self.first + client;
        let generation = self.clients[client].generation.wrapping_add(1);
        self.clients[client].generation = generation;
        if generation > 1 {
            self.config.addresses.refresh();
        }
        self.attempts(client).begun += 1;
        let cookies = self.clients[client].cookies.as_deref();
        let connecting = match self.handshakes.open(client, cookies, &mut self.codec) {
            Ok(connecting) => connecting,
            Err(cause) => return self.fail(client, cause),
        };
        match self.network.connect(&self.config.dial(number), token(client, generation)) {
            Ok(stream) => {
                let opening = Opening { stream, since, connecting, is_connected: false, refused: None };
                self.clients[client].state = State::Opening(Box::new(opening));
                let deadline = self.network.now() + self.config.timeout;
                self.opening_deadlines.set(deadline, client, generation);
                self.opening += 1;
            }
            Err(error) => self.fail(client, Cause::of(&error)),
        }
    }

    fn attempts(&mut self, client: usize) -> &mut Attempts {
        match self.clients[client].generation {
            1 => &mut self.recorder.first,
            _ => &mut self.recorder.later,
        }
    }

    /// Makes the system delay acknowledgements of open connections, where possible.
    pub fn acknowledge_late(&self) {
        for client in &self.clients {
            if let State::Open(open) = &client.state {
                self.network.acknowledge_late(&open.stream);
            }
        }
    }

    /// Ends opening and closing handshakes that took too long.
    pub fn expire(&mut self, handler: &mut impl Handler) {
        let deadlines = [&self.opening_deadlines, &self.refusal_deadlines, &self.closing_deadlines];
        if deadlines.iter().all(|deadlines| deadlines.is_empty()) {
            return;
        }
        let now = self.network.now();
        while let Some(client) = self.opening_deadlines.next_passed(now, is_opening_or_closing(&self.clients))
        {
            self.fail(client, Cause::server("no answer to the handshake in time"));
        }
        while let Some(client) = self.refusal_deadlines.next_passed(now, is_opening_or_closing(&self.clients))
        {
            self.end(client, Cause::server("refused"), handler);
        }
        while let Some(client) = self.closing_deadlines.next_passed(now, is_opening_or_closing(&self.clients))
        {
            self.end(client, Cause::server("closed"), handler);
        }
    }

    /// Waits for events and handles them. Returns the number of events handled. Events after `until` are left
    /// for the next call.
    pub fn poll(&mut self, wait: Wait, until: Time, handler: &mut impl Handler) -> io::Result<usize> {
        if !self.has_unhandled() {
            self.handled = 0;
            self.ready.clear();
            self.network.wait(wait, &mut self.ready)?;
        }
        let before = self.handled;
        while let Some(ready) = self.ready.get(self.handled).copied() {
            if !self.handle(ready, until, handler) {
                break;
            }
            self.handled += 1;
            if self.last_received >= until {
                break;
            }
        }
        Ok(self.handled - before)
    }

    /// Returns true if there are events that are not handled yet.
    pub fn has_unhandled(&self) -> bool {
        self.handled < self.ready.len()
    }

    /// Handles an event. Returns false if a part of it is left.
    fn handle(&mut self, ready: Ready, until: Time, handler: &mut impl Handler) -> bool {
        let (client, generation) = (ready.token as u32 as usize, (ready.token >> 32) as u32);
        if self.clients[client].generation != generation {
            return true;
        }
        if ready.is_writable {
            self.writable(client, handler);
        }
        if ready.is_closed || ready.is_readable && !self.clients[client].is_stalled {
            return self.read(client, ready.is_closed, usize::MAX, until, handler);
        }
        true
    }

    /// Makes a client read only on request.
    pub fn stall(&mut self, client: usize) {
        self.clients[client].is_stalled = true;
    }

    /// Lets a stalled client read at most `most` bytes.
    pub fn read_some(&mut self, client: usize, most: usize, handler: &mut impl Handler) {
        self.read(client, false, most, Time::NEVER, handler);
    }

    /// Lets a stalled client read normally again.
    pub fn resume(&mut self, client: usize, handler: &mut impl Handler) {
        self.clients[client].is_stalled = false;
        self.read(client, false, usize::MAX, Time::NEVER, handler);
    }

    /// Lets a client write if its connection is open and its socket accepts more.
    pub fn write_to(&mut self, client: usize, handler: &mut impl Handler) {
        while self.is_open(client) && !self.is_blocked(client) {
            if !self.write(client, handler, |handler, writer| handler.on_writable(client, writer)) {
                break;
            }
        }
    }

    /// Starts the closing handshake of an open connection.
    pub fn leave(&mut self, client: usize) {
        if !self.is_open(client) {
            return;
        }
        self.write(client, &mut Ignore, |_, writer| {
            let _was_open = writer.connection.close(CloseCode::NORMAL, "", writer.codec);
        });
        let Client { state, generation, .. } = &mut self.clients[client];
        if let State::Open(open) = std::mem::take(state) {
            *state = State::Closing(open);
            let deadline = self.network.now() + CLOSE_TIMEOUT;
            self.closing_deadlines.set(deadline, client, *generation);
            self.open -= 1;
            self.closing += 1;
        }
    }

    /// Starts the closing handshake of every open connection, and drops those being opened.
    pub fn close_all(&mut self) {
        for client in 0..self.clients.len() {
            match &self.clients[client].state {
                State::Open(_) => {
                    self.clients[client].is_stalled = false;
                    self.leave(client);
                }
                State::Opening(_) => self.drop_connection(client),
                State::Absent | State::Closing(_) => {}
            }
        }
    }

    /// Returns the number of connections in the closing handshake.
    pub fn closing(&self) -> usize {
        self.closing
    }

    /// Makes each open connection send a ping every `interval` from now on.
    pub fn ping_every(&mut self, interval: Nanos) {
        self.pings.schedule(interval, self.network.now());
    }

    /// Sends the pings that are due, and returns when the next one is.
    pub fn send_pings(&mut self) -> Option<Time> {
        self.pings.next_at()?;
        let now = self.network.now();
        while let Some(client) = self.pings.next_due(now, self.clients.len()) {
            self.ping(client);
        }
        self.pings.next_at()
    }

    fn ping(&mut self, client: usize) {
        if self.is_open(client) && self.clients[client].state.waiting() < MAX_HELD {
            self.write(client, &mut Ignore, |_, writer| {
                let _was_open = writer.connection.ping(b"", writer.codec);
            });
        }
    }

    /// Pings every open connection. [`ClientPool::unanswered_pings`] counts those that have not answered.
    pub fn ping_all(&mut self) {
        self.pings.expect(self.clients.iter().map(|client| matches!(client.state, State::Open(_))));
        for client in 0..self.clients.len() {
            self.ping(client);
        }
    }

    pub fn unanswered_pings(&self) -> usize {
        self.pings.unanswered()
    }

    /// Drops the connections that have not answered a ping.
    pub fn drop_unanswered(&mut self) {
        for client in self.pings.take_unanswered() {
            self.drop_connection(client);
            count(&mut self.recorder.lost, "open, but no answer to a ping", 1);
        }
    }

    /// Drops a connection without a closing handshake, whatever its state.
    pub fn drop_connection(&mut self, client: usize) {
        let Client { state, unsent, .. } = &mut self.clients[client];
        match std::mem::take(state) {
            State::Absent => {}
            State::Opening(_) => self.opening -= 1,
            State::Open(_) => self.open -= 1,
            State::Closing(_) => self.closing -= 1,
        }
        *unsent = 0;
        self.pings.settle(client);
    }

    /// Lets `write` add to the output of an open connection, and writes it to the socket. Returns true if there was so
    /// much of it that there may be more to write.
    fn write<H: Handler>(
        &mut self,
        client: usize,
        handler: &mut H,
        write: impl FnOnce(&mut H, &mut FrameWriter<'_>),
    ) -> bool {
        let (is_blocked, now) = (self.is_blocked(client), self.network.now());
        let Client { state, unsent, .. } = &mut self.clients[client];
        let Some(Open { connection, .. }) = state.opened() else { return false };
        connection.swap_buffer(&mut self.output);
        let codec = &mut self.codec;
        write(handler, &mut FrameWriter { connection, codec, unsent, is_blocked, now });
        self.write_output(client, is_blocked, handler)
    }

    /// Writes the output of an open connection, unless its socket was blocked before. Returns true if there was so much
    /// of it that there may be more to write.
    fn write_output(&mut self, client: usize, was_blocked: bool, handler: &mut impl Handler) -> bool {
        let Client { state, unsent, .. } = &mut self.clients[client];
        let Some(Open { connection, .. }) = state.opened() else { return false };
        let is_full = is_full(connection);
        if !was_blocked && state.write() {
            let messages = std::mem::take(unsent);
            if messages > 0 {
                handler.on_sent(client, messages, self.network.now());
            }
        }
        if let Some(Open { connection, .. }) = state.opened() {
            connection.swap_buffer(&mut self.output);
        }
        is_full
    }

    fn writable(&mut self, client: usize, handler: &mut impl Handler) {
        if let State::Opening(opening) = &mut self.clients[client].state
            && !opening.is_connected
        {
            match self.network.is_connected(&opening.stream) {
                Ok(false) => return,
                Ok(true) => opening.is_connected = true,
                Err(error) => return self.fail(client, Cause::of(&error)),
            }
        }
        self.flush(client, handler);
    }

    /// Writes waiting data to the socket.
    fn flush(&mut self, client: usize, handler: &mut impl Handler) {
        let was_blocked = self.is_blocked(client);
        let Client { state, unsent, .. } = &mut self.clients[client];
        let is_empty = state.write();
        let Some(stream) = state.stream() else { return };
        let _blocked_or_broken = stream.flush();
        if was_blocked && is_empty {
            let messages = std::mem::take(unsent);
            if messages > 0 {
                handler.on_sent(client, messages, self.network.now());
            }
            self.write_to(client, handler);
        }
    }

    /// Reads at most `most` bytes and not beyond `until`. Returns false if `until` was reached.
    fn read(
        &mut self,
        client: usize,
        is_closed: bool,
        mut most: usize,
        until: Time,
        handler: &mut impl Handler,
    ) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut is_done = true;
        while let Some(stream) = self.clients[client].state.stream()
            && most > 0
        {
            let space = most.min(RECEIVE_BUFFER);
            match self.network.read(stream, &mut buffer[..space]) {
                Ok(Received { len: 0, .. }) => self.end(client, Cause::Ended, handler),
                Ok(Received { len, arrived, now }) => {
                    self.last_received = now;
                    self.take(client, &mut buffer[..len], arrived, handler);
                    most -= len;
                    // A short read: the socket is empty and reports when it is readable again.
                    if len < space && !is_closed {
                        break;
                    }
                    if self.last_received >= until {
                        is_done = false;
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end(client, Cause::of(&error), handler),
            }
        }
        self.buffer = buffer;
        self.flush(client, handler);
        is_done
    }

    fn take(&mut self, client: usize, bytes: &mut [u8], arrived: Time, handler: &mut impl Handler) {
        match &mut self.clients[client].state {
            State::Opening(opening) => match &mut opening.refused {
                Some(refused) => {
                    if refused.push(bytes) {
                        self.end(client, Cause::server("refused"), handler);
                    }
                }
                None => self.take_head(client, bytes, arrived, handler),
            },
            _ => self.take_frames(client, bytes, arrived, handler),
        }
    }

    fn take_head(&mut self, client: usize, mut bytes: &mut [u8], arrived: Time, handler: &mut impl Handler) {
        let now = self.last_received;
        let Client { state, cookies, generation, .. } = &mut self.clients[client];
        let State::Opening(opening) = state else { return };
        let (connection, new_cookies) = match self.handshakes.receive(opening, &mut bytes) {
            Answer::Incomplete => return,
            Answer::Opened(connection, cookies) => (*connection, cookies),
            Answer::Refused { is_complete: true } => {
                return self.end(client, Cause::server("refused"), handler);
            }
            Answer::Refused { is_complete: false } => {
                return self.refusal_deadlines.set(now + REFUSAL_TIMEOUT, client, *generation);
            }
            Answer::Invalid(why) => return self.fail(client, Cause::Server(why)),
        };
        if !new_cookies.is_empty() {
            *cookies = Some(new_cookies.join("; ").into());
        }
        let State::Opening(opening) = std::mem::take(state) else { return };
        let Opening { stream, since, .. } = *opening;
        *state = State::Open(Open { stream, connection });
        let attempts = self.attempts(client);
        attempts.opened += 1;
        attempts.handshake.record(arrived.since(since));
        self.opening -= 1;
        self.open += 1;
        self.write(client, handler, |handler, writer| handler.on_open(client, now, writer));
        self.take_frames(client, bytes, arrived, handler);
    }

    fn take_frames(
        &mut self,
        client: usize,
        mut bytes: &mut [u8],
        arrived: Time,
        handler: &mut impl Handler,
    ) {
        let (is_blocked, now) = (self.is_blocked(client), self.last_received);
        let Client { state, unsent, .. } = &mut self.clients[client];
        let is_leaving = matches!(state, State::Closing(_));
        let Some(Open { connection, .. }) = state.opened() else { return };
        connection.swap_buffer(&mut self.output);
        let ended = loop {
            match connection.receive(&mut bytes, &mut self.codec) {
                Ok(None) => break None,
                Ok(Some(Event::Message(message))) => {
                    if !is_leaving {
                        let codec = &mut self.codec;
                        let mut writer = FrameWriter { connection, codec, unsent, is_blocked, now };
                        handler.on_message(client, &message, arrived, &mut writer);
                    }
                }
                Ok(Some(Event::Pong(_))) => self.pings.settle(client),
                Ok(Some(Event::Fragment | Event::Ping(_))) => {}
                Ok(Some(Event::Close(close))) => {
                    let with = close.map_or("no code".to_owned(), |close| close.to_string());
                    break Some(format!("closed by the server with {with}"));
                }
                Err(error) => break Some(violation(&error, self.config.max_message)),
            }
        };
        if self.write_output(client, is_blocked, handler) {
            self.write_to(client, handler);
        }
        if let Some(cause) = ended {
            self.end(client, Cause::Server(cause), handler);
        }
    }

    /// Handles the end of a connection, whatever its state.
    fn end(&mut self, client: usize, cause: Cause, handler: &mut impl Handler) {
        let now = self.network.now();
        match &self.clients[client].state {
            State::Absent => {}
            State::Opening(opening) => {
                let cause = self.handshakes.failure(client, opening, cause);
                self.fail(client, cause);
            }
            State::Open(_) => {
                self.drop_connection(client);
                count(&mut self.recorder.lost, cause.text(), 1);
                handler.on_lost(client, now);
            }
            State::Closing(_) => {
                self.drop_connection(client);
                handler.on_left(client, now);
            }
        }
    }

    fn fail(&mut self, client: usize, cause: Cause) {
        self.drop_connection(client);
        count(&mut self.attempts(client).failed, cause.text(), 1);
        if let Cause::Client(text) = &cause {
            count(&mut self.recorder.client_limits, text, 1);
        }
    }
}

/// Returns true if a client's connection of this generation is being opened or closed.
fn is_opening_or_closing<S>(clients: &[Client<S>]) -> impl Fn(usize, u32) -> bool {
    |client, generation| {
        let Client { state, generation: current, .. } = &clients[client];
        matches!(state, State::Opening(_) | State::Closing(_)) && *current == generation
    }
}

fn violation(error: &Error, max_message: usize) -> String {
    match error.close_code() {
        CloseCode::TOO_BIG => {
            format!("a message longer than the {} MiB that a client accepts", max_message >> 20)
        }
        _ => format!("the server violated the protocol: {error}"),
    }
}

fn token(client: usize, generation: u32) -> usize {
    (generation as usize) << 32 | client
}
