use super::*;
use crate::ws::CloseCode;
use crate::ws::deflate::Compressor;
use crate::ws::frame::{encode, encode_masked};
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_masked(opcode, payload, KEY, &mut out);
    out[0] = out[0] & 0x7f | u8::from(fin) << 7;
    out
}

fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Message(Message::Text(text)) => Event::Message(Message::Text(Cow::Owned(text.into_owned()))),
        Event::Message(Message::Binary(bytes)) => {
            Event::Message(Message::Binary(Cow::Owned(bytes.into_owned())))
        }
        Event::Fragment => Event::Fragment,
        Event::Ping(payload) => Event::Ping(Cow::Owned(payload.into_owned())),
        Event::Pong(payload) => Event::Pong(Cow::Owned(payload.into_owned())),
        Event::Close(close) => Event::Close(
            close.map(|close| CloseFrame { code: close.code, reason: Cow::Owned(close.reason.into_owned()) }),
        ),
    }
}

type Outcome = (Vec<Event<'static>>, Option<Error>);

/// Feeds each piece as one read and collects the events and the error.
fn feed<'p>(protocol: &mut Protocol, pieces: impl IntoIterator<Item = &'p [u8]>) -> Outcome {
    let mut events = Vec::new();
    for piece in pieces {
        let mut buffer = piece.to_vec();
        let mut input = &mut buffer[..];
        loop {
            match protocol.receive(&mut input, &mut Inflater::default()) {
                Ok(Some(Event::Fragment)) => {}
                Ok(Some(event)) => events.push(owned(event)),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(input.is_empty(), "all input is consumed");
    }
    (events, None)
}

fn receive(limit: usize, bytes: &[u8]) -> Outcome {
    outcome(|| Protocol::new(Role::Server, limit), bytes)
}

fn receive_with_deflate(agreed: &Params, limit: usize, bytes: &[u8]) -> Outcome {
    outcome(|| Protocol::new(Role::Server, limit).with_deflate(Some(agreed)), bytes)
}

/// Returns the outcome of `bytes`, which must be the same when fed at once, byte by byte, and split at each
/// position.
fn outcome(server: impl Fn() -> Protocol, bytes: &[u8]) -> Outcome {
    let whole = feed(&mut server(), [bytes]);
    assert_eq!(feed(&mut server(), bytes.chunks(1)), whole, "byte by byte");
    for cut in 0..=bytes.len().min(300) {
        let (head, tail) = bytes.split_at(cut);
        assert_eq!(feed(&mut server(), [head, tail]), whole, "cut at {cut}");
    }
    whole
}

fn text(text: &str) -> Event<'static> {
    Event::Message(Message::Text(Cow::Owned(text.to_owned())))
}

fn binary(bytes: &[u8]) -> Event<'static> {
    Event::Message(Message::Binary(Cow::Owned(bytes.to_vec())))
}

#[test]
fn section_5_7_a_masked_hello() {
    let bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(receive(0, bytes), (vec![text("Hello")], None));
}

#[test]
fn all_three_length_forms_and_many_frames_in_one_read() {
    for len in [0, 1, 125, 126, 127, 65535, 65536] {
        let payload = vec![b'x'; len];
        let bytes = [frame(true, Opcode::Binary, &payload), frame(true, Opcode::Text, b"next")].concat();
        let (events, error) = feed(&mut Protocol::new(Role::Server, 0), [&bytes[..]]);
        assert_eq!((events, error), (vec![binary(&payload), text("next")], None), "{len}");
    }
}

#[test]
fn a_message_complete_in_the_buffer_is_returned_without_a_copy() {
    let mut buffer = frame(true, Opcode::Text, "在这里".as_bytes());
    let range = buffer.as_ptr_range();
    let mut input = &mut buffer[..];
    let mut protocol = Protocol::new(Role::Server, 0);
    match protocol.receive(&mut input, &mut Inflater::default()) {
        Ok(Some(Event::Message(Message::Text(Cow::Borrowed(text))))) => {
            assert!(range.contains(&text.as_ptr()));
        }
        other => panic!("{other:?}"),
    }
    assert!(!protocol.is_unfinished());
}

