use super::super::{Accepted, Connecting, check};
use super::*;
use crate::ws::head::{Limits, Request};
use crate::ws::{Codec, Config};

const LIMITS: Limits = Limits { request_line: 8192, head: 16384, fields: 100 };

const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const NONCE: [u8; 16] = *b"the sample nonce";

fn client() -> ClientRequest<'static> {
    ClientRequest {
        subprotocols: &["throng.v1", "chat"],
        fields: &[("Origin", "http://server.example.com")],
        ..ClientRequest::new("server.example.com", "/chat")
    }
}

/// Returns the outcome of a response to `request` and the number of bytes that follow the head. It is the same whether
/// the response arrives whole or byte by byte.
fn respond(request: &ClientRequest<'_>, bytes: &[u8]) -> Result<Option<Opened>, ResponseError> {
    let mut codec = Codec::with_random(|bytes| bytes.copy_from_slice(&NONCE[..bytes.len()]));
    let mut connecting = || Connecting::new(request, &Config::default(), &mut codec).unwrap();
    let (mut whole, mut bytewise) = (connecting(), connecting());
    let mut received = bytes.to_vec();
    let mut input = &mut received[..];
    let outcome = whole.receive(&mut input).map(|outcome| outcome.map(|(_, opened)| opened));
    if let Ok(Some(opened)) = &outcome {
        assert_eq!(bytes.len() - input.len(), opened.head_len, "frames are left in the input");
    }
    let mut received = bytes.to_vec();
    let mut outcomes = received.iter_mut().map(|byte| bytewise.receive(&mut std::slice::from_mut(byte)));
    let first = outcomes.find(|outcome| !matches!(outcome, Ok(None))).unwrap_or(Ok(None));
    assert_eq!(first.map(|outcome| outcome.map(|(_, opened)| opened)), outcome, "byte by byte");
    outcome
}

#[test]
fn a_client_accepts_the_response_of_the_server() {
    let mut request = Vec::new();
    client().encode(NONCE, &mut request).unwrap();
    let key = Request::parse(&request, &LIMITS, |request| {
        let offered: Vec<_> = request.list("sec-websocket-protocol").collect();
        assert_eq!(offered, ["throng.v1", "chat"]);
        check(request)
    });
    let mut answer = Vec::new();
    let subprotocol = Some("chat");
    Accepted { key: key.unwrap().unwrap(), subprotocol, deflate: None }.encode(&mut answer);
    let head_len = answer.len();
    for cut in 0..head_len {
        assert_eq!(respond(&client(), &answer[..cut]), Ok(None));
    }
    answer.extend_from_slice(b"\x81\x00");
    let accepted = respond(&client(), &answer);
    let subprotocol = Some("chat".to_owned());
    assert_eq!(accepted, Ok(Some(Opened { head_len, subprotocol, deflate: None, cookies: Vec::new() })));
}

/// Returns the accepted response with a change.
fn answer(from: &str, to: &str) -> String {
    GOOD.replacen(from, to, 1)
}

fn with_fields(fields: &str) -> String {
    answer("\r\n\r\n", &format!("\r\n{fields}\r\n\r\n"))
}

fn opened(answer: &str) -> Result<Opened, ResponseError> {
    Ok(respond(&client(), answer.as_bytes())?.expect("the head is complete"))
}

