//! The loop itself: waits for readiness, and calls for each tick's work in turn.

mod accepting;
mod input;
mod lateness;
mod listening;
mod shedding;
mod timeouts;

use super::listener::PerAddress;
use super::outbound::{Finish, Outbound};
use super::turns::Turns;
use super::{App, ConnId, Limits, Readiness, Ready, System, signals};
use crate::ws::CloseCode;
use crate::ws::deflate::Inflater;
use input::{Input, State};
use lateness::{Lateness, Polled};
use listening::Listener;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};
use timeouts::Timers;

/// The one receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 64 << 10;

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
pub struct EventLoop<A: App<S::Socket>, S: System> {
    app: A,
    system: S,
    limits: Limits,
    /// What the last poll reported.
    ready: Vec<Ready>,
    listeners: Vec<Listener>,
    outbound: Outbound<S::Socket>,
    inputs: Vec<Option<Input<A::Session>>>,
    receive_buffer: Vec<u8>,
    inflater: Inflater,
    /// What the connection being read may still have handled in this tick, in bytes.
    budget: usize,
    turns: Turns,
    /// Another thread has woken the loop, and the application has not done all of what that was for.
    is_woken: bool,
    timers: Timers,
    per_address: PerAddress,
    /// Connections for which there is no place and which have not ended.
    refused: usize,
    shutdown_by: Option<Instant>,
    now: Instant,
    lateness: Lateness,
}

impl<A: App<S::Socket>, S: System> EventLoop<A, S> {
    /// Creates the loop of a server that serves at the listeners of `system`.
    pub fn new(app: A, system: S, limits: Limits) -> EventLoop<A, S> {
        let now = system.now();
        EventLoop {
            app,
            ready: Vec::new(),
            listeners: system.addresses().iter().map(|address| Listener::new(*address)).collect(),
            outbound: Outbound::new(&limits, now),
            inputs: Vec::new(),
            receive_buffer: vec![0; RECEIVE_BUFFER],
            inflater: Inflater::default(),
            budget: 0,
            turns: Turns::new(now),
            is_woken: false,
            timers: Timers::new(&limits, now),
            per_address: PerAddress::new(limits.max_per_address),
            refused: 0,
            shutdown_by: None,
            now,
            lateness: Lateness::new(now),
            limits,
            system,
        }
    }

    /// Serves until a signal ends it.
    pub fn run(mut self) -> io::Result<Exit> {
        let exit = loop {
            match self.tick() {
                Ok(None) => {}
                Ok(Some(exit)) => break Ok(exit),
                Err(error) => break Err(error),
            }
        };
        self.outbound.shed.log_totals();
        exit
    }

    /// Waits for sockets, signals and deadlines, and does what is to be done then. Returns how the loop ended, if it
    /// did. Fails only if the system cannot wait.
    pub fn tick(&mut self) -> io::Result<Option<Exit>> {
        let before = self.now;
        let timeout = self.poll_timeout();
        let mut ready = std::mem::take(&mut self.ready);
        let polled = self.system.poll(timeout, &mut ready);
        self.read_clock(timeout.unwrap_or(Duration::MAX));
        for ready in &ready {
            if let Some(exit) = self.dispatch(*ready) {
                return Ok(Some(exit));
            }
        }
        self.take_turns();
        if self.is_woken {
            self.is_woken = self.app.on_wake(&mut self.outbound);
            self.stop_closed();
        }
        match polled {
            Ok(is_full) => {
                self.lateness.polled(&Polled { before, events: ready.len(), is_full }, self.sockets());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        ready.clear();
        self.ready = ready;
        self.expire();
        self.shed_memory();
        self.reap();
        self.accept();
        self.tell_caught_up();
        self.outbound.flush(|| self.system.now());
        self.read_clock(Duration::ZERO);
        self.outbound.shed.log_due(self.now);
        Ok(self.is_shut_down())
    }

    /// How long to wait for sockets: until the next deadline.
    fn poll_timeout(&mut self) -> Option<Duration> {
        let is_full = self.handshakes_full_until();
        let accepts = is_full.is_none() && self.listeners.iter().any(Listener::may_accept);
        let is_to_be_told = self.outbound.has_ended() || self.outbound.has_caught_up();
        if accepts || is_to_be_told || self.is_woken || self.outbound.is_flushing() || !self.turns.is_empty()
        {
            return Some(Duration::ZERO);
        }
        let due = [
            self.timers.due(),
            self.outbound.due(),
            self.app.due(),
            self.listeners.iter().filter_map(Listener::due).min(),
            self.shutdown_by,
            is_full.filter(|_| self.listeners.iter().any(Listener::may_accept)),
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
        let now = self.system.now();
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

    fn dispatch(&mut self, ready: Ready) -> Option<Exit> {
        match ready {
            Ready::Signal => return self.on_signals(),
            Ready::Woken => self.is_woken = true,
            Ready::Listener(index) => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.is_ready = true;
                }
            }
            Ready::Socket(readiness) => self.on_socket(readiness),
        }
        None
    }

    fn on_socket(&mut self, ready: Readiness) {
        let conn = ConnId::of_token(ready.token);
        if !self.outbound.is_present(conn) {
            return;
        }
        let mut has_input = ready.is_readable;
        if ready.is_writable {
            self.outbound.writable(conn);
            has_input |= self.resume(conn);
        }
        if ready.is_closed {
            self.input(conn).is_hung_up = true;
            has_input = true;
        }
        // A new socket is reported as writable first, when there is nothing to read.
        if has_input {
            self.wait_for_turn(conn);
        }
    }

    /// Frees what has ended.
    fn reap(&mut self) {
        while let Some(conn) = self.outbound.pop_dead() {
            self.end_session(conn);
            self.timers.stop(conn.slot);
            if let Some(input) = self.inputs[conn.slot as usize].take() {
                self.outbound.memory().change(input.kept as usize, 0);
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
        for signal in self.system.signals() {
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
        self.system.stop_listening();
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
