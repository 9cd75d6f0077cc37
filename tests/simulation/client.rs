//! A simulated client: what it sends, how it reads, and what it must hear in return.

use super::checker::Heard;
use super::socket::End;
use super::system::World;
use super::wire::{self, BINARY, CLOSE, FIN, PING, PONG, RSV1, TEXT, Tag};
use std::collections::VecDeque;
use std::time::Duration;

/// What a client connects for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Lines,
    Html,
    Raw,
    Echo,
    Http,
}

/// What a client does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Connect,
    /// Says a text with padding of that length; an echo client sends it.
    Say(u8, usize),
    /// Says it in fragments with a ping between them.
    SayInFragments(u8, usize),
    Join(u8),
    Leave(u8),
    Who(u8),
    Ping,
    Get(Page),
    Err(Misconduct),
    /// Begins the closing handshake.
    Close,
    /// Ends its sending side.
    HalfClose,
    Reset,
    /// Sends so many bytes of a message, and resets or ends.
    Cut(usize, bool),
    /// Reads nothing from now on.
    Deafen,
    /// Reads everything from now on.
    Hasten,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    Health,
    Index,
    Missing,
}

/// What breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misconduct {
    Unmasked,
    Opcode,
    Utf8,
    BinaryInChat,
    TooBig,
    HalfCode,
    Unfinished,
    Deflate,
}

impl Misconduct {
    pub const ALL: [Misconduct; 8] = [
        Misconduct::Unmasked,
        Misconduct::Opcode,
        Misconduct::Utf8,
        Misconduct::BinaryInChat,
        Misconduct::TooBig,
        Misconduct::HalfCode,
        Misconduct::Unfinished,
        Misconduct::Deflate,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    /// The request is sent, and the answer awaited.
    Head,
    Open,
    Over,
}

/// How a client was made.
#[derive(Clone, Debug)]
pub struct Manner {
    pub kind: Kind,
    pub room: u8,
    pub deflate: bool,
    /// Bytes that wait between the server and the client.
    pub capacity: usize,
    pub has_faults: bool,
    /// Most bytes that it sends at once, and the time to the next.
    pub piece: usize,
    pub piece_pause: Duration,
    /// Most bytes that it reads at once.
    pub reads: usize,
    pub is_slow: bool,
    pub is_observer: bool,
    /// It does not answer pings.
    pub is_silent: bool,
}

pub struct Client {
    pub id: usize,
    pub manner: Manner,
    pub phase: Phase,
    pipe: Option<usize>,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    is_deflated: bool,
    serial: usize,
    /// Said and not heard.
    pending: VecDeque<Tag>,
    /// Joined rooms with the offset that is due.
    pub rooms: Vec<(u8, u64)>,
    /// For each chat ping that is not answered, the serial number of the last text before it.
    asked: VecDeque<usize>,
    heard: Vec<Heard>,
    awaited: VecDeque<Page>,
    answered: usize,
    pings: u32,
    is_gapped: bool,
    pub is_deaf: bool,
    sent_close: bool,
    got_close: Option<u16>,
    misconduct: Option<Misconduct>,
    has_ended: bool,
}

impl Client {
    pub fn new(id: usize, manner: Manner) -> Client {
        Client {
            id,
            manner,
            phase: Phase::Idle,
            pipe: None,
            outbox: Vec::new(),
            inbox: Vec::new(),
            is_deflated: false,
            serial: 0,
            pending: VecDeque::new(),
            rooms: Vec::new(),
            asked: VecDeque::new(),
            heard: Vec::new(),
            awaited: VecDeque::new(),
            answered: 0,
            pings: 0,
            is_gapped: false,
            is_deaf: false,
            sent_close: false,
            got_close: None,
            misconduct: None,
            has_ended: false,
        }
    }

    /// Whether it does all that a client should, so that nothing may be held against it.
    pub fn is_honest(&self) -> bool {
        let Manner { is_slow, is_silent, .. } = self.manner;
        !is_slow && !is_silent && !self.is_deaf && !self.has_ended && self.misconduct.is_none()
    }

