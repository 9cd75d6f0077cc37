//! The application: routes requests, passes messages on to the chat, and turns what the chat sends into frames.

mod host;
mod origin;

pub use host::AllowedHost;
pub use origin::AllowedOrigin;

use crate::chat::{
    Channel, ClientId, Dismissal, Entry, Excess, Format, Hub, Now, Outbox, Payload, Resume, RoomId, Run,
};
use crate::http::{Site, decoded, is_healthz};
use crate::net::{Answer, App, Cause, ConnId, GroupId, Missed, Outbound, Socket};
use crate::rate::{Bucket, Clock, Rate};
use crate::ws::deflate::INFLATER_SIZE;
use crate::ws::handshake::{self, Accepted};
use crate::ws::head::{Request, Response};
use crate::ws::{CloseCode, Encoder, Form, Message, Opcode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::time::Instant;

/// Characters of a message or a header field that are logged.
const LOGGED: usize = 200;
/// The room of those who name none.
const LOBBY: &str = "lobby";
/// Subprotocols and the formats that they stand for.
const SUBPROTOCOLS: [(&str, Format); 2] = [("throng.v1", Format::Json), ("chat", Format::Lines)];

/// Settings that are limits neither of the loop nor of chat.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Hosts that requests may ask for; any if there are none.
    pub hosts: Vec<AllowedHost>,
    /// Origins whose pages may connect, besides the server's own.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Whether `/echo` is served.
    pub echo: bool,
    /// Appended to each text that is echoed.
    pub echo_suffix: String,
    /// The formats in which chat is served.
    pub formats: Vec<Format>,
    /// Whether messages are compressed for those who offer to inflate them.
    pub deflate: bool,
    /// Memory for the contexts that clients may keep from one compressed message to the next, in bytes.
    pub deflate_contexts: usize,
    /// Limit on a message of chat in bytes; 0 turns it off.
    pub max_message: usize,
    /// Limit on a message that is echoed or relayed as it came, in bytes; 0 turns it off.
    pub max_echo_message: usize,
    /// Bytes a second that are echoed to one client, over time and at once; 0 turns the limit off.
    pub echo_rate: usize,
}

/// The application: chat, echo and the page.
pub struct Server {
    settings: Settings,
    site: Site,
    hub: Hub,
    clock: fn() -> Timestamp,
    echoed: String,
    echo_rate: Rate,
    rate_clock: Clock,
    /// Sessions whose client may keep its context.
    contexts: usize,
}

/// What is kept of a WebSocket connection.
#[derive(Debug)]
pub struct Session(State);

#[derive(Debug)]
enum State {
    /// Each message comes back.
    Echo {
        /// What is left of the bytes that may be echoed.
        left: Box<Bucket>,
        keeps_context: bool,
    },
    /// A member of chat that is not open yet, and what it asked for.
    Entering { wish: Box<Wish>, keeps_context: bool },
    /// A member of chat.
    Chat { keeps_context: bool },
}

impl Session {
    /// Whether the client may refer to earlier messages when it compresses one.
    fn keeps_context(&self) -> bool {
        match self.0 {
            State::Echo { keeps_context, .. }
            | State::Entering { keeps_context, .. }
            | State::Chat { keeps_context } => keeps_context,
        }
    }
}

/// The parameters of a request for a chat connection.
#[derive(Debug)]
struct Wish {
    room: String,
    format: Format,
    name: Option<String>,
    greet_with_uid: bool,
    resume: Option<(u64, String)>,
}

/// A path for WebSocket connections.
#[derive(Debug, PartialEq, Eq)]
enum Route<'r> {
    Echo,
    Chat {
        /// Still percent-encoded.
        room: &'r str,
        /// The format of those that name none.
        default: Format,
    },
}

