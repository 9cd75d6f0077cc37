//! The forms of a request target.

use crate::support::{HANDSHAKE, Server, get, handshake, request};

#[test]
fn an_absolute_target_is_that_of_its_path() {
    let server = Server::start(&[]);
    let table = [
        ("http://throng.test/healthz", 200),
        ("HTTP://throng.test/healthz?any", 200),
        ("https://throng.test:443/healthz", 200),
        ("http://127.0.0.1:8080/healthz", 200),
        ("http://[::1]:8080//healthz", 200),
        ("http://throng.test", 200),
        ("http://throng.test/", 200),
        ("http://throng.test?room=a", 200),
        ("http://throng.test/nothing", 404),
        ("http://throng.test/chat", 426),
    ];
    for (target, status) in table {
        assert_eq!(server.get(target).status, status, "{target}");
    }
    assert!(server.get("http://throng.test?x").text().contains("<!doctype html>"));
    for target in ["http://throng.test/echo", "ws://throng.test/chat", "WSS://throng.test/chat/a?format=html"]
    {
        assert_eq!(server.send(handshake(target)).reply().status, 101, "{target}");
    }
}

#[test]
fn the_host_of_an_absolute_target_counts_and_not_the_field() {
    let server = Server::start(&[]);
    // `request` sends throng.test as Host.
    let with_origin = |target: &str, origin: &str| {
        let fields = format!("{HANDSHAKE}Origin: {origin}\r\n");
        server.send(request("GET", target, &fields)).reply().status
    };
    assert_eq!(with_origin("http://other.test/echo", "http://other.test"), 101);
    assert_eq!(with_origin("http://other.test/echo", "http://throng.test"), 403);
    // It is needed all the same (RFC 9112, section 3.2).
    server.send("GET http://throng.test/healthz HTTP/1.1\r\n\r\n").reply().assert_refusal(400);
    assert_eq!(server.send("GET http://throng.test/healthz HTTP/1.0\r\n\r\n").reply().status, 200);
}

#[test]
fn other_forms_are_refused_and_the_connection_ends() {
    let server = Server::start(&[]);
    let requests = [
        ("GET", "*"),
        ("GET", "throng.test"),
        ("GET", "throng.test:80"),
        ("CONNECT", "throng.test:80"),
        ("GET", "healthz"),
        ("GET", "?x"),
        ("GET", "http:/healthz"),
        ("GET", "http:healthz"),
        ("GET", "ftp://throng.test/"),
        ("GET", "http:///healthz"),
        ("GET", "http://"),
        ("GET", "http://user@throng.test/"),
        ("GET", "http://user:secret@throng.test/healthz"),
        ("GET", "http://throng.test:x/"),
        ("GET", "/healthz#part"),
        ("GET", "/#"),
        ("GET", "http://throng.test#part"),
    ];
    for (method, target) in requests {
        let mut raw = server.send(request(method, target, "") + &get("/healthz"));
        let reply = raw.reply();
        assert_eq!(reply.status, 400, "{method} {target}");
        reply.assert_refusal(400);
        assert_eq!(reply.field("connection"), Some("close"));
        raw.assert_ends();
    }
    let fragment = server.get("/chat#room").text();
    assert!(fragment.contains("fragment"), "{fragment}");
}

#[test]
fn a_slash_too_many_and_percent_encodings_make_no_other_address() {
    let server = Server::start(&[]);
    for target in
        ["/healthz/", "//healthz", "///healthz//?x", "/%68ealthz", "/health%7A", "/%68%65%61%6c%74%68%7a/"]
    {
        assert_eq!(server.get(target).text().trim_end(), "ok", "{target}");
    }
    for target in ["//", "///", "/index.html", "/index.html/"] {
        assert!(server.get(target).text().contains("<!doctype html>"), "{target}");
    }
    for target in ["//", "/chat/", "//chat", "//chat//", "/echo/", "/%63hat", "/chatsocket/", "/%65cho"] {
        assert_eq!(server.send(handshake(target)).reply().status, 101, "{target}");
    }
    for target in ["/chat/room/", "/chat//room", "//chat/room", "/%63hat/%72oom"] {
        let mut raw = server.open(target);
        let welcome = raw.frame();
        assert!(welcome.text().contains(r#""type":"welcome""#));
        let joined = raw.frame();
        assert!(joined.text().contains(r#""room":"room""#), "{target}: {}", joined.text());
    }
    // An encoded slash is part of a name, and no separator.
    for target in ["/%2Fhealthz", "/chat%2Froom", "/healthz%00", "/%ff", "/healthz%2F"] {
        server.get(target).assert_refusal(404);
    }
}