#[test]
fn each_frame_is_an_event_even_of_a_dropped_message() {
    for drops_messages in [false, true] {
        let mut bytes = [
            frame(false, Opcode::Text, b"a"),
            frame(false, Opcode::Continuation, b""),
            frame(true, Opcode::Continuation, b"b"),
        ]
        .concat();
        let mut input = &mut bytes[..];
        let mut protocol = Protocol::new(Role::Server, 0);
        if drops_messages {
            protocol.drop_messages();
        }
        let mut next = || protocol.receive(&mut input, &mut Inflater::default()).unwrap().map(owned);
        assert_eq!(next(), Some(Event::Fragment));
        assert_eq!(next(), Some(Event::Fragment));
        assert_eq!(next(), Some(if drops_messages { Event::Fragment } else { text("ab") }));
        assert_eq!(next(), None);
    }
}

#[test]
fn control_frames_are_allowed_between_fragments() {
    let bytes = [
        frame(false, Opcode::Text, "你".as_bytes()),
        frame(true, Opcode::Ping, b"p"),
        frame(false, Opcode::Continuation, b""),
        frame(true, Opcode::Pong, b""),
        frame(true, Opcode::Continuation, "好".as_bytes()),
        frame(true, Opcode::Binary, b"\xff"),
    ]
    .concat();
    let expected = vec![
        Event::Ping(Cow::Borrowed(&b"p"[..])),
        Event::Pong(Cow::Borrowed(&b""[..])),
        text("你好"),
        binary(b"\xff"),
    ];
    assert_eq!(receive(0, &bytes), (expected, None));
}

#[test]
fn messages_are_dropped_whatever_they_contain_but_control_frames_are_not() {
    let bytes = [
        frame(false, Opcode::Text, b"under way"),
        frame(true, Opcode::Continuation, b"\xff"),
        frame(true, Opcode::Text, b"\xff"),
        frame(true, Opcode::Binary, &[0; 2000]),
        frame(false, Opcode::Binary, b"a"),
        frame(true, Opcode::Ping, b"p"),
        frame(true, Opcode::Continuation, &[0; 2000]),
        b"\xc1\x83\0\0\0\0bad".to_vec(),
        frame(true, Opcode::Close, b"\x03\xe8"),
        frame(true, Opcode::Text, b"after"),
    ]
    .concat();
    let close = CloseFrame { code: CloseCode::NORMAL, reason: "".into() };
    let expected = (vec![Event::Ping(b"p"[..].into()), Event::Close(Some(close))], None);
    for begun in 0..15 {
        for piece in [1, 7, bytes.len()] {
            let mut protocol = Protocol::new(Role::Server, 1000).with_deflate(Some(&Params::default()));
            assert_eq!(feed(&mut protocol, [&bytes[..begun]]), (vec![], None));
            protocol.drop_messages();
            let outcome = feed(&mut protocol, bytes[begun..].chunks(piece));
            assert_eq!(outcome, expected, "dropped from byte {begun}, in pieces of {piece}");
        }
    }
}

#[test]
fn the_frames_of_dropped_messages_must_still_be_in_order() {
    let mut protocol = Protocol::new(Role::Server, 0);
    protocol.drop_messages();
    let (_, error) = feed(&mut protocol, [&frame(true, Opcode::Continuation, b"")[..]]);
    assert_eq!(error, Some(Error::UnexpectedContinuation));
}

#[test]
fn a_character_may_be_split_over_fragments() {
    let smile = "😀".as_bytes();
    let mut bytes = frame(false, Opcode::Text, &smile[..1]);
    bytes.extend(frame(false, Opcode::Continuation, &smile[1..3]));
    bytes.extend(frame(true, Opcode::Continuation, &smile[3..]));
    assert_eq!(receive(0, &bytes), (vec![text("😀")], None));
}

#[test]
fn a_long_message_is_received_in_reads_of_128_bytes() {
    let long = "很长的消息".repeat(4000);
    let bytes = frame(true, Opcode::Text, long.as_bytes());
    let mut protocol = Protocol::new(Role::Server, 0);
    assert_eq!(feed(&mut protocol, bytes.chunks(128)), (vec![text(&long)], None));
    assert!(!protocol.is_unfinished(), "nothing is kept while idle");
}

