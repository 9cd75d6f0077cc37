use super::*;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn inflate(payload: &[u8]) -> Result<Vec<u8>, Error> {
    Inflater::default().inflate(payload, 0, false)
}

#[test]
fn the_examples_of_section_7_2_3_are_inflated() {
    let table: &[&[u8]] = &[
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ];
    for payload in table {
        assert_eq!(inflate(payload).as_deref(), Ok(&b"Hello"[..]), "{payload:x?}");
    }
    assert_eq!(inflate(b"\x00").as_deref(), Ok(&b""[..]), "7.2.3.6: an empty message");
}

#[test]
fn a_context_is_kept_only_if_requested() {
    let [first, second] = [&b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], b"\xf2\x00\x11\x00\x00"];
    let mut own = Inflater::default();
    assert_eq!(own.inflate(first, 0, true).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(own.inflate(second, 0, true).as_deref(), Ok(&b"Hello"[..]), "7.2.3.2");
    let mut shared = Inflater::default();
    assert_eq!(shared.inflate(first, 0, false).as_deref(), Ok(&b"Hello"[..]));
    assert_eq!(shared.inflate(second, 0, false), Err(Error::LostContext));
    assert_eq!(shared.inflate(first, 0, false).as_deref(), Ok(&b"Hello"[..]), "it serves the next");
}

#[test]
fn a_context_is_kept_with_any_window_and_across_a_final_block() {
    let messages: Vec<Vec<u8>> = (0..300u32)
        .map(|at| format!("{at} of {}", "to be or not to be ".repeat(at as usize % 50)).into())
        .collect();
    for window_bits in 8..=15 {
        let mut inflater = Inflater::with_window(window_bits);
        assert!(inflater.state.is_none(), "it takes no memory before it is used");
        let mut server = Compress::new_with_window_bits(Compression::best(), false, window_bits.max(9));
        for (number, message) in messages.iter().enumerate() {
            let is_last_block = number % 40 == 39;
            let mut payload = Vec::with_capacity(2000);
            let flush = if is_last_block { FlushCompress::Finish } else { FlushCompress::Sync };
            server.compress_vec(message, &mut payload, flush).unwrap();
            let payload = payload.strip_suffix(&TAIL).unwrap_or(&payload);
            assert_eq!(inflater.inflate(payload, 0, true).as_ref(), Ok(message), "{window_bits}");
            if is_last_block {
                server.reset();
            }
        }
    }
}

#[test]
fn each_window_except_the_smallest_has_its_own_compressor() {
    let mut compressors = Compressors::default();
    let noise: Vec<u8> = (0..400u32).map(|at| ((at * at) >> 3) as u8).collect();
    let message = [&noise[..], &[b' '; 1000], &noise].concat();
    let mut len = |bits| compressors.for_window(bits).unwrap().compress(&message).unwrap().len();
    assert!(len(9) > len(15) + 300, "only the greater one reaches back to the first");
    assert_eq!(len(10), len(10));
    assert!(compressors.for_window(8).is_none() && compressors.for_window(16).is_none());
}

#[test]
fn incomplete_and_damaged_streams_are_rejected() {
    let mut compressor = Compressor::new(15);
    let whole = compressor.compress(&b"to be or not to be ".repeat(20)).unwrap().to_vec();
    for len in 0..whole.len() {
        assert_eq!(inflate(&whole[..len]), Err(Error::BadCompression), "cut at {len}");
    }
    let table: &[&[u8]] = &[
        b"\x07",                             // an undefined block type
        b"\xff\xff\xff\xff",                 // an undefined block type
        b"\x00\x05\x00\xfa\xfeHello",        // a length that does not match its complement
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2", // bytes after the final block
    ];
    for payload in table {
        assert_eq!(inflate(payload), Err(Error::BadCompression), "{payload:x?}");
    }
}

#[test]
fn the_limit_applies_to_inflated_bytes() {
    for limit in [1000, 1 << 20] {
        for (len, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            let message = vec![b'a'; len];
            let mut compressed = Compress::new(Compression::best(), false);
            let mut payload = Vec::with_capacity(len);
            compressed.compress_vec(&message, &mut payload, FlushCompress::Sync).unwrap();
            let payload = payload.strip_suffix(&TAIL).unwrap();
            let expected = if fits { Ok(message) } else { Err(Error::TooBig { limit }) };
            assert!(Inflater::default().inflate(payload, limit, false) == expected, "{len} of {limit}");
        }
    }
}

#[test]
fn a_decompression_bomb_takes_no_more_memory_than_the_limit() {
    let mut compressed = Compress::new(Compression::best(), false);
    let mut bomb = Vec::with_capacity(1 << 20);
    compressed.compress_vec(&vec![0; 64 << 20], &mut bomb, FlushCompress::Sync).unwrap();
    let mut state = Decompress::new(false);
    let limit = 100_000;
    let mut inflation =
        Inflation { state: &mut state, message: Vec::new(), max_len: limit, keeps_context: false };
    assert_eq!(inflation.feed(&bomb), Err(Error::TooBig { limit }));
    assert!(inflation.message.capacity() <= limit + 1);
}

