//! The floor: the least that a correct server does. It unmasks each complete frame in place, and writes it to
//! each member in accept order, with one `write` per frame. Bytes that a socket does not accept are queued.
//! It checks nothing, limits nothing and never reuses an entry of its table.
//!
//!     floor PORT chat|echo [--joined]     joined: one `write` for all frames of a tick
#![forbid(unsafe_code)]

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const KEY: &[u8] = b"Sec-WebSocket-Key:";

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const LISTENER: u64 = u64::MAX;

struct Member {
    socket: TcpStream,
    upgraded: bool,
    /// The start of an incomplete frame or request head.
    unread: Vec<u8>,
    /// Bytes that the socket has not accepted.
    unsent: VecDeque<u8>,
}

struct Floor {
    echo: bool,
    joined: bool,
    epoll: OwnedFd,
    members: Vec<Option<Member>>,
    /// Frames of this tick for all members, or of this read for an echo.
    batch: Vec<u8>,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, mode, flags @ ..] = &arguments[..] else {
        return Err(io::Error::other("usage: floor PORT chat|echo [--joined]"));
    };
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let joined = flags.iter().any(|flag| flag == "--joined");
    Floor { echo: mode == "echo", joined, epoll, members: Vec::new(), batch: Vec::new() }.run(&listener)
}

impl Floor {
    fn run(&mut self, listener: &TcpListener) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        let mut buffer = vec![0; 256 << 10];
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match (event.data.u64(), event.flags) {
                    (LISTENER, _) => self.accept(listener)?,
                    (place, flags) => {
                        let place = place as usize;
                        if flags.contains(EventFlags::OUT) {
                            self.write_unsent(place);
                        }
                        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                            self.read(place, &mut buffer);
                        }
                    }
                }
            }
            if self.joined && !self.batch.is_empty() {
                self.members.iter_mut().flatten().for_each(|member| member.send(&self.batch));
                self.batch.clear();
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let place = EventData::new_u64(self.members.len() as u64);
            epoll::add(&self.epoll, &socket, place, EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
            let (unread, unsent) = (Vec::new(), VecDeque::new());
            self.members.push(Some(Member { socket, upgraded: false, unread, unsent }));
        }
    }

    fn write_unsent(&mut self, place: usize) {
        let Some(member) = &mut self.members[place] else { return };
        while !member.unsent.is_empty() {
            match member.socket.write(member.unsent.as_slices().0) {
                Ok(written) => drop(member.unsent.drain(..written)),
                Err(_) => return, // The socket is full again, or reading reports the error.
            }
        }
    }

    fn read(&mut self, place: usize, buffer: &mut [u8]) {
        while let Some(member) = &mut self.members[place] {
            let kept = member.unread.len();
            buffer[..kept].copy_from_slice(&member.unread);
            let end = match member.socket.read(&mut buffer[kept..]) {
                Ok(read @ 1..) => kept + read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => return self.members[place] = None,
            };
            member.unread.clear();
            let taken = self.take(place, &mut buffer[..end]);
            if let Some(member) = &mut self.members[place] {
                member.unread.extend_from_slice(&buffer[taken..end]);
            }
            if end < buffer.len() {
                return; // The socket is empty.
            }
        }
    }

    /// Handles complete frames in `input`. Returns the number of bytes handled.
    fn take(&mut self, place: usize, input: &mut [u8]) -> usize {
        let Some(member) = &mut self.members[place] else { return 0 };
        let mut taken = 0;
        if !member.upgraded {
            let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else { return 0 };
            member.send(answer_to(&input[..end]).as_bytes());
            member.upgraded = true;
            taken = end + 4;
        }
        while let Some(Frame { first, mask: Some(key), payload }) = Frame::first_of(&input[taken..]) {
            let payload = taken + payload.start..taken + payload.end;
            unmask(&mut input[payload.clone()], key);
            // Move the header to the place of the mask: the frame is then complete for sending.
            input.copy_within(taken..payload.start - 4, taken + 4);
            input[taken + 5] &= 0x7F;
            let frame = &mut input[taken + 4..payload.end];
            taken = payload.end;
            match first {
                TEXT | BINARY if self.joined => self.batch.extend_from_slice(frame),
                TEXT | BINARY if self.echo => self.send(place, frame),
                TEXT | BINARY => self.members.iter_mut().flatten().for_each(|member| member.send(frame)),
                PING => {
                    frame[0] = PONG;
                    self.send(place, frame);
                }
                PONG => {}
                CLOSE => self.send(place, frame), // The peer ends the connection.
                _ => self.members[place] = None,  // A fragment; the client sends none.
            }
        }
        if self.joined && self.echo {
            let batch = std::mem::take(&mut self.batch);
            self.send(place, &batch);
            self.batch = batch;
            self.batch.clear();
        }
        taken
    }

    fn send(&mut self, place: usize, bytes: &[u8]) {
        if let Some(member) = &mut self.members[place] {
            member.send(bytes);
        }
    }
}

/// Returns the response to a handshake request, which is not checked.
fn answer_to(head: &[u8]) -> String {
    let key = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(KEY.len())?;
        name.eq_ignore_ascii_case(KEY).then(|| value.trim_ascii())
    });
    let accept = derive_accept_key(key.unwrap_or_default());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

impl Member {
    fn send(&mut self, bytes: &[u8]) {
        let written = match self.unsent.is_empty() {
            true => self.socket.write(bytes).unwrap_or(0), // The socket is full, or reading reports the error.
            false => 0,
        };
        self.unsent.extend(&bytes[written..]);
    }
}

/// A complete frame at the start of the input.
struct Frame {
    /// The first byte: final flag and opcode.
    first: u8,
    mask: Option<[u8; 4]>,
    payload: Range<usize>,
}

impl Frame {
    /// Returns the frame at the start of `input` if it is complete.
    fn first_of(input: &[u8]) -> Option<Frame> {
        let [first, second, rest @ ..] = input else { return None };
        let (length, length_bytes) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?, 8),
            short => (usize::from(short), 0),
        };
        let (mask, start) = match second & 0x80 {
            0 => (None, 2 + length_bytes),
            _ => (Some(*rest[length_bytes..].first_chunk()?), 6 + length_bytes),
        };
        let end = start.checked_add(length)?;
        (end <= input.len()).then_some(Frame { first: *first, mask, payload: start..end })
    }
}

/// Unmasks a payload.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let mut chunks = payload.chunks_exact_mut(4);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask) {
        *byte ^= key;
    }
}