#[test]
fn invalid_utf8_fails_before_the_end_of_the_frame() {
    let bytes = frame(true, Opcode::Text, b"ab\xffcdefgh");
    let header = 6;
    let mut protocol = Protocol::new(Role::Server, 0);
    let before = feed(&mut protocol, [&bytes[..header + 2]]);
    assert_eq!(before, (vec![], None));
    let at = feed(&mut protocol, [&bytes[header + 2..header + 3]]);
    assert_eq!(at, (vec![], Some(Error::InvalidUtf8)));
}

#[test]
fn each_protocol_error_has_its_close_code() {
    let unmasked = |opcode, payload: &[u8]| {
        let mut out = Vec::new();
        encode(opcode, payload, &mut out);
        out
    };
    let begun = frame(false, Opcode::Text, b"a");
    let table: Vec<(Vec<u8>, Error, u16)> = vec![
        (unmasked(Opcode::Text, b"a"), Error::Unmasked, 1002),
        (unmasked(Opcode::Ping, b""), Error::Unmasked, 1002),
        (frame(true, Opcode::Continuation, b"a"), Error::UnexpectedContinuation, 1002),
        ([begun.clone(), frame(true, Opcode::Text, b"b")].concat(), Error::MessageInsideMessage, 1002),
        ([begun, frame(true, Opcode::Continuation, b"\xff")].concat(), Error::InvalidUtf8, 1007),
        (frame(true, Opcode::Text, b"\xc3"), Error::InvalidUtf8, 1007),
        (frame(false, Opcode::Ping, b""), Error::FragmentedControl, 1002),
        (b"\xc1\x80\0\0\0\0".to_vec(), Error::ReservedBits, 1002),
        (b"\x83\x80\0\0\0\0".to_vec(), Error::UnknownOpcode(3), 1002),
        (b"\x89\xfe\x00\x7e".to_vec(), Error::ControlTooLong, 1002),
        (frame(true, Opcode::Close, b"\x03"), Error::HalfCloseCode, 1002),
        (frame(true, Opcode::Close, b"\x03\xed"), Error::InvalidCloseCode(1005), 1002),
        (frame(true, Opcode::Close, b"\x03\xe8\xff"), Error::InvalidUtf8, 1007),
        (frame(true, Opcode::Text, &[b'a'; 65]), Error::TooBig { limit: 64 }, 1009),
    ];
    for (bytes, error, code) in table {
        assert_eq!(error.close_code(), CloseCode(code));
        assert_eq!(receive(64, &bytes), (vec![], Some(error)));
    }
}

#[test]
fn a_client_accepts_only_unmasked_frames() {
    let mut bytes = Vec::new();
    encode(Opcode::Text, b"hi", &mut bytes);
    let outcome = feed(&mut Protocol::new(Role::Client, 0), [&bytes[..]]);
    assert_eq!(outcome, (vec![text("hi")], None));
    let masked = frame(true, Opcode::Text, b"hi");
    let outcome = feed(&mut Protocol::new(Role::Client, 0), [&masked[..]]);
    assert_eq!(outcome, (vec![], Some(Error::Masked)));
}

#[test]
fn the_size_limit_applies_to_whole_and_fragmented_messages() {
    for (len, fits) in [(63, true), (64, true), (65, false)] {
        let payload = vec![b'a'; len];
        let whole = frame(true, Opcode::Binary, &payload);
        let fragments =
            [frame(false, Opcode::Binary, &payload[..40]), frame(true, Opcode::Continuation, &payload[40..])]
                .concat();
        let expected = match fits {
            true => (vec![binary(&payload)], None),
            false => (vec![], Some(Error::TooBig { limit: 64 })),
        };
        assert_eq!(receive(64, &whole), expected);
        assert_eq!(receive(64, &fragments), expected);
    }
}

#[test]
fn a_declared_length_is_checked_at_the_header_and_allocates_nothing() {
    let header = b"\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00\x01\x02\x03\x04";
    assert_eq!(receive(1 << 20, header), (vec![], Some(Error::TooBig { limit: 1 << 20 })));
    let mut unlimited = Protocol::new(Role::Server, 0);
    assert_eq!(feed(&mut unlimited, [&header[..], b"abc"]), (vec![], None));
    match unlimited.unfinished.unwrap().message {
        Some(Gathered::Binary(bytes)) => assert!(bytes.capacity() < 64),
        _ => panic!("not a binary message"),
    }
}

