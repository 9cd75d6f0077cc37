//! The opening handshake (RFC 6455 §4), and which clients are accepted.

use crate::support::{FIN, HANDSHAKE, PATIENCE, Raw, Server, get, handshake, request, text};
use std::time::Instant;

#[test]
fn the_handshake_of_rfc_6455_is_accepted_as_it_says() {
    let server = Server::start(&[]);
    for target in
        ["/", "/chat", "/chat/room", "/chat/%E5%A4%A7%E5%8E%85", "/echo", "/chatsocket", "/echo?any=query"]
    {
        let reply = server.send(handshake(target)).reply();
        assert_eq!(reply.status, 101, "{target}");
        assert_eq!(reply.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(reply.field("upgrade").unwrap().eq_ignore_ascii_case("websocket"));
        assert!(reply.field("connection").unwrap().eq_ignore_ascii_case("upgrade"));
        assert_eq!(reply.field("sec-websocket-protocol"), None);
        assert_eq!(reply.field("sec-websocket-extensions"), None);
    }
}

#[test]
fn each_failing_check_has_its_own_status() {
    let server = Server::start(&[]);
    let good = handshake("/chat");
    let table = [
        ("GET ", "POST ", 405),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("Host: throng.test\r\n", "", 400),
        ("Host:", "Host: twice\r\nHost:", 400),
        ("Upgrade: websocket\r\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Connection: Upgrade\r\n", "", 400),
        ("Connection: Upgrade", "Connection: keep-alive", 400),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZUFB", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "!!!!!!!!!!!!!!!!!!!!!!==", 400),
        ("/chat ", "/nothing ", 404),
        ("\r\n\r\n", "\r\nOrigin: http://elsewhere.test\r\n\r\n", 403),
    ];
    for (from, to, status) in table {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let reply = server.send(&bad).reply();
        reply.assert_refusal(status);
        if status == 426 {
            // RFC 6455, section 4.2.2, and RFC 9110, sections 7.8 and 15.5.22.
            assert_eq!(reply.field("sec-websocket-version"), Some("13"), "{bad}");
            assert_eq!(reply.field("upgrade"), Some("websocket"), "{bad}");
            assert_eq!(reply.field("connection"), Some("Upgrade"), "{bad}");
        }
        if status == 405 {
            assert!(reply.field("allow").unwrap().contains("GET"));
        }
    }
    // Names and tokens count in any case, and within lists.
    let other = good
        .replace("Upgrade: websocket", "UPGRADE: h2c, WebSocket")
        .replace("Connection: Upgrade", "connection: keep-alive, upgrade");
    assert_eq!(server.send(other).reply().status, 101);
}

#[test]
fn a_key_whose_unused_bits_are_set_is_accepted() {
    let server = Server::start(&[]);
    // The first is the example in RFC 6455, section 4.1.
    for (key, accept) in [
        ("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
        ("AQIDBAUGBwgJCgsMDQ4PEP==", "z5uhIsLlElYBlzdseQtOC96GgUM="),
    ] {
        let reply = server.send(handshake("/echo").replace("dGhlIHNhbXBsZSBub25jZQ==", key)).reply();
        assert_eq!((reply.status, reply.field("sec-websocket-accept")), (101, Some(accept)), "{key}");
    }
    for key in [
        "AQIDBAUGBwgJCgsMDQ4PEC=",
        "AQIDBAUGBwgJCgsMDQ4PECA=",
        "AQIDBAUGBwgJCgsMDQ4P====",
        "AQIDBAUGBwgJCgsMDQ4PEC",
    ] {
        let bad = handshake("/echo").replace("dGhlIHNhbXBsZSBub25jZQ==", key);
        server.send(bad).reply().assert_refusal(400);
    }
}

/// The status for a page of that origin.
fn with_origin(server: &Server, origin: &str) -> u16 {
    server.send(request("GET", "/chat", &format!("{HANDSHAKE}Origin: {origin}\r\n"))).reply().status
}

#[test]
fn pages_of_other_origins_are_accepted_only_if_allowed() {
    // The Host that `request` sends is throng.test.
    let own = Server::start(&[]);
    let named = Server::start(&["--allow-origin", "https://a.test", "--allow-origin", "http://b.test:81"]);
    let all = Server::start(&["--allow-origin", "*"]);
    let table = [
        ("http://throng.test", [101, 101, 101]),
        ("https://throng.test", [101, 101, 101]),
        ("HTTP://THRONG.TEST", [101, 101, 101]),
        ("https://a.test", [403, 101, 101]),
        ("http://b.test:81", [403, 101, 101]),
        ("http://a.test", [403, 403, 101]),
        ("http://b.test", [403, 403, 101]),
        ("https://a.test.evil.test", [403, 403, 101]),
        ("http://throng.test:81", [403, 403, 101]),
        ("http://throng.test.evil.test", [403, 403, 101]),
        ("http://evil.test/throng.test", [403, 403, 101]),
        ("null", [403, 403, 101]),
    ];
    for (origin, statuses) in table {
        assert_eq!([&own, &named, &all].map(|server| with_origin(server, origin)), statuses, "{origin}");
    }
    // Echo is no exception.
    let fields = format!("{HANDSHAKE}Origin: http://elsewhere.test\r\n");
    own.send(request("GET", "/echo", &fields)).reply().assert_refusal(403);
}

#[test]
fn the_subprotocol_is_the_first_known_one_in_the_clients_order() {
    let server = Server::start(&[]);
    let table = [
        ("Sec-WebSocket-Protocol: throng.v1\r\n", Some("throng.v1")),
        ("Sec-WebSocket-Protocol: chat\r\n", Some("chat")),
        ("Sec-WebSocket-Protocol: chat, throng.v1\r\n", Some("chat")),
        ("Sec-WebSocket-Protocol: throng.v1, chat\r\n", Some("throng.v1")),
        ("Sec-WebSocket-Protocol: other, chat\r\n", Some("chat")),
        ("Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: chat\r\n", Some("chat")),
        ("Sec-WebSocket-Protocol: other, Throng.V1\r\n", None),
        ("", None),
    ];
    for (fields, chosen) in table {
        let mut raw = server.send(request("GET", "/chat", &format!("{HANDSHAKE}{fields}")));
        let reply = raw.reply();
        assert_eq!(reply.status, 101);
        assert_eq!(reply.field("sec-websocket-protocol"), chosen, "{fields}");
        // The connection has the format of the subprotocol, and `json` without one.
        let first = raw.frame();
        match chosen {
            Some("chat") => assert!(first.text().starts_with("Welcome "), "{first:?}"),
            _ => assert!(first.text().contains(r#""type":"welcome""#), "{first:?}"),
        }
    }
}

#[test]
fn bytes_right_after_the_head_are_frames() {
    let server = Server::start(&[]);
    let all = [handshake("/echo").into_bytes(), text("one"), text("two")].concat();
    for piece in [all.len(), 1, 5] {
        let mut raw = server.connect();
        raw.send_in_pieces(&all, piece);
        assert_eq!(raw.reply().status, 101);
        assert_eq!(raw.frame().text(), "one");
        assert_eq!(raw.frame().text(), "two");
    }
    // The same after another request on the connection, cut inside a frame.
    let mut raw = server.send([get("/healthz").as_bytes(), &all[..all.len() - 2]].concat());
    assert_eq!(raw.reply().status, 200);
    assert_eq!(raw.reply().status, 101);
    assert_eq!(raw.frame().text(), "one");
    raw.send(&all[all.len() - 2..]);
    let last = raw.frame();
    assert_eq!((last.first & FIN, last.text()), (FIN, "two"));
}

#[test]
fn a_full_server_answers_503_until_a_connection_is_closed() {
    let server = Server::start(&["--max-connections", "2"]);
    let one = server.ws("/echo");
    let mut two = server.ws("/echo");
    for _ in 0..5 {
        let mut refused = server.send(handshake("/echo"));
        let reply = refused.reply();
        reply.assert_refusal(503);
        assert!(reply.field("retry-after").unwrap().parse::<u32>().unwrap() > 0);
        refused.assert_ends();
    }
    drop(one);
    let deadline = Instant::now() + PATIENCE;
    while server.send(handshake("/echo")).reply().status != 101 {
        assert!(Instant::now() < deadline, "a place that was left is not given to another");
    }
    two.say("still here");
    assert_eq!(two.text(), "still here");
}

#[test]
fn the_oldest_of_too_many_unfinished_handshakes_goes() {
    let server = Server::start(&["--max-handshakes", "2"]);
    let open = server.ws("/echo");
    let mut unfinished: Vec<Raw> = (0..3).map(|_| server.connect()).collect();
    let mut oldest = unfinished.remove(0);
    oldest.assert_ends();
    for mut raw in unfinished {
        raw.send(handshake("/echo"));
        assert_eq!(raw.reply().status, 101);
    }
    drop(open);
    server.assert_well();
}