    pub fn act(&mut self, act: Act, world: &mut World) {
        let takes_part = self.phase == Phase::Open && !self.sent_close && !self.has_ended;
        let speaks = takes_part && self.misconduct.is_none() && self.got_close.is_none();
        match act {
            Act::Connect => return self.connect(world),
            Act::Hasten => {
                self.manner.reads = usize::MAX;
                world.ears[self.id].latency = Duration::from_millis(5);
            }
            Act::Reset if self.pipe.is_some() && self.phase != Phase::Over => self.leave(End::Reset, world),
            Act::HalfClose if self.pipe.is_some() && self.phase != Phase::Over => {
                self.flush(world);
                self.leave(End::Finished, world);
            }
            Act::Deafen if self.phase != Phase::Over => {
                self.is_deaf = true;
                world.ears[self.id].is_deaf = true;
            }
            Act::Get(page) if self.manner.kind == Kind::Http => self.request(page, world),
            Act::Cut(len, resets) if speaks => {
                let tag = self.tag(self.manner.room, 100);
                let at = self.outbox.len();
                wire::encode(FIN | TEXT, self.said(tag).as_bytes(), &mut self.outbox);
                self.outbox.truncate(at + len);
                self.flush(world);
                self.leave(if resets { End::Reset } else { End::Finished }, world);
            }
            Act::Say(room, len) if speaks => self.say(room, len, false),
            Act::SayInFragments(room, len) if speaks => self.say(room, len, true),
            Act::Join(room) if speaks && self.manner.kind == Kind::Json => {
                self.send(TEXT, format!("{{\"type\":\"join\",\"room\":\"r{room}\"}}").as_bytes());
            }
            Act::Leave(room) if speaks && self.manner.kind == Kind::Json && !self.manner.is_observer => {
                self.send(TEXT, format!("{{\"type\":\"leave\",\"room\":\"r{room}\"}}").as_bytes());
            }
            Act::Who(room) if speaks && self.manner.kind == Kind::Json => {
                self.send(TEXT, format!("{{\"type\":\"who\",\"room\":\"r{room}\"}}").as_bytes());
                self.send(TEXT, b"{\"type\":\"ping\"}");
                self.asked.push_back(self.serial);
            }
            Act::Ping if speaks => {
                self.pings += 1;
                let payload = self.pings.to_be_bytes();
                self.send(PING, &payload);
            }
            Act::Err(Misconduct::BinaryInChat) if matches!(self.manner.kind, Kind::Raw | Kind::Echo) => {
                return;
            }
            Act::Err(misconduct) if speaks => self.misbehave(misconduct),
            Act::Close if takes_part && self.got_close.is_none() => {
                if self.misconduct.is_none() {
                    self.sent_close = true;
                    self.send(CLOSE, &1000u16.to_be_bytes());
                }
            }
            _ => return,
        }
        world.note(|| format!("client {} ({:?}) {act:?}", self.id, self.manner.kind));
        world.on_bytes_for(self.id);
    }