#[test]
fn close_frames_may_have_a_code_or_none() {
    let normal = Event::Close(Some(CloseFrame { code: CloseCode::NORMAL, reason: "bye".into() }));
    assert_eq!(receive(0, &frame(true, Opcode::Close, b"\x03\xe8bye")), (vec![normal], None));
    assert_eq!(receive(0, &frame(true, Opcode::Close, b"")), (vec![Event::Close(None)], None));
}

#[test]
fn bytes_after_a_close_frame_are_ignored() {
    let bytes = [frame(true, Opcode::Close, b""), b"\xff\xff\xff".to_vec()].concat();
    assert_eq!(receive(0, &bytes), (vec![Event::Close(None)], None));
}

const NO_CONTEXT: Params = Params {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: None,
    client_max_window_bits: None,
};
const OWN_CONTEXT: Params = Params { client_no_context_takeover: false, ..NO_CONTEXT };

/// "Hello" as compressed in RFC 7692 §7.2.3.1, and again as a reference to the first (§7.2.3.2).
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
const HELLO_AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";

/// A frame with RSV1, which marks the first frame of a compressed message.
fn compressed(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = frame(fin, opcode, payload);
    out[0] |= 0x40;
    out
}

fn compress(message: &[u8]) -> Vec<u8> {
    Compressor::new(15).compress(message).unwrap().to_vec()
}

#[test]
fn a_compressed_message_may_be_fragmented_with_a_ping_in_between() {
    let whole = compressed(true, Opcode::Text, HELLO);
    assert_eq!(receive_with_deflate(&NO_CONTEXT, 0, &whole), (vec![text("Hello")], None));
    let fragments = [
        compressed(false, Opcode::Binary, &HELLO[..3]),
        frame(true, Opcode::Ping, b"?"),
        frame(false, Opcode::Continuation, b""),
        frame(true, Opcode::Continuation, &HELLO[3..]),
        frame(true, Opcode::Text, b"plain"),
    ]
    .concat();
    let events = vec![Event::Ping(b"?"[..].into()), binary(b"Hello"), text("plain")];
    assert_eq!(receive_with_deflate(&NO_CONTEXT, 0, &fragments), (events, None));
}

#[test]
fn a_message_may_refer_to_earlier_ones_if_negotiated() {
    let bytes = [compressed(true, Opcode::Text, HELLO), compressed(true, Opcode::Text, HELLO_AGAIN)].concat();
    let both = (vec![text("Hello"), text("Hello")], None);
    assert_eq!(receive_with_deflate(&OWN_CONTEXT, 0, &bytes), both);
    let first = (vec![text("Hello")], Some(Error::LostContext));
    assert_eq!(receive_with_deflate(&NO_CONTEXT, 0, &bytes), first);
}

#[test]
fn rsv1_is_allowed_only_on_first_frames_and_if_negotiated() {
    let whole = compressed(true, Opcode::Text, HELLO);
    assert_eq!(receive(0, &whole), (vec![], Some(Error::ReservedBits)));
    let later =
        [compressed(false, Opcode::Text, &HELLO[..3]), compressed(true, Opcode::Continuation, &HELLO[3..])]
            .concat();
    let ping = compressed(true, Opcode::Ping, b"");
    for bytes in [later, ping] {
        assert_eq!(receive_with_deflate(&NO_CONTEXT, 0, &bytes), (vec![], Some(Error::ReservedBits)));
    }
}

#[test]
fn damaged_compression_and_compressed_invalid_utf8_are_invalid_data() {
    let damaged = compressed(true, Opcode::Binary, b"\xff\xff");
    assert_eq!(receive_with_deflate(&NO_CONTEXT, 0, &damaged), (vec![], Some(Error::BadCompression)));
    let not_utf8 = compressed(true, Opcode::Text, &compress(&[0xff; 500]));
    assert_eq!(receive_with_deflate(&NO_CONTEXT, 0, &not_utf8), (vec![], Some(Error::InvalidUtf8)));
    assert_eq!(Error::BadCompression.close_code(), CloseCode::INVALID_DATA);
}