#[test]
fn a_client_rejects_responses_that_do_not_match_its_request() {
    let subprotocol = |chosen: &str| ResponseError::WrongSubprotocol {
        chosen: chosen.into(),
        offered: "throng.v1, chat".into(),
    };
    let extension = |value: &str| ResponseError::WrongExtension(value.into());
    let table = [
        (answer("HTTP/1.1", "HTTP/1.0"), ResponseError::Version),
        (answer("HTTP/1.1", "HTTP/2.0"), ResponseError::Version),
        (answer("HTTP/1.1", "SSH-2.0"), ResponseError::Malformed),
        (answer("HTTP/1.1 ", "+OK "), ResponseError::Malformed),
        (answer("Upgrade: w", "Upgrade w"), ResponseError::Malformed),
        ("\x15\x03\x03\0\x02\x02\x46".to_owned(), ResponseError::Tls),
        (answer("Upgrade: websocket\r\n", ""), ResponseError::NotUpgraded),
        (answer("Connection: Upgrade", "Connection: close"), ResponseError::NotUpgraded),
        (answer("s3pP", "S3pP"), ResponseError::WrongAccept),
        (with_fields("Sec-WebSocket-Protocol: other"), subprotocol("other")),
        (with_fields("Sec-WebSocket-Protocol: Chat"), subprotocol("Chat")),
        (with_fields("Sec-WebSocket-Protocol:"), subprotocol("")),
        (with_fields("Sec-WebSocket-Protocol: chat, throng.v1"), subprotocol("chat, throng.v1")),
        (
            with_fields("Sec-WebSocket-Protocol: chat\r\nsec-websocket-protocol: chat"),
            subprotocol("chat, chat"),
        ),
        (with_fields("Sec-WebSocket-Extensions: permessage-deflate"), extension("permessage-deflate")),
        (with_fields("Sec-WebSocket-Extensions: a;"), extension("a;")),
    ];
    for (answer, error) in table {
        assert_eq!(opened(&answer), Err(error), "{answer}");
    }
    assert_eq!(opened(GOOD).unwrap().subprotocol, None, "it need not choose a subprotocol");
}

#[test]
fn the_error_is_the_same_however_a_response_is_split() {
    for answer in [
        "\t\n\rHTTP/1.1 100 Continue\r\n\r\n",
        "\r\n\nHTTP/2.0 200 \r\n\r\n",
        "\rHTTP/1.1 200 \r\n\r\n",
        "HTTX/1.1 101 \r\n\r\n",
        "HTTP/1.1 101 \r\na b: c\r\n\r\n",
        "\x15\x03\x03\0",
        "\x15\x04",
    ] {
        assert!(respond(&client(), answer.as_bytes()).is_err(), "{answer:?}");
    }
}

#[test]
fn an_error_names_the_chosen_and_the_offered_subprotocols() {
    let error = opened(&with_fields("Sec-WebSocket-Protocol: Chat")).unwrap_err();
    let expected = r#"the server chose the subprotocol "Chat", but the client offered "throng.v1, chat""#;
    assert_eq!(error.to_string(), expected);
    let none = ClientRequest { subprotocols: &[], ..client() };
    let error = respond(&none, with_fields("Sec-WebSocket-Protocol: mqtt").as_bytes()).unwrap_err();
    let expected = r#"the server chose the subprotocol "mqtt", but none was offered"#;
    assert_eq!(error.to_string(), expected);
    let error = opened(&answer("101 Switching Protocols", "403 Forbidden")).unwrap_err();
    assert_eq!(error.to_string(), "status 403 Forbidden");
}

