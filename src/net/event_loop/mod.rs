//! The loop itself: waits for readiness, and calls for each tick's work in turn.

mod accepting;
mod input;
mod lateness;
mod listening;
mod signals;
mod timeouts;

use super::endpoint::{self, Endpoint};
use super::listener::{PerAddress, Spare};
use super::outbound::{Finish, Outbound};
use super::{App, ConnId, Limits};
use crate::ws::CloseCode;
use crate::ws::deflate::Inflater;
use input::{Input, State};
use lateness::{Lateness, Polled};
use listening::Listener;
use mio::event::Event as Readiness;
use mio::{Events, Interest, Poll, Token};
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
    /// A second signal, of this number, ended it at once. SIGHUP never does.
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
    shutdown_by: Option<Instant>,
    now: Instant,
    lateness: Lateness,
}

impl<A: App> EventLoop<A> {
    /// Binds the addresses and takes over SIGTERM, SIGINT and SIGHUP.
    pub fn bind(app: A, endpoints: &[Endpoint], limits: Limits) -> io::Result<EventLoop<A>> {
        let poll = Poll::new()?;
        let mut signals = signals::take_over()?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let mut listeners = Vec::new();
        for (index, socket) in endpoint::bind_all(endpoints)?.into_iter().enumerate() {
            listeners.push(Listener::new(socket, poll.registry(), Token(LISTENER - index))?);
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
            shutdown_by: None,
            now,
            lateness: Lateness::new(now),
            limits,
        })
    }

    /// The addresses that are listened on, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// Serves until a signal ends it.
    pub fn run(mut self) -> io::Result<Exit> {
        let exit = self.serve();
        self.outbound.shed.log_totals();
        exit
    }

    fn serve(&mut self) -> io::Result<Exit> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let timeout = self.poll_timeout();
            let before = self.now;
            let is_interrupted = match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => true,
                result => result.map(|()| false)?,
            };
            self.read_clock(timeout.unwrap_or(Duration::MAX));
            let mut taken = 0;
            for event in &events {
                taken += 1;
                if let Some(exit) = self.dispatch(event) {
                    return Ok(exit);
                }
            }
            self.read_ready_again();
            if !is_interrupted {
                let poll = Polled { before, events: taken, is_full: taken == events.capacity() };
                self.lateness.polled(&poll, self.sockets());
            }
            if taken == events.capacity() && taken < MAX_EVENTS {
                events = Events::with_capacity(2 * taken);
            }
            self.expire();
            self.reap();
            self.accept();
            self.tell_caught_up();
            self.outbound.flush();
            self.read_clock(Duration::ZERO);
            self.outbound.shed.log_due(self.now);
            if let Some(exit) = self.is_shut_down() {
                return Ok(exit);
            }
        }
    }

    /// How long to wait for sockets: until the next deadline.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let accepts = self.listeners.iter().any(Listener::may_accept);
        let is_to_be_told = self.outbound.has_ended() || self.outbound.has_caught_up();
        if accepts || is_to_be_told || !self.ready_again.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = [
            self.timers.due(),
            self.outbound.due(),
            self.app.due(),
            self.listeners.iter().filter_map(Listener::due).min(),
            self.shutdown_by,
        ];
        let next = due.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(self.now))
    }

    /// How many sockets the poll watches.
    fn sockets(&self) -> usize {
        self.outbound.len() + self.listeners.len() + 1
    }

    /// Reads the clock. If more time has passed than expected, this process did not run, so all timeouts are extended.
    fn read_clock(&mut self, expected: Duration) {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.now);
        if let Some(lost) = lateness::lost_time(elapsed, expected) {
            log::warn!(
                "the server did not run for {:.1} s; timeouts are extended by that",
                lost.as_secs_f64()
            );
            self.timers.extend(lost);
            self.outbound.extend_timeouts(lost);
        }
        self.now = now;
        self.outbound.set_now(now);
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
                log::debug!(connection = conn.generation; "{conn}: disconnected");
            }
            drop(self.outbound.remove(conn));
            self.listeners.iter_mut().for_each(Listener::resume);
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
            if self.shutdown_by.is_none() {
                self.shut_down();
            } else if signals::is_urgent(signal) {
                return Some(Exit::Forced(signal));
            }
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
            left if by <= self.lateness.time() => Some(Exit::CutOff(left)),
            _ => None,
        }
    }

    /// The input of a connection that is present.
    fn input(&mut self, conn: ConnId) -> &mut Input<A::Session> {
        self.inputs[conn.slot as usize].as_mut().expect("a sink and its input come and go together")
    }
}
