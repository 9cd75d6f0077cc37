//! The simulated system: a clock, an agenda of what happens when, and polls that report readiness as epoll does.
//!
//! A change of a socket, an edge, is reported once, in the order in which sockets changed, as many as fit into one
//! poll. Time passes in polls, a little with each call, and in pauses of the process, during which clients go on.

use super::chance::Chance;
use super::checker::Checker;
use super::client::{Act, Client};
use super::socket::{End, Pipe, SimSocket};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use throng::net::{Readiness, Ready, System};

pub type Shared = Rc<RefCell<World>>;

/// What becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Signal,
    Listener,
    Connection(usize),
}

/// What happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The client looks at its connection.
    Wake(usize),
    /// The client does something.
    Do(usize, Act),
    /// A socket that was blocked by chance may have room again.
    Room(usize),
    /// The process does not run for so long, in the middle of its work after so many calls; the clients do.
    Pause(Duration, u32),
    /// Nothing runs for so long.
    Suspend(Duration),
    /// From now on until then, no descriptor is left.
    NoDescriptors(Duration),
    Signal(i32),
}

/// One in how many calls a fault occurs; 0 for never.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub interrupted: usize,
    pub short_read: usize,
    pub cut_write: usize,
    pub spurious: usize,
    pub aborted_accept: usize,
    /// Report only what has changed, as kqueue does, and not all that holds.
    pub reports_changes_only: bool,
    /// Microseconds that a call takes.
    pub call: u64,
    /// Most events of one poll.
    pub events: usize,
}

/// Everything outside the server.
pub struct World {
    pub now: Duration,
    /// How much of that nothing ran.
    suspended: Duration,
    origin: Instant,
    pub chance: Chance,
    pub faults: Faults,
    pub pipes: Vec<Pipe>,
    backlog: VecDeque<usize>,
    pub ready: VecDeque<Source>,
    agenda: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    scheduled: u64,
    pub clients: Vec<Option<Box<Client>>>,
    pub ears: Vec<Ear>,
    pub checker: Checker,
    pub stale_tokens: Vec<u64>,
    addresses: Vec<SocketAddr>,
    is_listening: bool,
    no_descriptors_until: Duration,
    pause: Option<(Duration, u32)>,
    signals: Vec<i32>,
    /// Connections that the server has accepted and not dropped.
    pub held: usize,
    pub max_held: usize,
    /// Calls of the server and events reported to it; a tick in which this does not change has done nothing.
    pub calls: u64,
    idle: IdleTicks,
    /// The last poll would have waited for ever, and nothing is left to happen.
    pub is_asleep: bool,
    pub is_verbose: bool,
    pub failure: Option<String>,
}

/// When a client looks at its connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ear {
    pub latency: Duration,
    pub is_woken: bool,
    pub waits_to_send: bool,
    /// It never looks.
    pub is_deaf: bool,
}

/// Ticks in a row that did nothing and asked for another at once.
#[derive(Debug, Default)]
struct IdleTicks {
    calls: u64,
    count: u32,
}

/// Until then observers come.
pub const FIRST_FAULT: Duration = Duration::from_millis(90);

/// A tick or two may find that a deadline is not over for others; more are a loop that spins.
const MAX_IDLE_TICKS: u32 = 16;

