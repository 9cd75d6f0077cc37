//! An arbitrary request has one outcome, however the reads cut it, and is judged without a panic.
#![no_main]

use throng::ws::handshake::{check, deflate};
use throng::ws::head::{HeadScan, Request};
use throng_fuzz::{Cuts, LIMITS};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (cuts, bytes) = Cuts::split_from(input);
    let (mut scan, whole) = (HeadScan::default(), HeadScan::default().advance(bytes, &LIMITS));
    assert_eq!(cuts.first_outcome(bytes, |come| scan.advance(come, &LIMITS)), whole);
    let Ok(Some(len)) = whole else { return };
    let _ = Request::parse(&bytes[..len], &LIMITS, |head| (check(head), deflate(head, true)));
});
