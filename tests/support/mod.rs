//! A server of its own for each test, and peers that talk to it: by hand, byte for byte, or through tungstenite.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::client::Response;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// Longest wait for anything: far longer than anything takes, so that only what never comes fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command that runs `throng`.
pub fn throng() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_throng")))
}

/// Removes the settings that the environment of the tests may have, such as the THRONG_BIN of `tests/run`.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"THRONG_")) {
        command.env_remove(name);
    }
    command
}

/// A `throng serve` that is killed when the test ends.
pub struct Server {
    child: Child,
    log: Arc<Log>,
    pub addresses: Vec<SocketAddr>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Log {
    /// The lines so far, and whether no more will come; also after a test has failed while it looked at them.
    fn lock(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    pub fn start(flags: &[&str]) -> Server {
        Server::start_on(&["127.0.0.1:0"], flags)
    }

    /// Starts a server that listens on all these addresses.
    pub fn start_on(listen: &[&str], flags: &[&str]) -> Server {
        let mut command = throng();
        command.arg("serve").args(listen.iter().flat_map(|address| ["--listen", address])).args(flags);
        Server::launch(command, listen.len())
    }

    /// Runs a command that is, or becomes, a server, until it listens on that many addresses.
    pub fn launch(command: Command, listeners: usize) -> Server {
        let mut child = clean(command)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let writer = Arc::clone(&log);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                writer.lock().0.push(line);
                writer.changed.notify_all();
            }
            writer.lock().1 = true;
            writer.changed.notify_all();
        });
        let mut server = Server { child, log, addresses: Vec::new() };
        let lines = server.wait_for_logs("listening on http://", listeners);
        server.addresses = lines
            .iter()
            .map(|line| {
                let (_, address) = line.split_once("http://").unwrap();
                address.split([',', ' ']).next().unwrap().parse().unwrap()
            })
            .collect();
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The value of a `Host` header.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    /// A connection on which nothing has been sent.
    pub fn connect(&self) -> Raw {
        Raw::connect(self.address())
    }

