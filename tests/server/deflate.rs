//! permessage-deflate (RFC 7692) over real sockets: negotiation and messages.

use crate::support::*;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

const BOTH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const OWN: &str = "permessage-deflate; server_no_context_takeover";
const CHROMES_OFFER: &str = "permessage-deflate; client_max_window_bits";
const FIREFOXS_OFFER: &str = "permessage-deflate";

/// Opens a connection with these further fields; what the server answers to the offers in them.
fn open_with(server: &Server, target: &str, fields: &str) -> (Raw, Option<String>) {
    let mut raw = server.send(request("GET", target, &format!("{HANDSHAKE}{fields}")));
    let reply = raw.reply();
    assert_eq!(reply.status, 101, "{}", reply.text());
    let agreed = reply.field("sec-websocket-extensions").map(str::to_owned);
    (raw, agreed)
}

fn open(server: &Server, target: &str, offer: &str) -> (Raw, Option<String>) {
    open_with(server, target, &format!("Sec-WebSocket-Extensions: {offer}\r\n"))
}

fn agreed(server: &Server, offer: &str) -> Option<String> {
    open(server, "/echo", offer).1
}

/// The client's side of the compression, which may keep its context.
struct Deflater(Compress);

impl Deflater {
    fn new() -> Deflater {
        Deflater(Compress::new(Compression::default(), false))
    }

    /// A compressed message in one frame.
    fn frame(&mut self, opcode: u8, message: &[u8]) -> Vec<u8> {
        let mut payload = Vec::with_capacity(message.len() + 100);
        self.0.compress_vec(message, &mut payload, FlushCompress::Sync).unwrap();
        frame(FIN | COMPRESSED | opcode, payload.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap())
    }
}

/// The text of a frame, which has to be compressed.
#[track_caller]
fn inflated(frame: &Frame) -> String {
    assert_eq!(frame.first, FIN | COMPRESSED | TEXT);
    let mut text = Vec::with_capacity(1 << 20);
    let payload = [&frame.payload[..], &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false).decompress_vec(&payload, &mut text, FlushDecompress::Sync).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn each_offer_has_its_answer() {
    let server = Server::start(&[]);
    let table = [
        (CHROMES_OFFER, Some(BOTH.to_owned())),
        (FIREFOXS_OFFER, Some(BOTH.to_owned())),
        (BOTH, Some(BOTH.to_owned())),
        ("permessage-deflate; client_max_window_bits=8", Some(BOTH.to_owned())),
        (
            "permessage-deflate; server_max_window_bits=\"9\"",
            Some(format!("{BOTH}; server_max_window_bits=9")),
        ),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; unknown=1", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", Some(BOTH.to_owned())),
        (
            "bbf-usp-protocol, permessage-deflate; unknown, permessage-deflate; server_max_window_bits=12",
            Some(format!("{BOTH}; server_max_window_bits=12")),
        ),
        (
            "permessage-deflate; server_max_window_bits=8\r\nSec-WebSocket-Extensions: permessage-deflate",
            Some(BOTH.to_owned()),
        ),
    ];
    for (offer, expected) in table {
        assert_eq!(agreed(&server, offer), expected, "{offer}");
    }
    assert_eq!(open_with(&server, "/echo", "").1, None);
}

#[test]
fn an_offer_that_breaks_the_grammar_is_refused() {
    let server = Server::start(&[]);
    for offer in ["permessage-deflate;", "permessage-deflate; a=", "permessage deflate", "a, \"b\""] {
        let fields = format!("{HANDSHAKE}Sec-WebSocket-Extensions: {offer}\r\n");
        server.send(request("GET", "/chat", &fields)).reply().assert_refusal(400);
    }
}

#[test]
fn compression_can_be_disabled_and_is_off_for_versions_of_safari_that_corrupt_it() {
    let off = Server::start(&["--deflate", "off"]);
    assert_eq!(agreed(&off, CHROMES_OFFER), None);
    let server = Server::start(&[]);
    let safari = |version: &str| {
        let agent = format!(
            "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
             Version/{version} Safari/605.1.15\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        );
        open_with(&server, "/echo", &agent).1.is_some()
    };
    let versions = ["14.1.2", "15.0", "15.1", "15.2", "15.3", "15.4", "16.0"];
    assert_eq!(versions.map(safari), [true, false, false, false, false, true, true]);
}