#[test]
fn a_field_may_be_capitalized_padded_and_folded() {
    for (from, to) in [
        ("Sec-WebSocket-Accept: ", "sec-websocket-accept:"),
        ("Sec-WebSocket-Accept: ", "SEC-WEBSOCKET-ACCEPT:   \t"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept:\r\n "),
        ("Sec-WebSocket-Accept:", "Sec-WebSocket-Accept :"),
        ("xOo=", "xOo= "),
        ("Upgrade: websocket", "upgrade: h2c, WebSocket"),
        ("Connection: Upgrade", "connection: keep-alive\r\nConnection: upgrade"),
        ("101 Switching Protocols", "101"),
        ("101 Switching Protocols", "101 \u{fc}"),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol:\tchat \r\n\r\n"),
    ] {
        let answer = answer(from, to);
        assert_eq!(opened(&answer).map(|opened| opened.head_len), Ok(answer.len()), "{answer:?}");
    }
}

#[test]
fn heads_are_accepted_up_to_limits_of_fields_and_bytes() {
    let fields = |count: usize| with_fields(&vec!["x-a: b"; count].join("\r\n"));
    for count in [60, 61, 62, 500, MAX_FIELDS - 3] {
        assert!(opened(&fields(count)).is_ok(), "{count} fields and 3");
    }
    assert_eq!(opened(&fields(MAX_FIELDS - 2)), Err(ResponseError::TooManyFields(MAX_FIELDS)));
    for (len, expected) in
        [(MAX_ANSWER, Ok(MAX_ANSWER)), (MAX_ANSWER + 1, Err(ResponseError::TooLong(MAX_ANSWER)))]
    {
        let padding = "b".repeat(len - with_fields("a: ").len());
        let answer = with_fields(&format!("a: {padding}"));
        assert_eq!(opened(&answer).map(|opened| opened.head_len), expected);
        assert_eq!(respond(&client(), &answer.as_bytes()[..MAX_ANSWER - 1]), Ok(None));
    }
}

#[test]
fn interim_responses_are_skipped() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let both = interim.to_owned() + GOOD;
    assert_eq!(opened(&both).map(|opened| opened.head_len), Ok(both.len()));
    assert_eq!(respond(&client(), interim.as_bytes()), Ok(None));
    let refused = interim.to_owned() + "HTTP/1.1 404 Not Found\r\n\r\n";
    let Err(ResponseError::Status(refusal)) = opened(&refused) else { panic!("it is refused") };
    assert_eq!((refusal.status, refusal.head_len), (404, refused.len()));
    let endless = interim.repeat(MAX_ANSWER / interim.len() + 1);
    assert_eq!(respond(&client(), endless.as_bytes()), Err(ResponseError::TooLong(MAX_ANSWER)));
}

#[test]
fn the_body_of_a_refusal_by_an_http_1_0_server_is_shown() {
    let head = "HTTP/1.0 400 Bad Request\r\n\r\n";
    let body = "Client sent an HTTP request to an HTTPS server.\n";
    let answer = head.to_owned() + body;
    let Err(ResponseError::Status(mut refused)) = opened(&answer) else { panic!("it is refused") };
    refused.push(&answer.as_bytes()[refused.head_len..]);
    assert_eq!(
        refused.to_string(),
        "status 400 Bad Request (\"Client sent an HTTP request to an HTTPS server.\")"
    );
}

#[test]
fn a_host_field_replaces_the_default_host() {
    let request = ClientRequest { fields: &[("X-A", "b"), ("hOST", "other.example:81")], ..client() };
    let mut bytes = Vec::new();
    request.encode(NONCE, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("GET /chat HTTP/1.1\r\nHost: other.example:81\r\nUpgrade"), "{text}");
    assert!(text.ends_with("\r\nX-A: b\r\n\r\n"), "{text}");
}

#[test]
fn the_responses_of_common_servers_to_a_browsers_offer_are_accepted() {
    let request = ClientRequest { deflate: &[Params::BROWSERS_OFFER], ..client() };
    let mut bytes = Vec::new();
    request.encode(NONCE, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
        "{text}"
    );
    let bare = Params::default();
    let alone = Params { server_no_context_takeover: true, client_no_context_takeover: true, ..bare };
    let windows =
        |server, client| Params { server_max_window_bits: server, client_max_window_bits: client, ..bare };
    let table = [
        ("ws", "permessage-deflate", bare),
        (
            "websockets",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            windows(Some(12), Some(12)),
        ),
        ("Tornado", "permessage-deflate", bare),
        ("aiohttp", "permessage-deflate", bare),
        (
            "uWebSockets, shared compressor",
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            alone,
        ),
        (
            "uWebSockets, 4 KB each",
            "permessage-deflate; client_no_context_takeover; server_max_window_bits=12",
            Params { client_no_context_takeover: true, ..windows(Some(12), None) },
        ),
        ("gorilla", "permessage-deflate; server_no_context_takeover; client_no_context_takeover", alone),
        ("Cowboy", "permessage-deflate; client_max_window_bits=15", windows(None, Some(15))),
        ("Jetty", "permessage-deflate;client_max_window_bits=15", windows(None, Some(15))),
        (
            "Kestrel",
            "permessage-deflate; client_max_window_bits=13; server_max_window_bits=13",
            windows(Some(13), Some(13)),
        ),
        ("nchan", "permessage-deflate", bare),
    ];
    for (server, value, expected) in table {
        let answer = with_fields(&format!("Sec-WebSocket-Extensions: {value}"));
        let opened = respond(&request, answer.as_bytes());
        assert_eq!(opened.map(|opened| opened.unwrap().deflate), Ok(Some(expected)), "{server}");
    }
}

