//! Echo: the WebSocket protocol as peers meet it over a socket.

use crate::support::{
    BINARY, CLOSE, CONTINUATION, FIN, Frame, PATIENCE, PING, PONG, Raw, Server, TEXT, close, frame,
    handshake, header, text,
};
use std::io::{ErrorKind, Write};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::Message;

#[test]
fn each_message_comes_back_with_its_type_and_content_in_every_length() {
    let server = Server::start(&["--max-echo-message", "200000"]);
    let mut client = server.ws("/echo");
    let mut raw = server.open("/chatsocket");
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
        let letters = "x".repeat(len);
        client.say(&letters);
        assert_eq!(client.next(), Message::text(letters.clone()), "{len}");
        let bytes: Vec<u8> = (0..len).map(|index| index as u8).collect();
        client.send(Message::binary(bytes.clone()));
        assert_eq!(client.next(), Message::binary(bytes.clone()), "{len}");
        // That the header is the shortest is checked by `Raw::frame`.
        raw.send(frame(FIN | BINARY, &bytes));
        assert_eq!(raw.frame(), Frame { first: FIN | BINARY, payload: bytes });
    }
}

#[test]
fn a_message_may_be_as_long_as_its_limit_whole_and_in_fragments() {
    let server = Server::start(&["--max-echo-message", "1000"]);
    for len in [999, 1000] {
        let mut raw = server.open("/echo");
        let payload = vec![7; len];
        raw.send(frame(FIN | BINARY, &payload));
        assert_eq!(raw.frame().payload, payload);
        raw.send(frame(BINARY, &payload[..600]));
        raw.send(frame(FIN | CONTINUATION, &payload[600..]));
        assert_eq!(raw.frame().payload, payload);
    }
    // Told by the header alone, whatever length it declares.
    let fragments = [frame(BINARY, &[7; 600]), header(FIN | CONTINUATION, 401)].concat();
    for over in [header(FIN | BINARY, 1001), header(FIN | TEXT, i64::MAX as u64), fragments] {
        let mut raw = server.open("/echo");
        raw.send(over);
        let last = raw.frame();
        let (code, reason) = last.close();
        assert_eq!(code, 1009);
        assert!(reason.contains("1000"), "{reason}");
    }
    server.assert_well();
}

#[test]
fn the_limit_is_that_of_chat_unless_it_has_a_value_of_its_own() {
    let table: [(&[&str], usize); 4] = [
        (&[], 64 << 10),
        (&["--max-message", "100KiB"], 100 << 10),
        (&["--max-message", "100KiB", "--max-echo-message", "1000"], 1000),
        (&["--max-echo-message", "16MiB"], 16 << 20),
    ];
    for (flags, limit) in table {
        let server = Server::start(flags);
        for path in ["/echo", "/chat/den?format=raw"] {
            let mut raw = server.open(path);
            raw.send(header(FIN | BINARY, limit as u64 + 1));
            assert_eq!(raw.frame().close().0, 1009, "{flags:?}");
            let mut raw = server.open(path);
            raw.send(frame(FIN | BINARY, &vec![5; limit]));
            let back = raw.frame();
            assert!(back.payload.len() == limit && back.payload.iter().all(|&byte| byte == 5), "{flags:?}");
        }
    }
    // 0 turns it off; the queue's limit does not hold for what the peer itself sent and reads.
    let unlimited = Server::start(&["--max-echo-message", "0"]);
    let mut raw = unlimited.open("/echo");
    raw.send(frame(FIN | BINARY, &vec![5; (16 << 20) + 1]));
    assert_eq!(raw.frame().payload.len(), (16 << 20) + 1);
}

#[test]
fn echo_that_is_switched_off_is_not_found() {
    let server = Server::start(&["--echo", "off"]);
    for path in ["/echo", "/chatsocket"] {
        let reply = server.send(handshake(path)).reply();
        reply.assert_refusal(404);
        assert!(reply.text().contains("--echo"), "{}", reply.text());
    }
    server.open("/chat?format=raw");
}