#[test]
fn long_messages_are_compressed_and_short_ones_are_not() {
    let server = Server::start(&[]);
    let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
    let long = "to be or not to be ".repeat(100);
    for _ in 0..2 {
        raw.send(text(&long));
        let frame = raw.frame();
        assert_eq!(inflated(&frame), long);
        assert!(frame.payload.len() < 100, "{}", frame.payload.len());
        raw.send(Deflater::new().frame(TEXT, long.as_bytes()));
        assert_eq!(inflated(&raw.frame()), long);
        raw.send(Deflater::new().frame(TEXT, b"short"));
        assert_eq!(raw.frame().text(), "short");
    }
}

#[test]
fn members_with_and_without_compression_and_with_a_small_window_receive_the_same() {
    let server = Server::start(&[]);
    let (mut deflated, _) = open(&server, "/chat/mixed?format=raw", CHROMES_OFFER);
    let (mut narrow, _) =
        open(&server, "/chat/mixed?format=raw", "permessage-deflate; server_max_window_bits=9");
    let mut plain = server.open("/chat/mixed?format=raw");
    let sayings =
        ["short".to_owned(), "a line that repeats. ".repeat(40), "x".to_owned(), "again ".repeat(2000)];
    for saying in &sayings {
        plain.send(text(saying));
        assert_eq!(plain.frame().text(), saying);
        for member in [&mut deflated, &mut narrow] {
            let frame = member.frame();
            if saying.len() < 256 {
                assert_eq!(frame.text(), saying);
            } else {
                assert_eq!(&inflated(&frame), saying);
            }
        }
    }
}

