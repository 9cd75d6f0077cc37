//! The page that is part of the program.

use crate::support::{Raw, Reply, Server, request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;

/// The answer to a request for the page with further fields.
fn page(server: &Server, fields: &str) -> Reply {
    server.send(request("GET", "/", fields)).reply()
}

fn inflated(reply: &Reply) -> String {
    let mut text = String::new();
    GzDecoder::new(&*reply.body).read_to_string(&mut text).unwrap();
    text
}

/// Returns the text between two strings, each of which occurs once.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).expect(start);
    let (inner, rest) = rest.split_once(end).expect(end);
    assert!(!rest.contains(start), "{start} is there twice");
    inner
}

#[test]
fn the_page_is_one_document_with_all_styles_scripts_and_its_icon() {
    let server = Server::start(&[]);
    let reply = page(&server, "");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.field("content-encoding"), None);
    assert!(reply.field("date").is_some_and(|date| date.ends_with("GMT")), "{:?}", reply.field("date"));
    let text = reply.text();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
    let style = fs::read_to_string(format!("{folder}/style.css")).unwrap();
    assert_eq!(between(&text, "<style>", "</style>"), style);
    let script = between(&text, "<script type=\"module\">", "</script>");
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".js") {
            let module = fs::read_to_string(entry.path()).unwrap();
            let last_line = module.trim_end().lines().last().unwrap();
            assert!(script.contains(last_line.trim_start_matches("export ")), "{name}");
        }
    }
    // What a browser would load; a link that a visitor follows is none of it.
    for element in ["<link ", "<img ", "<script "] {
        for (at, _) in text.match_indices(element) {
            let tag = text[at..].split('>').next().unwrap();
            let address = [" src=\"", " href=\""].into_iter().find_map(|name| tag.split_once(name));
            assert!(address.is_none_or(|(_, address)| address.starts_with("data:")), "{tag}");
        }
    }
}

#[test]
fn the_page_may_run_only_its_own_script_and_style_and_connect_to_its_own_host() {
    let server = Server::start(&[]);
    let reply = page(&server, "");
    let policy = reply.field("content-security-policy").unwrap();
    let text = reply.text();
    let hash = |text: &str| BASE64.encode(Sha256::digest(text));
    let style = hash(between(&text, "<style>", "</style>"));
    let script = hash(between(&text, "<script type=\"module\">", "</script>"));
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    for expected in [
        "default-src 'none'",
        &format!("script-src 'sha256-{script}'"),
        &format!("style-src 'sha256-{style}'"),
        "connect-src 'self' ws://throng.test wss://throng.test",
        "frame-ancestors 'none'",
    ] {
        assert!(directives.contains(&expected), "{expected} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    // A host cannot add to the policy.
    for host in ["a;script-src", "a,b", "*"] {
        let reply = server.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).reply();
        let policy = reply.field("content-security-policy").unwrap();
        assert!(policy.ends_with("; connect-src 'self'"), "{policy}");
    }
}

#[test]
fn the_page_is_sent_compressed_to_those_that_want_it() {
    let server = Server::start(&[]);
    let plain = page(&server, "");
    let gzip = page(&server, "Accept-Encoding: gzip, deflate, br, zstd\r\n");
    assert_eq!(gzip.field("content-encoding"), Some("gzip"));
    assert_eq!(inflated(&gzip), plain.text());
    assert!(gzip.body.len() * 3 < plain.body.len(), "{} of {} bytes", gzip.body.len(), plain.body.len());
    for reply in [&plain, &gzip] {
        assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
        assert_eq!(reply.field("content-type"), Some("text/html; charset=utf-8"));
    }
    for (value, is_compressed) in [
        ("*", true),
        ("gzip;q=0.001", true),
        ("br\r\nAccept-Encoding: gzip", true),
        ("gzip;q=0", false),
        ("gzip;q=0, *", false),
        ("identity", false),
        ("identity, gzip;q=0.5", false),
        ("br, zstd", false),
        ("", false),
    ] {
        let reply = page(&server, &format!("Accept-Encoding: {value}\r\n"));
        assert_eq!(reply.field("content-encoding").is_some(), is_compressed, "{value:?}");
        assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
    }
}

#[test]
fn a_known_tag_is_answered_304_and_each_encoding_has_its_own() {
    let server = Server::start(&[]);
    let gzip = "Accept-Encoding: gzip\r\n";
    let tags = ["", gzip].map(|fields| page(&server, fields).field("etag").unwrap().to_owned());
    assert_ne!(tags[0], tags[1]);
    for (tag, fields, other) in [(&tags[0], "", &tags[1]), (&tags[1], gzip, &tags[0])] {
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag} is not strong");
        for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let mut raw = server.send(request("GET", "/", &format!("{fields}If-None-Match: {known}\r\n")));
            let (reply, body) = (raw.reply(), raw.rest());
            assert_eq!((reply.status, body.len()), (304, 0), "{known}");
            assert_eq!(reply.field("etag"), Some(&**tag));
            assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
            assert_eq!(reply.field("content-length"), None);
            assert!(reply.field("content-security-policy").is_some());
        }
        for unknown in [other, "\"other\"", ""] {
            let reply = page(&server, &format!("{fields}If-None-Match: {unknown}\r\n"));
            assert_eq!(reply.status, 200, "{unknown}");
        }
    }
    // The same program has the same tags after a restart.
    assert_eq!(page(&Server::start(&[]), "").field("etag"), Some(&*tags[0]));
}

#[test]
fn head_has_the_fields_of_each_encoding() {
    let server = Server::start(&[]);
    for fields in ["", "Accept-Encoding: gzip\r\n"] {
        let whole = page(&server, fields);
        let mut raw = server.send(request("HEAD", "/", fields));
        let head = raw.reply_head();
        for name in ["etag", "content-encoding", "content-type", "vary", "content-security-policy"] {
            assert_eq!(head.field(name), whole.field(name), "{name}");
        }
        assert_eq!(head.field("content-length"), Some(&*whole.body.len().to_string()));
        assert!(raw.rest().is_empty());
    }
}

#[test]
fn a_page_view_holds_no_connection() {
    let server = Server::start(&["--keep-alive-timeout", "0"]);
    let mut raw: Raw = server.send(request("GET", "/", "Connection: keep-alive\r\n"));
    assert_eq!(raw.reply().field("connection"), Some("close"));
    raw.assert_ends_in_order();
}