#[test]
fn memory_follows_received_bytes_and_not_declared_lengths() {
    let server = Server::start(&["--max-echo-message", "16MiB"]);
    let before = server.resident_kib();
    let mut unfinished: Vec<Raw> = (0..200).map(|_| server.open("/echo")).collect();
    for raw in &mut unfinished {
        // The ping's answer shows that what came before it was taken.
        raw.send([frame(BINARY, b""), frame(FIN | PING, b""), header(FIN | CONTINUATION, 16 << 20)].concat());
        raw.send(b"some");
        assert_eq!(raw.frame().first, FIN | PONG);
    }
    server.assert_well();
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "the server grew by {grown} KiB");
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_disconnected_after_the_timeout() {
    let server = Server::start(&["--close-timeout", "300ms"]);
    let mut raw = server.open("/chat?format=lines");
    raw.send(text("quit"));
    let last = loop {
        let frame = raw.frame();
        if frame.first != FIN | TEXT {
            break frame;
        }
    };
    assert_eq!(last.close().0, 1000);
    raw.assert_ends();
}

#[test]
fn control_frames_between_fragments_are_answered_and_leave_the_message_whole() {
    let server = Server::start(&[]);
    let all = [
        frame(TEXT, b"Hel"),
        frame(FIN | PING, b"one"),
        frame(CONTINUATION, b"lo"),
        frame(FIN | PONG, b"nobody asked"),
        frame(CONTINUATION, b""),
        frame(FIN | PING, b""),
        frame(FIN | CONTINUATION, b" there"),
    ]
    .concat();
    for piece in [1, 3] {
        let mut raw = server.open("/echo");
        for bytes in all.chunks(piece) {
            raw.send(bytes);
        }
        assert_eq!(raw.frame(), Frame { first: FIN | PONG, payload: b"one".to_vec() });
        assert_eq!(raw.frame(), Frame { first: FIN | PONG, payload: Vec::new() });
        assert_eq!(raw.frame().text(), "Hello there");
    }
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = Server::start(&[]);
    let mut raw = server.open("/echo");
    for len in [0, 1, 125] {
        let payload: Vec<u8> = (0..len).collect();
        raw.send(frame(FIN | PING, &payload));
        assert_eq!(raw.frame(), Frame { first: FIN | PONG, payload });
    }
}

#[test]
fn a_close_is_answered_with_its_code_and_ends_the_connection() {
    let server = Server::start(&[]);
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        let mut raw = server.open("/echo");
        raw.send([text("before"), close(code, "bye"), text("after")].concat());
        assert_eq!(raw.frame().text(), "before");
        assert_eq!(raw.frame().close().0, code);
        raw.assert_ends();
    }
    let mut raw = server.open("/echo");
    raw.send(frame(FIN | CLOSE, b""));
    assert_eq!(raw.frame(), Frame { first: FIN | CLOSE, payload: Vec::new() });
    raw.assert_ends();
    let mut client = server.ws("/echo");
    client.socket.close(None).unwrap();
    while let Ok(message) = client.socket.read() {
        assert!(message.is_close(), "{message:?}");
    }
}

#[test]
fn the_suffix_is_appended_to_text_alone() {
    let server = Server::start(&["--echo-suffix", " (还)"]);
    let mut client = server.ws("/chatsocket");
    client.say("hello");
    assert_eq!(client.text(), "hello (还)");
    client.say("");
    assert_eq!(client.text(), " (还)");
    client.send(Message::binary(b"hello".to_vec()));
    assert_eq!(client.next(), Message::binary(b"hello".to_vec()));
}