#[test]
fn newcomers_with_and_without_compression_receive_the_same_history() {
    let server = Server::start(&["--rate", "0"]);
    let narrow = "permessage-deflate; server_max_window_bits=9";
    let mut ann = server.ws("/chat/den?name=ann");
    for n in 0..150 {
        ann.say(&format!(r#"{{"type":"say","text":"{n} {}"}}"#, "some words, ".repeat(n % 50)));
        ann.json_of("message");
    }
    let history = |joined: &str| {
        let joined: serde_json::Value = serde_json::from_str(joined).unwrap();
        assert_eq!(joined["type"], "joined");
        joined["history"].to_string()
    };
    let mut plain = server.open("/chat/den");
    plain.frame();
    let expected = history(plain.frame().text());
    assert!(expected.len() > 30_000, "{}", expected.len());
    for offer in [CHROMES_OFFER, narrow, CHROMES_OFFER, narrow] {
        let (mut newcomer, _) = open(&server, "/chat/den", offer);
        newcomer.frame();
        let joined = newcomer.frame();
        assert_eq!(history(&inflated(&joined)), expected);
        assert!(joined.payload.len() < expected.len() / 4, "{} bytes", joined.payload.len());
    }
    for format in ["lines", "html"] {
        let target = format!("/chat/den?format={format}");
        let replay = |offer: &str| -> Vec<String> {
            let (mut newcomer, _) = open(&server, &target, offer);
            newcomer.send(text("the end"));
            let texts = std::iter::repeat_with(|| match newcomer.frame() {
                frame if frame.first == FIN | TEXT => frame.text().to_owned(),
                frame => inflated(&frame),
            });
            texts
                .filter(|text| !text.contains("Welcome"))
                .take_while(|text| !text.contains("the end"))
                .collect()
        };
        let texts = |replay: Vec<String>| -> Vec<String> {
            replay.into_iter().filter(|text| text.contains("some words")).collect()
        };
        let first = texts(replay(CHROMES_OFFER));
        assert!(first.len() >= 50, "{} messages", first.len());
        for (farewells, offer) in ["x-none", CHROMES_OFFER, narrow, CHROMES_OFFER].into_iter().enumerate() {
            // Each newcomer says a message, for which the oldest is forgotten.
            let later = texts(replay(offer));
            assert!(
                first.ends_with(&later) && later.len() + farewells + 1 >= first.len() - 1,
                "{}",
                later.len()
            );
        }
    }
}

#[test]
fn contexts_of_clients_are_kept_within_their_memory_limit() {
    let server = Server::start(&["--deflate-contexts", "100KiB"]);
    let (mut first, answer) = open(&server, "/echo", FIREFOXS_OFFER);
    assert_eq!(answer.as_deref(), Some(OWN));
    assert_eq!(open(&server, "/echo", BOTH).1.as_deref(), Some(BOTH), "who wants none gets none");
    let second = open(&server, "/chat", FIREFOXS_OFFER);
    assert_eq!(second.1.as_deref(), Some(OWN));
    assert_eq!(agreed(&server, FIREFOXS_OFFER).as_deref(), Some(BOTH), "two take all of it");

    let mut deflater = Deflater::new();
    let lengths = ["said twice, with a context in between"; 2].map(|saying| {
        let frame = deflater.frame(TEXT, saying.as_bytes());
        first.send(&frame);
        assert_eq!(first.frame().text(), saying);
        frame.len()
    });
    assert!(lengths[1] < lengths[0] / 2, "{lengths:?}");

    first.send(close(1000, ""));
    first.frame();
    first.assert_ends();
    assert_eq!(agreed(&server, FIREFOXS_OFFER).as_deref(), Some(OWN), "what one leaves another may have");
}

#[test]
fn a_client_that_keeps_a_context_against_the_agreement_is_closed_and_the_log_names_the_remedy() {
    // As Tornado's client does, which does not read parameters without a value.
    let server = Server::start(&[]);
    let (mut raw, answer) = open(&server, "/echo", CHROMES_OFFER);
    assert_eq!(answer.as_deref(), Some(BOTH));
    let mut deflater = Deflater::new();
    let saying = b"said twice, with a context in between";
    raw.send(deflater.frame(TEXT, saying));
    assert_eq!(raw.frame().payload, saying);
    raw.send(deflater.frame(TEXT, saying));
    let last = raw.frame();
    let (code, reason) = last.close();
    assert_eq!(code, 1007);
    assert!(reason.contains("client_no_context_takeover"), "{reason}");
    raw.assert_ends();
    let line = server.wait_for_log("compressed messages refer to earlier ones: 1");
    assert!(line.contains("WARN") && line.contains("--deflate-contexts 1MiB"), "{line}");

    let patient = Server::start(&["--deflate-contexts", "1MiB"]);
    let (mut raw, answer) = open(&patient, "/echo", CHROMES_OFFER);
    assert!(!answer.unwrap().contains("client_no_context_takeover"));
    let mut deflater = Deflater::new();
    for _ in 0..3 {
        raw.send(deflater.frame(TEXT, saying));
        assert_eq!(raw.frame().payload, saying);
    }
}

#[test]
fn messages_that_inflate_to_more_than_a_turn_are_all_answered_in_order() {
    let server = Server::start(&["--pause-above", "0"]);
    let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
    let sayings: Vec<String> = (0..150).map(|number| format!("{number:>6}").repeat(10_000)).collect();
    let frames: Vec<u8> =
        sayings.iter().flat_map(|saying| Deflater::new().frame(TEXT, saying.as_bytes())).collect();
    assert!(frames.len() < 64 << 10, "one read");
    raw.send(frames);
    for saying in &sayings {
        assert_eq!(&inflated(&raw.frame()), saying);
    }
    server.assert_well();
}

#[test]
fn damaged_compression_is_closed_with_1007_and_an_unexpected_rsv1_with_1002() {
    let server = Server::start(&[]);
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let table: [(&str, Vec<u8>, u16); 6] = [
        (CHROMES_OFFER, frame(FIN | COMPRESSED | TEXT, b"\xff\xff\xff"), 1007),
        (CHROMES_OFFER, frame(FIN | COMPRESSED | TEXT, &hello[..4]), 1007),
        (CHROMES_OFFER, Deflater::new().frame(TEXT, b"\xff not UTF-8"), 1007),
        (CHROMES_OFFER, frame(FIN | COMPRESSED | PING, b""), 1002),
        (CHROMES_OFFER, [frame(TEXT, b""), frame(FIN | COMPRESSED | CONTINUATION, hello)].concat(), 1002),
        ("unknown", frame(FIN | COMPRESSED | TEXT, hello), 1002),
    ];
    for (offer, bytes, code) in table {
        let (mut raw, _) = open(&server, "/echo", offer);
        raw.send(&bytes);
        assert_eq!(raw.frame().close().0, code, "{bytes:x?}");
        raw.assert_ends();
    }
    server.assert_well();
}

#[test]
fn messages_that_do_not_compress_come_back_as_they_are_however_many() {
    let server = Server::start(&[]);
    let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
    let mut state = 1u64;
    for _ in 0..3000 {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .take(256)
        .collect();
        raw.send(frame(FIN | BINARY, &noise));
        assert_eq!(raw.frame(), Frame { first: FIN | BINARY, payload: noise });
    }
    server.assert_well();
}

/// `len` zeros as a message in one frame.
fn bomb(len: usize) -> Vec<u8> {
    let mut state = Compress::new(Compression::best(), false);
    let (zeros, mut payload) = (vec![0; 1 << 20], Vec::new());
    for round in 1..=len >> 20 {
        let flush = if round == len >> 20 { FlushCompress::Sync } else { FlushCompress::None };
        payload.reserve(1 << 20);
        state.compress_vec(&zeros, &mut payload, flush).unwrap();
    }
    frame(FIN | COMPRESSED | BINARY, payload.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap())
}

#[test]
fn a_bomb_costs_no_more_than_the_limit_on_messages() {
    const MIB: u64 = 1 << 10;
    let bomb = bomb(1 << 30);
    assert!((1_000_000..1_100_000).contains(&bomb.len()), "{}", bomb.len());
    for (flags, limit) in
        [(&["--max-echo-message", "2MiB"][..], 2 * MIB), (&["--max-echo-message", "16MiB"], 16 * MIB)]
    {
        let server = Server::start(flags);
        // The inflater, and the memory of any message as long as the compressed bomb, are not counted.
        let mut plain = server.open("/echo");
        plain.send(frame(FIN | BINARY, &vec![0; bomb.len()]));
        assert_eq!(plain.frame().payload.len(), bomb.len());
        let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
        raw.send(Deflater::new().frame(TEXT, b"hi"));
        assert_eq!(raw.frame().text(), "hi");
        let before = server.peak_kib();
        for _ in 0..3 {
            let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
            raw.send(&bomb);
            let frame = raw.frame();
            assert_eq!(frame.close().0, 1009);
            raw.assert_ends();
        }
        let risen = server.peak_kib() - before;
        println!("limit {limit} KiB: the peak rose by {risen} KiB");
        assert!(risen < limit + MIB, "{risen} KiB");
        server.assert_well();
    }
}

#[test]
fn without_a_limit_memory_follows_the_inflated_size_and_not_the_possible_one() {
    let server = Server::start(&["--max-echo-message", "0", "--max-connections", "10"]);
    // Stored blocks (RFC 1951 §3.2.4). By their length alone they could inflate to 30 GiB.
    let message: Vec<u8> = (0..30u32 << 20).map(|at| (at >> 3 ^ at >> 11) as u8).collect();
    let mut payload = Vec::with_capacity(message.len() + message.len() / 1000);
    for block in message.chunks(0xffff) {
        let len = block.len() as u16;
        payload.push(0);
        payload.extend(len.to_le_bytes());
        payload.extend((!len).to_le_bytes());
        payload.extend_from_slice(block);
    }
    payload.push(0);
    let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
    raw.stream.set_read_timeout(Some(6 * PATIENCE)).unwrap();
    raw.send(frame(FIN | COMPRESSED | BINARY, &payload));
    let echoed = raw.frame();
    assert!(echoed.first == FIN | BINARY && echoed.payload == message, "{} bytes", echoed.payload.len());
    assert!(server.peak_kib() < 400 << 10, "{} KiB", server.peak_kib());
}

#[test]
fn a_bomb_is_refused_though_messages_have_no_limit() {
    let server = Server::start(&["--max-echo-message", "0"]);
    let (mut raw, _) = open(&server, "/echo", CHROMES_OFFER);
    raw.stream.set_read_timeout(Some(6 * PATIENCE)).unwrap();
    // A block that refers to nothing before it, many times: 30 MiB that would become 30 GiB.
    let mut block = Vec::with_capacity(4096);
    let mut compressor = Compress::new(Compression::best(), false);
    compressor.compress_vec(&vec![0; 1 << 20], &mut block, FlushCompress::Full).unwrap();
    let blocks = block.repeat((30 << 20) / block.len());
    raw.send(frame(FIN | COMPRESSED | BINARY, blocks.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap()));
    let closed = raw.frame();
    assert_eq!(closed.close().0, 1009);
    assert!(server.peak_kib() < 700 << 10, "{} KiB", server.peak_kib());
    server.assert_well();
}
