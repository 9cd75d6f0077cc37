//! Which pages may connect, and for which hosts the server answers.

use crate::support::{HANDSHAKE, PATIENCE, Server, get};
use std::time::Instant;

/// The status of an opening handshake with these fields.
fn status(server: &Server, host: &str, fields: &str) -> u16 {
    let request = format!("GET /chat HTTP/1.1\r\nHost: {host}\r\n{HANDSHAKE}{fields}\r\n");
    server.send(request).reply().status
}

fn page(server: &Server, origin: &str) -> u16 {
    status(server, "chat.example", &format!("Origin: {origin}\r\n"))
}

#[test]
fn origins_are_allowed_however_they_are_written_and_as_browsers_send_them() {
    let table = [
        ("https://chat.example.com:443", "https://chat.example.com", "https://chat.example.com:8443"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example", "https://bucher.example"),
        ("https://*.example.com", "https://a.b.example.com", "https://example.com"),
        ("https://*.example.com:8443", "https://a.example.com:8443", "https://a.example.com"),
        ("null", "null", "http://null"),
        ("file://", "file://", "null"),
        ("capacitor://localhost", "capacitor://localhost", "ionic://localhost"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh", "chrome-extension://abcdefgi"),
    ];
    for (allowed, good, wrong) in table {
        let server = Server::start(&["--allow-origin", allowed]);
        assert_eq!((page(&server, good), page(&server, wrong)), (101, 403), "{allowed}");
    }
    let all = table.map(|(allowed, ..)| allowed).join(" ,\n");
    let server = Server::start(&["--allow-origin", &all]);
    for (_, good, _) in table {
        assert_eq!(page(&server, good), 101, "{good}");
    }
}

#[test]
fn behind_a_proxy_that_says_it_speaks_tls_a_page_of_plain_http_is_refused() {
    let server = Server::start(&[]);
    let secure = "X-Forwarded-Proto: https\r\n";
    for (origin, fields, expected) in [
        ("https://chat.example", secure, 101),
        ("http://chat.example", secure, 403),
        ("http://chat.example", "Forwarded: for=192.0.2.1;proto=https\r\n", 403),
        ("http://chat.example", "", 101),
        ("https://chat.example", "", 101),
        ("https://chat.example", "X-Forwarded-Proto: http\r\n", 101),
    ] {
        let fields = format!("Origin: {origin}\r\n{fields}");
        assert_eq!(status(&server, "chat.example", &fields), expected, "{fields}");
    }
}

#[test]
fn a_refused_origin_is_logged_once_a_second_with_what_would_allow_it() {
    let server = Server::start(&[]);
    let request = format!(
        "GET /chat HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{HANDSHAKE}Origin: https://Chat.example\r\n\r\n"
    );
    let reply = server.send(&request).reply();
    reply.assert_refusal(403);
    assert!(reply.text().contains("--allow-origin https://chat.example"), "{}", reply.text());
    let line = server.wait_for_log("refused a page");
    for part in
        ["\"https://Chat.example\"", "\"127.0.0.1:8080\"", "--allow-origin https://chat.example", "proxy"]
    {
        assert!(line.contains(part), "{line}");
    }
    // However fast they come, few are logged, and the rest is counted.
    let deadline = Instant::now() + PATIENCE;
    let mut refused = 1;
    while !server.log().contains("since the last report") {
        assert!(Instant::now() < deadline, "{}", server.log());
        assert_eq!(page(&server, "https://evil.example\t\\\""), 403);
        refused += 1;
    }
    let lines = server.log().lines().filter(|line| line.contains("refused a page")).count();
    assert!(lines * 2 <= refused, "{lines} lines for {refused}");
    let line = server.wait_for_log("evil.example");
    assert!(line.contains(r#""https://evil.example\t\\\"""#), "{line}");
}

#[test]
fn only_named_hosts_are_served_and_so_no_page_that_rebinds_its_name() {
    let server = Server::start(&["--host", "chat.example,*.test", "--host", "127.0.0.1", "-v"]);
    let rebound = "Origin: http://evil.example\r\n";
    assert_eq!(status(&server, "evil.example", rebound), 421);
    for (host, expected) in [
        ("chat.example", 101),
        ("CHAT.example:8080", 101),
        ("a.test", 101),
        ("127.0.0.1:8080", 101),
        ("test", 421),
        ("chat.example.evil", 421),
        ("localhost", 421),
    ] {
        assert_eq!(status(&server, host, ""), expected, "{host}");
    }
    let page = |host: &str, target: &str| {
        server.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).reply()
    };
    assert_eq!(page("chat.example", "/").status, 200);
    page("evil.example", "/").assert_refusal(421);
    // A load balancer that checks by address knows no name.
    assert_eq!(page("10.0.0.7:8080", "/healthz").status, 200);
    let line = server.wait_for_log("refused a request for host");
    assert!(line.contains("\"evil.example\"") && line.contains("--host"), "{line}");
    let any = Server::start(&[]);
    assert_eq!(status(&any, "evil.example", rebound), 101, "it is off unless a host is named");
    assert_eq!(any.get("/healthz").status, 200);
}

#[test]
fn a_host_that_is_refused_is_logged_at_the_default_level_at_most_once_a_second() {
    let start = Instant::now();
    let server = Server::start(&["--host", "chat.example"]);
    for _ in 0..50 {
        server.send(get("/")).reply().assert_refusal(421);
    }
    server.wait_for_log("refused a request for host \"throng.test\"");
    let lines = server.log().matches("refused a request").count() as u64;
    assert!(lines <= 1 + start.elapsed().as_secs(), "{}", server.log());
}
