//! Requests that a proxy and a server might read in different ways are refused, and the connection ends.

use crate::support::{Server, get};

/// Asserts that the request is refused, and that nothing after it is read as another.
#[track_caller]
fn assert_refused(server: &Server, request: &str) {
    let mut raw = server.send(request.to_owned() + &get("/healthz"));
    let reply = raw.reply();
    assert_eq!(reply.status, 400, "{request:?}");
    reply.assert_refusal(400);
    assert_eq!(reply.field("connection"), Some("close"), "{request:?}");
    raw.assert_ends();
}

#[test]
fn a_body_whose_length_is_not_plain_is_refused() {
    let server = Server::start(&[]);
    let fields = [
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length: 1e3",
        "Content-Length: 0x10",
        "Content-Length: ",
        "Content-Length: 5 5",
        "Content-Length: 5, 5",
        "Content-Length: 5, 6",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 5",
        "content-length: 0\r\nCONTENT-LENGTH: 0",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
    ];
    for fields in fields {
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            assert_refused(&server, &format!("{method} /healthz HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
        }
    }
    assert_refused(&server, "GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    let handshake = crate::support::handshake("/echo");
    assert_refused(
        &server,
        &handshake.replace("\r\n\r\n", "\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    );
    server.assert_well();
}

#[test]
fn a_field_that_is_not_plain_is_refused() {
    let server = Server::start(&[]);
    let fields = [
        "Content-Length : 5",
        "Content-Length\t: 5",
        "X : y",
        " X: y",
        "\tX: y",
        "X: y\r\n folded",
        "X: y\r\n\tfolded",
        "Transfer-Encoding:\r\n chunked",
        "X: y\rContent-Length: 5",
        "X: y\r",
        "X: y\0",
        "X\0: y",
        "X: y\x0bz",
        ": y",
        "X",
        "X\u{e9}: y",
    ];
    for fields in fields {
        assert_refused(&server, &format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"));
    }
    assert_refused(&server, "GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n");
}

#[test]
fn a_request_needs_one_valid_host() {
    let server = Server::start(&[]);
    let fields = [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a\tb\r\n",
        "Host: user@a\r\n",
        "Host: a/b\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "Host: http://a\r\n",
        "Host: a, b\r\n",
        "Host: a:b\r\n",
        "Host: a:-1\r\n",
        "Host: a:65536\r\n",
        "Host: a:80:80\r\n",
        "Host: :80\r\n",
        "Host: ::1\r\n",
        "Host: [::1\r\n",
        "Host: [::1]a\r\n",
        "Host: [a]\r\n",
        "Host: caf\u{e9}\r\n",
        "Host: \"a\"\r\n",
        "Host: <a>\r\n",
    ];
    for fields in fields {
        for target in ["/", "/healthz", "/nothing", "/chat"] {
            assert_refused(&server, &format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
        }
        if !fields.is_empty() {
            assert_refused(&server, &format!("GET /healthz HTTP/1.0\r\n{fields}\r\n"));
        }
        assert_refused(&server, &format!("GET http://a/healthz HTTP/1.1\r\n{fields}\r\n"));
        let handshake = crate::support::handshake("/echo").replace("Host: throng.test\r\n", fields);
        assert_refused(&server, &handshake);
    }
    for host in
        ["a", "a.", "A-b_c.example:8080", "a:", "127.0.0.1:80", "[::1]", "[::1]:8080", "[fe80::1%25eth0]:80"]
    {
        let reply = server.send(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n")).reply();
        assert_eq!(reply.status, 200, "{host}");
    }
}
