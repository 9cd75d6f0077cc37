//! Runs over `wss`, with trusted, untrusted and wrong certificates.

use super::misbehaving::tls::TlsEcho;
use super::misbehaving::{Kind, content};
use super::run::{bench, run, scratch};
use std::fs;
use std::path::PathBuf;

/// Starts a server for these names, and writes its certificate to a file.
fn start(names: &[&str]) -> (TlsEcho, PathBuf) {
    let (server, file) = (TlsEcho::start(names), scratch("certificate.pem"));
    fs::write(&file, &server.certificate).unwrap();
    (server, file)
}

const PLAN: [&str; 10] = ["-c", "3", "--rate", "100", "-n", "100", "--warmup", "0", "--drain-timeout", "30s"];

#[test]
fn a_server_with_a_self_signed_certificate_can_be_loaded_if_it_is_trusted() {
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
fn an_untrusted_certificate_exits_with_3_and_advice() {
    let (server, _) = start(&["localhost"]);
    let run = bench(&[&["echo", &format!("wss://localhost:{}/", server.port())], &PLAN[..]].concat());
    assert_eq!(run.status, Some(3), "{run}");
    assert!(run.stderr.contains("certificate"), "{run}");
    assert!(run.stderr.contains("--cacert") || run.stderr.contains("--insecure"), "{run}");
}

#[test]
fn a_certificate_for_another_name_exits_with_3_unless_insecure() {
    let (server, file) = start(&["other.test"]);
    let url = format!("wss://localhost:{}/", server.port());
    let refused = bench(&[&["echo", &url], &PLAN[..], &["--cacert", file.to_str().unwrap()]].concat());
    assert_eq!(refused.status, Some(3), "{refused}");
    assert!(refused.stderr.contains("localhost"), "{refused}");
    let run = run(&[&["echo", &url], &PLAN[..], &["-k"]].concat());
    assert_eq!(run.message_count("received"), 100, "{run}");
}

#[test]
fn ws_to_a_tls_port_advises_wss() {
    let (server, _) = start(&["localhost"]);
    let run = bench(&[&["echo", &format!("ws://localhost:{}/", server.port())], &PLAN[..]].concat());
    assert_eq!(run.status, Some(3), "{run}");
    assert!(run.stderr.contains("wss://") || run.stderr.contains("TLS"), "{run}");
}

#[test]
fn wss_to_a_plain_port_is_an_error() {
    let server = content::correct(Kind::Echo);
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
