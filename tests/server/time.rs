//! Time: a server that did not run for a while does not blame its peers for that.

use crate::support::{BINARY, FIN, PATIENCE, PING, PONG, Raw, Server, TEXT, frame, get, header, text};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use throng::net::{Answer, App, ConnId, EventLoop, Exit, Limits, Mio, Missed, Outbound, Socket, System};
use throng::ws::Message;
use throng::ws::handshake::{self, Accepted};
use throng::ws::head::{Request, Response};

/// More events than the loop takes from the system in its first poll.
const CROWD: usize = 1500;

/// A connection that answers pings when the test says so.
struct Member {
    raw: Raw,
    received: Vec<u8>,
    /// Pings that are not answered.
    unanswered: usize,
}

impl Member {
    fn new(server: &Server) -> Member {
        let raw = server.open("/echo");
        raw.stream.set_nonblocking(true).unwrap();
        Member { raw, received: Vec::new(), unanswered: 0 }
    }

    /// Takes the pings that have come; nothing else may.
    fn take_pings(&mut self) {
        let mut piece = [0; 64];
        loop {
            match self.raw.stream.read(&mut piece) {
                Ok(0) => panic!("closed by the server after {:?}", self.received),
                Ok(len) => self.received.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        while !self.received.is_empty() {
            assert_eq!(self.received[..2], [FIN | PING, 0], "no ping");
            self.received.drain(..2);
            self.unanswered += 1;
        }
    }

    fn answer_pings(&mut self) {
        for _ in 0..std::mem::take(&mut self.unanswered) {
            self.raw.stream.write_all(&frame(FIN | PONG, b"")).unwrap();
        }
    }
}

/// Stops a server for a while, in which `meanwhile` happens.
fn pause(server: &Server, length: Duration, meanwhile: impl FnOnce()) {
    let start = Instant::now();
    server.signal("STOP");
    meanwhile();
    thread::sleep(length.saturating_sub(start.elapsed()));
    server.signal("CONT");
}

fn raise_file_limit() {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(limit > 2 * CROWD as u64, "{limit} files are too few for this test");
}

#[test]
fn after_a_pause_nobody_is_closed_whose_pong_has_arrived() {
    raise_file_limit();
    let server = Server::start(&["--ping-after", "1s", "--pong-timeout", "3s"]);
    let mut crowd: Vec<Member> = Vec::new();
    while crowd.len() < CROWD {
        crowd.extend((0..50).map(|_| Member::new(&server)));
        for member in &mut crowd {
            member.take_pings();
            member.answer_pings();
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while crowd.iter().any(|member| member.unanswered == 0) {
        assert!(Instant::now() < deadline, "some are not pinged");
        crowd.iter_mut().for_each(Member::take_pings);
    }
    pause(&server, Duration::from_secs(5), || crowd.iter_mut().for_each(Member::answer_pings));
    server.wait_for_log("the server did not run for");
    for member in &mut crowd {
        member.raw.stream.set_nonblocking(false).unwrap();
        member.raw.send(text("here"));
    }
    for member in &mut crowd {
        loop {
            let received = member.raw.frame();
            if received.first == FIN | TEXT {
                break assert_eq!(received.text(), "here");
            }
            assert_eq!(received.first, FIN | PING, "{received:?}");
            member.raw.send(frame(FIN | PONG, b""));
        }
    }
}

#[test]
fn after_a_pause_every_request_that_has_arrived_is_answered() {
    raise_file_limit();
    let server =
        Server::start(&["--head-timeout", "3s", "--keep-alive-timeout", "5m", "--max-handshakes", "0"]);
    let mut crowd: Vec<Raw> = (0..CROWD).map(|_| server.connect()).collect();
    for raw in &mut crowd {
        raw.send(get("/healthz"));
        assert_eq!(raw.reply().status, 200);
    }
    let (begin, end) = ("GET /healthz HTTP/1.1\r\nHost: ", "throng.test\r\n\r\n");
    crowd.iter_mut().for_each(|raw| raw.send(begin));
    // It has begun to read them.
    assert_eq!(server.get("/healthz").status, 200);
    pause(&server, Duration::from_secs(5), || crowd.iter_mut().for_each(|raw| raw.send(end)));
    for raw in &mut crowd {
        assert_eq!(raw.reply().status, 200);
    }
}

#[test]
fn a_message_that_could_not_be_sent_during_a_pause_has_its_time_after_it() {
    const LEN: usize = 12 << 20;
    let server = Server::start(&["--message-timeout", "3s", "--max-echo-message", "13MiB"]);
    let mut raw = server.open("/echo");
    // Its beginning has been read when the ping between two fragments is answered.
    raw.send([frame(BINARY, b"begun"), frame(FIN | PING, b"read?")].concat());
    assert_eq!(raw.frame().payload, b"read?");
    let mut sender = raw.stream.try_clone().unwrap();
    sender.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut sending = None;
    pause(&server, Duration::from_secs(5), || {
        // More than the system buffers while the peer does not read.
        sending = Some(thread::spawn(move || {
            sender.write_all(&header(FIN, LEN as u64)).unwrap();
            sender.write_all(&vec![7; LEN]).unwrap();
        }));
    });
    assert_eq!(raw.frame().payload.len(), b"begun".len() + LEN);
    sending.unwrap().join().unwrap();
}

#[test]
fn a_reader_that_reads_after_a_pause_is_not_taken_for_a_slow_one() {
    let server = Server::start(&[
        "--high-water",
        "64KiB",
        "--high-water-timeout",
        "6s",
        "--stall-timeout",
        "6s",
        "--max-queue",
        "64MiB",
        "--max-echo-message",
        "1MiB",
        "--rate",
        "0",
    ]);
    let mut talker = server.open("/chat/den?format=raw");
    let mut reader = server.open_narrow("/chat/den?format=raw");
    let message = frame(FIN | BINARY, &[7; 512 << 10]);
    // More than the system holds for a reader.
    const MESSAGES: usize = 4;
    for _ in 0..MESSAGES {
        talker.send(&message);
        talker.frame();
    }
    pause(&server, Duration::from_secs(8), || {});
    for _ in 0..MESSAGES {
        assert_eq!(reader.frame().payload.len(), 512 << 10);
    }
    server.assert_well();
}

/// Notes the time at each call.
struct Times(mpsc::Sender<Instant>);

impl<T: Socket> App<T> for Times {
    type Session = ();

    fn on_request(&mut self, _: ConnId, request: &Request<'_>, out: &mut Outbound<T>) -> Answer<()> {
        let _ = self.0.send(out.now());
        let key = handshake::check(request).unwrap();
        let accepted = Accepted { key, subprotocol: None, deflate: None };
        Answer::Upgrade { accepted, max_message: 0, session: () }
    }

    fn on_refused(&mut self, _: &Request<'_>) -> Option<Response> {
        None
    }

    fn on_open(&mut self, _: ConnId, (): &mut (), out: &mut Outbound<T>) {
        let _ = self.0.send(out.now());
    }

    fn on_message(&mut self, conn: ConnId, (): &mut (), message: &Message<'_>, out: &mut Outbound<T>) {
        let _ = self.0.send(out.now());
        out.send(conn, message.opcode(), message.payload());
    }

    fn on_caught_up(&mut self, _: ConnId, (): &mut (), _: &[Missed], _: &mut Outbound<T>) {}

    fn on_close(&mut self, _: ConnId, (): (), out: &mut Outbound<T>) {
        let _ = self.0.send(out.now());
    }

    /// Always.
    fn due(&self) -> Option<Instant> {
        Some(Instant::now())
    }

    fn on_due(&mut self, out: &mut Outbound<T>) {
        let _ = self.0.send(out.now());
    }
}

#[test]
fn the_time_that_an_application_sees_never_goes_back() {
    let (time, times) = mpsc::channel();
    let (address, addresses) = mpsc::channel::<SocketAddr>();
    let server = thread::spawn(move || {
        let any = [SocketAddr::from(([127, 0, 0, 1], 0)).into()];
        let system = Mio::bind(&any).unwrap();
        address.send(system.addresses()[0]).unwrap();
        EventLoop::new(Times(time), system, Limits::default()).run().unwrap()
    });
    let mut raw = Raw::connect(addresses.recv().unwrap());
    raw.send(crate::support::handshake("/"));
    assert_eq!(raw.reply().status, 101);
    for _ in 0..200 {
        raw.send(text("tick").repeat(10));
        for _ in 0..10 {
            assert_eq!(raw.frame().text(), "tick");
        }
    }
    drop(raw);
    signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
    assert_eq!(server.join().unwrap(), Exit::Finished);
    let times: Vec<Instant> = times.iter().collect();
    assert!(times.len() > 2000 && times.is_sorted(), "{} times", times.len());
}
