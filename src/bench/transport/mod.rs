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

pub(crate) use tls::{Tls, TlsTransport};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A connection to a server.
#[derive(Debug)]
pub(crate) enum Transport {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP, beginning with the handshake.
    Tls(Box<TlsTransport>),
}

impl Transport {
    /// Begins to connect: from `source`, with room for `receive_buffer` bytes in the system, and over TLS to the host
    /// named, if these are given. When the socket can be written to, [`Transport::connected`] tells how it went.
    pub fn connect(
        address: SocketAddr,
        source: Option<IpAddr>,
        receive_buffer: Option<usize>,
        tls: Option<(&Tls, &str)>,
    ) -> io::Result<Transport> {
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
            Err(error) if !is_in_progress(&error) => return Err(error),
            _ => {}
        }
        let socket = TcpStream::from_std(socket.into());
        Ok(match tls {
            Some((tls, host)) => Transport::Tls(Box::new(TlsTransport::new(socket, tls, host)?)),
            None => Transport::Plain(socket),
        })
    }

    /// Has the kernel stamp what arrives. Where it cannot, or with TLS, the time of reading counts.
    pub fn stamp_arrivals(&self) {
        #[cfg(target_os = "linux")]
        if let Transport::Plain(socket) = self {
            let _ =
                nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::ReceiveTimestampns, &true);
        }
    }

    /// Reads, and tells when the last of what was read arrived, by the time of day since 1970. With TLS, whose records
    /// are read apart, that is not known.
    pub fn read_with_stamp(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
        match self {
            Transport::Plain(socket) => receive(socket, buffer),
            Transport::Tls(stream) => Ok((stream.read(buffer)?, None)),
        }
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
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.socket(),
        }
    }

    fn socket_mut(&mut self) -> &mut TcpStream {
        match self {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.socket_mut(),
        }
    }
}

/// Whether a connection that does not block has begun.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    let in_progress = error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32);
    #[cfg(not(unix))]
    let in_progress = error.kind() == ErrorKind::WouldBlock;
    in_progress
}

#[cfg(target_os = "linux")]
fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    /// Enough for a header and a time, aligned.
    const CONTROL: usize = 64;
    let mut control = [0; CONTROL];
    let mut parts = [io::IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    Ok((message.bytes, stamp))
}

#[cfg(not(target_os = "linux"))]
fn receive(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    Ok((socket.read(buffer)?, None))
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(socket) => socket.read(buffer),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(socket) => socket.write(bytes),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    /// Sends what an earlier write left behind. It would block until the socket takes all of it.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Plain(socket) => socket.flush(),
            Transport::Tls(stream) => stream.flush(),
        }
    }
}

impl Source for Transport {
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
