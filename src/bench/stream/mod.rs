//! A client's connection, non-blocking and for edge-triggered readiness: TCP, or TLS over it.
//!
//! Whoever uses one need not know which it is:
//!
//! - A read that fills less than the buffer has emptied the socket of all but its end.
//! - Each time that something is ready: read, then write what waits, then flush. With TLS, reading answers what the
//!   handshake asks and so lets more be written, and a write may leave bytes behind that only a flush or the next
//!   write sends.
//! - A read of 0 bytes is the end. TLS that ends without saying so is no error: WebSocket has a closing handshake of
//!   its own, by which a cut is told from an end.

mod tls;

#[cfg(test)]
mod tests;

pub use tls::{Tls, TlsStream};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};

/// A connection to a server.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP, beginning with the handshake.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Begins to connect: from `source`, with room for `receive_buffer` bytes in the system, and over TLS to the host
    /// named, if these are given. When the socket can be written to, [`Stream::connected`] tells how it went.
    pub fn connect(
        address: SocketAddr,
        source: Option<IpAddr>,
        receive_buffer: Option<usize>,
        tls: Option<(&Tls, &str)>,
    ) -> io::Result<Stream> {
        const EINPROGRESS: i32 = 115;
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(size) = receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        if let Some(source) = source {
            // Else the port would be chosen here, not knowing the server, and none that has been used of late.
            #[cfg(target_os = "linux")]
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)?;
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(EINPROGRESS) => return Err(error),
            _ => {}
        }
        let socket = TcpStream::from_std(socket.into());
        Ok(match tls {
            Some((tls, host)) => Stream::Tls(Box::new(TlsStream::new(socket, tls, host)?)),
            None => Stream::Plain(socket),
        })
    }

    /// Whether TCP is connected by now, or why it never will be.
    pub fn connected(&self) -> io::Result<bool> {
        let socket = self.socket();
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has the system acknowledge what comes with the second segment and not with each (RFC 1122 §4.2.3.2), until one
    /// is the only one for 40 ms: an acknowledgement is the greater part of what it costs to receive a short message.
    pub fn acknowledge_late(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(self.socket()).set_tcp_quickack(false)?;
        Ok(())
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.socket(),
        }
    }

    fn socket_mut(&mut self) -> &mut TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.socket_mut(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    /// Sends what an earlier write left behind. It would block until the socket takes all of it.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket_mut().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket_mut().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket_mut().deregister(registry)
    }
}
