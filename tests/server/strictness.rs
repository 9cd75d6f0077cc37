//! Where implementations differ: what follows a close frame, which side ends the connection and when, what a peer
//! receives that has shut down writing or does not read, and which frames overtake others.

use crate::support::{
    BINARY, CLOSE, CONTINUATION, FIN, Frame, PATIENCE, PING, PONG, Raw, Server, TEXT, close, frame, get,
    handshake, header, text,
};
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

/// Bytes of what is said at once in a room, and how often: in all more than the system holds for a connection.
const PIECE: usize = 512 << 10;
const PIECES: usize = 24;

/// Starts a server that neither closes nor pauses peers that do not read, and has long timeouts.
fn patient(flags: &[&str]) -> Server {
    let off = [
        "--max-queue",
        "--high-water",
        "--stall-timeout",
        "--pause-above",
        "--max-message",
        "--max-text",
        "--byte-rate",
        "--fan-out-rate",
        "--room-rate",
    ];
    let mut all =
        vec!["-v", "--close-timeout", "1m", "--shutdown-timeout", "1m", "--max-echo-message", "16MiB"];
    all.extend(off.iter().flat_map(|limit| [limit, "0"]));
    Server::start(&[&all, flags].concat())
}

/// A member that has read none of the messages in its room, so that most of them are queued.
struct Behind {
    member: Raw,
    talker: Raw,
    said: Vec<Frame>,
}

impl Behind {
    fn new(server: &Server, room: &str, format: &str) -> Behind {
        let mut talker = server.open(&format!("/chat/{room}?format={format}&name=talker"));
        let mut member = server.open_narrow(&format!("/chat/{room}?format={format}&name=member"));
        talker.send(text("first"));
        for hearer in [&mut talker, &mut member] {
            while !hearer.frame().payload.ends_with(b"first") {}
        }
        let said = (b'a'..).take(PIECES).map(|letter| {
            talker.send(frame(FIN | TEXT, &[letter; PIECE]));
            talker.frame()
        });
        let said = said.collect();
        Behind { member, talker, said }
    }

    /// Reads to the close frame; its code, and how much came before it of what was said, each piece whole.
    #[track_caller]
    fn read_to_close(&mut self) -> (usize, u16) {
        let mut heard = 0;
        loop {
            let frame = self.member.frame();
            if frame.first == FIN | CLOSE {
                return (heard, frame.close().0);
            }
            assert!(self.said.get(heard) == Some(&frame), "not piece {heard}, but {}", brief(&frame));
            heard += 1;
        }
    }
}

fn brief(frame: &Frame) -> String {
    let start = &frame.payload[..frame.payload.len().min(50)];
    format!("{:#x} {:?}", frame.first, String::from_utf8_lossy(start))
}

#[test]
fn bytes_after_a_close_frame_are_ignored_whatever_they_are() {
    let server = Server::start(&["--close-timeout", "1m", "--max-echo-message", "1000"]);
    let table: [(&str, Vec<u8>); 8] = [
        ("a message", text("after")),
        ("a ping", frame(FIN | PING, b"after")),
        ("another close", close(1002, "after")),
        ("reserved bits", frame(0xF1, b"after")),
        ("no mask", vec![0x81, 0x01, b'a']),
        ("bad text", frame(FIN | TEXT, b"\xff")),
        ("a large message", header(FIN | BINARY, 1 << 40)),
        ("no frame", vec![0xFF; 200_000]),
    ];
    for (what, after) in table {
        for at_once in [true, false] {
            let mut raw = server.open("/echo");
            raw.send([text("before"), close(1000, "bye")].concat());
            if at_once {
                raw.send(&after);
            }
            assert_eq!(raw.frame().text(), "before", "{what}");
            assert_eq!(raw.frame().close(), (1000, ""), "{what}");
            raw.assert_ends_in_order();
            raw.send(&after);
        }
    }
    server.assert_well();
}

#[test]
fn megabytes_after_a_close_frame_do_not_break_the_connection() {
    let server = patient(&[]);
    for code in [1000, 1002] {
        let mut behind = Behind::new(&server, &code.to_string(), "raw");
        behind.member.send(close(code, ""));
        // Bytes that the server did not read would make it send a reset, and what it had sent would not come.
        behind.member.send(vec![0xFF; 16 << 20]);
        assert_eq!(behind.read_to_close().1, code);
        behind.member.assert_ends_in_order();
        behind.member.send(vec![0xFF; 16 << 20]);
    }
}

/// Everything that a message can be, good and bad, but with its frames in order.
fn all_kinds_of_messages() -> Vec<u8> {
    [
        text("unheard"),
        frame(FIN | TEXT, b"\xff"),
        frame(FIN | BINARY, b"unheard"),
        frame(TEXT, b"\xff"),
        frame(FIN | PING, b"unanswered"),
        frame(FIN | CONTINUATION, b"\xff"),
        frame(FIN | PONG, b""),
        frame(FIN | BINARY, &vec![b'x'; 200_000]),
        text("quit"),
    ]
    .concat()
}

