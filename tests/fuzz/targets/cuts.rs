//! Bytes have one outcome, however the reads cut them.
#![no_main]

use throng::ws::Role;
use throng_fuzz::{Cuts, Receiver};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, input)) = input.split_first() else { return };
    let (cuts, bytes) = Cuts::split_from(input);
    for role in [Role::Server, Role::Client] {
        let receive = |reads: &[&[u8]]| Receiver::chosen(choice, role, 300).receive_all(reads);
        assert_eq!(receive(&cuts.pieces(bytes)), receive(&[bytes]));
    }
});
