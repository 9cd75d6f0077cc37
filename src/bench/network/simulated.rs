//! A network in memory with a simulated clock, and a server defined by the test.

use super::super::time::{Nanos, Time};
use super::{Dial, Network, Ready, Received, Wait};
use crate::ws::deflate::Inflater;
use crate::ws::handshake::AcceptKey;
use crate::ws::{CloseCode, Event, Opcode, Protocol, Role, frame};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Write};
use std::rc::Rc;

/// Number of bytes that the server's socket accepts without being read.
const SOCKET_BUFFER: usize = 64 << 10;

/// The behaviour of a simulated server.
pub(crate) trait Server {
    /// Answers a handshake.
    fn accept(&mut self, _connection: usize, _request: &str, _now: Time) -> Accept {
        Accept::Open
    }
    fn on_open(&mut self, _connection: usize, _now: Time, _out: &mut Out) {}
    fn on_message(&mut self, connection: usize, opcode: Opcode, text: &[u8], now: Time, out: &mut Out);
    /// Returns false if pings and close frames are not answered, and nothing is read.
    fn is_alive(&self, _now: Time) -> bool {
        true
    }
}

pub(crate) enum Accept {
    Open,
    OpenAfter(Nanos),
    /// A response with another status.
    Refuse(&'static str),
}

/// The actions of a server.
#[derive(Default)]
pub(crate) struct Out {
    actions: Vec<(Nanos, usize, Action)>,
    /// The connections that are open now.
    pub members: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq)]
enum Action {
    Send(Vec<u8>),
    Close(Vec<u8>),
    End,
}

impl Out {
    /// Sends a message after some time.
    pub fn send(&mut self, after: Nanos, connection: usize, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::encode(opcode, payload, &mut bytes);
        self.actions.push((after, connection, Action::Send(bytes)));
    }

    /// Sends a message to all open connections after some time.
    pub fn broadcast(&mut self, after: Nanos, opcode: Opcode, payload: &[u8]) {
        for member in self.members.clone() {
            self.send(after, member, opcode, payload);
        }
    }

    pub fn close(&mut self, after: Nanos, connection: usize, code: u16, reason: &str) {
        let mut bytes = Vec::new();
        frame::encode(Opcode::Close, &frame::close_payload(CloseCode(code), reason), &mut bytes);
        self.actions.push((after, connection, Action::Close(bytes)));
    }
}

/// All connections and the data in flight.
pub(crate) struct World {
    now: Time,
    connections: Vec<Connection>,
    server: Box<dyn Server>,
    /// Future events, ordered by time and then by number.
    events: BinaryHeap<Reverse<(Time, u64, Scheduled)>>,
    count: u64,
    /// Per thread, when to wake it.
    wakes: Vec<Time>,
}

#[derive(Clone, PartialEq, Eq)]
enum Occurrence {
    Connected,
    /// Bytes of the client arrive at the server.
    Arrive(Vec<u8>),
    Opened,
    Do(Action),
}

/// Ordered by time and number only.
#[derive(Clone, PartialEq, Eq)]
struct Scheduled(usize, Occurrence);

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

struct Connection {
    thread: usize,
    token: usize,
    ready: Option<Ready>,
    head: Vec<u8>,
    protocol: Option<Protocol>,
    /// Bytes that the server has not read yet.
    unread: Vec<u8>,
    to_client: VecDeque<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Connected,
    Open,
    /// The server has closed its side.
    Ended,
    /// The client has dropped the connection.
    Gone,
}

