use super::*;
use crate::ws::handshake::{Accepting, Answer, ClientRequest, Connecting, RejectReason};
use crate::ws::head::Response;
use proptest::prelude::*;
use std::borrow::Cow;

/// Both ends of a connection, and what each has received.
struct Pair {
    client: Connection,
    server: Connection,
    codec: Codec,
}

fn pair(deflate: Option<Params>) -> Pair {
    let config = Config::default();
    Pair {
        client: Connection::client(deflate.as_ref(), &config),
        server: Connection::server(deflate.as_ref(), &config),
        codec: Codec::new(),
    }
}

/// Passes the output of one end to the other, in reads of `size` bytes, and returns the events.
fn transfer(
    from: &mut Connection,
    to: &mut Connection,
    codec: &mut Codec,
    size: usize,
) -> Result<Vec<Event<'static>>, Error> {
    let mut events = Vec::new();
    while !from.output().is_empty() {
        let mut read = from.output()[..size.min(from.output().len())].to_vec();
        from.wrote(read.len());
        events.append(&mut receive(to, &mut read, codec)?);
    }
    Ok(events)
}

fn receive(to: &mut Connection, read: &mut [u8], codec: &mut Codec) -> Result<Vec<Event<'static>>, Error> {
    let (mut input, mut events) = (read, Vec::new());
    while let Some(event) = to.receive(&mut input, codec)? {
        events.push(event.into_owned());
    }
    assert!(input.is_empty());
    Ok(events)
}

impl Pair {
    fn send_to_server(&mut self) -> Vec<Event<'static>> {
        transfer(&mut self.client, &mut self.server, &mut self.codec, 1000).unwrap()
    }

    fn send_to_client(&mut self) -> Vec<Event<'static>> {
        transfer(&mut self.server, &mut self.client, &mut self.codec, 1000).unwrap()
    }
}

