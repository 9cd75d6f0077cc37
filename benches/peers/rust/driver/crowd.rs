//! The connections of the driver: opened many at once, read into one buffer, written to without waiting.

use crate::Fault;
use peers::{BINARY, CLOSE, Frame, PING, PONG, TEXT, append_masked};
use rustix::event::{Timespec, epoll};
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Connections from one source address: fewer than there are ports.
const FROM_ONE_ADDRESS: usize = 10_000;
const ACCEPT: &[u8] = b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";

pub struct Crowd {
    epoll: OwnedFd,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    unfinished: usize,
}

struct Client {
    socket: TcpStream,
    state: State,
    /// The start of a frame or of a head.
    unread: Vec<u8>,
    /// What the socket refused, and what was said since the last flush.
    unsent: VecDeque<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Connecting,
    Upgrading,
    Open,
    Closed,
}

/// Hears every message; what it appends to the last argument is written to the one that heard.
pub trait Listener {
    fn hear(&mut self, client: usize, message: &[u8], frames: &mut Vec<u8>) -> Result<(), Fault>;
}

/// Hears nothing.
pub struct Deaf;

impl Listener for Deaf {
    fn hear(&mut self, _: usize, _: &[u8], _: &mut Vec<u8>) -> Result<(), Fault> {
        Ok(())
    }
}

impl Crowd {
    /// Opens `count` connections, `at_once` at a time, each up to its answered handshake. `room` is for what a socket
    /// takes in before it is read, in bytes.
    pub fn connect(
        port: u16,
        path: &str,
        count: usize,
        at_once: usize,
        room: Option<usize>,
        patience: Duration,
    ) -> Result<Crowd, Fault> {
        let mut crowd = Crowd {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::with_capacity(count),
            buffer: vec![0; 256 << 10],
            events: Vec::with_capacity(1024),
            unfinished: 0,
        };
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let deadline = Instant::now() + patience;
        while crowd.clients.len() < count || crowd.unfinished > 0 {
            while crowd.clients.len() < count && crowd.unfinished < at_once {
                crowd.open(port, &head, room)?;
            }
            crowd.poll(Duration::from_millis(100), &mut Deaf)?;
            if crowd.closed() > 0 {
                return Err("a connection was closed while the crowd gathered".into());
            }
            if Instant::now() > deadline {
                let ready = crowd.clients.len() - crowd.unfinished;
                return Err(
                    format!("only {ready} of {count} handshakes were answered in {patience:?}").into()
                );
            }
        }
        Ok(crowd)
    }

    fn open(&mut self, port: u16, head: &str, room: Option<usize>) -> Result<(), Fault> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(room) = room {
            socket.set_recv_buffer_size(room)?;
        }
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // No run takes the addresses of the one before, whose ports may still be held.
        let place = self.clients.len();
        let [low, high, ..] = std::process::id().to_le_bytes();
        let source = Ipv4Addr::new(127, high | 1, low, 1 + (place / FROM_ONE_ADDRESS) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()) {
            Err(error)
                if error.kind() != ErrorKind::WouldBlock && error.raw_os_error() != Some(EINPROGRESS) =>
            {
                return Err(format!("cannot connect to port {port}: {error}").into());
            }
            _ => {}
        }
        let socket = TcpStream::from(socket);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(place as u64), flags)?;
        let unsent = head.as_bytes().to_vec().into();
        self.clients.push(Client { socket, state: State::Connecting, unread: Vec::new(), unsent });
        self.unfinished += 1;
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn closed(&self) -> usize {
        self.clients.iter().filter(|client| client.state == State::Closed).count()
    }

    /// Lets a client say frames that are ready; they leave with the next flush.
    pub fn say(&mut self, client: usize, frames: &[u8]) {
        self.clients[client].unsent.extend(frames);
    }

    pub fn flush(&mut self, client: usize) {
        self.clients[client].flush();
    }

    /// Handles what is ready, or waits for it; whether anything was.
    pub fn poll(&mut self, wait: Duration, listener: &mut impl Listener) -> Result<bool, Fault> {
        let wait = Timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos().into() };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (place, flags) = (event.data.u64() as usize, event.flags);
            let client = &mut self.clients[place];
            if client.state == State::Connecting && flags.contains(epoll::EventFlags::OUT) {
                if let Some(error) = client.socket.take_error()? {
                    return Err(format!("cannot connect: {error}").into());
                }
                client.state = State::Upgrading;
            }
            if flags.contains(epoll::EventFlags::OUT) {
                client.flush();
            }
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                let was = client.state;
                client.read(place, &mut self.buffer, listener)?;
                self.unfinished -= usize::from(was != State::Open && client.state == State::Open);
            }
        }
        self.events = events;
        Ok(!self.events.is_empty())
    }

    /// Waits until nothing has come for a while.
    pub fn settle(&mut self, quiet: Duration, patience: Duration) -> Result<(), Fault> {
        let (deadline, mut last) = (Instant::now() + patience, Instant::now());
        while last.elapsed() < quiet {
            if self.poll(Duration::from_millis(20), &mut Deaf)? {
                last = Instant::now();
            }
            if Instant::now() > deadline {
                return Err(format!("the server was not quiet for {quiet:?} within {patience:?}").into());
            }
        }
        Ok(())
    }
}

const EINPROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

impl Client {
    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.socket.write(self.unsent.as_slices().0) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(_) => return, // Full, or the read tells.
            }
        }
    }

    fn read(&mut self, place: usize, buffer: &mut [u8], listener: &mut impl Listener) -> Result<(), Fault> {
        while self.state != State::Closed {
            let kept = self.unread.len();
            buffer[..kept].copy_from_slice(&self.unread);
            let end = match self.socket.read(&mut buffer[kept..]) {
                Ok(read @ 1..) => kept + read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                _ => {
                    self.state = State::Closed;
                    return Ok(());
                }
            };
            self.unread.clear();
            let taken = self.take(place, &buffer[..end], listener)?;
            self.unread.extend_from_slice(&buffer[taken..end]);
            if end < buffer.len() {
                return Ok(()); // The socket is empty.
            }
        }
        Ok(())
    }

    /// Handles what is whole in `input`; how much that is.
    fn take(&mut self, place: usize, input: &[u8], listener: &mut impl Listener) -> Result<usize, Fault> {
        let mut taken = 0;
        if self.state == State::Upgrading {
            let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            taken = end + 4;
            let head = input[..taken].to_ascii_lowercase();
            if !head.starts_with(b"http/1.1 101 ") || !head.windows(ACCEPT.len()).any(|line| line == ACCEPT) {
                return Err(format!("the handshake was answered {:?}", String::from_utf8_lossy(&head)).into());
            }
            self.state = State::Open;
        }
        let mut frames = Vec::new();
        while let Some(Frame { first, mask, payload }) = Frame::first_of(&input[taken..]) {
            let message = &input[taken + payload.start..taken + payload.end];
            taken += payload.end;
            match (first, mask) {
                (TEXT | BINARY, None) => listener.hear(place, message, &mut frames)?,
                (PING, None) => append_masked(&mut frames, PONG, message),
                (PONG, None) => {}
                (CLOSE, None) => self.state = State::Closed,
                _ => {
                    return Err(
                        format!("a frame that starts with {first:#04x} came, masked: {mask:?}").into()
                    );
                }
            }
        }
        if !frames.is_empty() {
            self.unsent.extend(&frames);
            self.flush();
        }
        Ok(taken)
    }
}
