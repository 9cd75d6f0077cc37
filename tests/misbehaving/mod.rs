//! Small servers that each have one well-defined fault, so that a report can be compared with it exactly.
#![allow(dead_code, reason = "tests and benches each use their part")]

pub mod connections;
pub mod content;
pub mod delay;
pub mod process;
pub mod speech;
pub mod tls;
pub mod wire;

use std::io::{self, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wire::{BINARY, CLOSE, Frame, FrameReader, PING, PONG, Request, TEXT};

/// Longer than anything takes on a busy machine, so that only a missing event fails a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The recipients of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The sender only.
    Echo,
    /// Every member, including the sender.
    Room,
}

/// A message from a client.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub from: usize,
    /// Number of earlier messages from this client.
    pub of_sender: u64,
    /// Number of earlier messages from all clients.
    pub of_all: u64,
    pub frame: Frame,
}

impl Incoming {
    /// Delivers the message unchanged.
    pub fn deliver(self) -> Vec<Act> {
        vec![Act::Deliver(self.frame)]
    }
}

/// An action of a server.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends to the recipients that the kind of server has.
    Deliver(Frame),
    /// Sends to the client whose message is being handled.
    Reply(Frame),
    /// Sends to all members except the client whose message is being handled.
    DeliverToOthers(Frame),
    /// Starts a closing handshake.
    Close(u16, &'static str),
    CloseAll(u16, &'static str),
    CloseMember(usize, u16, &'static str),
    /// Adds the client to the members, which receive deliveries.
    Join,
    /// Performs actions in order after a delay.
    Later(Duration, Vec<Act>),
    /// Sends repeatedly until the connection ends.
    Every(Duration, Frame),
    /// Ends the process.
    Exit,
}

/// The answer to a handshake.
#[derive(Clone, Debug)]
pub enum Answer {
    Accept,
    AcceptAfter(Duration),
    /// A complete HTTP response.
    Refuse(String),
    /// No answer: the connection stays open.
    Silence,
}

/// The events that a server has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// TCP connections accepted.
    pub accepted: usize,
    /// Connections opened by a handshake.
    pub opened: usize,
    /// Connections that the client closed first, with a close frame.
    pub left: usize,
    pub messages: u64,
    pub pings: u64,
    pub pongs: u64,
    pub requests: Vec<Request>,
    pub peers: Vec<IpAddr>,
}

type OnHandshake = Box<dyn FnMut(usize, &Request) -> Answer + Send>;
type OnOpen = Box<dyn FnMut(usize) -> Vec<Act> + Send>;
type OnMessage = Box<dyn FnMut(Incoming) -> Vec<Act> + Send>;

/// The behaviour of a server. By default it delivers all messages.
pub struct Script {
    kind: Kind,
    on_handshake: OnHandshake,
    on_open: OnOpen,
    on_message: OnMessage,
    does_read: bool,
}

/// A server that runs until the process ends.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    does_read: bool,
}

struct State {
    script: Script,
    members: Vec<Option<Member>>,
    seen: Seen,
}

struct Member {
    stream: TcpStream,
    said: u64,
    is_joined: bool,
    is_closing: bool,
}

impl Script {
    pub fn new(kind: Kind) -> Script {
        Script {
            kind,
            on_handshake: Box::new(|_, _| Answer::Accept),
            on_open: Box::new(|_| vec![Act::Join]),
            on_message: Box::new(Incoming::deliver),
            does_read: true,
        }
    }

    /// Answers handshakes. The argument is the number of earlier handshakes.
    pub fn on_handshake(mut self, answer: impl FnMut(usize, &Request) -> Answer + Send + 'static) -> Script {
        self.on_handshake = Box::new(answer);
        self
    }

    /// Sets the actions for a new client, which by default joins. The argument is the number of earlier
    /// clients.
    pub fn on_open(mut self, acts: impl FnMut(usize) -> Vec<Act> + Send + 'static) -> Script {
        self.on_open = Box::new(acts);
        self
    }

    /// Sets the actions for a message, which is delivered by default.
    pub fn on_message(mut self, acts: impl FnMut(Incoming) -> Vec<Act> + Send + 'static) -> Script {
        self.on_message = Box::new(acts);
        self
    }

    /// Reads nothing after the handshake.
    pub fn without_reading(mut self) -> Script {
        self.does_read = false;
        self
    }

    pub fn start(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            does_read: self.does_read,
            state: Mutex::new(State { script: self, members: Vec::new(), seen: Seen::default() }),
            changed: Condvar::new(),
        });
        let server = Server { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            // A client may have disconnected before it was accepted.
            for (stream, peer) in std::iter::repeat_with(|| listener.accept()).filter_map(Result::ok) {
                let shared = Arc::clone(&shared);
                shared.update(|state| {
                    state.seen.accepted += 1;
                    state.seen.peers.push(peer.ip());
                });
                thread::spawn(move || {
                    let _ = shared.serve(stream);
                });
            }
        });
        server
    }
}

impl Server {
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn seen(&self) -> Seen {
        self.shared.lock().seen.clone()
    }