#[test]
fn long_chinese_text_in_small_pieces_comes_back_whole() {
    let server = Server::start(&[]);
    let chinese = "聊天室里的人说了很多话".chars().cycle().take(20_000).collect::<String>();
    assert_eq!(chinese.len(), 60_000);
    let mut raw = server.open("/echo");
    raw.send_in_pieces(text(&chinese), 128);
    assert_eq!(raw.frame().text(), chinese);
    // 128 is no multiple of 3: most fragments end inside a character.
    let pieces: Vec<&[u8]> = chinese.as_bytes().chunks(128).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        let fin = if index + 1 == pieces.len() { FIN } else { 0 };
        raw.send(frame(fin | opcode, piece));
    }
    assert_eq!(raw.frame().text(), chinese);
}

#[test]
fn each_protocol_violation_has_its_close_code_and_affects_no_other_connection() {
    let server = Server::start(&["--max-echo-message", "1000"]);
    let mut bystander = server.ws("/echo");
    let mut breaches: Vec<(&str, Vec<u8>, u16)> = vec![
        ("RSV1", frame(0xC1, b"a"), 1002),
        ("RSV2", frame(0xA1, b"a"), 1002),
        ("RSV3", frame(0x91, b"a"), 1002),
        ("unmasked", vec![0x81, 0x01, b'a'], 1002),
        ("a ping without FIN", frame(PING, b"a"), 1002),
        ("a close without FIN", frame(CLOSE, b""), 1002),
        ("a ping of 126 bytes", frame(FIN | PING, &[0; 126]), 1002),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"a"), 1002),
        ("a continuation after the end", [text("a"), frame(CONTINUATION, b"a")].concat(), 1002),
        ("a message in a message", [frame(TEXT, b"a"), frame(FIN | TEXT, b"a")].concat(), 1002),
        ("binary in text", [frame(TEXT, b"a"), frame(FIN | BINARY, b"a")].concat(), 1002),
        ("5 as 16 bits", vec![0x82, 0xFE, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5], 1002),
        ("65535 as 64 bits", vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0], 1002),
        ("the top bit of a length", vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("a close of one byte", frame(FIN | CLOSE, b"\x03"), 1002),
        ("a reason that is no UTF-8", frame(FIN | CLOSE, b"\x03\xe8\xff"), 1007),
        ("text that is no UTF-8", frame(FIN | TEXT, b"a\xff"), 1007),
        ("a surrogate", frame(FIN | TEXT, b"\xed\xa0\x80"), 1007),
        ("an overlong form", frame(FIN | TEXT, b"\xc0\x80"), 1007),
        ("beyond Unicode", frame(FIN | TEXT, b"\xf4\x90\x80\x80"), 1007),
        ("a cut character", frame(FIN | TEXT, b"a\xe4\xbd"), 1007),
        ("bad text in an unfinished message", frame(TEXT, b"\xff"), 1007),
        ("bad text in an unfinished frame", frame(FIN | TEXT, b"\xff\xff\xff\xff")[..8].to_vec(), 1007),
        ("a character cut by the end", [frame(TEXT, b"\xe4"), frame(FIN | CONTINUATION, b"")].concat(), 1007),
        ("too big", header(FIN | TEXT, 1001), 1009),
    ];
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        breaches.push(("an unknown opcode", frame(FIN | opcode, b""), 1002));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        breaches.push(("a code that must not be sent", close(code, ""), 1002));
    }
    for (what, bytes, code) in breaches {
        for piece in [bytes.len(), 1] {
            let mut raw = server.open("/echo");
            raw.send(text("before"));
            assert_eq!(raw.frame().text(), "before");
            for piece in bytes.chunks(piece) {
                // The server may report the violation, and stop reading, before the last byte.
                raw.try_send(piece);
            }
            let first = loop {
                let frame = raw.frame();
                if frame != (Frame { first: FIN | TEXT, payload: b"a".to_vec() }) {
                    break frame;
                }
            };
            let (told, reason) = first.close();
            assert_eq!(told, code, "{what}: {reason}");
            assert!(!reason.is_empty(), "{what}");
            raw.try_send(close(told, ""));
            raw.assert_ends();
        }
        bystander.say(what);
        assert_eq!(bystander.text(), what);
    }
}