impl<'r> Route<'r> {
    /// Returns `None` for the path of a page.
    fn of(request: &Request<'r>) -> Option<Route<'r>> {
        let mut segments = request.segments();
        let (first, second) = (segments.next(), segments.next());
        if segments.next().is_some() {
            return None;
        }
        let Some(first) = first else {
            let is_chat = handshake::wants_websocket(request);
            return is_chat.then_some(Route::Chat { room: LOBBY, default: Format::Lines });
        };
        match (&*decoded(first)?, second) {
            ("chat", room) => Some(Route::Chat { room: room.unwrap_or(LOBBY), default: Format::Json }),
            ("echo" | "chatsocket", None) => Some(Route::Echo),
            _ => None,
        }
    }
}

impl Server {
    /// Creates a server that takes the time of day from `clock`.
    pub fn new(settings: Settings, site: Site, hub: Hub, clock: fn() -> Timestamp) -> Server {
        let echo_rate = Rate::new(settings.echo_rate as u64, settings.echo_rate as u64);
        let rate_clock = Clock::default();
        Server { settings, site, hub, clock, echoed: String::new(), echo_rate, rate_clock, contexts: 0 }
    }

    fn now<T: Socket>(&self, out: &Outbound<T>) -> Now {
        Now { instant: out.now(), time: (self.clock)() }
    }

    /// Answers a request; an error is a refusal.
    fn answer<T: Socket>(
        &self,
        request: &Request<'_>,
        out: &mut Outbound<T>,
    ) -> Result<Answer<Session>, Response> {
        self.check_host(request, out)?;
        let route = match request.method {
            "GET" | "HEAD" => Route::of(request),
            _ => None,
        };
        let Some(route) = route else { return Ok(Answer::Reply(self.site.answer(request))) };
        let key = handshake::check(request).map_err(|refusal| refusal.response())?;
        self.check_origin(request, out)?;
        let deflate =
            handshake::deflate(request, self.has_room_for_context()).map_err(|refusal| refusal.response())?;
        let deflate = deflate.filter(|_| self.settings.deflate);
        let keeps_context = deflate.is_some_and(|agreed| !agreed.client_no_context_takeover);
        let Route::Chat { room, default } = route else {
            if !self.settings.echo {
                return Err(Response::text(404, "This server does not echo; its --echo is off."));
            }
            let accepted = Accepted { key, subprotocol: None, deflate };
            return Ok(Answer::Upgrade {
                accepted,
                max_message: self.settings.max_echo_message,
                session: Session(State::Echo { left: Box::default(), keeps_context }),
            });
        };
        let (wish, subprotocol) =
            self.wish(request, room, default).map_err(|why| Response::text(400, why))?;
        let max_message = match wish.format {
            Format::Raw => self.settings.max_echo_message,
            Format::Json | Format::Lines | Format::Html => self.settings.max_message,
        };
        let accepted = Accepted { key, subprotocol, deflate };
        // A browser keeps the status of a refused handshake to itself, so `json` clients are closed once they are open.
        if !self.serves(wish.format) && wish.format != Format::Json {
            return Err(Response::text(404, self.unserved(wish.format)));
        }
        let session = Session(State::Entering { wish: Box::new(wish), keeps_context });
        Ok(Answer::Upgrade { accepted, max_message, session })
    }

    fn echo<T: Socket>(&mut self, conn: ConnId, message: &Message<'_>, out: &mut Outbound<T>) {
        match message {
            Message::Text(text) if !self.settings.echo_suffix.is_empty() => {
                self.echoed.clear();
                self.echoed.push_str(text);
                self.echoed.push_str(&self.settings.echo_suffix);
                out.send(conn, Opcode::Text, self.echoed.as_bytes());
            }
            message => out.send(conn, message.opcode(), message.payload()),
        }
    }

    /// Whether another message may be echoed, which is then charged.
    fn may_echo(&mut self, left: &mut Bucket, message: &Message<'_>, now: Instant) -> bool {
        let now = self.rate_clock.nanos(now);
        let is_allowed = self.echo_rate.allows(*left, now);
        self.echo_rate.charge(left, now, message.payload().len() as u64);
        is_allowed
    }

    fn serves(&self, format: Format) -> bool {
        self.settings.formats.contains(&format)
    }

    fn unserved(&self, format: Format) -> String {
        let served: Vec<&str> = self.settings.formats.iter().map(|format| format.name()).collect();
        format!(
            "This server does not serve the format {}; its --formats are {}.",
            format.name(),
            served.join(",")
        )
    }

    fn dated(&self, response: Response) -> Response {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&(self.clock)());
        response.with("Date", date.unwrap_or_default())
    }

    fn has_room_for_context(&self) -> bool {
        self.contexts < self.settings.deflate_contexts / INFLATER_SIZE
    }

