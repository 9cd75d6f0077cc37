//! The handshake requests of clients, and reports of refusals.

use super::misbehaving::connections::{self, FOUND, TOO_MANY, UNAUTHORIZED, UNAVAILABLE};
use super::misbehaving::wire::Request;
use super::misbehaving::{Kind, Seen, content};
use super::run::{bench, run};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// Returns what the server has seen of ten connections.
fn requests(arguments: &[&str]) -> Seen {
    let server = content::correct(Kind::Echo);
    let run = run(&[&["connect", &server.url(), "-c", "10", "-d", "100ms"], arguments].concat());
    assert_eq!(run.count("connections.opened"), 10, "{run}");
    server.seen()
}

fn values<'a>(requests: &'a [Request], field: &str) -> BTreeSet<&'a str> {
    requests.iter().flat_map(|request| request.values(field)).collect()
}

#[test]
fn a_refusal_is_reported_with_its_content() {
    for (response, words) in [
        (UNAVAILABLE, &["503"][..]),
        (UNAUTHORIZED, &["401", r#"Bearer realm="tea""#, "A token is needed for tea"]),
        (FOUND, &["302", "https://login.test/tea"]),
        (TOO_MANY, &["429", "17"]),
    ] {
        let server = connections::refuses_every_second(Kind::Echo, response);
        let run = run(&["connect", &server.url(), "-c", "20", "-d", "100ms"]);
        assert_eq!((run.count("connections.planned"), run.count("connections.opened")), (20, 10), "{run}");
        assert_eq!(run.count("connections.open_at_end"), 10, "{run}");
        run.assert_cause("connections.failed", words, 10);
    }
}

#[test]
fn header_fields_are_templates() {
    let seen = requests(&[
        "-H",
        "Cookie: session=s{client}; tea",
        "-H",
        "X-Twice: a",
        "-H",
        "X-Twice: b",
        "-H",
        "X-Chance: {random:12}",
        "--origin",
        "https://tea.test",
        "--client-offset",
        "100",
    ]);
    let cookies: BTreeSet<String> = (100..110).map(|client| format!("session=s{client}; tea")).collect();
    assert_eq!(values(&seen.requests, "Cookie"), cookies.iter().map(String::as_str).collect());
    assert_eq!(values(&seen.requests, "X-Twice"), ["a", "b"].into());
    assert_eq!(values(&seen.requests, "Origin"), ["https://tea.test"].into());
    let chances = values(&seen.requests, "X-Chance");
    assert_eq!(chances.len(), 10, "each client has its own: {chances:?}");
    assert!(chances.iter().all(|chance| chance.len() == 12), "{chances:?}");
}

#[test]
fn random_letters_differ_from_run_to_run() {
    let chances = || {
        let seen = requests(&["-H", "X-Chance: {random:12}"]);
        values(&seen.requests, "X-Chance").into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert!(chances().is_disjoint(&chances()));
}

#[test]
fn each_client_can_send_its_own_header_field() {
    let server = connections::asks_for(Kind::Echo, "X-User", |client| format!("user-{client}"));
    let run = run(&["connect", &server.url(), "-c", "10", "-d", "100ms", "-H", "X-User: user-{client}"]);
    assert_eq!(run.count("connections.opened"), 10, "{run}");
    let refused = bench(&["connect", &server.url(), "-c", "10", "-d", "100ms", "-H", "X-User: nobody"]);
    assert_eq!(refused.status, Some(3), "{refused}");
    assert!(refused.stderr.contains("401"), "{refused}");
}

#[test]
fn a_host_field_replaces_the_default_and_no_field_is_sent_twice() {
    let seen = requests(&["-H", "Host: tea.test"]);
    for request in &seen.requests {
        assert_eq!(request.values("Host"), ["tea.test"]);
        for field in ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Upgrade", "Connection"] {
            assert_eq!(request.values(field).len(), 1, "{field}: {request:?}");
        }
    }
    let keys = values(&seen.requests, "Sec-WebSocket-Key");
    assert_eq!(keys.len(), 10, "each handshake has its own key: {keys:?}");
}

#[test]
fn subprotocols_may_be_given_in_one_flag() {
    for flags in [&["--subprotocol", "tea, milk"][..], &["--subprotocol", "tea", "--subprotocol", "milk"]] {
        let seen = requests(flags);
        let offered: Vec<String> =
            seen.requests.iter().map(|request| request.values("Sec-WebSocket-Protocol").join(", ")).collect();
        assert!(offered.iter().all(|offered| offered == "tea, milk"), "{offered:?}");
    }
}

#[test]
fn deflate_is_offered_as_browsers_do() {
    let seen = requests(&["--deflate"]);
    let offered = values(&seen.requests, "Sec-WebSocket-Extensions");
    assert_eq!(offered, ["permessage-deflate; client_max_window_bits"].into());
    assert!(values(&requests(&[]).requests, "Sec-WebSocket-Extensions").is_empty());
}

#[test]
fn clients_connect_from_the_given_source_addresses() {
    let seen = requests(&["--source-ip", "127.0.0.9,127.0.0.10"]);
    let peers: BTreeSet<IpAddr> = seen.peers.iter().copied().collect();
    let given = [9, 10].map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
    assert!(peers.is_subset(&given.into()), "{peers:?}");
    let seen = requests(&["--source-ip", "127.0.0.9"]);
    assert!(seen.peers.iter().all(|peer| *peer == given[0]), "{:?}", seen.peers);
}

#[test]
fn a_foreign_source_address_is_rejected_before_the_run() {
    let server = content::correct(Kind::Echo);
    // An address for documentation (RFC 5737), which no machine has.
    let run = bench(&["connect", &server.url(), "-c", "3", "-d", "100ms", "--source-ip", "192.0.2.7"]);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stderr.contains("192.0.2.7"), "{run}");
    assert_eq!(server.seen().opened, 0);
}

#[test]
fn concurrent_handshakes_are_limited() {
    let server = connections::never_answers_a_handshake();
    let run = bench(&[
        "connect",
        &server.url(),
        "-c",
        "50",
        "--connect-concurrency",
        "7",
        "--connect-timeout",
        "1s",
        "-d",
        "1s",
        "--threads",
        "1",
    ]);
    assert_eq!(run.status, Some(3), "{run}");
    // The clients connect in groups of seven, each after the previous one has timed out.
    assert!(server.seen().requests.len() <= 50, "{}", server.seen().requests.len());
}
