//! An arbitrary payload is inflated as flate2 does, within the limit; or is compressed, and inflated to the same.
#![no_main]

use throng_fuzz::{compress_and_inflate, inflate_frugally, inflate_plainly};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, payload)) = input.split_first() else { return };
    let limit = 1 << (choice % 18);
    match choice {
        0..0x80 => assert_eq!(inflate_frugally(payload, limit), inflate_plainly(payload, limit)),
        _ => compress_and_inflate(&payload.repeat(1 + limit % 4), 1 << (choice % 10)),
    }
});
