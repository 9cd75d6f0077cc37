//! Compressed messages, against flate2 alone.

use flate2::{Decompress, FlushDecompress, Status};
use stats_alloc::Region;
use throng::ws::deflate::{Compressor, Inflater};

use crate::ALLOCATOR;

/// Inflates an arbitrary payload, in memory of no more than `limit`. The first message of a context is the same as one
/// that stands alone.
pub fn inflate_frugally(payload: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut inflater = Inflater::default();
    inflater.inflate(b"\0", 0, false).expect("it is an empty message");
    let before = Region::new(ALLOCATOR);
    let message = inflater.inflate(payload, limit, false).ok();
    let change = before.change();
    assert!(change.bytes_allocated <= limit + 1, "{} for {limit}", change.bytes_allocated);
    let mut own = Inflater::default();
    let [first, second] = [(); 2].map(|()| own.inflate(payload, limit, true).ok());
    assert!(message.is_none() || message == first);
    assert!([&message, &first, &second].into_iter().flatten().all(|message| message.len() <= limit));
    message
}

/// What flate2 makes of a payload and of what ends a message; `None` unless the stream ends where it may.
pub fn inflate_plainly(payload: &[u8], limit: usize) -> Option<Vec<u8>> {
    let tail_and_last_block = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
    let stream = [payload, &tail_and_last_block].concat();
    let mut state = Decompress::new(false);
    let mut message = Vec::with_capacity(limit + 1);
    let status = state.decompress_vec(&stream, &mut message, FlushDecompress::Finish).ok()?;
    let end = state.total_in() as usize;
    let without_last_byte = payload.strip_suffix(&[0x00]).unwrap_or(payload).len();
    let ends = status == Status::StreamEnd && [stream.len(), payload.len(), without_last_byte].contains(&end);
    Some(message).filter(|message| ends && message.len() <= limit)
}

/// A message that is compressed is inflated to the same, also by a peer with no more of a window than was agreed on; and
/// a compressor that has served it often serves it the same.
pub fn compress_and_inflate(message: &[u8], times: usize) {
    for bits in [9, 15] {
        let mut compressor = Compressor::new(bits);
        let mut compress = || compressor.compress(message).map(<[u8]>::to_vec);
        let payload = compress();
        assert!((1..times).all(|_| compress() == payload));
        let Some(payload) = payload else { continue };
        assert!(payload.len() < message.len());
        assert_eq!(inflate_frugally(&payload, message.len()).as_deref(), Some(message));
        let mut peer = Decompress::new_with_window_bits(false, bits);
        let mut inflated = Vec::with_capacity(message.len() + 1);
        peer.decompress_vec(&payload, &mut inflated, FlushDecompress::Sync).expect("it is within the window");
        assert_eq!(inflated, message);
    }
}