impl World {
    pub fn new(seed: u64, faults: Faults) -> World {
        World {
            now: Duration::ZERO,
            suspended: Duration::ZERO,
            origin: Instant::now(),
            chance: Chance::new(seed),
            faults,
            pipes: Vec::new(),
            backlog: VecDeque::new(),
            ready: VecDeque::new(),
            agenda: BinaryHeap::new(),
            scheduled: 0,
            clients: Vec::new(),
            ears: Vec::new(),
            checker: Checker::default(),
            stale_tokens: Vec::new(),
            addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 80))],
            is_listening: true,
            no_descriptors_until: Duration::ZERO,
            pause: None,
            signals: Vec::new(),
            held: 0,
            max_held: 0,
            calls: 0,
            idle: IdleTicks::default(),
            is_asleep: false,
            is_verbose: false,
            failure: None,
        }
    }

    /// The time in which anything ran.
    pub fn running_time(&self) -> Duration {
        self.now - self.suspended
    }

    /// Writes a line of the log of a replay.
    pub fn note(&self, line: impl FnOnce() -> String) {
        if self.is_verbose {
            println!("{:12.6} {}", self.now.as_secs_f64(), line());
        }
    }

    /// Notes that an invariant is broken. The first one counts.
    pub fn fail(&mut self, what: String) {
        self.note(|| format!("FAILED: {what}"));
        let at = self.now;
        self.failure.get_or_insert_with(|| format!("after {:.6} s: {what}", at.as_secs_f64()));
    }

    pub fn schedule(&mut self, at: Duration, event: Event) {
        self.scheduled += 1;
        self.agenda.push(Reverse((at, self.scheduled, event)));
    }

    pub fn schedule_room(&mut self, pipe: usize, at: Duration) {
        self.schedule(at, Event::Room(pipe));
    }

    /// The server has called the system: a little time passes, and a pause may come.
    pub fn enter(&mut self) {
        self.calls += 1;
        self.now += Duration::from_micros(self.faults.call);
        if let Some((time, calls)) = &mut self.pause {
            if *calls == 0 {
                let time = *time;
                self.pause = None;
                self.note(|| format!("the process does not run for {time:?}"));
                let end = self.now + time;
                self.happen(end);
            } else {
                *calls -= 1;
            }
        }
    }

    /// Lets everything happen that is to happen until then.
    fn happen(&mut self, until: Duration) {
        while let Some(Reverse((at, ..))) = self.agenda.peek()
            && *at <= until
        {
            let Some(Reverse((at, _, event))) = self.agenda.pop() else { break };
            self.now = self.now.max(at);
            self.occur(event);
        }
        self.now = self.now.max(until);
    }

    fn occur(&mut self, event: Event) {
        match event {
            Event::Wake(client) => {
                self.ears[client].is_woken = false;
                self.with_client(client, |client, world| client.look(world));
            }
            Event::Do(client, act) => self.with_client(client, |client, world| client.act(act, world)),
            Event::Room(pipe) => self.offer_room(pipe),
            Event::Pause(time, calls) => self.pause = Some((time, calls)),
            Event::Suspend(time) => {
                self.note(|| format!("nothing runs for {time:?}"));
                self.now += time;
                self.suspended += time;
                // All that was to happen happens that much later.
                let agenda = std::mem::take(&mut self.agenda);
                self.agenda = agenda
                    .into_iter()
                    .map(|Reverse((at, count, event))| Reverse((at + time, count, event)))
                    .collect();
            }
            Event::NoDescriptors(time) => {
                self.note(|| format!("no descriptors for {time:?}"));
                self.no_descriptors_until = self.now + time;
            }
            Event::Signal(signal) => {
                self.signals.push(signal);
                self.ready.push_back(Source::Signal);
            }
        }
    }

    fn with_client(&mut self, id: usize, act: impl FnOnce(&mut Client, &mut World)) {
        if let Some(mut client) = self.clients[id].take() {
            act(&mut client, self);
            self.clients[id] = Some(client);
        }
    }

    // What clients do.

    /// Opens a connection, which waits to be accepted. Returns `None` if nobody listens.
    pub fn connect(&mut self, client: usize, capacity: usize, has_faults: bool) -> Option<usize> {
        if !self.is_listening {
            return None;
        }
        self.pipes.push(Pipe::new(client, capacity, has_faults));
        let pipe = self.pipes.len() - 1;
        self.backlog.push_back(pipe);
        self.ready.push_back(Source::Listener);
        Some(pipe)
    }

    /// Sends bytes as far as the server's buffer has room; returns how many. A connection that the server has
    /// dropped answers with a reset.
    pub fn send(&mut self, pipe: usize, bytes: &[u8]) -> usize {
        /// Bytes that the kernel takes for a server that does not read.
        const RECEIVE_BUFFER: usize = 64 << 10;
        let socket = &mut self.pipes[pipe];
        if socket.token.is_some() && !socket.is_held {
            socket.server_end = End::Reset;
            socket.to_client.clear();
            return bytes.len();
        }
        let len = bytes.len().min(RECEIVE_BUFFER.saturating_sub(socket.to_server.len()));
        if len > 0 {
            socket.to_server.extend(&bytes[..len]);
            self.mark_readable(pipe);
        }
        len
    }

    /// Takes up to `most` bytes that the server has sent.
    pub fn receive(&mut self, pipe: usize, most: usize, into: &mut Vec<u8>) -> usize {
        let socket = &mut self.pipes[pipe];
        let len = socket.to_client.len().min(most);
        let (first, second) = socket.to_client.as_slices();
        into.extend_from_slice(&first[..len.min(first.len())]);
        into.extend_from_slice(&second[..len.saturating_sub(first.len())]);
        socket.to_client.drain(..len);
        if len > 0 {
            self.offer_room(pipe);
        }
        len
    }

    pub fn end(&mut self, pipe: usize, end: End) {
        let socket = &mut self.pipes[pipe];
        if socket.client_end == End::Reset || socket.client_end == end {
            return;
        }
        socket.client_end = end;
        if end == End::Reset {
            socket.to_client = VecDeque::new();
            if self.chance.one_in(2) {
                self.pipes[pipe].to_server = VecDeque::new();
            }
        }
        self.mark_readable(pipe);
    }

    /// Tells the server that a socket whose write was cut has room again, if a good part is free.
    fn offer_room(&mut self, pipe: usize) {
        let socket = &mut self.pipes[pipe];
        let has_room = socket.to_client.len() * 3 <= socket.capacity * 2 && self.now >= socket.blocked_until;
        if socket.awaits_room && has_room {
            socket.awaits_room = false;
            socket.edges.writable = true;
            self.list(pipe);
        }
    }

    pub fn mark_readable(&mut self, pipe: usize) {
        self.pipes[pipe].edges.readable = true;
        self.list(pipe);
    }

    fn list(&mut self, pipe: usize) {
        let socket = &mut self.pipes[pipe];
        if socket.is_held && socket.token.is_some() && !std::mem::replace(&mut socket.is_listed, true) {
            self.ready.push_back(Source::Connection(pipe));
        }
    }

    /// The server has sent something to a client, or has ended the connection.
    pub fn on_bytes_for(&mut self, client: usize) {
        let ear = &mut self.ears[client];
        if !ear.is_woken && !ear.is_deaf {
            ear.is_woken = true;
            let at = self.now + ear.latency;
            self.schedule(at, Event::Wake(client));
        }
    }

    /// The server has read from a client.
    pub fn on_room_to_send(&mut self, client: usize) {
        if std::mem::take(&mut self.ears[client].waits_to_send) {
            self.on_bytes_for(client);
        }
    }

    // What the server asks.

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<bool> {
        self.count_idle(timeout);
        self.is_asleep = false;
        self.enter();
        let work = self.chance.between(5, 40) as u64;
        let now = self.now + Duration::from_micros(work);
        self.happen(now);
        if self.chance.one_in(self.faults.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        // The system counts in milliseconds, rounded up.
        let timeout =
            timeout.map(|timeout| Duration::from_micros(timeout.as_micros().div_ceil(1000) as u64 * 1000));
        let deadline = timeout.map(|timeout| self.now + timeout);
        while self.ready.is_empty() {
            let next = self.agenda.peek().map(|Reverse((at, ..))| *at);
            match (next, deadline) {
                (Some(at), Some(deadline)) if at > deadline => {
                    self.happen(deadline);
                    break;
                }
                (None, Some(deadline)) => {
                    self.now = self.now.max(deadline);
                    break;
                }
                (Some(at), _) => self.happen(at),
                (None, None) => {
                    self.is_asleep = true;
                    break;
                }
            }
        }
        self.report(ready);
        self.calls += ready.len() as u64;
        self.idle.calls = self.calls;
        Ok(ready.len() >= self.faults.events)
    }

    /// Counts ticks that did nothing, not even wait.
    fn count_idle(&mut self, timeout: Option<Duration>) {
        let is_idle = self.calls == self.idle.calls && timeout.is_some_and(|t| t < Duration::from_micros(1));
        self.idle.count = if is_idle { self.idle.count + 1 } else { 0 };
        if self.idle.count > MAX_IDLE_TICKS {
            self.fail(format!("{MAX_IDLE_TICKS} ticks changed nothing, and each asked for another at once"));
        }
    }

    fn report(&mut self, ready: &mut Vec<Ready>) {
        while ready.len() < self.faults.events
            && let Some(source) = self.ready.pop_front()
        {
            ready.push(match source {
                Source::Signal => Ready::Signal,
                Source::Listener => Ready::Listener(0),
                Source::Connection(pipe) => {
                    let now = self.now;
                    let only_changes = self.faults.reports_changes_only;
                    let socket = &mut self.pipes[pipe];
                    socket.is_listed = false;
                    let edges = std::mem::take(&mut socket.edges);
                    let (is_readable, is_writable, is_closed) = socket.levels(now);
                    let Some(token) = socket.token else { continue };
                    Ready::Socket(Readiness {
                        token,
                        is_readable: is_readable && (edges.readable || !only_changes),
                        is_writable: is_writable && (edges.writable || !only_changes),
                        is_closed: is_closed && (edges.readable || !only_changes),
                    })
                }
            });
        }
        if ready.len() < self.faults.events && self.chance.one_in(self.faults.spurious) {
            let held: Vec<u64> =
                self.pipes.iter().filter(|pipe| pipe.is_held).filter_map(|pipe| pipe.token).collect();
            let is_stale = self.chance.one_in(2);
            let tokens = if is_stale { &self.stale_tokens } else { &held };
            if !tokens.is_empty() {
                let token = self.chance.pick(tokens);
                let (is_readable, is_writable) = (self.chance.one_in(2), self.chance.one_in(2));
                // Of a connection that is there, the system never reports an end that has not come.
                let is_closed = is_stale && self.chance.one_in(2);
                ready.push(Ready::Socket(Readiness { token, is_readable, is_writable, is_closed }));
            }
        }
    }

    fn accept_one(&mut self) -> io::Result<(usize, SocketAddr)> {
        if !self.is_listening {
            self.fail("accepts from a listener that it has closed".to_owned());
        }
        if self.backlog.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.now < self.no_descriptors_until {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let Some(pipe) = self.backlog.pop_front() else { return Err(ErrorKind::WouldBlock.into()) };
        if self.now > FIRST_FAULT && self.chance.one_in(self.faults.aborted_accept) {
            self.pipes[pipe].server_end = End::Reset;
            self.pipes[pipe].token = Some(u64::MAX);
            let client = self.pipes[pipe].client;
            self.on_bytes_for(client);
            return Err(io::Error::from_raw_os_error(libc::ECONNABORTED));
        }
        Ok((self.take(pipe), address(self.pipes[pipe].client)))
    }

    fn take(&mut self, pipe: usize) -> usize {
        self.pipes[pipe].is_held = true;
        self.held += 1;
        self.max_held = self.max_held.max(self.held);
        pipe
    }
}

fn address(client: usize) -> SocketAddr {
    let [.., high, low] = (client as u64).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 40_000))
}

