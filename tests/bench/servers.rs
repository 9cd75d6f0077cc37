//! Tests of the misbehaving servers themselves, with tungstenite: each behaves as the other tests assume.

use super::SERVER_PROCESS;
use super::misbehaving::content::{self, Acknowledged, Joined};
use super::misbehaving::delay::{self, Idle};
use super::misbehaving::process::{Fate, Process};
use super::misbehaving::tls::TlsEcho;
use super::misbehaving::wire::Frame;
use super::misbehaving::{Kind, PATIENCE, connections, speech};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, WebSocket};

type Client = WebSocket<TcpStream>;

fn try_connect(url: &str) -> Result<Client, String> {
    let stream = TcpStream::connect(url["ws://".len()..].trim_end_matches('/')).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match tungstenite::client(url, stream) {
        Ok((client, _)) => Ok(client),
        Err(error) => Err(error.to_string()),
    }
}

fn connect(url: &str) -> Client {
    try_connect(url).unwrap()
}

fn send(client: &mut Client, texts: impl IntoIterator<Item = impl Into<String>>) {
    for text in texts {
        client.send(Message::text(text.into())).unwrap();
    }
}

/// Returns the next messages as text.
fn receive(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| client.read().unwrap().into_text().unwrap().to_string()).collect()
}

/// Returns the code and reason of the close frame.
fn closed(client: &mut Client) -> (u16, String) {
    loop {
        match client.read().unwrap() {
            Message::Close(Some(CloseFrame { code, reason })) => return (code.into(), reason.to_string()),
            Message::Close(None) => return (1005, String::new()),
            _ => {}
        }
    }
}

