//! Both ends of the protocol, wired to each other through reads that are cut anywhere: what one sends, the other
//! receives, compressed as they agree.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use throng::ws::deflate::{Compressors, Inflater, Params};
use throng::ws::handshake::{self, Accepted, ClientRequest, Connecting, Opened};
use throng::ws::head::{HeadScan, Limits, Request};
use throng::ws::{Codec, Config, Encoder, Event, Form, Message, Opcode, Protocol, Role, frame};

const LIMITS: Limits = Limits { request_line: 1000, head: 4000, fields: 20 };

/// Which end sends it, as what, and the payload.
type Sent = (Role, Opcode, Vec<u8>);

fn any_offer() -> impl Strategy<Value = Option<Params>> {
    let bits = || prop::option::of(8u8..=15);
    prop::option::of((any::<bool>(), any::<bool>(), bits(), bits()).prop_map(
        |(server, client, ours, theirs)| Params {
            server_no_context_takeover: server,
            client_no_context_takeover: client,
            server_max_window_bits: ours,
            client_max_window_bits: theirs,
        },
    ))
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let role = prop_oneof![Just(Role::Server), Just(Role::Client)];
    let content = prop_oneof![
        "(.{0,40}|[a-c]{200,2000})".prop_map(|text| (Opcode::Text, text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..2000).prop_map(|bytes| (Opcode::Binary, bytes)),
        prop::collection::vec(any::<u8>(), 0..=frame::MAX_CONTROL).prop_map(|bytes| (Opcode::Ping, bytes)),
    ];
    (role, content).prop_map(|(role, (opcode, payload))| (role, opcode, payload))
}

/// Lengths of the reads, which come round again.
fn any_cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..10, 1usize..500], 1..20)
}

fn pieces<'b>(mut bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for len in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// What `read` makes of the bytes, as soon as enough of them have come.
fn first_outcome<T>(bytes: &[u8], cuts: &[usize], mut read: impl FnMut(&[u8]) -> Option<T>) -> T {
    let mut come = 0;
    let outcome = pieces(bytes, cuts).into_iter().find_map(|piece| {
        come += piece.len();
        read(&bytes[..come])
    });
    outcome.expect("all has come")
}

/// The opening handshake. Frames that follow the server's answer at once do not disturb it.
fn open(offer: Option<Params>, keeps_context: bool, cuts: &[usize]) -> (Option<Params>, Opened) {
    let mut client = ClientRequest::new("throng.test", "/chat?name=Ada");
    client.subprotocols = &["chat", "throng.v1"];
    client.deflate = offer.as_slice();
    client.fields = &[("Origin", "http://throng.test")];
    let mut connecting = Connecting::new(&client, &Config::default(), &mut Codec::new()).unwrap();
    let request = connecting.output().to_vec();
    let mut scan = HeadScan::default();
    let head_len = first_outcome(&request, cuts, |come| scan.advance(come, &LIMITS).unwrap());
    assert_eq!(head_len, request.len());
    let accepted = Request::parse(&request, &LIMITS, |request| Accepted {
        key: handshake::check(request).unwrap(),
        subprotocol: Some("throng.v1"),
        deflate: handshake::deflate(request, keeps_context).unwrap(),
    })
    .unwrap();
    let mut response = Vec::new();
    accepted.encode(&mut response);
    let head_len = response.len();
    frame::encode(Opcode::Text, b"Welcome", &mut response);
    let mut received = 0;
    let opened = first_outcome(&response, cuts, |come| {
        let mut piece = come[received..].to_vec();
        received = come.len();
        connecting.receive(&mut &mut piece[..]).unwrap().map(|(_, opened)| opened)
    });
    assert_eq!((opened.head_len, opened.subprotocol.as_deref()), (head_len, Some("throng.v1")));
    (accepted.deflate, opened)
}

/// The client's part in compressing, with whatever context and window it was left.
struct ClientCompressor(Option<(Compress, bool)>);

impl ClientCompressor {
    fn agreed(deflate: Option<Params>) -> ClientCompressor {
        ClientCompressor(deflate.map(|agreed| {
            assert_eq!(agreed.client_max_window_bits, None, "the server limits nobody's window");
            (Compress::new(Compression::fast(), false), agreed.client_no_context_takeover)
        }))
    }

    fn encode(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        match &mut self.0 {
            Some((state, no_context_takeover)) if !opcode.is_control() => {
                if *no_context_takeover {
                    state.reset();
                }
                let mut compressed = Vec::with_capacity(2 * payload.len() + 100);
                state.compress_vec(payload, &mut compressed, FlushCompress::Sync).unwrap();
                let compressed = match &compressed[..] {
                    [] => &[0], // Nothing after nothing: RFC 7692 §7.2.3.6.
                    flushed => flushed.strip_suffix(&[0, 0, 0xff, 0xff]).expect("a sync flush ends so"),
                };
                frame::encode_masked_compressed(opcode, compressed, KEY, out);
            }
            _ => frame::encode_masked(opcode, payload, KEY, out),
        }
    }
}