/// The system that the event loop is given.
pub struct SimSystem {
    pub world: Shared,
    addresses: Vec<SocketAddr>,
}

impl SimSystem {
    pub fn new(world: &Shared) -> SimSystem {
        let addresses = world.borrow().addresses.clone();
        SimSystem { world: Rc::clone(world), addresses }
    }
}

impl System for SimSystem {
    type Socket = SimSocket;

    fn now(&self) -> Instant {
        let world = self.world.borrow();
        world.origin + world.now
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<bool> {
        self.world.borrow_mut().wait(timeout, ready)
    }

    fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn accept(&mut self, _: usize) -> io::Result<(SimSocket, SocketAddr)> {
        let world = &mut *self.world.borrow_mut();
        world.enter();
        let (pipe, peer) = world.accept_one()?;
        Ok((SimSocket { world: Rc::clone(&self.world), pipe }, peer))
    }

    fn accept_with_spare(&mut self, _: usize) -> Option<SimSocket> {
        let world = &mut *self.world.borrow_mut();
        world.enter();
        let pipe = world.backlog.pop_front()?;
        Some(SimSocket { world: Rc::clone(&self.world), pipe: world.take(pipe) })
    }

    fn renew_spare(&mut self) {}

    fn watch(&mut self, socket: &mut SimSocket, token: u64) -> io::Result<()> {
        let world = &mut *self.world.borrow_mut();
        world.enter();
        let pipe = &mut world.pipes[socket.pipe];
        pipe.token = Some(token);
        let is_readable = pipe.levels(Duration::ZERO).0;
        pipe.edges.readable = is_readable;
        pipe.edges.writable = true;
        world.list(socket.pipe);
        Ok(())
    }

    fn stop_listening(&mut self) {
        let world = &mut *self.world.borrow_mut();
        world.is_listening = false;
        while let Some(pipe) = world.backlog.pop_front() {
            world.pipes[pipe].server_end = End::Reset;
            world.pipes[pipe].token = Some(u64::MAX);
            let client = world.pipes[pipe].client;
            world.on_bytes_for(client);
        }
    }

    fn signals(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.world.borrow_mut().signals)
    }
}