/// A connection that the server has just closed with 1000.
#[track_caller]
fn logged_out(server: &Server) -> Raw {
    let mut raw = server.open("/chat/den?format=lines&name=leaver");
    raw.send(text("quit"));
    loop {
        let frame = raw.frame();
        if frame.first != FIN | TEXT {
            assert_eq!(frame.close().0, 1000);
            return raw;
        }
    }
}

#[test]
fn after_its_own_close_frame_the_server_discards_input_until_the_peers() {
    let server = Server::start(&["-v", "--close-timeout", "1m", "--max-message", "1000"]);
    let mut watcher = server.ws("/chat/den?format=lines&name=watcher");
    let before = server.resident_kib();
    let mut raw = logged_out(&server);
    for _ in 0..20 {
        raw.send(all_kinds_of_messages());
    }
    raw.send(header(FIN | TEXT, 64 << 20));
    for _ in 0..64 {
        raw.send(vec![0xFF; 1 << 20]);
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "the server grew by {grown} KiB");
    raw.send(close(1000, ""));
    raw.send(all_kinds_of_messages());
    raw.assert_ends_in_order();
    server.wait_for_log("closed by the peer with 1000");
    assert!(!server.log().contains("failed"), "what is dropped was looked at");
    watcher.say("said afterwards");
    let heard: Vec<String> = std::iter::repeat_with(|| watcher.text())
        .take_while(|line| !line.ends_with("said afterwards"))
        .collect();
    assert!(heard.last().unwrap().ends_with("leaver say: Logout"), "{heard:?}");
    assert!(heard.iter().all(|line| !line.contains("unheard")), "{heard:?}");
}

#[test]
fn after_a_close_frame_a_peer_can_send_for_the_close_timeout_only() {
    let server = Server::start(&["-v", "--close-timeout", "300ms"]);
    let mut closed = logged_out(&server);
    let mut answered = logged_out(&server);
    answered.send(close(1000, ""));
    answered.assert_ends_in_order();
    let mut failed = server.send(handshake("/echo"));
    assert_eq!(failed.reply().status, 101);
    failed.send(frame(FIN | 0xF, b""));
    assert_eq!(failed.frame().close().0, 1002);
    failed.assert_ends_in_order();
    let messages = all_kinds_of_messages();
    for raw in [&mut closed, &mut answered, &mut failed] {
        let deadline = Instant::now() + PATIENCE;
        while raw.try_send(&messages) {
            assert!(Instant::now() < deadline, "it is still read from");
        }
    }
    server.wait_for_logs("disconnected", 3);
}