    /// A connection on which this has been sent.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Raw {
        let mut raw = self.connect();
        raw.send(bytes);
        raw
    }

    /// The answer to one GET request on a connection of its own.
    pub fn get(&self, target: &str) -> Reply {
        self.send(get(target)).reply()
    }

    /// A hand-made WebSocket connection.
    pub fn open(&self, target: &str) -> Raw {
        self.connect().upgraded(target)
    }

    /// The same on a connection for whose test the system holds little that was not read.
    pub fn open_narrow(&self, target: &str) -> Raw {
        Raw::narrow(self.address()).upgraded(target)
    }

    /// A tungstenite client.
    pub fn ws(&self, target: &str) -> Client {
        self.ws_with(target, &[]).0
    }

    /// A tungstenite client with further header fields, and the server's answer.
    pub fn ws_with(&self, target: &str, fields: &[(&str, &str)]) -> (Client, Response) {
        Client::over(Raw::connect(self.address()).stream, &self.host(), target, fields)
    }

    /// The first line of the log that holds this, as soon as there is one.
    pub fn wait_for_log(&self, part: &str) -> String {
        self.wait_for_logs(part, 1).remove(0)
    }

    /// The lines of the log that hold this, as soon as there are that many.
    pub fn wait_for_logs(&self, part: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lock();
        loop {
            let found: Vec<String> = lines.0.iter().filter(|line| line.contains(part)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !lines.1, "no {part:?} in the log:\n{}", lines.0.join("\n"));
            lines = self.log.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.log.lock().0.join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory that the server has in use, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most memory that the server has had in use, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// CPU time that the server has used.
    pub fn cpu_time(&self) -> Duration {
        let statistics = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap();
        let nanos = statistics.split(' ').next().unwrap().parse().unwrap();
        Duration::from_nanos(nanos)
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends a signal, `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until the server has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    /// Whether it serves, and a stranger's echo is undisturbed.
    pub fn assert_well(&self) {
        assert_eq!(self.get("/healthz").status, 200);
        let mut client = self.ws("/echo");
        client.say("are you there?");
        assert_eq!(client.text(), "are you there?");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the server's log:\n{}\n---", self.log());
        }
    }
}

/// Waits until a process has ended by itself.
pub fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the process did not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A GET request.
pub fn get(target: &str) -> String {
    request("GET", target, "")
}

/// A request; `fields` are whole lines.
pub fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: throng.test\r\n{fields}\r\n")
}

/// An opening handshake.
pub fn handshake(target: &str) -> String {
    request("GET", target, HANDSHAKE)
}

/// The fields of an opening handshake, with the key of RFC 6455 §1.3.
pub const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;
pub const FIN: u8 = 0x80;
/// RSV1: the first frame of a compressed message.
pub const COMPRESSED: u8 = 0x40;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A whole masked frame; the first byte as it stands on the wire.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ MASK[index % 4]));
    frame
}

/// The header of a masked frame, mask included.
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..126 => header.push(0x80 | len as u8),
        126..65536 => {
            header.push(0x80 | 126);
            header.extend((len as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(len.to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}

/// A whole text message.
pub fn text(text: &str) -> Vec<u8> {
    frame(FIN | TEXT, text.as_bytes())
}

/// A close frame.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// A frame that the server sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Code and reason of a close frame.
    #[track_caller]
    pub fn close(&self) -> (u16, &str) {
        assert_eq!(self.first, FIN | CLOSE, "not a close frame: {self:?}");
        match &self.payload[..] {
            [] => (1005, ""),
            [high, low, reason @ ..] => {
                (u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason).expect("a reason is UTF-8"))
            }
            [_] => panic!("half a close code"),
        }
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        assert_eq!(self.first, FIN | TEXT, "not a text: {self:?}");
        std::str::from_utf8(&self.payload).expect("text is UTF-8")
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header field; there is at most one.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| &**value);
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The head of the response that `bytes` begin with, and what follows it.
    #[track_caller]
    pub fn split(bytes: &[u8]) -> (Reply, &[u8]) {
        let end = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole head") + 4;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let fields = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        });
        (Reply { status, fields: fields.collect(), body: Vec::new() }, &bytes[end..])
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts that this is a refusal that says why in one plain sentence.
    #[track_caller]
    pub fn assert_refusal(&self, status: u16) {
        let body = self.text();
        assert_eq!(self.status, status, "{body}");
        assert!(body.ends_with(".\n") && body.lines().count() == 1, "not one sentence: {body:?}");
        assert!(self.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{self:?}");
    }
}

/// A connection whose every byte is the test's own.
pub struct Raw {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Raw {
        Raw::over(TcpStream::connect(address).unwrap())
    }

    /// A connection for which the system holds little that was not read.
    pub fn narrow(address: SocketAddr) -> Raw {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Raw::over(socket.into())
    }

    fn over(stream: TcpStream) -> Raw {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream, received: Vec::new() }
    }

    #[track_caller]
    fn upgraded(mut self, target: &str) -> Raw {
        self.send(handshake(target));
        let reply = self.reply();
        assert_eq!(reply.status, 101, "{}", reply.text());
        self
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends in pieces of that many bytes, each a write of its own.
    #[track_caller]
    pub fn send_in_pieces(&mut self, bytes: impl AsRef<[u8]>, len: usize) {
        for piece in bytes.as_ref().chunks(len) {
            self.send(piece);
        }
    }

    /// Sends and lets the error be: the server may have gone already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn read_some(&mut self) -> io::Result<usize> {
        let mut piece = [0; 1 << 16];
        let len = self.stream.read(&mut piece)?;
        self.received.extend_from_slice(&piece[..len]);
        Ok(len)
    }

    /// Reads some more; `false` at the end.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        match self.read_some() {
            Ok(len) => len > 0,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.received)),
        }
    }

    #[track_caller]
    fn take(&mut self, len: usize) -> Vec<u8> {
        while self.received.len() < len {
            assert!(self.read_more(), "ended after {:?}", String::from_utf8_lossy(&self.received));
        }
        self.received.drain(..len).collect()
    }

    /// The next response, to a request that was no HEAD.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.reply_head();
        if !matches!(reply.status, 101 | 204 | 304) {
            let len = reply.field("content-length").expect("a length").parse().unwrap();
            reply.body = self.take(len);
        }
        reply
    }

    /// The head of the next response, to a HEAD request.
    #[track_caller]
    pub fn reply_head(&mut self) -> Reply {
        let end = loop {
            match self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => {
                    assert!(self.read_more(), "ended after {:?}", String::from_utf8_lossy(&self.received))
                }
            }
        };
        Reply::split(&self.take(end)).0
    }

    /// The next frame; its header must be as short as can be, and unmasked.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        let start = self.take(2);
        let len = match start[1] {
            len @ 0..126 => u64::from(len),
            126 => {
                let len = u16::from_be_bytes(self.take(2).try_into().unwrap());
                assert!(len >= 126);
                u64::from(len)
            }
            127 => {
                let len = u64::from_be_bytes(self.take(8).try_into().unwrap());
                assert!(len >= 65536);
                len
            }
            _ => panic!("the server masked a frame"),
        };
        Frame { first: start[0], payload: self.take(len as usize) }
    }

    /// The next frame; `None` if the connection ends before one.
    #[track_caller]
    pub fn try_frame(&mut self) -> Option<Frame> {
        (!self.received.is_empty() || self.read_more()).then(|| self.frame())
    }

    /// The next response; `None` if the connection ends before one.
    #[track_caller]
    pub fn try_reply(&mut self) -> Option<Reply> {
        (!self.received.is_empty() || self.read_more()).then(|| self.reply())
    }

    /// All that comes before the server ends the connection.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.received)
    }

    /// Asserts that the server ends the connection and sends nothing before.
    #[track_caller]
    pub fn assert_ends(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// The same, where the end must be none by a reset.
    #[track_caller]
    pub fn assert_ends_in_order(&mut self) {
        assert!(self.received.is_empty(), "{:?}", String::from_utf8_lossy(&self.received));
        match self.read_some() {
            Ok(0) => {}
            Ok(_) => panic!("{:?} came", String::from_utf8_lossy(&self.received)),
            Err(error) => panic!("ended by an error: {error}"),
        }
    }
}

/// A tungstenite client.
pub struct Client {
    pub socket: WebSocket<TcpStream>,
}

impl Client {
    /// Opens a WebSocket over a connection.
    #[track_caller]
    pub fn over(stream: TcpStream, host: &str, target: &str, fields: &[(&str, &str)]) -> (Client, Response) {
        let mut request = format!("ws://{host}{target}").into_client_request().unwrap();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let (socket, response) = tungstenite::client(request, stream).expect("a handshake");
        (Client { socket }, response)
    }

    #[track_caller]
    pub fn send(&mut self, message: Message) {
        self.socket.send(message).unwrap();
    }

    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    /// The next message that is no ping.
    #[track_caller]
    pub fn next(&mut self) -> Message {
        loop {
            match self.socket.read().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// The next message, which is text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        match self.next() {
            Message::Text(text) => text.to_string(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// What the server closes with; messages before it are passed over.
    #[track_caller]
    pub fn closed_with(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next() {
                let CloseFrame { code, reason } = frame.expect("a close code");
                // Answers it.
                while self.socket.read().is_ok() {}
                return (code.into(), reason.to_string());
            }
        }
    }

    /// The next object.
    #[track_caller]
    pub fn json(&mut self) -> serde_json::Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next object of that type; others before it are passed over.
    #[track_caller]
    pub fn json_of(&mut self, kind: &str) -> serde_json::Value {
        let mut passed = String::new();
        loop {
            let Message::Text(text) = self.next() else { panic!("no {kind} after {passed}") };
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            if value["type"] == kind {
                return value;
            }
            let _ = writeln!(passed, "{value}");
        }
    }
}
