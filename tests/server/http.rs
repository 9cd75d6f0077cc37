//! Plain HTTP: methods and paths, keep-alive, limits, the page, and the files of a directory.

mod files;
mod folder;
mod full;
mod malformed;
mod page;
mod targets;

use crate::support::{PATIENCE, Reply, Server, get, request};
use files::Files;
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

const WEBSOCKET_PATHS: [&str; 4] = ["/chat", "/chat/room", "/echo", "/chatsocket"];

#[test]
fn health_is_ok_and_what_is_not_there_is_404() {
    let server = Server::start(&[]);
    let health = server.get("/healthz?any=query");
    assert_eq!((health.status, health.text().trim_end()), (200, "ok"));
    for target in
        ["/nothing", "/static/", "/static", "/main.js", "/chat/a/b", "/echo/a", "/healthz/a", "/index"]
    {
        server.get(target).assert_refusal(404);
    }
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let server = Server::start(&[]);
    for target in ["/", "/healthz", "/nothing"] {
        let whole = server.get(target);
        let head = server.send(request("HEAD", target, "Connection: close\r\n")).rest();
        let (head, body) = Reply::split(&head);
        assert!(body.is_empty(), "{target}");
        assert_eq!(head.status, whole.status);
        assert_eq!(head.field("content-length").unwrap(), whole.body.len().to_string());
        for name in ["content-type", "etag", "content-security-policy"] {
            assert_eq!(head.field(name), whole.field(name), "{name} of {target}");
        }
    }
}

#[test]
fn a_plain_get_of_a_websocket_path_is_answered_with_426_and_upgrade() {
    let server = Server::start(&[]);
    for path in WEBSOCKET_PATHS {
        let reply = server.get(path);
        reply.assert_refusal(426);
        assert_eq!(reply.field("upgrade"), Some("websocket"), "{path}");
        assert_eq!(reply.field("connection"), Some("Upgrade"), "{path}");
        assert_eq!(reply.field("sec-websocket-version"), Some("13"), "{path}");
    }
    // The connection stays open or is closed, as its header says.
    let mut raw = server.send(get("/chat") + &request("GET", "/echo", "Connection: close\r\n"));
    assert_eq!(raw.reply().status, 426);
    assert_eq!(raw.reply().field("connection"), Some("Upgrade, close"));
    raw.assert_ends();
}

#[test]
fn other_methods_are_405_with_allow() {
    let server = Server::start(&[]);
    for path in ["/", "/healthz", "/nothing"].into_iter().chain(WEBSOCKET_PATHS) {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
            let reply = server.send(request(method, path, "Content-Length: 0\r\n")).reply();
            reply.assert_refusal(405);
            assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        }
    }
}

#[test]
fn options_are_answered_with_allow_as_load_balancers_ask() {
    let server = Server::start(&[]);
    for path in ["*", "/", "/healthz"].into_iter().chain(WEBSOCKET_PATHS) {
        let mut raw = server.send(request("OPTIONS", path, "Content-Length: 0\r\n").repeat(2));
        for _ in 0..2 {
            let reply = raw.reply();
            assert_eq!(reply.status, 204, "{path}");
            assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"), "{path}");
            assert_eq!(reply.field("content-length"), None, "RFC 9110, section 8.6");
        }
    }
    // HAProxy's `option httpchk` without anything else.
    let mut raw = server.send("OPTIONS / HTTP/1.0\r\n\r\n");
    assert_eq!(raw.reply().status, 204);
    raw.assert_ends();
}

#[test]
fn health_checks_of_http_1_0_are_answered_with_and_without_a_host() {
    let server = Server::start(&[]);
    for method in ["GET", "HEAD"] {
        for target in ["/healthz", "/"] {
            for fields in
                ["", "Host: 10.0.0.1\r\n", "Host: lb\r\nUser-Agent: check\r\nConnection: keep-alive\r\n"]
            {
                let mut raw = server.send(format!("{method} {target} HTTP/1.0\r\n{fields}\r\n"));
                let head = raw.reply_head();
                assert_eq!((head.status, head.field("connection")), (200, Some("close")));
                assert_eq!(raw.rest().is_empty(), method == "HEAD");
            }
        }
    }
}