impl World {
    pub fn new(server: impl Server + 'static, threads: usize) -> Rc<RefCell<World>> {
        Rc::new(RefCell::new(World {
            now: Time::ZERO,
            connections: Vec::new(),
            server: Box::new(server),
            events: BinaryHeap::new(),
            count: 0,
            wakes: vec![Time::ZERO; threads],
        }))
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// Advances the clock to the next event or wake-up, but at most to `at_most`.
    pub fn advance(&mut self, at_most: Time) {
        let next = self.events.peek().map_or(Time::NEVER, |Reverse((time, ..))| *time);
        let wake = self.wakes.iter().min().copied().unwrap_or(Time::NEVER);
        let has_ready = self.connections.iter().any(|connection| connection.ready.is_some());
        if !has_ready {
            self.now = self.now.max(next.min(wake).min(at_most));
        }
        while let Some(Reverse((time, ..))) = self.events.peek()
            && *time <= self.now
        {
            if let Some(Reverse((_, _, Scheduled(connection, occurrence)))) = self.events.pop() {
                self.process(connection, occurrence);
            }
        }
    }

    /// Advances the clock as if the process was stopped.
    pub fn pause(&mut self, length: Nanos) {
        self.now = self.now + length;
    }

    fn schedule(&mut self, after: Nanos, connection: usize, occurrence: Occurrence) {
        self.count += 1;
        let event = Scheduled(connection, occurrence);
        self.events.push(Reverse((self.now + after, self.count, event)));
    }

    fn wake(&mut self, connection: usize, is_readable: bool, is_writable: bool, is_closed: bool) {
        let connection = &mut self.connections[connection];
        let token = connection.token;
        let none = Ready { token, is_readable: false, is_writable: false, is_closed: false };
        let ready = connection.ready.get_or_insert(none);
        ready.is_readable |= is_readable;
        ready.is_writable |= is_writable;
        ready.is_closed |= is_closed;
    }

    fn process(&mut self, id: usize, occurrence: Occurrence) {
        if self.connections[id].state == State::Gone {
            return;
        }
        match occurrence {
            Occurrence::Connected => {
                self.connections[id].state = State::Connected;
                self.wake(id, false, true, false);
            }
            Occurrence::Arrive(bytes) => {
                self.connections[id].unread.extend_from_slice(&bytes);
                self.serve(id);
            }
            Occurrence::Opened => self.open(id),
            Occurrence::Do(Action::Send(bytes)) => self.deliver(id, &bytes),
            Occurrence::Do(Action::Close(bytes)) => {
                self.deliver(id, &bytes);
                self.connections[id].state = State::Ended;
                self.wake(id, true, false, true);
            }
            Occurrence::Do(Action::End) => {
                self.connections[id].state = State::Ended;
                self.wake(id, true, false, true);
            }
        }
    }

    fn deliver(&mut self, id: usize, bytes: &[u8]) {
        if matches!(self.connections[id].state, State::Open | State::Connected) {
            self.connections[id].to_client.extend(bytes);
            self.wake(id, true, false, false);
        }
    }

    fn serve(&mut self, id: usize) {
        if !self.server.is_alive(self.now) {
            return;
        }
        if self.connections[id].protocol.is_some() {
            return self.serve_frames(id);
        }
        let connection = &mut self.connections[id];
        let unread = std::mem::take(&mut connection.unread);
        connection.head.extend_from_slice(&unread);
        let Some(end) = connection.head.windows(4).position(|window| window == b"\r\n\r\n") else { return };
        connection.unread = connection.head.split_off(end + 4);
        let head = String::from_utf8_lossy(&connection.head).into_owned();
        match self.server.accept(id, &head, self.now) {
            Accept::Open => self.open(id),
            Accept::OpenAfter(time) => self.schedule(time, id, Occurrence::Opened),
            Accept::Refuse(answer) => {
                self.deliver(id, answer.as_bytes());
                self.schedule(Nanos::ZERO, id, Occurrence::Do(Action::End));
            }
        }
    }

    fn open(&mut self, id: usize) {
        let head = String::from_utf8_lossy(&self.connections[id].head).into_owned();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
        let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ".to_vec();
        answer.extend_from_slice(AcceptKey::of(key.trim()).as_bytes());
        answer.extend_from_slice(b"\r\n\r\n");
        self.deliver(id, &answer);
        self.connections[id].protocol = Some(Protocol::new(Role::Server, 0));
        self.connections[id].state = State::Open;
        self.act(|server, now, out| server.on_open(id, now, out));
        self.serve_frames(id);
    }

    /// Lets the server act.
    fn act(&mut self, act: impl FnOnce(&mut dyn Server, Time, &mut Out)) {
        let is_open = |(_, connection): &(usize, &Connection)| connection.state == State::Open;
        let members = self.connections.iter().enumerate().filter(is_open).map(|(id, _)| id).collect();
        let mut out = Out { members, ..Out::default() };
        act(&mut *self.server, self.now, &mut out);
        for (after, connection, action) in out.actions {
            self.schedule(after, connection, Occurrence::Do(action));
        }
    }

    fn serve_frames(&mut self, id: usize) {
        let mut bytes = std::mem::take(&mut self.connections[id].unread);
        let Some(mut protocol) = self.connections[id].protocol.take() else { return };
        let mut rest = &mut bytes[..];
        while self.connections[id].state == State::Open {
            let mut inflater = Inflater::default();
            match protocol.receive(&mut rest, &mut inflater).expect("the client follows the protocol") {
                None => break,
                Some(Event::Message(message)) => {
                    let (opcode, payload) = (message.opcode(), message.payload().to_vec());
                    self.act(|server, now, out| server.on_message(id, opcode, &payload, now, out));
                }
                Some(Event::Ping(payload)) => {
                    let mut pong = Vec::new();
                    frame::encode(Opcode::Pong, &payload, &mut pong);
                    self.deliver(id, &pong);
                }
                Some(Event::Close(_)) => {
                    let mut close = Vec::new();
                    frame::encode(Opcode::Close, &frame::close_payload(CloseCode::NORMAL, ""), &mut close);
                    self.deliver(id, &close);
                    self.connections[id].state = State::Ended;
                    self.wake(id, true, false, true);
                }
                Some(Event::Fragment | Event::Pong(_)) => {}
            }
        }
        self.connections[id].protocol = Some(protocol);
    }
}

/// The network as seen by one thread.
pub(crate) struct Simulated {
    world: Rc<RefCell<World>>,
    thread: usize,
}

impl Simulated {
    pub fn new(world: &Rc<RefCell<World>>, thread: usize) -> Simulated {
        Simulated { world: Rc::clone(world), thread }
    }
}

/// The client's end of a connection.
pub(crate) struct Stream {
    world: Rc<RefCell<World>>,
    id: usize,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut world = self.world.borrow_mut();
        let connection = &mut world.connections[self.id];
        connection.state = State::Gone;
        connection.ready = None;
    }
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let connection = &mut world.connections[self.id];
        let len = buffer.len().min(connection.to_client.len());
        if len == 0 && connection.state != State::Ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(connection.to_client.drain(..len)) {
            *place = byte;
        }
        Ok(len)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.world.borrow_mut();
        let is_alive = world.server.is_alive(world.now);
        let connection = &mut world.connections[self.id];
        if connection.state == State::Ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room =
            if is_alive { bytes.len() } else { SOCKET_BUFFER - connection.unread.len().min(SOCKET_BUFFER) };
        let len = bytes.len().min(room);
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if is_alive {
            world.schedule(Nanos::ZERO, self.id, Occurrence::Arrive(bytes[..len].to_vec()));
        } else {
            connection.unread.extend_from_slice(&bytes[..len]);
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Network for Simulated {
    type Stream = Stream;

    fn now(&self) -> Time {
        self.world.borrow().now
    }

    fn connect(&mut self, _: &Dial<'_>, token: usize) -> io::Result<Stream> {
        let mut world = self.world.borrow_mut();
        let id = world.connections.len();
        world.connections.push(Connection {
            thread: self.thread,
            token,
            ready: None,
            head: Vec::new(),
            protocol: None,
            unread: Vec::new(),
            to_client: VecDeque::new(),
            state: State::Connecting,
        });
        world.schedule(Nanos::micros(50), id, Occurrence::Connected);
        drop(world);
        Ok(Stream { world: Rc::clone(&self.world), id })
    }

    fn is_connected(&self, stream: &Stream) -> io::Result<bool> {
        Ok(self.world.borrow().connections[stream.id].state != State::Connecting)
    }

    fn read(&mut self, stream: &mut Stream, buffer: &mut [u8]) -> io::Result<Received> {
        let now = self.now();
        Ok(Received { len: stream.read(buffer)?, arrived: now, now })
    }

    fn wait(&mut self, wait: Wait, ready: &mut Vec<Ready>) -> io::Result<()> {
        let mut world = self.world.borrow_mut();
        let own = world.connections.iter_mut().filter(|connection| connection.thread == self.thread);
        ready.extend(own.filter_map(|connection| connection.ready.take()));
        let wake = world.now + wait.at_most;
        world.wakes[self.thread] = wait.due.map_or(wake, |due| wake.min(due));
        Ok(())
    }

    fn pause(&mut self, _: Nanos) {}
}