    /// Waits until a condition on the events holds.
    #[track_caller]
    pub fn wait_until(&self, condition: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !condition(&state.seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the expected events did not happen: {:?}", state.seen);
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    /// Locks the state, even if a test has failed while it held the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    fn serve(self: &Arc<Shared>, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Clients send nothing after a request until it is answered, so this buffer contains no further
        // bytes.
        let request = Request::read(&mut BufReader::new(&stream))?;
        let switching = request.switching();
        let answer = self.update(|state| {
            let answer = (state.script.on_handshake)(state.seen.requests.len(), &request);
            state.seen.requests.push(request);
            answer
        });
        match answer {
            Answer::Accept => {}
            Answer::AcceptAfter(delay) => thread::sleep(delay),
            Answer::Refuse(response) => return stream.write_all(response.as_bytes()),
            Answer::Silence => wait_forever(),
        }
        let own = stream.try_clone()?;
        let mut state = self.lock();
        // Keep the lock, as for joining: an open client then misses no delivery, and receives none before the
        // response.
        stream.write_all(switching.as_bytes())?;
        let member = state.members.len();
        state.members.push(Some(Member { stream: own, said: 0, is_joined: false, is_closing: false }));
        state.seen.opened += 1;
        let acts = (state.script.on_open)(member);
        self.perform(state, member, acts);
        if !self.does_read {
            wait_forever();
        }
        let result = self.read(member, stream);
        self.update(|state| state.members[member] = None);
        result
    }

    fn read(self: &Arc<Shared>, member: usize, stream: TcpStream) -> io::Result<()> {
        let mut frames = FrameReader::new(stream);
        loop {
            let frame = frames.next()?;
            match frame.opcode {
                TEXT | BINARY => self.receive(member, frame),
                PING => {
                    let pong = Frame { opcode: PONG, payload: frame.payload };
                    self.update(|state| {
                        state.seen.pings += 1;
                        state.write(member, &pong);
                    });
                }
                PONG => self.update(|state| state.seen.pongs += 1),
                CLOSE => {
                    self.update(|state| {
                        if state.members[member].as_ref().is_some_and(|member| !member.is_closing) {
                            state.seen.left += 1;
                            state.write(member, &frame);
                        }
                    });
                    return Ok(());
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    fn receive(self: &Arc<Shared>, from: usize, frame: Frame) {
        let mut state = self.lock();
        let of_all = state.seen.messages;
        state.seen.messages += 1;
        let Some(member) = &mut state.members[from] else { return };
        let of_sender = member.said;
        member.said += 1;
        // Keep the lock, so that a server that stalls stalls for all clients.
        let acts = (state.script.on_message)(Incoming { from, of_sender, of_all, frame });
        self.perform(state, from, acts);
    }

    fn perform(self: &Arc<Shared>, mut state: MutexGuard<'_, State>, member: usize, acts: Vec<Act>) {
        for act in acts {
            self.act(&mut state, member, act);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn act(self: &Arc<Shared>, state: &mut State, member: usize, act: Act) {
        let all = 0..state.members.len();
        match act {
            Act::Deliver(frame) if state.script.kind == Kind::Echo => state.write(member, &frame),
            Act::Deliver(frame) => state.deliver(all, &frame),
            Act::DeliverToOthers(frame) => state.deliver(all.filter(|other| *other != member), &frame),
            Act::Reply(frame) => state.write(member, &frame),
            Act::Close(code, reason) => state.close(member, code, reason),
            Act::CloseAll(code, reason) => all.for_each(|member| state.close(member, code, reason)),
            Act::CloseMember(member, code, reason) => state.close(member, code, reason),
            Act::Join => {
                if let Some(member) = &mut state.members[member] {
                    member.is_joined = true;
                }
            }
            Act::Later(delay, acts) => {
                let shared = Arc::clone(self);
                thread::spawn(move || {
                    thread::sleep(delay);
                    shared.perform(shared.lock(), member, acts);
                });
            }
            Act::Every(interval, frame) => {
                let shared = Arc::clone(self);
                thread::spawn(move || {
                    while let state = shared.lock()
                        && state.members[member].is_some()
                    {
                        shared.perform(state, member, vec![Act::Reply(frame.clone())]);
                        thread::sleep(interval);
                    }
                });
            }
            Act::Exit => std::process::exit(1),
        }
    }
}

/// Keeps the caller's socket open until the process ends.
fn wait_forever() -> ! {
    loop {
        thread::park();
    }
}

impl State {
    /// Writes a frame. Errors are ignored; the reader detects a closed connection.
    fn write(&mut self, member: usize, frame: &Frame) {
        if let Some(Some(member)) = self.members.get_mut(member)
            && !member.is_closing
        {
            let _ = member.stream.write_all(&frame.encode());
        }
    }

    fn deliver(&mut self, members: impl Iterator<Item = usize>, frame: &Frame) {
        let bytes = frame.encode();
        for member in members {
            if let Some(member) = &mut self.members[member]
                && member.is_joined
                && !member.is_closing
            {
                let _ = member.stream.write_all(&bytes);
            }
        }
    }

    fn close(&mut self, member: usize, code: u16, reason: &str) {
        self.write(member, &Frame::close(code, reason));
        if let Some(Some(member)) = self.members.get_mut(member) {
            member.is_closing = true;
        }
    }
}