    /// Reads what a chat connection asks for, and which subprotocol is answered.
    fn wish(
        &self,
        request: &Request<'_>,
        room: &str,
        default: Format,
    ) -> Result<(Wish, Option<&'static str>), String> {
        let room = decoded(room).ok_or("The room's name is not UTF-8.")?.into_owned();
        let mut wish = Wish { room, format: default, name: None, greet_with_uid: false, resume: None };
        let (mut since, mut epoch) = (None, None);
        for (name, value) in form_urlencoded::parse(request.query().as_bytes()) {
            match &*name {
                "format" => {
                    wish.format =
                        Format::parse(&value).ok_or("The format is one of json, lines, html and raw.")?;
                }
                "name" => wish.name = Some(value.into_owned()),
                "greeting" => wish.greet_with_uid = value == "uid",
                "since" => since = value.parse().ok(),
                "epoch" => epoch = Some(value.into_owned()),
                _ => {}
            }
        }
        wish.resume = since.zip(epoch);
        let offered = request.list("sec-websocket-protocol");
        let chosen =
            offered.filter_map(|name| SUBPROTOCOLS.into_iter().find(|(known, _)| *known == name)).next();
        if let Some((_, format)) = chosen {
            wish.format = format;
        }
        // A `json` client gets an error after the handshake, since browsers hide the status of a refused one.
        if wish.format != Format::Json {
            self.hub.check_room(&wish.room)?;
        }
        Ok((wish, chosen.map(|(name, _)| name)))
    }

    /// Refuses a request for a host that is not allowed, which protects against DNS rebinding: a page whose own name
    /// resolves to this server. Health checks are exempt, since they may know only the server's address.
    fn check_host<T: Socket>(&self, request: &Request<'_>, out: &mut Outbound<T>) -> Result<(), Response> {
        let hosts = &self.settings.hosts;
        let is_allowed = |host: &str| hosts.iter().any(|allowed| allowed.allows(host));
        let host = request.host();
        if hosts.is_empty() || host.is_none_or(is_allowed) || is_healthz(request) {
            return Ok(());
        }
        out.count_shed_with(Cause::Host, || {
            format!("refused a request for host {}: --host names the hosts that are allowed", Sent(host))
        });
        Err(Response::text(
            421,
            "This server does not serve the host of the request; its --host can allow it.",
        ))
    }

    /// Refuses an opening handshake by a page that is neither the server's own nor allowed.
    fn check_origin<T: Socket>(&self, request: &Request<'_>, out: &mut Outbound<T>) -> Result<(), Response> {
        let Err(origin::Refused(origin)) = origin::check(request, &self.settings.allowed_origins) else {
            return Ok(());
        };
        let cure = match origin {
            Some(origin) if origin.len() <= LOGGED && origin.parse::<AllowedOrigin>().is_ok() => {
                format!("--allow-origin {}", origin.to_ascii_lowercase())
            }
            _ => "--allow-origin".to_owned(),
        };
        out.count_shed_with(Cause::Origin, || {
            format!(
                "refused a page of origin {} that asked for host {}: {cure} allows it; if it is the server's own page \
                 behind a proxy, have the proxy pass on the Host header",
                Sent(origin),
                Sent(request.host())
            )
        });
        Err(Response::text(
            403,
            format_args!("Pages of this origin may not connect; the server's {cure} allows them."),
        ))
    }
}

/// A header field's value for the log: quoted, so that it cannot forge a line, and cut.
struct Sent<'s>(Option<&'s str>);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.0 else { return f.write_str("(none or several)") };
        let end = value.char_indices().nth(LOGGED).map_or(value.len(), |(index, _)| index);
        write!(f, "{:?}{}", &value[..end], if end < value.len() { "…" } else { "" })
    }
}

/// What the log says about a handshake that is refused.
fn refused_handshake(request: &Request<'_>, response: &Response) -> String {
    let why = response.line();
    format!("refused a WebSocket handshake with {}: {why} (path {:?})", response.status, request.path())
}

impl<T: Socket> App<T> for Server {
    type Session = Session;