#[test]
fn the_size_limit_applies_to_inflated_bytes() {
    for (len, fits) in [(999, true), (1000, true), (1001, false)] {
        let message = vec![b'a'; len];
        let payload = compress(&message);
        let whole = compressed(true, Opcode::Binary, &payload);
        let fragments = [
            compressed(false, Opcode::Binary, &payload[..4]),
            frame(true, Opcode::Continuation, &payload[4..]),
        ]
        .concat();
        let expected = match fits {
            true => (vec![binary(&message)], None),
            false => (vec![], Some(Error::TooBig { limit: 1000 })),
        };
        for agreed in [NO_CONTEXT, OWN_CONTEXT] {
            assert_eq!(receive_with_deflate(&agreed, 1000, &whole), expected);
            assert_eq!(receive_with_deflate(&agreed, 1000, &fragments), expected);
        }
    }
}

#[test]
fn a_compressed_message_that_must_exceed_the_limit_is_rejected_at_its_header() {
    let most = max_compressed_len(64);
    for (len, expected) in [(most, None), (most + 1, Some(Error::TooBig { limit: 64 }))] {
        let mut header = compressed(true, Opcode::Binary, &vec![0; len]);
        header.truncate(header.len() - len);
        assert_eq!(receive_with_deflate(&NO_CONTEXT, 64, &header), (vec![], expected.clone()), "{len}");
        let first = compressed(false, Opcode::Binary, &[0; 10]);
        let mut next = frame(true, Opcode::Continuation, &vec![0; len - 10]);
        next.truncate(next.len() - (len - 10));
        assert_eq!(
            receive_with_deflate(&NO_CONTEXT, 64, &[first, next].concat()),
            (vec![], expected),
            "{len}"
        );
    }
}

fn any_message() -> impl Strategy<Value = (Event<'static>, Vec<Vec<u8>>)> {
    let payload = prop_oneof![
        "(.{0,60}|[ab]{256,400})".prop_map(|text| (
            Event::Message(Message::Text(Cow::Owned(text.clone()))),
            text.into_bytes(),
            Opcode::Text
        )),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| (
            Event::Message(Message::Binary(Cow::Owned(bytes.clone()))),
            bytes,
            Opcode::Binary
        )),
    ];
    let fragmented = (payload, prop::collection::vec(0usize..300, 0..4));
    fragmented.prop_map(|((event, payload, opcode), cuts)| {
        let deflated = Compressor::new(15).compress(&payload).map(<[u8]>::to_vec);
        let first = if deflated.is_some() { compressed } else { frame };
        let payload = deflated.unwrap_or(payload);
        let mut cuts: Vec<usize> =
            cuts.into_iter().map(|cut| cut.min(payload.len())).chain([0, payload.len()]).collect();
        cuts.sort_unstable();
        let last = cuts.len() - 2;
        let frames = cuts.windows(2).enumerate().map(|(i, cut)| {
            let (frame, opcode) = if i == 0 { (first, opcode) } else { (frame as _, Opcode::Continuation) };
            frame(i == last, opcode, &payload[cut[0]..cut[1]])
        });
        (event, frames.collect())
    })
}

proptest! {
    #[test]
    fn messages_are_received_unchanged_however_fragmented_and_split(
        messages in prop::collection::vec(any_message(), 0..6),
        reads in prop::collection::vec(1usize..200, 1..20),
    ) {
        let bytes = messages.iter().flat_map(|(_, frames)| frames.concat()).collect::<Vec<u8>>();
        let mut rest = &bytes[..];
        let mut pieces = Vec::new();
        for len in reads.iter().cycle() {
            let (piece, after) = rest.split_at((*len).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() { break; }
        }
        let mut protocol = Protocol::new(Role::Server, 0).with_deflate(Some(&NO_CONTEXT));
        let (events, error) = feed(&mut protocol, pieces);
        prop_assert_eq!(error, None);
        prop_assert_eq!(events, messages.into_iter().map(|(event, _)| event).collect::<Vec<_>>());
        prop_assert!(!protocol.is_unfinished());
    }

    #[test]
    fn any_bytes_have_the_same_outcome_however_they_are_split(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(0x81), Just(0x80), Just(0x01), Just(0x89), Just(0x82), Just(0xc1), Just(0x42),
        ], 0..80),
        cut in 0usize..80,
    ) {
        let server = || Protocol::new(Role::Server, 50).with_deflate(Some(&NO_CONTEXT));
        let whole = feed(&mut server(), [&bytes[..]]);
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(feed(&mut server(), [head, tail]), whole.clone());
        prop_assert_eq!(feed(&mut server(), bytes.chunks(1)), whole);
    }
}
