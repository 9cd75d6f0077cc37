//! `wss`, with certificates that are trusted, not trusted, and of others.

use super::misbehaving::tls::TlsEcho;
use super::misbehaving::{Kind, content};
use super::run::{bench, run, scratch};
use std::fs;
use std::path::PathBuf;

/// A server for these names, and a file with its certificate.
fn start(names: &[&str]) -> (TlsEcho, PathBuf) {
    let (server, file) = (TlsEcho::start(names), scratch("certificate.pem"));
    fs::write(&file, &server.certificate).unwrap();
    (server, file)
}

const PLAN: [&str; 10] = ["-c", "3", "--rate", "100", "-n", "100", "--warmup", "0", "--drain-timeout", "30s"];

#[test]
fn a_server_with_a_certificate_of_its_own_is_loaded_if_it_is_trusted() {
    let (server, file) = start(&["localhost", "127.0.0.1"]);
    let file = file.to_str().unwrap();
    for (host, trust) in [
        ("localhost", &["--cacert", file][..]),
        ("127.0.0.1", &["--cacert", file]),
        ("127.0.0.1", &["-k"]),
        ("127.0.0.1", &["--insecure"]),
    ] {
        let url = format!("wss://{host}:{}/", server.port());
        let run = run(&[&["echo", &url], &PLAN[..], trust].concat());
        run.assert_messages(&[("planned", 100), ("sent", 100), ("expected", 100), ("received", 100)]);
        assert_eq!(run.count("connections.open_at_end"), 3, "{run}");
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_status_3_and_says_what_to_do() {
    let (server, _) = start(&["localhost"]);
    let run = bench(&[&["echo", &format!("wss://localhost:{}/", server.port())], &PLAN[..]].concat());
    assert_eq!(run.status, Some(3), "{run}");
    assert!(run.stderr.contains("certificate"), "{run}");
    assert!(run.stderr.contains("--cacert") || run.stderr.contains("--insecure"), "{run}");
}

#[test]
fn a_certificate_of_another_name_is_status_3_unless_it_does_not_matter() {
    let (server, file) = start(&["other.test"]);
    let url = format!("wss://localhost:{}/", server.port());
    let refused = bench(&[&["echo", &url], &PLAN[..], &["--cacert", file.to_str().unwrap()]].concat());
    assert_eq!(refused.status, Some(3), "{refused}");
    assert!(refused.stderr.contains("localhost"), "{refused}");
    let run = run(&[&["echo", &url], &PLAN[..], &["-k"]].concat());
    assert_eq!(run.message_count("received"), 100, "{run}");
}

#[test]
fn plain_websocket_to_a_port_of_tls_is_told_to_be_wss() {
    let (server, _) = start(&["localhost"]);
    let run = bench(&[&["echo", &format!("ws://localhost:{}/", server.port())], &PLAN[..]].concat());
    assert_eq!(run.status, Some(3), "{run}");
    assert!(run.stderr.contains("wss://") || run.stderr.contains("TLS"), "{run}");
}

#[test]
fn tls_to_a_plain_port_is_told_to_be_none() {
    let server = content::faithful(Kind::Echo);
    let url = server.url().replace("ws://", "wss://");
    let plan = ["-c", "3", "-d", "1s", "--connect-timeout", "2s"];
    let run = bench(&[&["echo", &url], &plan[..]].concat());
    assert_eq!(run.status, Some(3), "{run}");
    assert!(run.stderr.lines().count() < 5, "{run}");
}

#[test]
fn a_file_without_a_certificate_is_wrong_usage() {
    let file = scratch("empty.pem");
    fs::write(&file, "nothing").unwrap();
    let run = bench(&["echo", "wss://127.0.0.1:1/", "--cacert", file.to_str().unwrap()]);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stderr.contains(file.to_str().unwrap()), "{run}");
}
