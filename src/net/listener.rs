//! Listening sockets, and what to do when the system has no more descriptors.

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

/// Beyond what Linux would grant by default; it takes the smaller of this and `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;

/// Binds a listening socket. Its connections inherit `TCP_NODELAY`, which saves a system call for each.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // So that [::]:8080 and 0.0.0.0:8080 can be given side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// How an attempt to accept ended.
pub(super) enum Accepted {
    Connection(TcpStream, SocketAddr),
    /// Nobody waits.
    Nobody,
    /// The system has no descriptor or memory left for another.
    Exhausted,
}

/// Accepts one connection.
pub(super) fn accept(listener: &TcpListener) -> Accepted {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => return Accepted::Connection(stream, peer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Accepted::Nobody,
            Err(error) if is_exhaustion(&error) => return Accepted::Exhausted,
            // The peer gave up while it waited, or the network told an old error: accept(2) says to go on.
            Err(_) => {}
        }
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS)) || error.kind() == ErrorKind::OutOfMemory
}

/// A descriptor kept back, so that when none is left a peer can still be told so.
#[derive(Debug)]
pub(super) struct Spare(Option<File>);

impl Spare {
    pub(super) fn new() -> Spare {
        Spare(open_spare())
    }

    /// Accepts one connection in the place of the spare descriptor, if one waits. [`Spare::renew`] takes the place back
    /// once the connection has ended.
    pub(super) fn accept_one(&mut self, listener: &TcpListener) -> Option<TcpStream> {
        drop(self.0.take());
        match accept(listener) {
            Accepted::Connection(stream, _) => Some(stream),
            Accepted::Nobody | Accepted::Exhausted => None,
        }
    }

    /// Keeps a descriptor back again.
    pub(super) fn renew(&mut self) {
        self.0 = open_spare();
    }
}

fn open_spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// How many connections each address has. Loopback does not count.
#[derive(Debug)]
pub(super) struct PerAddress {
    max: usize,
    counts: HashMap<IpAddr, usize>,
}

impl PerAddress {
    /// At most `max` for one address; 0 for any number, at no cost.
    pub(super) fn new(max: usize) -> PerAddress {
        PerAddress { max, counts: HashMap::new() }
    }

    /// Counts a connection; `false` if the address has as many as it may.
    pub(super) fn admit(&mut self, address: IpAddr) -> bool {
        if self.max == 0 || address.is_loopback() {
            return true;
        }
        let count = self.counts.entry(address).or_default();
        if *count == self.max {
            return false;
        }
        *count += 1;
        true
    }

    /// Counts the end of an admitted connection.
    pub(super) fn release(&mut self, address: IpAddr) {
        if let Some(count) = self.counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_connections_as_it_may_and_loopback_any_number() {
        let mut per_address = PerAddress::new(2);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "2001:db8::1".parse().unwrap();
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(per_address.admit(one) && per_address.admit(one));
        assert!(!per_address.admit(one));
        assert!(per_address.admit(other));
        assert!((0..10).all(|_| per_address.admit(local)));
        per_address.release(one);
        assert!(per_address.admit(one) && !per_address.admit(one));
        for address in [one, one, other] {
            per_address.release(address);
        }
        assert!(per_address.counts.is_empty());
    }

    #[test]
    fn descriptors_that_run_out_are_told_from_a_peer_that_gave_up() {
        assert!(is_exhaustion(&io::Error::from_raw_os_error(24)));
        assert!(!is_exhaustion(&io::Error::from_raw_os_error(103)));
    }
}