#[test]
fn short_long_and_incompressible_messages_are_not_compressed() {
    let mut compressor = Compressor::new(15);
    assert_eq!(compressor.compress(&[b'a'; SMALLEST_COMPRESSED - 1]), None);
    assert!(compressor.compress(&[b'a'; SMALLEST_COMPRESSED]).is_some());
    assert!(compressor.compress(&vec![b'a'; LARGEST_COMPRESSED]).is_some());
    assert_eq!(compressor.compress(&vec![b'a'; LARGEST_COMPRESSED + 1]), None);
    let mut noise = [0; 5000];
    StdRng::seed_from_u64(1).fill(&mut noise[..]);
    assert_eq!(compressor.compress(&noise), None);
    assert!(compressor.compress(&[b'a'; 300]).is_some(), "it serves the next");
}

#[test]
fn incompressible_messages_do_not_affect_later_ones() {
    let mut rng = StdRng::seed_from_u64(7);
    let text = b"to be or not to be ".repeat(20);
    for window_bits in [9, 15] {
        let mut compressor = Compressor::new(window_bits);
        for round in 0..2000 {
            let noise: Vec<u8> = (0..SMALLEST_COMPRESSED + round).map(|_| rng.random()).collect();
            assert_eq!(compressor.compress(&noise), None);
        }
        assert_eq!(inflate(compressor.compress(&text).unwrap()).as_deref(), Ok(&text[..]));
    }
}

#[test]
fn rejected_messages_do_not_affect_later_ones() {
    let long = b"to be or not to be ".repeat(3_000);
    let payload = Compressor::new(15).compress(&long).unwrap().to_vec();
    let mut inflater = Inflater::default();
    for round in 0..2000 {
        let limit = 1 + round * 28;
        assert_eq!(inflater.inflate(&payload, limit, false), Err(Error::TooBig { limit }));
        let cut = &payload[..round % payload.len()];
        let refused = inflater.inflate(cut, 0, false);
        assert!(matches!(refused, Err(Error::BadCompression | Error::LostContext)), "{refused:?}");
        let mut damaged = payload.clone();
        damaged[round % payload.len()] ^= 0x10;
        let _either_way = inflater.inflate(&damaged, 0, false);
    }
    assert_eq!(inflater.inflate(&payload, 0, false), Ok(long));
}

proptest! {
    #[test]
    fn compressed_messages_are_inflated_unchanged_with_the_negotiated_window(
        words in prop::collection::vec("[a-f]{1,9}|.{1,20}", 40..400),
        repeat in 1usize..6,
    ) {
        let message = words.concat().repeat(repeat).into_bytes();
        for bits in [9, 15] {
            let mut compressor = Compressor::new(bits);
            for _ in 0..2 {
                let Some(payload) = compressor.compress(&message) else { continue };
                prop_assert!(payload.len() < message.len());
                prop_assert_eq!(&inflate(payload), &Ok(message.clone()));
                let mut peer = Decompress::new_with_window_bits(false, bits);
                let mut out = Vec::with_capacity(message.len() + 1);
                let whole = [payload, &TAIL].concat();
                peer.decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
                prop_assert_eq!(&out, &message);
            }
        }
    }

    #[test]
    fn parts_that_were_compressed_apart_are_one_message(
        parts in prop::collection::vec(("[a-f]{0,9}", 0usize..300), 1..12),
        long in 0usize..12,
    ) {
        for bits in [9, 15] {
            let mut compressor = Compressor::new(bits);
            let (mut payload, mut message) = (Vec::new(), Vec::new());
            for (index, (word, repeat)) in parts.iter().enumerate() {
                let repeat = if index == long { 20_000 } else { *repeat };
                let part = word.repeat(repeat).into_bytes();
                compressor.append_blocks(&part, &mut payload);
                message.extend(part);
            }
            Compressor::end_blocks(&mut payload);
            prop_assert_eq!(&inflate(&payload), &Ok(message.clone()));
            let mut peer = Decompress::new_with_window_bits(false, bits);
            let mut out = Vec::with_capacity(message.len() + 1);
            peer.decompress_vec(&[&payload[..], &TAIL].concat(), &mut out, FlushDecompress::Sync).unwrap();
            prop_assert_eq!(&out, &message);
        }
    }

    #[test]
    fn any_bytes_are_inflated_within_the_limit_or_rejected(
        payload in prop::collection::vec(any::<u8>(), 0..300), limit in 1usize..2000,
    ) {
        match Inflater::default().inflate(&payload, limit, false) {
            Ok(message) => prop_assert!(message.len() <= limit),
            Err(Error::BadCompression | Error::LostContext | Error::TooBig { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