#[test]
fn requests_in_one_write_are_answered_in_their_order_on_one_connection() {
    let server = Server::start(&[]);
    let requests = [get("/healthz"), get("/nothing"), request("HEAD", "/healthz", ""), get("/chat")].concat();
    for piece in [requests.len(), 1, 7] {
        let mut raw = server.connect();
        raw.send_in_pieces(&requests, piece);
        assert_eq!(raw.reply().text().trim_end(), "ok");
        assert_eq!(raw.reply().status, 404);
        assert_eq!(raw.reply_head().status, 200);
        assert_eq!(raw.reply().status, 426);
    }
}

#[test]
fn a_connection_ends_after_its_number_of_requests() {
    let server = Server::start(&["--keep-alive-requests", "3"]);
    let mut raw = server.send(get("/healthz").repeat(4));
    for last in [false, false, true] {
        let reply = raw.reply();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("connection") == Some("close"), last);
    }
    raw.assert_ends();
}

#[test]
fn a_connection_is_closed_when_idle_and_when_its_client_asks() {
    let server = Server::start(&["--keep-alive-timeout", "300ms"]);
    let mut idle = server.send(get("/healthz"));
    assert_eq!(idle.reply().field("connection"), None);
    idle.assert_ends();
    for last in
        [request("GET", "/healthz", "Connection: close\r\n"), "GET /healthz HTTP/1.0\r\n\r\n".to_owned()]
    {
        let server = Server::start(&["--keep-alive-timeout", "0"]);
        let mut raw = server.send(last);
        assert_eq!(raw.reply().status, 200);
        raw.assert_ends();
    }
}

#[test]
fn more_answers_than_may_be_queued_are_sent_one_after_the_other() {
    let files = Files::new("many_answers");
    files.write("index.html", "a page of some length ".repeat(500));
    let server = files.serve(&["--keep-alive-requests", "0"]);
    let page = server.get("/").body;
    let mut raw = server.connect();
    let mut writer = raw.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        for _ in 0..100 {
            writer.write_all(get("/").repeat(50).as_bytes()).unwrap();
        }
        writer.write_all(get("/healthz").as_bytes()).unwrap();
    });
    for index in 0..5000 {
        let reply = raw.reply();
        assert!(reply.status == 200 && reply.body == page, "{index}: {reply:?}");
    }
    assert_eq!(raw.reply().text().trim_end(), "ok");
    sending.join().unwrap();
}