fn close(code: u16, reason: &'static str) -> Event<'static> {
    Event::Close(Some(crate::ws::CloseFrame { code: CloseCode(code), reason: reason.into() }))
}

#[test]
fn pings_are_answered_with_their_payload() {
    let mut pair = pair(None);
    let payload = [7; MAX_CONTROL];
    pair.client.ping(&payload, &mut pair.codec).unwrap();
    assert_eq!(pair.send_to_server(), [Event::Ping(Cow::Borrowed(&payload))]);
    assert_eq!(pair.send_to_client(), [Event::Pong(Cow::Borrowed(&payload))]);
    pair.server.ping(b"", &mut pair.codec).unwrap();
    assert_eq!(pair.send_to_client(), [Event::Ping(Cow::Borrowed(b""))]);
    assert_eq!(pair.send_to_server(), [Event::Pong(Cow::Borrowed(b""))]);
}

#[test]
fn a_close_frame_is_answered_once_with_its_code_after_what_was_sent_before() {
    for client_first in [true, false] {
        let mut pair = pair(None);
        let Pair { client, server, codec } = &mut pair;
        let (first, second) = if client_first { (client, server) } else { (server, client) };
        first.send(&"last".into(), codec).unwrap();
        second.send(&"answer".into(), codec).unwrap();
        first.close(CloseCode(4001), "done", codec).unwrap();
        assert_eq!((first.state(), second.state()), (State::Closing, State::Open));
        let events = transfer(first, second, codec, 1).unwrap();
        assert_eq!(events, [Event::Message("last".into()), close(4001, "done")]);
        assert_eq!(second.state(), State::Closed(ClosedBy::Peer));
        let events = transfer(second, first, codec, 1).unwrap();
        assert_eq!(events, [Event::Message("answer".into()), close(4001, "")]);
        assert_eq!(first.state(), State::Closed(ClosedBy::Own));
        first.receive_end();
        second.receive_end();
        assert_eq!(first.state(), State::Closed(ClosedBy::Own), "the end of the stream changes nothing");
        assert_eq!((first.output(), second.output()), (&b""[..], &b""[..]));
    }
}

#[test]
fn a_close_frame_without_a_code_is_answered_without_one() {
    let mut server = Connection::server(None, &Config::default());
    let events = receive(&mut server, &mut b"\x88\x80\0\0\0\0".to_vec(), &mut Codec::new());
    assert_eq!(events, Ok(vec![Event::Close(None)]));
    assert_eq!(server.output(), b"\x88\x00");
}

#[test]
fn ends_that_close_at_the_same_time_are_both_closed() {
    let Pair { mut client, mut server, mut codec } = pair(None);
    client.close(CloseCode::NORMAL, "", &mut codec).unwrap();
    server.close(CloseCode::GOING_AWAY, "", &mut codec).unwrap();
    assert_eq!(transfer(&mut client, &mut server, &mut codec, 100), Ok(vec![close(1000, "")]));
    assert_eq!(transfer(&mut server, &mut client, &mut codec, 100), Ok(vec![close(1001, "")]));
    assert_eq!(client.state(), State::Closed(ClosedBy::Own));
    assert_eq!(server.state(), State::Closed(ClosedBy::Own));
    assert_eq!((client.output(), server.output()), (&b""[..], &b""[..]));
}

#[test]
fn nothing_can_be_sent_after_a_close_frame_was_sent_or_received_or_after_the_end() {
    let check = |connection: &mut Connection, codec: &mut Codec| {
        let before = connection.output().to_vec();
        assert_eq!(connection.send(&"text".into(), codec), Err(SendError::NotOpen));
        assert_eq!(connection.send_part(&"text".into(), false, codec), Err(SendError::NotOpen));
        assert_eq!(connection.ping(b"", codec), Err(SendError::NotOpen));
        assert_eq!(connection.close(CloseCode::NORMAL, "", codec), Err(SendError::NotOpen));
        assert_eq!(connection.output(), before);
    };
    let mut pair = pair(None);
    pair.client.close(CloseCode::NORMAL, "", &mut pair.codec).unwrap();
    check(&mut pair.client, &mut pair.codec);
    pair.send_to_server();
    check(&mut pair.server, &mut pair.codec);
    let mut ended = Connection::server(None, &Config::default());
    ended.receive_end();
    check(&mut ended, &mut pair.codec);
    let mut failed = Connection::server(None, &Config::default());
    receive(&mut failed, &mut [0x83], &mut pair.codec).unwrap_err();
    check(&mut failed, &mut pair.codec);
}

#[test]
fn pings_after_a_close_frame_are_not_answered() {
    let Pair { mut client, mut server, mut codec } = pair(None);
    server.close(CloseCode::NORMAL, "", &mut codec).unwrap();
    server.wrote(server.output().len());
    client.ping(b"1", &mut codec).unwrap();
    client.send(&"late".into(), &mut codec).unwrap();
    let events = transfer(&mut client, &mut server, &mut codec, 3).unwrap();
    assert_eq!(events, [Event::Ping(Cow::Borrowed(b"1")), Event::Message("late".into())]);
    assert_eq!(server.output(), b"");
}

#[test]
fn an_error_is_answered_with_its_code_and_repeated() {
    let table: &[(&[u8], Error, u16)] = &[
        (b"\x81\x01a", Error::Unmasked, 1002),
        (b"\x83\x80", Error::UnknownOpcode(3), 1002),
        (b"\x80\x80\0\0\0\0", Error::UnexpectedContinuation, 1002),
        (b"\xc1\x80", Error::ReservedBits, 1002),
        (b"\x88\x82\0\0\0\0\x03\xed", Error::InvalidCloseCode(1005), 1002),
        (b"\x81\x81\0\0\0\0\xff", Error::InvalidUtf8, 1007),
        (b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0", Error::TooBig { limit: 1 << 20 }, 1009),
    ];
    for (bytes, error, code) in table {
        let (mut server, mut codec) = (Connection::server(None, &Config::default()), Codec::new());
        assert_eq!(receive(&mut server, &mut bytes.to_vec(), &mut codec).as_ref(), Err(error));
        assert_eq!(server.state(), State::Closed(ClosedBy::Error));
        let output = server.output().to_vec();
        assert_eq!(&output[2..], frame::close_payload(CloseCode(*code), &error.to_string()));
        for more in [&b""[..], b"\x81\x80\0\0\0\0"] {
            assert_eq!(
                receive(&mut server, &mut more.to_vec(), &mut codec).as_ref(),
                Err(error),
                "it is repeated"
            );
        }
        server.receive_end();
        assert_eq!((server.state(), server.output()), (State::Closed(ClosedBy::Error), &output[..]));
    }
}

#[test]
fn an_error_after_the_own_close_frame_is_not_answered() {
    let (mut server, mut codec) = (Connection::server(None, &Config::default()), Codec::new());
    server.close(CloseCode::NORMAL, "", &mut codec).unwrap();
    server.wrote(4);
    receive(&mut server, &mut [0x83], &mut codec).unwrap_err();
    assert_eq!((server.output(), server.state()), (&b""[..], State::Closed(ClosedBy::Error)));
}

#[test]
fn an_end_of_the_stream_before_the_closing_handshake_is_known() {
    let mut pair = pair(None);
    pair.server.send(&"half".into(), &mut pair.codec).unwrap();
    let mut half = pair.server.output()[..3].to_vec();
    assert_eq!(receive(&mut pair.client, &mut half, &mut pair.codec), Ok(vec![]));
    assert!(pair.client.is_unfinished());
    pair.client.receive_end();
    assert_eq!(pair.client.state(), State::Closed(ClosedBy::EndOfStream));
    assert_eq!(receive(&mut pair.client, &mut b"alf".to_vec(), &mut pair.codec), Ok(vec![]));
}

#[test]
fn what_breaks_the_protocol_cannot_be_sent() {
    let (mut client, mut codec) = (Connection::client(None, &Config::default()), Codec::new());
    assert_eq!(client.ping(&[0; MAX_CONTROL + 1], &mut codec), Err(SendError::PingTooLong));
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let code = CloseCode(code);
        assert_eq!(client.close(code, "", &mut codec), Err(SendError::InvalidCloseCode(code)));
    }
    client.send_part(&"a".into(), false, &mut codec).unwrap();
    let before = client.output().len();
    assert_eq!(client.send(&"b".into(), &mut codec), Err(SendError::MessageUnfinished));
    assert_eq!(client.send_part(&vec![1].into(), true, &mut codec), Err(SendError::OtherType));
    assert_eq!((client.output().len(), client.state()), (before, State::Open));
}

#[test]
fn a_message_in_parts_is_one_message_and_pings_may_go_between() {
    let mut pair = pair(Some(Params::default()));
    let Pair { client, codec, .. } = &mut pair;
    client.send_part(&"Grüße, ".into(), false, codec).unwrap();
    client.ping(b"", codec).unwrap();
    client.send_part(&"".into(), false, codec).unwrap();
    client.send_part(&"世界".into(), true, codec).unwrap();
    client.send(&vec![0; 1000].into(), codec).unwrap();
    let events = pair.send_to_server();
    let messages: Vec<_> = events.iter().filter(|event| matches!(event, Event::Message(_))).collect();
    assert_eq!(messages, [&Event::Message("Grüße, 世界".into()), &Event::Message(vec![0; 1000].into())]);
}

#[test]
fn receiving_can_stop_after_any_event_and_go_on_later() {
    let mut pair = pair(None);
    for text in ["one", "two", "three"] {
        pair.client.send(&text.into(), &mut pair.codec).unwrap();
    }
    let mut buffer = pair.client.output().to_vec();
    let (mut start, mut texts) = (0, Vec::new());
    while start < buffer.len() {
        let len = buffer.len();
        let mut input = &mut buffer[start..];
        let event = pair.server.receive(&mut input, &mut pair.codec).unwrap().map(Event::into_owned);
        start = len - input.len();
        texts.extend(event);
    }
    assert_eq!(texts, ["one", "two", "three"].map(|text| Event::Message(text.into())));
}

#[test]
fn pings_cannot_make_the_output_grow_without_limit_and_the_newest_is_answered() {
    let (mut server, mut codec) = (Connection::server(None, &Config::default()), Codec::new());
    for number in 0..10_000u32 {
        let mut ping = [&b"\x89\x84\0\0\0\0"[..], &number.to_be_bytes()].concat();
        receive(&mut server, &mut ping, &mut codec).unwrap();
    }
    assert!(server.output().len() < (16 << 10) + 10, "{}", server.output().len());
    server.wrote(server.output().len());
    assert_eq!(server.output(), [&b"\x8a\x04"[..], &9999u32.to_be_bytes()].concat());
}

#[test]
fn memory_of_the_output_is_bounded_and_can_be_shared() {
    let (mut server, mut codec) = (Connection::server(None, &Config::default()), Codec::new());
    for _ in 0..1000 {
        server.send(&vec![0; 1000].into(), &mut codec).unwrap();
        server.wrote(server.output().len() - 10);
    }
    let mut shared = Vec::with_capacity(100);
    server.swap_buffer(&mut shared);
    assert_eq!(shared.capacity(), 100, "output is waiting");
    server.wrote(usize::MAX);
    server.swap_buffer(&mut shared);
    assert!(shared.capacity() <= 16 << 10, "{}", shared.capacity());
    server.send(&"a".into(), &mut codec).unwrap();
    server.wrote(3);
    server.swap_buffer(&mut shared);
    assert_eq!(shared.capacity(), 100);
}

#[test]
fn every_frame_of_a_client_has_a_key_of_its_own() {
    let (mut client, mut codec) = (Connection::client(None, &Config::default()), Codec::new());
    let mut keys = std::collections::HashSet::new();
    for _ in 0..1000 {
        client.send(&"".into(), &mut codec).unwrap();
        keys.insert(client.output()[2..6].to_vec());
        client.wrote(6);
    }
    assert!(keys.len() > 990, "{}", keys.len());
}

#[test]
fn messages_are_limited_unless_there_is_no_limit() {
    for (max_message, len, is_accepted) in [
        (1000, 1000, true),
        (1000, 1001, false),
        (0, 1, true),
        (0, 2, false),
        (Config::NO_LIMIT, 5 << 20, true),
    ] {
        for deflate in [None, Some(Params::default())] {
            let config = Config { max_message, ..Config::default() };
            let mut server = Connection::server(deflate.as_ref(), &config);
            let Pair { mut client, mut codec, .. } = pair(deflate);
            client.send(&vec![b'a'; len].into(), &mut codec).unwrap();
            let outcome = transfer(&mut client, &mut server, &mut codec, usize::MAX);
            assert_eq!(outcome.is_ok(), is_accepted, "{len} of {max_message}");
        }
    }
}

#[test]
fn debug_shows_no_content() {
    let mut pair = pair(Some(Params { server_no_context_takeover: false, ..Params::default() }));
    let secret = "the secret ".repeat(100);
    pair.server.send(&secret.as_str().into(), &mut pair.codec).unwrap();
    let mut part = pair.server.output()[..10].to_vec();
    receive(&mut pair.client, &mut part, &mut pair.codec).unwrap();
    pair.client.send_part(&"secret".into(), false, &mut pair.codec).unwrap();
    let event = Event::Message(secret.as_str().into());
    let shown = format!(
        "{:?} {:?} {:?} {event:?} {:?}",
        pair.client,
        pair.server,
        pair.codec,
        Event::Ping(b"secret".into())
    );
    assert!(!shown.contains("secret") && !shown.contains("115, 101, 99"), "{shown}");
    assert!(shown.contains("Message(Text(1100 bytes)) Ping(6 bytes)"), "{shown}");
}

#[test]
fn an_opening_handshake_in_reads_of_one_byte_ends_with_two_connections() {
    for (deflate, is_compressed) in [(&[][..], false), (&[Params::BROWSERS_OFFER], true)] {
        let (config, mut codec) = (Config::default(), Codec::new());
        let request = ClientRequest { deflate, ..ClientRequest::new("h", "/") };
        let mut connecting = Connecting::new(&request, &config, &mut codec).unwrap();
        let (mut accepting, mut server) = (Accepting::new(&config), None);
        while let [byte, ..] = *connecting.output() {
            connecting.wrote(1);
            assert!(server.is_none());
            server = accepting.receive(&mut &mut [byte][..], |_| Ok(Answer::new())).unwrap();
        }
        let mut server = server.expect("the request is complete");
        let text = "a".repeat(1000);
        server.send(&text.as_str().into(), &mut codec).unwrap();
        assert_eq!(server.output().len() < 1000, is_compressed);
        let mut bytes = server.output().to_vec();
        let mut input = &mut bytes[..];
        let (mut client, opened) = connecting.receive(&mut input).unwrap().expect("the response is complete");
        assert_eq!((opened.subprotocol, opened.deflate.is_some()), (None, is_compressed));
        assert_eq!(client.receive(&mut input, &mut codec), Ok(Some(Event::Message(text.into()))));
    }
}

#[test]
fn a_subprotocol_and_fields_are_chosen_for_each_request() {
    let mut accepting = Accepting::new(&Config::default());
    let mut codec = Codec::new();
    let request = ClientRequest { subprotocols: &["a", "b"], ..ClientRequest::new("h", "/room") };
    let connecting = Connecting::new(&request, &Config::default(), &mut codec).unwrap();
    let mut bytes = [connecting.output(), b"frames"].concat();
    let mut input = &mut bytes[..];
    let server = accepting.receive(&mut input, |request| {
        assert_eq!(request.path(), "/room");
        let chosen = request.list("sec-websocket-protocol").last().unwrap();
        Ok(Answer::new().with_subprotocol(chosen).with_field("Set-Cookie", "id=1; Secure").unwrap())
    });
    let server = server.unwrap().expect("the request is complete");
    assert_eq!(input, b"frames");
    let mut connecting = connecting;
    let mut response = server.output().to_vec();
    let (_, opened) = connecting.receive(&mut &mut response[..]).unwrap().unwrap();
    assert_eq!((opened.subprotocol.as_deref(), &opened.cookies[..]), (Some("b"), &["id=1".to_owned()][..]));
}

#[test]
fn what_an_application_does_not_accept_is_answered() {
    let handshake = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let refuse = || Err(Response::text(401, "no token").with("WWW-Authenticate", "Bearer\r\nX: y"));
    let outcome = |head: &str, answer: Result<Answer, Response>| {
        let mut bytes = head.as_bytes().to_vec();
        Accepting::new(&Config::default()).receive(&mut &mut bytes[..], |_| answer).unwrap_err()
    };
    let unauthorized = outcome(handshake, refuse());
    assert_eq!(unauthorized.reason, RejectReason::Application(401));
    assert_eq!(
        str::from_utf8(unauthorized.output()).unwrap(),
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\nWWW-Authenticate: Bearer  X: y\r\n\
         Content-Length: 9\r\nConnection: close\r\n\r\nno token\n"
    );
    let not_offered = outcome(handshake, Ok(Answer::new().with_subprotocol("chat")));
    assert_eq!(not_offered.reason, RejectReason::NotOffered("chat".into()));
    assert!(not_offered.output().starts_with(b"HTTP/1.1 500 "));
    for (head, status) in [
        ("\x16", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "426"),
        (&handshake.replace("GET", "POST"), "405"),
        (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000)), "414"),
        (&format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(3000)), "431"),
    ] {
        let rejected = outcome(head, refuse());
        assert!(rejected.output().starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{rejected}");
        assert!(!rejected.to_string().is_empty());
    }
    let headless = outcome(&handshake.replace("GET", "HEAD"), refuse());
    assert!(headless.output().ends_with(b"\r\n\r\n"), "no body follows");
    for (name, value) in [("X", "a\r\nY: b"), ("a b", ""), ("Upgrade", "h2c"), ("Sec-WebSocket-Accept", "x")]
    {
        assert!(Answer::new().with_field(name, value).is_err(), "{name}");
    }
}