#[test]
fn a_paused_peer_is_read_from_again_after_a_close() {
    let mut server = Server::start(&["--close-timeout", "1m", "--shutdown-timeout", "1m"]);
    let mut raw = server.open_narrow("/echo");
    let message = frame(FIN | BINARY, &[7; 64 << 10]);
    let mut sent = 0;
    raw.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    loop {
        match raw.stream.write(&message[sent % message.len()..]) {
            Ok(len) => sent += len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    raw.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    server.signal("TERM");
    raw.send(&message[sent % message.len()..]);
    for _ in 0..256 {
        raw.send(&message);
    }
    raw.send(close(1001, ""));
    let mut echoed = 0;
    let last = loop {
        let frame = raw.frame();
        if frame.first == FIN | CLOSE {
            break frame;
        }
        assert!(frame.payload == [7; 64 << 10]);
        echoed += 1;
    };
    assert_eq!(last.close().0, 1001);
    assert!(echoed <= sent / message.len(), "{echoed} of {sent} bytes");
    raw.assert_ends_in_order();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_server_ends_the_connection_first_and_after_everything_was_read() {
    let server = patient(&[]);
    // The peers keep their side open: that they see an end is the server's doing.
    let mut behind = Behind::new(&server, "den", "raw");
    behind.member.send(close(1000, ""));
    assert_eq!(behind.read_to_close(), (PIECES, 1000));
    behind.member.assert_ends_in_order();
    let mut raw = logged_out(&server);
    raw.send(close(1000, ""));
    raw.assert_ends_in_order();
    let mut raw = server.open("/echo");
    raw.send(frame(FIN | CONTINUATION, b""));
    assert_eq!(raw.frame().close().0, 1002);
    raw.assert_ends_in_order();
}

#[test]
fn a_shutdown_does_not_wait_for_closed_connections() {
    let mut server = Server::start(&["--close-timeout", "5m", "--shutdown-timeout", "5m"]);
    let [mut before, mut failed, mut answers] = [(); 3].map(|()| server.open("/echo"));
    before.send(close(1000, ""));
    assert_eq!(before.frame().close().0, 1000);
    before.assert_ends_in_order();
    failed.send(frame(FIN | 0xF, b""));
    assert_eq!(failed.frame().close().0, 1002);
    failed.assert_ends_in_order();
    server.signal("TERM");
    assert_eq!(answers.frame().close().0, 1001);
    answers.send(close(1001, ""));
    answers.assert_ends_in_order();
    // All three still keep their side open.
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_peer_that_has_shut_down_writing_still_receives_its_queue() {
    let server = patient(&[]);
    for format in ["raw", "lines"] {
        let mut behind = Behind::new(&server, format, format);
        behind.member.finish_sending();
        server.wait_for_log("ended by the peer");
        behind.talker.send(text("too late"));
        for piece in &behind.said {
            assert!(behind.member.frame() == *piece);
        }
        behind.member.assert_ends_in_order();
    }
    let mut raw = server.send([get("/nothing"), get("/healthz")].concat());
    raw.finish_sending();
    assert_eq!(raw.reply().status, 404);
    assert_eq!(raw.reply().text(), "ok\n");
    raw.assert_ends_in_order();
}

#[test]
fn only_the_newest_ping_is_answered_while_the_queue_is_blocked() {
    let server = patient(&[]);
    let mut behind = Behind::new(&server, "den", "raw");
    behind.member.send((0..100).flat_map(|index| frame(FIN | PING, &[index])).collect::<Vec<u8>>());
    behind.member.send(text("last"));
    assert_eq!(behind.talker.frame().text(), "last");
    let mut pongs = Vec::new();
    let mut heard = 0;
    loop {
        let frame = behind.member.frame();
        if frame.first == FIN | PONG {
            assert!(heard < PIECES, "the pong came after all that waited");
            pongs.push(frame.payload);
        } else if frame.payload == b"last" {
            break;
        } else {
            assert!(frame == behind.said[heard]);
            heard += 1;
        }
    }
    assert_eq!(heard, PIECES);
    assert_eq!(pongs, [[99]]);
}

#[test]
fn a_flood_of_pings_costs_no_memory_and_ends_with_the_newest_pong() {
    const PINGS: u32 = 500_000;
    // On a busy machine the pings take longer to send than a reader may stall by default.
    let server = Server::start(&["--stall-timeout", "5m"]);
    let mut raw = server.open_narrow("/echo");
    let before = server.resident_kib();
    let ping = |number: u32| {
        let mut payload = [0; 125];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        frame(FIN | PING, &payload)
    };
    for start in (0..PINGS).step_by(1000) {
        raw.send((start..start + 1000).flat_map(ping).collect::<Vec<u8>>());
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "the server grew by {grown} KiB");
    let mut answered = 0;
    let mut expected = 0;
    while expected < PINGS {
        let pong = raw.frame();
        assert_eq!(pong.first, FIN | PONG);
        let number = u32::from_be_bytes(pong.payload[..4].try_into().unwrap());
        assert!(number >= expected, "{number} after {expected} were answered");
        expected = number + 1;
        answered += 1;
    }
    assert!(answered < PINGS, "each of {PINGS} pings was answered, though none was read for long");
    raw.send(text("here"));
    assert_eq!(raw.frame().text(), "here");
}

#[test]
fn a_close_frame_that_reports_an_error_overtakes_the_queue() {
    let server = patient(&[]);
    let faults = [
        (1002, "failed with", vec![0x81, 0x01, b'a']),
        (1007, "failed with", frame(FIN | TEXT, b"\xff")),
        (1008, "closed with", text("too fast").repeat(1000)),
        (1009, "failed with", header(FIN | BINARY, (16 << 20) + 1)),
        (1011, "closed by the peer with", close(1011, "")),
    ];
    for (code, logged, fault) in faults {
        let mut behind = Behind::new(&server, &code.to_string(), "raw");
        behind.member.send(fault);
        server.wait_for_log(&format!("{logged} {code}"));
        let (heard, told) = behind.read_to_close();
        assert_eq!(told, code);
        assert!(0 < heard && heard < PIECES, "{code} came after {heard} of {PIECES}");
        behind.member.send(close(code, ""));
        behind.member.assert_ends_in_order();
    }
}

#[test]
fn any_other_close_frame_follows_the_queue() {
    let server = patient(&[]);
    let endings = [
        ("raw", close(1000, ""), "closed by the peer with 1000", 1000),
        ("raw", close(1001, ""), "closed by the peer with 1001", 1001),
        ("raw", close(3000, ""), "closed by the peer with 3000", 3000),
        ("raw", frame(FIN | CLOSE, b""), "closed by the peer with no code", 1005),
        ("lines", frame(FIN | BINARY, b"a"), "closed with 1003", 1003),
    ];
    for (room, (format, ending, logged, code)) in endings.into_iter().enumerate() {
        let mut behind = Behind::new(&server, &room.to_string(), format);
        behind.member.send(ending);
        server.wait_for_log(logged);
        assert_eq!(behind.read_to_close(), (PIECES, code));
        behind.member.send(close(code.max(1000), ""));
        behind.member.assert_ends_in_order();
    }
    let mut behind = Behind::new(&server, "lobby", "lines");
    behind.member.send(text("quit"));
    // Its own logout is the last message that it receives.
    behind.said.push(behind.talker.frame());
    assert_eq!(behind.read_to_close(), (PIECES + 1, 1000));
    let mut behind = Behind::new(&server, "den", "raw");
    server.signal("TERM");
    assert_eq!(behind.read_to_close(), (PIECES, 1001));
}