fn receive(mut protocol: Protocol, reads: &[&[u8]]) -> Vec<(Opcode, Vec<u8>)> {
    let mut inflater = Inflater::default();
    let mut received = Vec::new();
    for read in reads {
        let mut buffer = read.to_vec();
        let mut input = &mut buffer[..];
        while let Some(event) = protocol.receive(&mut input, &mut inflater).unwrap() {
            received.push(match event {
                Event::Message(message @ (Message::Text(_) | Message::Binary(_))) => {
                    (message.opcode(), message.payload().to_vec())
                }
                Event::Ping(payload) => (Opcode::Ping, payload.into_owned()),
                Event::Fragment => continue,
                other => panic!("{other:?}"),
            });
        }
    }
    assert!(!protocol.is_unfinished());
    received
}

proptest! {
    #[test]
    fn what_one_end_sends_the_other_receives(
        offer in any_offer(),
        keeps_context in any::<bool>(),
        sent in prop::collection::vec(any_sent(), 0..12),
        cuts in any_cuts(),
    ) {
        let (agreed, opened) = open(offer, keeps_context, &cuts);
        prop_assert_eq!(opened.deflate, agreed);
        let mut encoder = Encoder::default();
        let mut client = ClientCompressor::agreed(agreed);
        let (mut of_server, mut of_client) = (Vec::new(), Vec::new());
        for (role, opcode, payload) in &sent {
            match role {
                Role::Server if opcode.is_control() => frame::encode(*opcode, payload, &mut of_server),
                Role::Server => encoder.encode(Form::agreed(agreed.as_ref()), *opcode, payload, &mut of_server),
                Role::Client => client.encode(*opcode, payload, &mut of_client),
            }
        }
        for (from, to, bytes) in
            [(Role::Server, Role::Client, &of_server), (Role::Client, Role::Server, &of_client)]
        {
            let protocol = Protocol::new(to, 0).with_deflate(agreed.as_ref());
            let expected: Vec<_> = sent
                .iter()
                .filter(|(role, ..)| *role == from)
                .map(|(_, opcode, payload)| (*opcode, payload.clone()))
                .collect();
            prop_assert_eq!(receive(protocol, &pieces(bytes, &cuts)), expected);
        }
    }

    #[test]
    fn a_client_inflates_what_a_server_with_a_context_sends_and_keeps_to_the_window_it_is_left(
        server_window in prop::option::of(9u8..=15),
        client_window in prop::option::of(8u8..=15),
        is_alone in any::<bool>(),
        messages in prop::collection::vec("([a-c]{1,9}|.{1,40}){1,60}", 1..12),
        cuts in any_cuts(),
    ) {
        let agreed = Params {
            server_no_context_takeover: is_alone,
            client_no_context_takeover: is_alone,
            server_max_window_bits: server_window,
            client_max_window_bits: client_window,
        };
        prop_assert!(Params::BROWSERS_OFFER.allows(&agreed));
        let mut server =
            Compress::new_with_window_bits(Compression::best(), false, server_window.unwrap_or(15));
        let mut peer = Decompress::new_with_window_bits(false, agreed.client_window_bits().max(9));
        let mut client = Compressors::default();
        let (mut of_server, mut of_client) = (Vec::new(), Vec::new());
        for message in &messages {
            if is_alone {
                server.reset();
            }
            let mut payload = Vec::with_capacity(2 * message.len() + 100);
            server.compress_vec(message.as_bytes(), &mut payload, FlushCompress::Sync).unwrap();
            let payload = payload.strip_suffix(&[0, 0, 0xff, 0xff]).expect("a sync flush ends so");
            let start = of_server.len();
            frame::encode(Opcode::Text, payload, &mut of_server);
            of_server[start] |= 0x40; // RSV1: it is compressed.
            let compressor = client.for_window(agreed.client_window_bits());
            match compressor.and_then(|compressor| compressor.compress(message.as_bytes())) {
                None => frame::encode_masked(Opcode::Text, message.as_bytes(), [1, 2, 3, 4], &mut of_client),
                Some(payload) => {
                    frame::encode_masked_compressed(Opcode::Text, payload, [1, 2, 3, 4], &mut of_client);
                    let (whole, mut inflated) = ([payload, &[0, 0, 0xff, 0xff]].concat(), Vec::with_capacity(20_000));
                    peer.decompress_vec(&whole, &mut inflated, FlushDecompress::Sync).unwrap();
                    prop_assert_eq!(std::str::from_utf8(&inflated).unwrap(), message);
                }
            }
        }
        let expected: Vec<_> =
            messages.iter().map(|message| (Opcode::Text, message.clone().into_bytes())).collect();
        for (to, bytes) in [(Role::Client, &of_server), (Role::Server, &of_client)] {
            let protocol = Protocol::new(to, 0).with_deflate(Some(&agreed));
            prop_assert_eq!(&receive(protocol, &pieces(bytes, &cuts)), &expected);
        }
    }
}
