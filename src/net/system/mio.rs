//! The real system, by mio.

use super::{Readiness, Ready, Socket, System};
use crate::net::endpoint::{self, Endpoint};
use crate::net::inbox::Wake;
use crate::net::signals;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Readiness events taken in one poll; doubled while a poll fills them.
const EVENTS: usize = 1024;
const MAX_EVENTS: usize = 16 * EVENTS;

/// A connection's token is a `u64`.
const _: () = assert!(usize::BITS == 64, "tokens need 64 bits");
const SIGNALS: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
/// The token of the first listener; the others count down from it.
const LISTENER: usize = usize::MAX - 2;

/// The sockets, signals and clock of the operating system.
pub struct Mio {
    poll: Poll,
    events: Events,
    signals: Signals,
    waker: Arc<Waker>,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    /// Kept back, so that when no descriptor is left a peer can still be refused with an answer.
    spare: Option<File>,
}

impl Mio {
    /// Listens on the addresses and takes over SIGTERM, SIGINT and SIGHUP.
    pub fn bind(endpoints: &[Endpoint]) -> io::Result<Mio> {
        let poll = Poll::new()?;
        let mut signals = signals::take_over()?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for (index, mut listener) in endpoint::bind_all(endpoints)?.into_iter().enumerate() {
            poll.registry().register(&mut listener, Token(LISTENER - index), Interest::READABLE)?;
            addresses.push(listener.local_addr()?);
            listeners.push(listener);
        }
        let events = Events::with_capacity(EVENTS);
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Mio { poll, events, signals, waker, listeners, addresses, spare: open_spare() })
    }

    /// Returns a function by which other threads wake the loop.
    pub fn wake(&self) -> Wake {
        let waker = Arc::clone(&self.waker);
        Arc::new(move || {
            if let Err(error) = waker.wake() {
                log::error!("cannot wake the event loop: {error}");
            }
        })
    }
}

impl System for Mio {
    type Socket = TcpStream;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<bool> {
        self.poll.poll(&mut self.events, timeout)?;
        let before = ready.len();
        ready.extend(self.events.iter().map(|event| match event.token() {
            SIGNALS => Ready::Signal,
            WAKER => Ready::Woken,
            Token(token) if token > LISTENER - self.addresses.len() => Ready::Listener(LISTENER - token),
            Token(token) => Ready::Socket(Readiness {
                token: token as u64,
                is_readable: event.is_readable(),
                is_writable: event.is_writable(),
                is_closed: event.is_read_closed() || event.is_error(),
            }),
        }));
        let is_full = ready.len() - before == self.events.capacity();
        if is_full && self.events.capacity() < MAX_EVENTS {
            self.events = Events::with_capacity(2 * self.events.capacity());
        }
        Ok(is_full)
    }

    fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn accept(&mut self, listener: usize) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.listeners[listener].accept()?;
        Ok((stream, canonical(peer)))
    }

    fn accept_with_spare(&mut self, listener: usize) -> Option<TcpStream> {
        drop(self.spare.take());
        Some(self.listeners[listener].accept().ok()?.0)
    }

    fn renew_spare(&mut self) {
        self.spare = open_spare();
    }

    fn watch(&mut self, socket: &mut TcpStream, token: u64) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, Token(token as usize), both)
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    fn signals(&mut self) -> Vec<i32> {
        self.signals.pending().collect()
    }
}

impl Socket for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

fn open_spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Returns the IPv4 address of a peer that connects over IPv4 to an IPv6 socket.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), peer.port()),
        IpAddr::V6(_) => peer,
    }
}
