//! A client's connection, non-blocking and for edge-triggered readiness: TCP, or TLS over TCP.
//!
//! Both kinds are used in the same way:
//!
//! - A read that does not fill the buffer has emptied the socket, except possibly for the end of the stream.
//! - On each event: read, then write queued data, then flush. With TLS, reading may send replies of the
//!   handshake and so allow further writes, and a write may leave bytes that are sent by a flush or the next
//!   write.
//! - A read of 0 bytes is the end of the stream. TLS that ends without close_notify is not an error: the
//!   closing handshake of WebSocket already distinguishes a complete stream from a truncated one.

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
    /// TLS over TCP, starting with the handshake.
    Tls(Box<TlsTransport>),
}

impl Transport {
    /// Starts to connect: from `source`, with a kernel receive buffer of `receive_buffer` bytes, and over TLS
    /// to the named host, where given. [`Transport::connected`] returns the result once the socket is
    /// writable.
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
            // Choose the port when connecting: here it would be chosen without knowing the server, among
            // ports not used recently.
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

    /// Enables kernel timestamps for received data. If they are unavailable, or with TLS, the time of reading
    /// counts.
    pub fn stamp_arrivals(&self) {
        #[cfg(target_os = "linux")]
        if let Transport::Plain(socket) = self {
            let _ =
                nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::ReceiveTimestampns, &true);
        }
    }

    /// Reads and returns the arrival time of the last bytes read, as time since 1970. With TLS the time is
    /// unknown, since records are read separately.
    pub fn read_with_stamp(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
        match self {
            Transport::Plain(socket) => receive(socket, buffer),
            Transport::Tls(stream) => Ok((stream.read(buffer)?, None)),
        }
    }

    /// Returns whether TCP is connected yet, or why it failed.
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

    /// Makes the system acknowledge every second segment instead of each one (RFC 1122 §4.2.3.2), or one that
    /// is alone for 40 ms. Acknowledgements are the greater part of the cost of receiving short messages.
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

/// Returns true if connecting continues in the background.
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
    /// Large enough for an aligned header and timestamp.
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

    /// Sends bytes left by an earlier write. Would block until the socket accepts all of them.
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
