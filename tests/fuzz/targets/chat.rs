//! Clients of all formats do as an arbitrary script says, and hear what they may expect.
#![no_main]

libfuzzer_sys::fuzz_target!(|script: &[u8]| throng_fuzz::play(script));