#[test]
fn the_message_timeout_covers_the_whole_message() {
    let server = Server::start(&["--message-timeout", "300ms"]);
    let mut idle = server.open("/echo");
    for begun in [frame(TEXT, b"a"), text("abcdef")[..9].to_vec()] {
        let mut raw = server.open("/echo");
        raw.send(begun);
        let last = raw.frame();
        let (code, reason) = last.close();
        assert_eq!(code, 1008);
        assert!(reason.contains("0.3"), "{reason}");
    }
    // Fragments and pings do not buy more.
    let mut raw = server.open("/echo");
    raw.send(frame(TEXT, b"a"));
    let deadline = Instant::now() + PATIENCE;
    let code = loop {
        assert!(Instant::now() < deadline, "the message never timed out");
        raw.try_send([frame(CONTINUATION, b"a"), frame(FIN | PING, b"")].concat());
        let answer = raw.frame();
        if answer.first != FIN | PONG {
            break answer.close().0;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(code, 1008);
    // Who has no message under way has no such limit.
    idle.send(text("here"));
    assert_eq!(idle.frame().text(), "here");
}

#[test]
fn a_silent_peer_is_pinged_and_closed_if_it_does_not_answer() {
    let server = Server::start(&["--ping-after", "200ms", "--pong-timeout", "1s"]);
    let mut raw = server.open("/echo");
    for _ in 0..3 {
        let ping = raw.frame();
        assert_eq!(ping.first, FIN | PING);
        raw.send(frame(FIN | PONG, &ping.payload));
    }
    assert_eq!(raw.frame().first, FIN | PING);
    // Any byte is a sign of life; no byte is none.
    raw.send(text("here"));
    assert_eq!(raw.frame().text(), "here");
    assert_eq!(raw.frame().first, FIN | PING);
    let last = raw.frame();
    let (code, reason) = last.close();
    assert_eq!(code, 1001);
    assert!(reason.contains("1 second"), "{reason}");
    server.assert_well();
}

#[test]
fn a_peer_that_does_not_read_its_echo_is_paused_and_loses_nothing() {
    const MESSAGES: usize = 1024;
    const LEN: usize = 64 << 10;
    fn message(index: usize) -> Vec<u8> {
        (0..LEN).map(|at| (at / 7 + index) as u8).collect()
    }
    let server = Server::start(&[]);
    let mut bystander = server.ws("/echo");
    let mut raw = server.open("/echo");
    let before = server.resident_kib();
    raw.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut writer = raw.stream.try_clone().unwrap();
    let (stalled, is_stalled) = mpsc::channel();
    let writing = thread::spawn(move || {
        for index in 0..MESSAGES {
            let bytes = frame(FIN | BINARY, &message(index));
            let mut sent = 0;
            while sent < bytes.len() {
                match writer.write(&bytes[sent..]) {
                    Ok(len) => sent += len,
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        let _ = stalled.send(index);
                    }
                    Err(error) => panic!("message {index}: {error}"),
                }
            }
        }
    });
    // The buffers of the system are full, and the server has stopped reading.
    let taken = is_stalled.recv_timeout(Duration::from_secs(60)).expect("the writer stalls");
    assert!(taken < MESSAGES - 1);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "the server grew by {grown} KiB");
    bystander.say("undisturbed");
    assert_eq!(bystander.text(), "undisturbed");
    for index in 0..MESSAGES {
        let frame = raw.frame();
        assert_eq!(frame.first, FIN | BINARY, "{index}: {:?}", String::from_utf8_lossy(&frame.payload));
        assert!(frame.payload == message(index), "message {index} is not what was sent");
    }
    writing.join().unwrap();
}

