//! A client is sent arbitrary bytes: it does not panic and keeps no more than it was sent.
#![no_main]

use throng::ws::Role;

libfuzzer_sys::fuzz_target!(|input: &[u8]| throng_fuzz::receive_frugally(Role::Client, input));