#[test]
fn an_answer_that_is_read_slowly_but_steadily_comes_whole() {
    let files = Files::new("slow_reader");
    files.write("large.txt", vec![b'x'; 16 << 20]);
    let server = files.serve(&["--close-timeout", "300ms", "--keep-alive-timeout", "300ms"]);
    for fields in ["", "Connection: close\r\n"] {
        let mut raw = server.send(request("GET", "/large.txt", fields));
        let mut read = 0;
        let mut piece = vec![0; 128 << 10];
        while read < 16 << 20 {
            let len = raw.stream.read(&mut piece).unwrap();
            assert!(len > 0, "cut off after {read} bytes ({fields:?})");
            read += len;
            // The pace of a slow line, not a wait for the server.
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn anything_but_http_is_answered_with_an_error_and_closed() {
    let server = Server::start(&[]);
    let garbage: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x01\x02\x03",
        b"hello\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost a\r\n\r\n",
        b"GET /health z HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n",
    ];
    for bytes in garbage {
        let mut raw = server.send(bytes);
        let reply = raw.reply();
        reply.assert_refusal(400);
        assert_eq!(reply.field("connection"), Some("close"));
        raw.assert_ends();
    }
    let tls = server.send(garbage[0]).reply();
    assert!(tls.text().contains("TLS"), "{}", tls.text());
    server.assert_well();
}

#[test]
fn a_body_is_never_taken_for_the_next_request() {
    let server = Server::start(&[]);
    let inner = get("/nothing");
    let table = [
        ("GET", format!("Content-Length: {}\r\n", inner.len()), inner.clone(), 200),
        (
            "GET",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
            200,
        ),
        ("POST", format!("Content-Length: {}\r\n", inner.len()), inner.clone(), 405),
    ];
    for (method, fields, body, status) in table {
        let mut raw = server.send(request(method, "/healthz", &fields) + &body);
        let reply = raw.reply();
        assert_eq!((reply.status, reply.field("connection")), (status, Some("close")));
        raw.assert_ends();
    }
}

/// Returns the status of a request, and whether the connection stays open after it.
fn outcome(server: &Server, bytes: &str) -> (u16, bool) {
    let mut raw = server.send(bytes);
    let reply = raw.reply();
    let goes_on = reply.field("connection") != Some("close");
    if !goes_on {
        raw.assert_ends();
    }
    (reply.status, goes_on)
}

#[test]
fn a_request_line_may_be_as_long_as_its_limit() {
    let with_line = |len: usize| {
        let fill = "x".repeat(len - "GET /healthz? HTTP/1.1".len());
        get(&format!("/healthz?{fill}"))
    };
    let server = Server::start(&["--max-request-line", "100"]);
    assert_eq!(outcome(&server, &with_line(99)), (200, true));
    assert_eq!(outcome(&server, &with_line(100)), (200, true));
    assert_eq!(outcome(&server, &with_line(101)), (414, false));
    // Told before the line has ended.
    server.send("GET /".to_owned() + &"x".repeat(200)).reply().assert_refusal(414);
    let unlimited = Server::start(&["--max-request-line", "0"]);
    assert_eq!(outcome(&unlimited, &with_line(12_000)), (200, true));
}

#[test]
fn a_head_may_be_as_long_as_its_limit() {
    let with_head = |len: usize| {
        let fill = "x".repeat(len - request("GET", "/healthz", "X: \r\n").len());
        request("GET", "/healthz", &format!("X: {fill}\r\n"))
    };
    let server = Server::start(&["--max-head", "500"]);
    assert_eq!(outcome(&server, &with_head(499)), (200, true));
    assert_eq!(outcome(&server, &with_head(500)), (200, true));
    assert_eq!(outcome(&server, &with_head(501)), (431, false));
    // Two that follow each other are judged each by itself.
    assert_eq!(outcome(&server, &with_head(500).repeat(2)), (200, true));
    let unlimited = Server::start(&["--max-head", "0"]);
    assert_eq!(outcome(&unlimited, &with_head(100_000)), (200, true));
}

#[test]
fn a_head_may_have_as_many_fields_as_its_limit() {
    // `Host` is one of them.
    let with_fields = |count: usize| request("GET", "/healthz", &"X: y\r\n".repeat(count - 1));
    let server = Server::start(&["--max-headers", "5"]);
    assert_eq!(outcome(&server, &with_fields(4)), (200, true));
    assert_eq!(outcome(&server, &with_fields(5)), (200, true));
    assert_eq!(outcome(&server, &with_fields(6)), (431, false));
    let unlimited = Server::start(&["--max-headers", "0"]);
    assert_eq!(outcome(&unlimited, &with_fields(1000)), (200, true));
}

#[test]
fn the_timeout_of_a_head_covers_all_of_it_however_slowly_it_arrives() {
    let server = Server::start(&["--head-timeout", "300ms"]);
    for begun in ["\r\n", "G", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut raw = server.send(begun);
        raw.reply().assert_refusal(408);
        raw.assert_ends();
    }
    // The same after a request that was answered, and for a peer that never pauses for long.
    let mut raw = server.send(get("/healthz"));
    assert_eq!(raw.reply().status, 200);
    let deadline = Instant::now() + PATIENCE;
    raw.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    raw.send("GET /healthz HTTP/1.1\r\nX: ");
    let mut answer = [0; 12];
    loop {
        assert!(Instant::now() < deadline, "the head never timed out");
        raw.try_send("x");
        match raw.stream.read_exact(&mut answer) {
            Ok(()) => break,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}")
            }
        }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn a_connection_without_a_request_is_closed_silently() {
    // Browsers connect in advance, and would take these bytes for the answer to a later request.
    let mut server = Server::start(&["--head-timeout", "200ms", "-v"]);
    for _ in 0..3 {
        server.connect().assert_ends_in_order();
    }
    // The same on a connection that was answered.
    let mut raw = server.send(get("/healthz"));
    assert_eq!(raw.reply().status, 200);
    raw.assert_ends_in_order();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for_log("shutting down");
    assert!(!server.log().contains("requests late"), "{}", server.log());
}