#[test]
fn one_of_several_offers_is_accepted() {
    let small = Params { server_max_window_bits: Some(10), ..Params::default() };
    let request = ClientRequest { deflate: &[small, Params::BROWSERS_OFFER], ..client() };
    let mut bytes = Vec::new();
    request.encode(NONCE, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let field = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, \
        permessage-deflate; client_max_window_bits\r\n";
    assert!(text.contains(field), "{text}");
    for (value, is_accepted) in [
        ("permessage-deflate; server_max_window_bits=9", true),
        ("permessage-deflate; client_max_window_bits=9", true),
        ("permessage-deflate, permessage-deflate", false),
        ("permessage-deflate; server_max_window_bits=9; unknown", false),
    ] {
        let answer = with_fields(&format!("Sec-WebSocket-Extensions: {value}"));
        assert_eq!(respond(&request, answer.as_bytes()).is_ok(), is_accepted, "{value}");
    }
}

#[test]
fn nothing_that_would_add_a_field_or_is_not_http_can_be_requested() {
    let refused = |request: ClientRequest<'_>| request.encode(NONCE, &mut Vec::new()).err();
    for word in ["", "a\r\nX: y", "a\n", "a b", "a\0", "a\u{85}"] {
        let (host, target) =
            (ClientRequest { host: word, ..client() }, ClientRequest { target: word, ..client() });
        assert_eq!(refused(host), Some(InvalidField::RequestLine), "{word:?}");
        assert_eq!(refused(target), Some(InvalidField::RequestLine), "{word:?}");
        let fields: &[(&str, &str)] = &[("Host", word)];
        assert_eq!(
            refused(ClientRequest { fields, ..client() }),
            Some(InvalidField::RequestLine),
            "{word:?}"
        );
    }
    for name in ["", "a b", "a:", "a\r\n", "\u{fc}"] {
        let fields: &[(&str, &str)] = &[(name, "x")];
        assert_eq!(refused(ClientRequest { fields, ..client() }), Some(InvalidField::Name(name.into())));
        let subprotocols: &[&str] = &[name];
        let expected = Some(InvalidField::Subprotocol(name.into()));
        assert_eq!(refused(ClientRequest { subprotocols, ..client() }), expected);
    }
    for value in ["a\r\nX: y", "a\n", "\0", "\x7f"] {
        let fields: &[(&str, &str)] = &[("X", value)];
        assert_eq!(refused(ClientRequest { fields, ..client() }), Some(InvalidField::Value("X".into())));
    }
    for name in ["upgrade", "Sec-WebSocket-Key", "TRANSFER-ENCODING", "content-length", "Connection"] {
        let fields: &[(&str, &str)] = &[(name, "x")];
        assert_eq!(refused(ClientRequest { fields, ..client() }), Some(InvalidField::Reserved(name.into())));
    }
    for bits in [0, 7, 16, 40, 255] {
        let deflate: &[Params] = &[Params { server_max_window_bits: Some(bits), ..Params::default() }];
        assert_eq!(refused(ClientRequest { deflate, ..client() }), Some(InvalidField::WindowBits(bits)));
    }
    let fields: &[(&str, &str)] = &[("X-Name", "Zoë\tand others"), ("Cookie", "")];
    assert_eq!(refused(ClientRequest { fields, ..client() }), None);
}