    fn connect(&mut self, world: &mut World) {
        let Manner { kind, room, deflate, capacity, has_faults, .. } = self.manner;
        let Some(pipe) = world.connect(self.id, capacity, has_faults) else { return };
        world.note(|| format!("client {} connects: {:?}", self.id, self.manner));
        self.pipe = Some(pipe);
        self.phase = Phase::Head;
        let target = match kind {
            Kind::Json => format!("/chat/r{room}"),
            Kind::Lines => format!("/chat/r{room}?format=lines"),
            Kind::Html => format!("/chat/r{room}?format=html"),
            Kind::Raw => format!("/chat/r{room}?format=raw"),
            Kind::Echo => "/echo".to_owned(),
            Kind::Http => return,
        };
        let offer = if deflate { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: simulated.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        self.outbox.extend_from_slice(request.as_bytes());
        world.on_bytes_for(self.id);
    }

    fn request(&mut self, page: Page, world: &mut World) {
        if self.phase == Phase::Idle {
            self.connect(world);
        }
        if self.phase != Phase::Head || self.has_ended {
            return;
        }
        let target = match page {
            Page::Health => "/healthz",
            Page::Index => "/",
            Page::Missing => "/nothing",
        };
        self.awaited.push_back(page);
        let request = format!("GET {target} HTTP/1.1\r\nHost: simulated.test\r\n\r\n");
        self.outbox.extend_from_slice(request.as_bytes());
    }

    fn tag(&mut self, room: u8, len: usize) -> Tag {
        self.serial += 1;
        Tag { room, client: self.id, serial: self.serial, len }
    }

    /// A text as this client says it.
    fn said(&self, tag: Tag) -> String {
        match self.manner.kind {
            Kind::Json => {
                let Tag { room, serial, .. } = tag;
                format!(
                    "{{\"type\":\"say\",\"room\":\"r{room}\",\"text\":\"{}\",\"id\":\"{serial}\"}}",
                    tag.text()
                )
            }
            _ => tag.text(),
        }
    }

    fn say(&mut self, room: u8, len: usize, in_fragments: bool) {
        let room = if self.manner.kind == Kind::Json { room } else { self.manner.room };
        if self.manner.kind == Kind::Json && !self.rooms.iter().any(|(joined, _)| *joined == room) {
            return;
        }
        let tag = self.tag(room, len);
        self.pending.push_back(tag);
        let text = self.said(tag);
        if in_fragments {
            let (first, rest) = text.as_bytes().split_at(text.len() / 2);
            wire::encode(TEXT, first, &mut self.outbox);
            self.pings += 1;
            wire::encode(FIN | PING, &self.pings.to_be_bytes(), &mut self.outbox);
            wire::encode(FIN, rest, &mut self.outbox);
        } else {
            self.send(TEXT, text.as_bytes());
        }
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) {
        if self.is_deflated && opcode == TEXT {
            wire::encode(FIN | RSV1 | TEXT, &wire::deflate(payload), &mut self.outbox);
        } else {
            wire::encode(FIN | opcode, payload, &mut self.outbox);
        }
    }

    fn misbehave(&mut self, misconduct: Misconduct) {
        let out = &mut self.outbox;
        match misconduct {
            Misconduct::Unmasked => out.extend_from_slice(&[FIN | TEXT, 1, b'a']),
            Misconduct::Opcode => wire::encode(FIN | 3, b"", out),
            Misconduct::Utf8 => wire::encode(FIN | TEXT, b"\xC3\x28", out),
            Misconduct::BinaryInChat => wire::encode(FIN | BINARY, b"x", out),
            Misconduct::TooBig => wire::header(FIN | TEXT, 1 << 30, out),
            Misconduct::HalfCode => wire::encode(FIN | CLOSE, b"\x03", out),
            Misconduct::Unfinished => wire::encode(TEXT, b"begun", out),
            Misconduct::Deflate => wire::encode(FIN | RSV1 | TEXT, b"\xFF\xFF\xFF\xFF", out),
        }
        self.misconduct = Some(misconduct);
    }

    /// The close code that its misconduct leads to.
    fn deserved(&self) -> Option<u16> {
        Some(match self.misconduct? {
            Misconduct::Unmasked | Misconduct::Opcode | Misconduct::HalfCode => 1002,
            Misconduct::Utf8 => 1007,
            Misconduct::BinaryInChat => 1003,
            Misconduct::TooBig => 1009,
            Misconduct::Unfinished => 1008,
            Misconduct::Deflate if self.is_deflated => 1007,
            Misconduct::Deflate => 1002,
        })
    }

    fn leave(&mut self, end: End, world: &mut World) {
        self.has_ended = true;
        if let Some(pipe) = self.pipe {
            world.end(pipe, end);
        }
        if end == End::Reset {
            self.phase = Phase::Over;
        }
    }

    /// Reads, answers, and sends what waits.
    pub fn look(&mut self, world: &mut World) {
        let Some(pipe) = self.pipe else { return };
        if self.is_deaf || self.phase == Phase::Over {
            return;
        }
        world.receive(pipe, self.manner.reads, &mut self.inbox);
        if let Err(what) = self.take_in(world) {
            self.blame(&what, world);
            self.inbox.clear();
        }
        self.flush(world);
        let socket = &world.pipes[pipe];
        if !socket.to_client.is_empty() {
            world.on_bytes_for(self.id);
        } else if socket.server_end != End::Open {
            let phase = std::mem::replace(&mut self.phase, Phase::Over);
            world.note(|| format!("client {} sees the end", self.id));
            if let Err(what) = self.check_end(phase, world) {
                self.blame(&what, world);
            }
            world.end(pipe, End::Finished);
        }
    }

    fn blame(&self, what: &str, world: &mut World) {
        world.fail(format!("client {} ({:?}): {what}", self.id, self.manner.kind));
    }

    fn flush(&mut self, world: &mut World) {
        let Some(pipe) = self.pipe.filter(|_| !self.outbox.is_empty() && !self.has_ended) else { return };
        let len = self.outbox.len().min(self.manner.piece);
        let sent = world.send(pipe, &self.outbox[..len]);
        self.outbox.drain(..sent);
        if sent < len {
            world.ears[self.id].waits_to_send = true;
        } else if !self.outbox.is_empty() {
            let at = world.now + self.manner.piece_pause;
            world.schedule(at, super::system::Event::Wake(self.id));
        }
    }

    fn take_in(&mut self, world: &mut World) -> Result<(), String> {
        let inbox = std::mem::take(&mut self.inbox);
        let mut rest = &inbox[..];
        while !rest.is_empty() {
            let taken = if self.phase == Phase::Head {
                self.take_response(rest, world)?
            } else {
                match wire::decode(rest)? {
                    Some(frame) => {
                        self.take_frame(frame.first, &rest[frame.begin..frame.end], world)?;
                        frame.end
                    }
                    None => 0,
                }
            };
            if taken == 0 {
                break;
            }
            rest = &rest[taken..];
        }
        self.inbox = rest.to_vec();
        Ok(())
    }

    /// Returns the length of the response, or 0 if it is incomplete.
    fn take_response(&mut self, bytes: &[u8], world: &mut World) -> Result<usize, String> {
        let head = &bytes[..bytes.len().min(4096)];
        let head = std::str::from_utf8(head)
            .unwrap_or_else(|error| std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default());
        let Some(end) = head.find("\r\n\r\n") else { return Ok(0) };
        let head = &head[..end + 4];
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
        if status == "101" {
            if self.manner.kind == Kind::Http {
                return Err("upgraded without being asked".to_owned());
            }
            self.phase = Phase::Open;
            self.is_deflated = head.to_ascii_lowercase().contains("permessage-deflate");
            if self.is_deflated && !self.manner.deflate {
                return Err("compression that was not offered".to_owned());
            }
            return Ok(head.len());
        }
        let lower = head.to_ascii_lowercase();
        let field = lower.find("content-length: ").map(|at| &lower[at + 16..]);
        let len: usize = field.and_then(|rest| rest.split('\r').next()?.parse().ok()).unwrap_or(0);
        if bytes.len() < head.len() + len {
            return Ok(0);
        }
        let body = &bytes[head.len()..head.len() + len];
        self.answered += 1;
        match (status, self.awaited.pop_front()) {
            ("503" | "429", _) if world.checker.may_refuse => {}
            ("200", Some(Page::Health)) if body == b"ok\n" => {}
            ("200", Some(Page::Index)) => world.checker.see_page(len)?,
            ("404", Some(Page::Missing)) => {}
            ("408", _) if !self.outbox.is_empty() => {}
            (_, page) => return Err(format!("status {status} for {page:?}, with {len} bytes")),
        }
        Ok(head.len() + len)
    }

    fn take_frame(&mut self, first: u8, payload: &[u8], world: &mut World) -> Result<(), String> {
        if let Some(code) = self.got_close {
            return Err(format!("a frame {first:#04x} after the close frame with {code}"));
        }
        match first & 0x0F {
            PING => {
                if !self.manner.is_silent {
                    let payload = payload.to_vec();
                    self.send(PONG, &payload);
                }
                Ok(())
            }
            PONG => {
                let number = payload.try_into().map(u32::from_be_bytes).unwrap_or(0);
                // While output waits, the newest ping is answered first, and may pass the answers to earlier ones.
                if number == 0 || number > self.pings {
                    return Err(format!("pong {number} after {} pings", self.pings));
                }
                Ok(())
            }
            CLOSE => self.on_close(payload, world),
            _ if first & RSV1 != 0 && !self.is_deflated => Err("compressed without agreement".to_owned()),
            _ => {
                let inflated = if first & RSV1 == 0 { payload.to_vec() } else { wire::inflate(payload)? };
                let text = String::from_utf8(inflated).map_err(|error| error.to_string())?;
                world.note(|| format!("client {} hears {}", self.id, &text[..text.len().min(120)]));
                self.hear(&text, world)
            }
        }
    }

    fn on_close(&mut self, payload: &[u8], world: &mut World) -> Result<(), String> {
        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
        world.note(|| format!("client {} is closed with {code} {reason:?}", self.id));
        self.got_close = Some(code);
        if !self.sent_close {
            self.outbox.clear();
            self.send(CLOSE, &payload[..payload.len().min(2)]);
        }
        let is_deserved = match code {
            1000 => self.sent_close,
            // A ping may lie long in the buffer of a slow reader.
            1001 => world.checker.is_shut_down || self.manner.is_silent || self.manner.is_slow,
            1013 => self.manner.is_slow,
            code => self.deserved() == Some(code),
        };
        if !is_deserved {
            return Err(format!("closed with {code} ({reason}); misconduct: {:?}", self.misconduct));
        }
        if code == 1000 && self.is_honest() && !self.is_gapped && !self.pending.is_empty() {
            return Err(format!("closed, and its own {:?} never came back", self.pending));
        }
        Ok(())
    }

    fn hear(&mut self, text: &str, world: &mut World) -> Result<(), String> {
        match self.manner.kind {
            Kind::Json => self.hear_json(text, world),
            Kind::Lines => {
                if let Some((_, said)) = text.split_once(" say: ").filter(|(_, said)| *said != "Logout") {
                    return self.hear_tag(Tag::of(said)?, world);
                }
                self.hear_notice(text, world)
            }
            Kind::Html => {
                if let Some((_, said)) = text.split_once("<span class=\"text\">") {
                    return self
                        .hear_tag(Tag::of(said.strip_suffix("</span></div>").unwrap_or(said))?, world);
                }
                let notice = text.strip_prefix("<div class=\"notice\">").unwrap_or(text);
                self.hear_notice(notice, world)
            }
            Kind::Raw => {
                let tag = Tag::of(text)?;
                if self.manner.is_observer {
                    world.checker.append(tag.room, tag)?;
                }
                self.hear_tag(tag, world)
            }
            Kind::Echo => match self.pending.pop_front() {
                Some(tag) if tag.text() == text => Ok(()),
                other => Err(format!("an echo of {:?} where {other:?} is due", &text[..text.len().min(40)])),
            },
            Kind::Http => Err("a message for a client of HTTP".to_owned()),
        }
    }

    fn hear_notice(&mut self, text: &str, world: &mut World) -> Result<(), String> {
        if let Some(rest) = text.strip_prefix("… ") {
            if !world.checker.drops {
                return Err(format!("a gap without --slow drop: {text}"));
            }
            let count = rest.split(' ').next().and_then(|count| count.parse().ok());
            self.is_gapped = true;
            self.heard.push(Heard::Gap(count.ok_or("a gap without a number")?));
        }
        Ok(())
    }

    /// Notes a text in a format without offsets.
    fn hear_tag(&mut self, tag: Tag, world: &mut World) -> Result<(), String> {
        if tag.room != self.manner.room {
            return Err(format!("hears a room that it is not in: {tag:?}"));
        }
        world.checker.heard += 1;
        self.heard.push(Heard::Text(tag));
        self.settle(tag, world)
    }

    /// A text came; if it is its own, it must be the first of those that have not come back.
    fn settle(&mut self, tag: Tag, world: &World) -> Result<(), String> {
        if tag.client != self.id {
            return Ok(());
        }
        let index = self.pending.iter().position(|pending| *pending == tag);
        let index = index.ok_or_else(|| format!("its own {tag:?} came back twice"))?;
        let skips = self.pending.iter().take(index).any(|pending| pending.room == tag.room);
        if skips && !(world.checker.drops && self.manner.is_slow) {
            return Err(format!("its own {tag:?} came back before those said earlier"));
        }
        let (mut at, room) = (0, tag.room);
        self.pending.retain(|pending| {
            at += 1;
            at > index + 1 || pending.room != room
        });
        Ok(())
    }

    fn hear_json(&mut self, text: &str, world: &mut World) -> Result<(), String> {
        let kind = text.strip_prefix("{\"type\":\"").and_then(|rest| rest.split('"').next()).unwrap_or("");
        let room = wire::string(text, "room").and_then(|room| room.strip_prefix('r')?.parse::<u8>().ok());
        let number = |field| wire::number(text, field).ok_or_else(|| format!("no {field} in {text}"));
        match (kind, room) {
            ("message", Some(room)) => {
                let offset = number("offset")?;
                let due = self.rooms.iter_mut().find(|(joined, _)| *joined == room);
                let Some((_, due)) = due else {
                    return Err(format!("hears room {room}, which it is not in"));
                };
                if *due != offset {
                    return Err(format!("offset {offset} of room {room} where {due} is due"));
                }
                *due += 1;
                let tag = Tag::of(wire::string(text, "text").unwrap_or_default())?;
                world.checker.see(room, offset, tag)?;
                self.settle(tag, world)
            }
            ("joined", Some(room)) => {
                world.checker.see_epoch(room, wire::string(text, "epoch").unwrap_or_default())?;
                let offset = number("offset")?;
                let mut last = 0;
                for message in text.split("{\"type\":\"message\"").skip(1) {
                    let at = wire::number(message, "offset").unwrap_or(0);
                    if last > 0 && at != last + 1 {
                        return Err(format!("the history has {at} after {last}"));
                    }
                    last = at;
                    world.checker.see(
                        room,
                        at,
                        Tag::of(wire::string(message, "text").unwrap_or_default())?,
                    )?;
                }
                if last > 0 && last != offset {
                    return Err(format!("the history ends at {last}, and the room at {offset}"));
                }
                let known = self.rooms.iter().position(|(joined, _)| *joined == room);
                if let Some(known) = known {
                    let (_, due) = self.rooms.remove(known);
                    if due != offset + 1 && !(world.checker.drops && self.manner.is_slow && due <= offset) {
                        return Err(format!("joined again at {offset} where {due} is due"));
                    }
                    self.is_gapped |= due != offset + 1;
                }
                self.rooms.push((room, offset + 1));
                Ok(())
            }
            ("left", Some(room)) => {
                self.rooms.retain(|(joined, _)| *joined != room);
                Ok(())
            }
            ("gap", Some(room)) => {
                let (from, to) = (number("from")?, number("to")?);
                let due = self.rooms.iter_mut().find(|(joined, _)| *joined == room);
                let Some((_, due)) = due else { return Err(format!("a gap in room {room}")) };
                if !world.checker.drops || *due != from || to < from {
                    return Err(format!("a gap from {from} to {to} where {due} is due"));
                }
                *due = to + 1;
                self.is_gapped = true;
                Ok(())
            }
            ("error", _) => {
                let serial = wire::string(text, "id").and_then(|id| id.parse::<usize>().ok());
                let before = self.pending.len();
                self.pending.retain(|tag| Some(tag.serial) != serial);
                if serial.is_some() && self.pending.len() == before {
                    return Err(format!("an error for what it did not say, or was answered: {text}"));
                }
                Ok(())
            }
            ("pong", _) => {
                let before = self.asked.pop_front().ok_or("a pong event without a ping")?;
                match self.pending.iter().find(|tag| tag.serial <= before) {
                    Some(tag) if !(self.is_gapped || world.checker.drops && self.manner.is_slow) => {
                        Err(format!("an answer passed {tag:?}, which was said before it was asked for"))
                    }
                    _ => Ok(()),
                }
            }
            ("welcome" | "join" | "leave" | "nick" | "online" | "who", _) => Ok(()),
            _ => Err(format!("an unknown event: {text}")),
        }
    }

    /// Checks whether a connection may end like this that was in this phase.
    fn check_end(&self, phase: Phase, world: &World) -> Result<(), String> {
        if !self.is_honest() || self.got_close.is_some() || world.checker.is_shut_down {
            return Ok(());
        }
        match phase {
            Phase::Head if world.checker.may_refuse => Ok(()),
            Phase::Head
                if self.manner.kind == Kind::Http && (self.answered > 0 || self.awaited.is_empty()) =>
            {
                Ok(())
            }
            phase => Err(format!("the server ended the connection without a word ({phase:?})")),
        }
    }

    /// Checks, when all is quiet, that everything has reached it.
    pub fn check_caught_up(&self, world: &World) -> Result<(), String> {
        if self.phase == Phase::Head && self.manner.kind != Kind::Http && self.is_honest() {
            return Err("its handshake was never answered".to_owned());
        }
        if self.phase != Phase::Open
            || self.is_deaf
            || self.got_close.is_some()
            || self.sent_close
            || self.has_ended
        {
            return Ok(());
        }
        if self.misconduct.is_some() || self.manner.is_silent {
            return Ok(());
        }
        if !self.is_gapped && !self.pending.is_empty() {
            return Err(format!("its own {:?} never came back", self.pending));
        }
        for (room, due) in &self.rooms {
            let last = world.checker.last(*room);
            if *due != last + 1 {
                return Err(format!("stands before {due} of room {room}, which has {last}"));
            }
        }
        let end = self.check_heard(world)?;
        let last = world.checker.last(self.manner.room) as usize;
        let tells = self.manner.kind != Kind::Raw || !world.checker.drops;
        match end {
            Some(end) if end != last && tells => {
                Err(format!("heard up to {end} of room {}, which has {last}", self.manner.room))
            }
            _ => Ok(()),
        }
    }

    /// Checks what it heard without offsets.
    pub fn check_heard(&self, world: &World) -> Result<Option<usize>, String> {
        let tells = self.manner.kind != Kind::Raw || !world.checker.drops;
        world.checker.check_part(self.manner.room, &self.heard, tells)
    }
}