#[test]
fn a_client_window_that_no_compressor_has_means_no_compression() {
    let agreed = Params { client_max_window_bits: Some(8), ..Params::default() };
    assert!(Params::BROWSERS_OFFER.allows(&agreed));
    let mut pair = pair(Some(agreed));
    let text = "a".repeat(1000);
    pair.client.send(&text.as_str().into(), &mut pair.codec).unwrap();
    assert!(pair.client.output().len() > 1000);
    assert_eq!(pair.send_to_server(), [Event::Message(text.into())]);
}

proptest! {
    #[test]
    fn what_one_end_sends_the_other_receives_however_it_is_cut(
        messages in prop::collection::vec(("([a-c]{0,9}|.{1,40}){0,60}", any::<bool>(), any::<bool>()), 0..12),
        window in prop::option::of(8u8..=15),
        size in 1usize..400,
        is_compressed in any::<bool>(),
    ) {
        let params = Params { server_max_window_bits: window.filter(|bits| *bits > 8), client_max_window_bits: window, ..Params::default() };
        let mut pair = pair(is_compressed.then_some(params));
        let Pair { client, server, codec } = &mut pair;
        for is_client in [true, false] {
            let (from, to) = if is_client { (&mut *client, &mut *server) } else { (&mut *server, &mut *client) };
            let mut sent = Vec::new();
            for (text, is_text, is_split) in &messages {
                let message = |text: &str| match is_text {
                    true => Message::from(text.to_owned()),
                    false => Message::from(text.as_bytes().to_vec()),
                };
                let middle = text.floor_char_boundary(text.len() / 2);
                if *is_split {
                    from.send_part(&message(&text[..middle]), false, codec).unwrap();
                    from.send_part(&message(&text[middle..]), true, codec).unwrap();
                } else {
                    from.send(&message(text), codec).unwrap();
                }
                sent.push(Event::Message(message(text)));
            }
            let received = transfer(from, to, codec, size).unwrap();
            let received: Vec<_> = received.into_iter().filter(|event| *event != Event::Fragment).collect();
            prop_assert_eq!(received, sent);
        }
    }
}
