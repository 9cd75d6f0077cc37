//! A server with a known delay: each message is delivered a fixed time after it arrived, with an accuracy of
//! some microseconds.
//!
//! One thread serves all connections. It does not sleep in the last milliseconds before a message is due.

use super::Kind;
use super::wire::{BINARY, CLOSE, Frame, PING, PONG, Request, TEXT};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the server does when nothing is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Idle {
    /// Polls without pause: the most accurate, and takes a whole core.
    Spins,
    /// Sleeps, unless a message is due soon.
    Sleeps,
}

/// A running server. It stops when this is dropped.
pub struct Delayed {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Duration>>>,
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    is_open: bool,
}

struct Loop {
    kind: Kind,
    delay: Duration,
    clients: Vec<Option<Client>>,
    /// The time at which to send each message, its sender, and its bytes. In order of time, since all have
    /// the same delay.
    queue: VecDeque<(Instant, usize, Vec<u8>)>,
    /// How much later than due each message was sent.
    lateness: Vec<Duration>,
}

const LISTENER: Token = Token(usize::MAX);
/// The timeout of a poll is rounded up to whole milliseconds.
const SPIN: Duration = Duration::from_millis(2);

pub fn start(kind: Kind, delay: Duration, idle: Idle) -> Delayed {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    let thread = thread::spawn(move || {
        let mut poll = Poll::new().unwrap();
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
        let (clients, queue, lateness) = (Vec::new(), VecDeque::new(), Vec::new());
        let mut server = Loop { kind, delay, clients, queue, lateness };
        let mut events = Events::with_capacity(256);
        while !ends.load(Ordering::Relaxed) {
            poll.poll(&mut events, Some(server.time_to_sleep(idle))).unwrap();
            for event in &events {
                match event.token() {
                    LISTENER => server.accept(&listener, &poll),
                    Token(client) => server.read(client),
                }
            }
            server.send_due();
        }
        server.lateness
    });
    Delayed { address, is_over, thread: Some(thread) }
}

impl Delayed {
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Stops the server. Returns the median and the 99th percentile of its lateness.
    pub fn stop(mut self) -> [Duration; 2] {
        self.is_over.store(true, Ordering::Relaxed);
        let mut lateness = self.thread.take().map(|thread| thread.join().unwrap()).unwrap_or_default();
        lateness.sort();
        [50, 99].map(|share| lateness.get(lateness.len() * share / 100).copied().unwrap_or_default())
    }
}

impl Drop for Delayed {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Loop {
    fn time_to_sleep(&self, idle: Idle) -> Duration {
        let left = match self.queue.front() {
            Some((due, ..)) => due.saturating_duration_since(Instant::now()).saturating_sub(SPIN),
            None => Duration::from_millis(50),
        };
        match idle {
            Idle::Spins => Duration::ZERO,
            // A fraction of a millisecond would be rounded up.
            Idle::Sleeps => Duration::from_millis(left.as_millis() as u64),
        }
    }

    fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true).unwrap();
            let token = Token(self.clients.len());
            poll.registry().register(&mut stream, token, Interest::READABLE).unwrap();
            self.clients.push(Some(Client { stream, received: Vec::new(), is_open: false }));
        }
    }

    fn read(&mut self, number: usize) {
        let Some(Some(client)) = self.clients.get_mut(number) else { return };
        let mut piece = [0; 1 << 16];
        let is_ended = loop {
            match client.stream.read(&mut piece) {
                Ok(0) => break true,
                Ok(length) => client.received.extend_from_slice(&piece[..length]),
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        // Not before the read: what arrives in between would be sent too early.
        let now = Instant::now();
        let is_well = !is_ended && client.take_request();
        if !is_well || !self.take_frames(number, now) {
            self.clients[number] = None;
        }
    }

    /// Handles complete frames. Returns false if the connection ends.
    fn take_frames(&mut self, number: usize, now: Instant) -> bool {
        let Some(client) = &mut self.clients[number] else { return false };
        let mut taken = 0;
        while client.is_open {
            let (frame, length) = match Frame::decode(&client.received[taken..]) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => return false,
            };
            taken += length;
            match frame.opcode {
                TEXT | BINARY => self.queue.push_back((now + self.delay, number, frame.encode())),
                PING => client.write(&Frame { opcode: PONG, ..frame }.encode()),
                CLOSE => {
                    client.write(&frame.encode());
                    return false;
                }
                _ => {}
            }
        }
        client.received.drain(..taken);
        true
    }

    fn send_due(&mut self) {
        while let Some((due, from, bytes)) = self.queue.pop_front_if(|(due, ..)| *due <= Instant::now()) {
            self.lateness.push(due.elapsed());
            let to = if self.kind == Kind::Echo { from..from + 1 } else { 0..self.clients.len() };
            self.clients[to].iter_mut().flatten().filter(|client| client.is_open).for_each(|client| {
                client.write(&bytes);
            });
        }
    }
}

impl Client {
    /// Answers the handshake once the request is complete. Returns false if the request is invalid.
    fn take_request(&mut self) -> bool {
        if self.is_open {
            return true;
        }
        let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return true };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let Ok(request) = Request::read(&mut &head[..]) else { return false };
        self.write(request.switching().as_bytes());
        self.is_open = true;
        true
    }

    /// Waits while the socket is full. A failed socket is detected by reading.
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(_) => return,
            }
        }
    }
}