fn numbers(count: u32) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn frames_of_every_length_are_returned_unchanged() {
    let mut client = connect(&content::correct(Kind::Echo).url());
    for length in [0, 1, 125, 126, 127, 65535, 65536, 1_000_000] {
        let text = "x".repeat(length);
        send(&mut client, [&text]);
        assert_eq!(receive(&mut client, 1), [text]);
    }
    let binary = Message::binary(vec![0, 255, 128]);
    client.send(binary.clone()).unwrap();
    assert_eq!(client.read().unwrap(), binary);
    client.send(Message::Ping("x".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("x".into()));
}

#[test]
fn an_incomplete_frame_is_not_decoded() {
    let masked = [0x81, 0x80 | 3, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3];
    for length in 0..masked.len() {
        assert_eq!(Frame::decode(&masked[..length]).unwrap(), None);
    }
    assert_eq!(Frame::decode(&masked).unwrap(), Some((Frame::text("abc"), masked.len())));
    assert!(Frame::decode(&Frame::text("not masked").encode()).is_err());
}

#[test]
fn a_room_sends_messages_to_all_members_and_an_echo_to_the_sender() {
    let room = content::correct(Kind::Room);
    let mut members = [connect(&room.url()), connect(&room.url())];
    send(&mut members[0], ["one", "two"]);
    for member in &mut members {
        assert_eq!(receive(member, 2), ["one", "two"]);
    }
    members[1].close(None).unwrap();
    assert_eq!(closed(&mut members[1]).0, 1005);
    room.wait_until(|seen| seen.left == 1);
    let seen = room.seen();
    assert_eq!((seen.accepted, seen.opened, seen.messages), (2, 2, 2));

    let echo = content::correct(Kind::Echo);
    let mut clients = [connect(&echo.url()), connect(&echo.url())];
    for (client, text) in clients.iter_mut().zip(["mine", "yours"]) {
        send(client, [text]);
        assert_eq!(receive(client, 1), [text]);
    }
}

#[test]
fn messages_are_lost_duplicated_and_swapped_as_specified() {
    let received = |server: super::misbehaving::Server, count: usize| {
        let mut client = connect(&server.url());
        send(&mut client, numbers(100));
        receive(&mut client, count)
    };
    let mut expected = numbers(100);
    assert_eq!(received(content::correct(Kind::Echo), 100), expected);
    expected.swap(50, 51);
    assert_eq!(received(content::swaps_one_of_100(Kind::Echo), 100), expected);
    expected.swap(50, 51);
    expected.insert(50, "50".to_owned());
    assert_eq!(received(content::duplicates_one_of_100(Kind::Echo), 101), expected);
    expected.drain(50..52);
    assert_eq!(received(content::drops_one_of_100(Kind::Echo), 99), expected);
    assert_eq!(received(content::drops_from(Kind::Echo, 30), 30), numbers(30));
    assert_eq!(received(speech::hangs_after(Kind::Echo, 20), 20), numbers(20));
}

#[test]
fn messages_are_changed_as_specified() {
    let mut client = connect(&content::corrupts_one_of_10(Kind::Echo).url());
    send(&mut client, ["a message that is long enough"; 10]);
    let mut expected = vec!["a message that is long enough"; 10];
    expected[3] = "a message that is lonXXXXXXXX";
    assert_eq!(receive(&mut client, 10), expected);

    let mut client = connect(&content::makes_one_of_10_binary(Kind::Echo).url());
    send(&mut client, numbers(10));
    let is_binary: Vec<bool> = (0..10).map(|_| client.read().unwrap().is_binary()).collect();
    assert_eq!(is_binary.iter().position(|is| *is), Some(3));
    assert_eq!(is_binary.iter().filter(|is| **is).count(), 1);

    let mut client = connect(&content::serialises_json_again(Kind::Echo).url());
    send(&mut client, [r#"{"b":1,"a":{"d":[2],"c":"x"}}"#]);
    let anew = receive(&mut client, 1).remove(0);
    assert_eq!(anew.split_whitespace().collect::<String>(), r#"{"a":{"c":"x","d":[2]},"b":1}"#);
}

#[test]
fn orders_are_permutations_with_a_known_number_of_late_messages() {
    for order in [content::reversed(1000), content::shuffled(1000)] {
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(sorted, order);
    }
    assert_eq!(content::out_of_order(&content::reversed(1000)), 999);
    assert_eq!(content::out_of_order(&[0, 1, 2]), 0);
    assert_eq!(content::out_of_order(&[1, 0, 3, 2, 4]), 2);
    let mut client = connect(&content::reorders(Kind::Echo, vec![2, 0, 1]).url());
    send(&mut client, numbers(3));
    assert_eq!(receive(&mut client, 3), ["2", "0", "1"]);
}

#[test]
fn deliveries_are_joined_and_acknowledged() {
    for (joined, expected) in [
        (Joined::By("\n"), "0\n1\n2"),
        (Joined::By("\u{1e}"), "0\u{1e}1\u{1e}2"),
        (Joined::JsonArray, r#"["0","1","2"]"#),
    ] {
        let mut client = connect(&content::joins(Kind::Echo, joined, 3).url());
        send(&mut client, numbers(3));
        assert_eq!(receive(&mut client, 1), [expected]);
    }
    let ack = r#"{"status":"ok","ack":"x"}"#;
    for (how, sender, other) in [
        (Acknowledged::First, &[ack, "x"][..], &["x"][..]),
        (Acknowledged::Last, &["x", ack], &["x"]),
        (Acknowledged::Only, &[ack], &["x"]),
    ] {
        let server = content::acknowledges(how);
        let mut members = [connect(&server.url()), connect(&server.url())];
        send(&mut members[0], ["x"]);
        assert_eq!(receive(&mut members[0], sender.len()), sender);
        assert_eq!(receive(&mut members[1], other.len()), other);
    }
    let server = content::excludes_sender();
    let mut members = [connect(&server.url()), connect(&server.url())];
    send(&mut members[0], ["x"]);
    send(&mut members[1], ["y"]);
    assert_eq!(receive(&mut members[0], 1), ["y"]);
    assert_eq!(receive(&mut members[1], 1), ["x"]);
}

#[test]
fn every_second_message_is_rejected_as_over_the_rate() {
    let mut client = connect(&speech::limits_rate(Kind::Echo).url());
    send(&mut client, numbers(4));
    assert_eq!(receive(&mut client, 4), ["0", speech::TOO_FAST, "2", speech::TOO_FAST]);
    let mut client = connect(&speech::answers_errors().url());
    send(&mut client, numbers(1));
    assert_eq!(receive(&mut client, 1), [speech::NOT_JOINED]);
}

#[test]
fn handshakes_are_refused_with_the_whole_response() {
    let server = connections::refuses_every_second(Kind::Echo, connections::UNAUTHORIZED);
    let mut first = connect(&server.url());
    assert!(try_connect(&server.url()).is_err_and(|why| why.contains("401")));
    send(&mut first, ["still open"]);
    assert_eq!(receive(&mut first, 1), ["still open"]);

    let server = connections::refuses_after(Kind::Echo, 1, connections::UNAVAILABLE);
    let _first = connect(&server.url());
    for _ in 0..2 {
        assert!(try_connect(&server.url()).is_err_and(|why| why.contains("503")));
    }
    for response in [connections::UNAUTHORIZED, connections::FOUND, connections::TOO_MANY] {
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{response}");
    }
}

#[test]
fn connections_are_closed_as_specified() {
    let server = connections::closes_each_after(Kind::Echo, 3, 1008, "enough");
    let mut clients = [connect(&server.url()), connect(&server.url())];
    for client in &mut clients {
        send(client, numbers(3));
        assert_eq!(receive(client, 3), numbers(3));
        assert_eq!(closed(client), (1008, "enough".to_owned()));
    }
    assert_eq!(server.seen().left, 0, "the server closed first");

    let server = connections::closes_all_after(Kind::Room, 2, 4001, "over");
    let mut members = [connect(&server.url()), connect(&server.url())];
    send(&mut members[0], numbers(2));
    for member in &mut members {
        assert_eq!(closed(member), (4001, "over".to_owned()));
    }

    let server = connections::closes_later_connections(Kind::Echo, 1, Duration::from_millis(20));
    let mut first = connect(&server.url());
    assert_eq!(closed(&mut connect(&server.url())).0, 1001);
    send(&mut first, ["still open"]);
    assert_eq!(receive(&mut first, 1), ["still open"]);
}

#[test]
fn a_late_member_receives_nothing_before_it_has_joined() {
    let server = speech::joins_late_when_asked(Duration::from_millis(200));
    let mut client = connect(&server.url());
    send(&mut client, ["too early", "join", "still too early"]);
    assert_eq!(receive(&mut client, 1), ["you have joined"]);
    send(&mut client, ["now"]);
    assert_eq!(receive(&mut client, 1), ["now"]);
}

#[test]
fn pings_and_other_messages_are_repeated() {
    let mut client = connect(&speech::pings(Kind::Echo).url());
    for _ in 0..3 {
        assert!(client.read().unwrap().is_ping());
    }
    let mut client = connect(&speech::chatters(Kind::Echo).url());
    assert_eq!(receive(&mut client, 3), [speech::CHATTER; 3]);
}

#[test]
fn a_delay_is_never_shorter_than_specified() {
    let delay = Duration::from_millis(20);
    for (kind, idle) in [(Kind::Echo, Idle::Spins), (Kind::Echo, Idle::Sleeps), (Kind::Room, Idle::Sleeps)] {
        let server = delay::start(kind, delay, idle);
        let (mut client, mut other) = (connect(&server.url()), connect(&server.url()));
        for number in numbers(5) {
            let begin = Instant::now();
            send(&mut client, [&number]);
            assert_eq!(receive(&mut client, 1), [&*number]);
            assert!(begin.elapsed() >= delay, "{:?}", begin.elapsed());
            if kind == Kind::Room {
                assert_eq!(receive(&mut other, 1), [number]);
            }
        }
        send(&mut client, ["a", "b"]);
        assert_eq!(receive(&mut client, 2), ["a", "b"]);
    }
    let server = speech::delays(Kind::Echo, delay);
    let mut client = connect(&server.url());
    let begin = Instant::now();
    send(&mut client, ["late"]);
    assert_eq!(receive(&mut client, 1), ["late"]);
    assert!(begin.elapsed() >= delay);
}

#[test]
fn a_separate_process_dies_or_stops() {
    let mut server = Process::start(SERVER_PROCESS, Kind::Echo, Fate::DiesAfter(2));
    let mut client = connect(server.url());
    send(&mut client, numbers(3));
    assert_eq!(receive(&mut client, 2), numbers(2));
    assert!(client.read().is_err());
    assert!(!server.wait().success());

    let server = Process::start(SERVER_PROCESS, Kind::Echo, Fate::StopsAt(1));
    let mut client = connect(server.url());
    client.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    send(&mut client, ["is anybody there?"]);
    assert!(matches!(client.read(), Err(Error::Io(_))), "it still answers");
}

#[test]
fn a_tls_echo_has_a_certificate_for_the_given_names() {
    let server = TlsEcho::start(&["tea.test"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let mut answers = ["tea.test", "milk.test"].map(|name| {
        let tls = ClientConnection::new(Arc::clone(&config), ServerName::try_from(name).unwrap()).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let (mut client, _) = tungstenite::client("ws://tea.test/", StreamOwned::new(tls, stream)).ok()?;
        client.send(Message::text("secret")).unwrap();
        Some(client.read().unwrap())
    });
    assert_eq!(answers[0].take(), Some(Message::text("secret")));
    assert!(answers[1].is_none());
}
