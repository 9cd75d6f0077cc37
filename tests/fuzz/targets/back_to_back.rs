//! What one end sends, the other receives: the handshake and all that follows, however the reads cut it.
#![no_main]

use throng::ws::Role::{Client, Server};
use throng_fuzz::{Cuts, Receiver, agreement, contents, send, shake_hands};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, input)) = input.split_first() else { return };
    let (cuts, script) = Cuts::split_from(input);
    let (agreed, said) = (shake_hands(agreement(choice), &cuts), contents(script));
    for (from, to) in [(Server, Client), (Client, Server)] {
        let heard = Receiver::new(to, 0, agreed).receive_all(&cuts.pieces(&send(from, &said, agreed)));
        assert_eq!(heard, (said.clone(), Ok(())));
    }
});