    fn on_request(&mut self, conn: ConnId, request: &Request<'_>, out: &mut Outbound<T>) -> Answer<Session> {
        let answer = self.answer(request, out).unwrap_or_else(|response| {
            // Refused hosts and origins are counted as such.
            if !matches!(response.status, 403 | 421) {
                out.count_shed_with(Cause::Handshake, || refused_handshake(request, &response));
            }
            Answer::Reply(response)
        });
        let status = match &answer {
            Answer::Upgrade { .. } => 101,
            Answer::Reply(response) => response.status,
        };
        // Without the query, which may hold a secret.
        log::debug!(connection = conn.generation, status; "{conn}: {} {:?} → {status}", request.method, request.path());
        match answer {
            Answer::Reply(response) => Answer::Reply(self.dated(response)),
            upgrade => upgrade,
        }
    }

    fn on_refused(&mut self, request: &Request<'_>) -> Option<Response> {
        let response = self.site.answer_health_check(request)?;
        Some(self.dated(response))
    }

    fn on_open(&mut self, conn: ConnId, session: &mut Session, out: &mut Outbound<T>) {
        let keeps_context = session.keeps_context();
        self.contexts += usize::from(keeps_context);
        if let State::Echo { .. } = session.0 {
            return;
        }
        let State::Entering { wish, .. } = mem::replace(&mut session.0, State::Chat { keeps_context }) else {
            return;
        };
        if !self.serves(wish.format) {
            return out.close(conn, CloseCode::POLICY, &self.unserved(wish.format));
        }
        let entry = Entry {
            room: &wish.room,
            format: wish.format,
            name: wish.name.as_deref(),
            greet_with_uid: wish.greet_with_uid,
            resume: wish.resume.as_ref().map(|(since, epoch)| Resume { since: *since, epoch }),
        };
        self.hub.enter(client(conn), &entry, self.now(out), &mut Frames(out));
    }

    fn on_message(
        &mut self,
        conn: ConnId,
        session: &mut Session,
        message: &Message<'_>,
        out: &mut Outbound<T>,
    ) {
        log::trace!(connection = conn.generation; "{conn}: {}", Logged(message));
        match &mut session.0 {
            State::Chat { .. } | State::Entering { .. } => {
                let payload = match message {
                    Message::Text(text) => Payload::Text(text),
                    Message::Binary(bytes) => Payload::Binary(bytes),
                };
                self.hub.receive(client(conn), payload, self.now(out), &mut Frames(out));
            }
            State::Echo { left, .. } => {
                if !self.may_echo(left, message, out.now()) {
                    out.count_shed(Cause::RateClosed);
                    let (per_second, _) = self.echo_rate.limits();
                    let why = format!("Too many bytes to echo: the limit is {per_second} a second");
                    return out.close(conn, CloseCode::POLICY, &why);
                }
                self.echo(conn, message, out);
            }
        }
    }

    fn on_caught_up(&mut self, conn: ConnId, _: &mut Session, missed: &[Missed], out: &mut Outbound<T>) {
        for Missed { group, position } in missed {
            self.hub.catch_up(client(conn), room(*group), *position, &mut Frames(out));
        }
    }

    fn on_close(&mut self, conn: ConnId, session: Session, out: &mut Outbound<T>) {
        self.contexts -= usize::from(session.keeps_context());
        if let State::Chat { .. } = session.0 {
            self.hub.exit(client(conn), self.now(out), &mut Frames(out));
        }
    }

    fn due(&self) -> Option<Instant> {
        self.hub.due()
    }

    fn on_due(&mut self, out: &mut Outbound<T>) {
        self.hub.tick(self.now(out), &mut Frames(out));
    }
}

const _: () = assert!(Form::ALL.len() == Run::ENCODINGS, "a run keeps an encoding for each form");

/// Chat's output as frames. A client is named as its connection is, and a channel as its group.
struct Frames<'a, T>(&'a mut Outbound<T>);

