//! A server that has as many connections as it may still answers health checks.

use crate::support::{Raw, Server, get, handshake, request};

#[test]
fn health_checks_are_answered_when_all_connections_are_taken() {
    let server = Server::start(&["--max-connections", "2"]);
    let mut taken = [server.ws("/echo"), server.ws("/echo")];
    for check in [
        get("/healthz"),
        get("/healthz/?x"),
        request("HEAD", "/healthz", ""),
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.0\r\nHost: 10.0.0.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "HEAD / HTTP/1.0\r\n\r\n".to_owned(),
        "OPTIONS / HTTP/1.0\r\n\r\n".to_owned(),
        request("OPTIONS", "*", ""),
    ] {
        for piece in [check.len(), 7] {
            let mut raw = server.connect();
            raw.send_in_pieces(&check, piece);
            let reply = raw.reply_head();
            assert_eq!(reply.status, if check.starts_with("OPTIONS") { 204 } else { 200 }, "{check:?}");
            assert_eq!(reply.field("connection"), Some("close"), "{check:?}");
            assert_eq!(raw.rest().is_empty(), !check.starts_with("GET"), "{check:?}");
        }
    }
    for other in [get("/"), get("/nothing"), handshake("/chat"), request("POST", "/healthz", "")] {
        let mut raw = server.send(&other);
        let reply = raw.reply();
        if other.starts_with("POST") {
            reply.assert_refusal(405);
        } else {
            reply.assert_refusal(503);
            assert!(reply.field("retry-after").is_some());
        }
        raw.assert_ends();
    }
    for malformed in
        ["GET /healthz HTTP/1.1\r\n\r\n", "\x16\x03\x01", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n"]
    {
        server.send(malformed).reply().assert_refusal(400);
    }
    for client in &mut taken {
        client.say("still here");
        assert_eq!(client.text(), "still here");
    }
    // What was answered is not counted as refused: two pages and a handshake are.
    server.wait_for_log("connections refused with 503");
    let log = server.log();
    let counts = log.lines().filter_map(|line| line.split_once("connections refused with 503: "));
    let refused: u32 = counts.map(|(_, rest)| rest.split(' ').next().unwrap().parse::<u32>().unwrap()).sum();
    assert!(refused <= 3, "{log}");
}

#[test]
fn silent_connections_to_a_full_server_are_refused_and_block_no_health_check() {
    let server = Server::start(&["--max-connections", "1"]);
    let _taken = server.ws("/echo");
    // More than are kept until their request has arrived.
    let mut silent: Vec<Raw> = (0..40).map(|_| server.connect()).collect();
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while server.get("/healthz").status != 200 {
        assert!(std::time::Instant::now() < deadline, "no health check is answered");
    }
    for raw in &mut silent {
        raw.reply().assert_refusal(503);
        raw.assert_ends();
    }
}
