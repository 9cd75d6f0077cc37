//! The loop itself: waits for readiness, and calls for each tick's work in turn.

mod accepting;
mod input;
mod timeouts;

use super::endpoint::{self, Endpoint};
use super::listener::{PerAddress, Spare};
use super::outbound::{Finish, Outbound};
use super::{App, ConnId, Limits};
use crate::ws::CloseCode;
use crate::ws::deflate::Inflater;
use input::{Input, State};
use mio::event::Event as Readiness;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use timeouts::Timers;

/// The one receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 64 << 10;
/// Readiness events taken in one poll; doubled while a poll fills them.
const EVENTS: usize = 1024;
const MAX_EVENTS: usize = 16 * EVENTS;

/// A connection's token is its generation and its slot side by side.
const _: () = assert!(usize::BITS == 64, "tokens need 64 bits");
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
    inflater: Inflater,
    /// What the connection being read may still have handled in this tick, in bytes.
    budget: usize,
    /// Connections with more to read than their budget, or whose reading goes on after a pause.
    ready_again: Vec<ConnId>,
    timers: Timers,
    per_address: PerAddress,
    spare: Spare,
    /// Connections for which there is no place and which have not ended.
    refused: usize,
    accept_paused_until: Option<Instant>,
    /// No descriptors are left, and somebody waits for one.
    is_exhausted: bool,
    shutdown_by: Option<Instant>,
    now: Instant,
}

struct Listener {
    socket: TcpListener,
    is_ready: bool,
}

impl<A: App> EventLoop<A> {
    /// Binds the addresses and takes over SIGINT and SIGTERM.
    pub fn bind(app: A, endpoints: &[Endpoint], limits: Limits) -> io::Result<EventLoop<A>> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let mut listeners = Vec::new();
        for (index, mut socket) in endpoint::bind_all(endpoints)?.into_iter().enumerate() {
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
            inflater: Inflater::default(),
            budget: 0,
            ready_again: Vec::new(),
            timers: Timers::new(&limits, now),
            per_address: PerAddress::new(limits.max_per_address),
            spare: Spare::new(),
            refused: 0,
            accept_paused_until: None,
            is_exhausted: false,
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
        let exit = self.serve();
        self.outbound.shed.tell_total();
        exit
    }

    fn serve(&mut self) -> io::Result<Exit> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.poll_timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.ask_clock();
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
            self.read_ready_again();
            self.expire();
            self.reap();
            self.accept();
            self.tell_caught_up();
            self.outbound.flush();
            self.ask_clock();
            self.outbound.shed.tell(self.now);
            if let Some(exit) = self.is_shut_down() {
                return Ok(exit);
            }
        }
    }

    /// How long nothing is to be done unless a socket tells.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let accepts =
            self.accept_paused_until.is_none() && self.listeners.iter().any(|listener| listener.is_ready);
        let is_to_be_told = self.outbound.has_ended() || self.outbound.has_caught_up();
        if accepts || is_to_be_told || !self.ready_again.is_empty() {
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
        Some(next.saturating_duration_since(self.now))
    }

    fn ask_clock(&mut self) {
        self.now = Instant::now();
        self.outbound.set_now(self.now);
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

    /// Frees what has ended.
    fn reap(&mut self) {
        while let Some(conn) = self.outbound.pop_dead() {
            self.end_session(conn);
            self.timers.stop(conn.slot);
            if let Some(input) = self.inputs[conn.slot as usize].take() {
                match input.refused {
                    Some(_) => self.refused -= 1,
                    None => self.per_address.release(input.peer),
                }
                log::debug!("{conn}: disconnected");
            }
            drop(self.outbound.remove(conn));
            self.accept_paused_until = None;
        }
        self.stop_closed();
    }

    /// Lets the application tell those who lagged what they missed.
    fn tell_caught_up(&mut self) {
        while let Some((conn, missed)) = self.outbound.pop_caught_up() {
            if let Some(Some(Input { state: State::Open { session, .. }, .. })) =
                self.inputs.get_mut(conn.slot as usize)
            {
                self.app.on_caught_up(conn, session, &missed, &mut self.outbound);
            }
        }
        self.stop_closed();
    }

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
                State::Discard => self.outbound.finish(conn, Finish::Drop),
                State::Closing { .. } | State::Answered => {}
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