impl<T: Socket> Outbox for Frames<'_, T> {
    fn send(&mut self, to: ClientId, payload: Payload<'_>) {
        let (opcode, bytes) = frame(payload);
        self.0.send(conn(to), opcode, bytes);
    }

    fn send_around(&mut self, to: ClientId, before: &str, runs: &mut [Run], after: &str) {
        self.0.send_frames(conn(to), |encoder, form, out| {
            let mut parts = Vec::new();
            encoder.encode_part(form, before.as_bytes(), &mut parts);
            for (index, run) in runs.iter_mut().enumerate() {
                if index > 0 {
                    encoder.encode_part(form, b",", &mut parts);
                }
                parts.extend_from_slice(match form {
                    Form::Plain => run.text().as_bytes(),
                    _ => run.encoding(form as usize, |run, out| {
                        encoder.encode_part(form, run.text().as_bytes(), out)
                    }),
                });
            }
            encoder.encode_part(form, after.as_bytes(), &mut parts);
            Encoder::join(form, Opcode::Text, &parts, out);
        });
    }

    fn send_each(&mut self, to: ClientId, run: &mut Run) {
        self.0.send_frames(conn(to), |encoder, form, out| {
            out.extend_from_slice(run.encoding(form as usize, |run, out| {
                run.messages().for_each(|text| encoder.encode(form, Opcode::Text, text.as_bytes(), out));
            }));
        });
    }

    fn publish(&mut self, to: Channel, since: u64, payload: Payload<'_>) {
        let (opcode, bytes) = frame(payload);
        self.0.publish(group(to), since, opcode, bytes);
    }

    fn subscribe(&mut self, client: ClientId, to: Channel) {
        self.0.subscribe(conn(client), group(to));
    }

    fn unsubscribe(&mut self, client: ClientId, from: Channel) {
        self.0.unsubscribe(conn(client), group(from));
    }

    fn dismiss(&mut self, client: ClientId, why: Dismissal) {
        if let Dismissal::RateLimited { .. } = why {
            self.0.count_shed(Cause::RateClosed);
        }
        let code = match why {
            Dismissal::Logout => CloseCode::NORMAL,
            Dismissal::BinaryUnsupported => CloseCode::UNSUPPORTED,
            Dismissal::RateLimited { excess: Excess::Room, .. } => CloseCode::TRY_AGAIN_LATER,
            Dismissal::RateLimited { .. } => CloseCode::POLICY,
            Dismissal::RoomsFull => CloseCode::TRY_AGAIN_LATER,
        };
        self.0.close(conn(client), code, &why.to_string());
    }

    fn note_rate_limited(&mut self, excess: Excess) {
        self.0.count_shed(match excess {
            Excess::Messages => Cause::Rate,
            Excess::Bytes => Cause::ByteRate,
            Excess::FanOut => Cause::FanOutRate,
            Excess::Room => Cause::RoomRate,
        });
    }
}

fn client(ConnId { slot, generation }: ConnId) -> ClientId {
    ClientId { slot, generation }
}

fn conn(ClientId { slot, generation }: ClientId) -> ConnId {
    ConnId { slot, generation }
}

fn group(channel: Channel) -> GroupId {
    GroupId((channel.room.index() * Format::ALL.len() + channel.format as usize) as u32)
}

/// Whose group it is.
fn room(GroupId(group): GroupId) -> RoomId {
    RoomId::at(group / Format::ALL.len() as u32)
}

fn frame<'p>(payload: Payload<'p>) -> (Opcode, &'p [u8]) {
    match payload {
        Payload::Text(text) => (Opcode::Text, text.as_bytes()),
        Payload::Binary(bytes) => (Opcode::Binary, bytes),
    }
}

/// A message as it stands in the log: quoted, so that it cannot forge a line, and cut.
struct Logged<'m>(&'m Message<'m>);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.payload().len();
        let (kind, start): (_, Cow<'_, str>) = match self.0 {
            Message::Text(text) => {
                let end = text.char_indices().nth(LOGGED).map_or(len, |(index, _)| index);
                ("text", Cow::Borrowed(&text[..end]))
            }
            Message::Binary(bytes) => ("binary", String::from_utf8_lossy(&bytes[..len.min(LOGGED)])),
        };
        let cut = if start.len() < len { "…" } else { "" };
        write!(f, "{kind} of {len} bytes: {start:?}{cut}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_message_is_quoted_and_cut_at_200_characters() {
        let text = Message::Text("a\n\"b\"".into());
        assert_eq!(Logged(&text).to_string(), r#"text of 5 bytes: "a\n\"b\"""#);
        let long = Message::Text("好".repeat(201).into());
        assert_eq!(Logged(&long).to_string(), format!("text of 603 bytes: {:?}…", "好".repeat(200)));
        let binary = Message::Binary(b"\xff\x00"[..].into());
        assert_eq!(Logged(&binary).to_string(), "binary of 2 bytes: \"\u{fffd}\\0\"");
    }
}