#[test]
fn a_peer_that_has_shut_down_writing_still_receives_its_echo() {
    let server = Server::start(&["--max-echo-message", "1MiB"]);
    let large = "x".repeat(1 << 20);
    for said in ["short", &large] {
        let mut raw = server.open("/echo");
        raw.send([text(said), text("last")].concat());
        raw.finish_sending();
        assert_eq!(raw.frame().text(), said);
        assert_eq!(raw.frame().text(), "last");
        assert_ended_orderly(&mut raw);
    }
    // With the handshake in the same flight.
    let mut raw = server.send([handshake("/echo").into_bytes(), text("all at once")].concat());
    raw.finish_sending();
    assert_eq!(raw.reply().status, 101);
    assert_eq!(raw.frame().text(), "all at once");
    assert_ended_orderly(&mut raw);
}

#[test]
fn a_peer_that_shuts_down_writing_still_receives_its_whole_queue() {
    let server = Server::start(&[]);
    let mut raw = server.open("/echo");
    let mut writer = raw.stream.try_clone().unwrap();
    let (ended, has_ended) = mpsc::channel();
    thread::spawn(move || {
        for index in 0..400_u32 {
            let payload: Vec<u8> = index.to_be_bytes().into_iter().cycle().take(64 << 10).collect();
            writer.write_all(&frame(FIN | BINARY, &payload)).unwrap();
        }
        writer.shutdown(std::net::Shutdown::Write).unwrap();
        ended.send(()).unwrap();
    });
    for index in 0..400_u32 {
        assert_eq!(raw.frame().payload[..4], index.to_be_bytes());
    }
    has_ended.recv_timeout(PATIENCE).unwrap();
    assert_ended_orderly(&mut raw);
}

#[test]
fn a_paused_connection_is_freed_when_its_peer_disconnects() {
    let server = Server::start(&["-v"]);
    for count in 1..=4 {
        let raw = server.open("/echo");
        raw.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let bytes = frame(FIN | BINARY, &[1; 64 << 10]);
        while (&raw.stream).write(&bytes).is_ok() {}
        match count % 2 {
            0 => raw.reset(),
            _ => drop(raw),
        }
        server.wait_for_logs("disconnected", count);
    }
}

/// At most a close frame comes before the end.
fn assert_ended_orderly(raw: &mut Raw) {
    let rest = raw.rest();
    assert!(rest.is_empty() || rest[0] == FIN | CLOSE, "{rest:?}");
}

#[test]
fn peers_that_reset_their_connections_do_no_harm() {
    let server = Server::start(&[]);
    let mut bystander = server.ws("/echo");
    let states: [&[u8]; 6] = [
        b"",
        b"GET /echo HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &handshake("/echo").into_bytes(),
        &[handshake("/echo").as_bytes(), &text("hello")[..4]].concat(),
        &[handshake("/echo").as_bytes(), &text(&"x".repeat(500_000))].concat(),
    ];
    for bytes in states.into_iter().cycle().take(60) {
        server.send(bytes).reset();
    }
    bystander.say("undisturbed");
    assert_eq!(bystander.text(), "undisturbed");
    server.assert_well();
}

#[test]
fn a_completed_fragmented_message_does_not_time_out_later() {
    let flags =
        ["--message-timeout", "500ms", "--ping-after", "0", "--pause-above", "1KiB", "--resume-below", "0"];
    let server = Server::start(&flags);
    let mut raw = server.open("/echo");
    let message = frame(FIN | BINARY, &[b'x'; 60_000]);
    raw.send(&message[..30_000]);
    thread::sleep(Duration::from_millis(100));
    raw.send(&message[30_000..]);
    assert_eq!(raw.frame().payload.len(), 60_000);
    thread::sleep(Duration::from_secs(1));
    raw.send(text("still there?"));
    assert_eq!(raw.frame().text(), "still there?");
}
