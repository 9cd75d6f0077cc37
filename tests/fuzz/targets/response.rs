//! A client reads an arbitrary answer to its handshake, with one outcome however the reads cut it.
#![no_main]

use throng::ws::{deflate::Params, handshake::ClientRequest};
use throng_fuzz::{Cuts, connect, read_response};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut request = ClientRequest::new("throng", "/");
    request.subprotocols = &["throng.v1", "chat"];
    let offers = [Params::default()];
    request.deflate = &offers;
    let (cuts, bytes) = Cuts::split_from(input);
    let cut = read_response(&mut connect(&request), &cuts, bytes);
    let mut whole = bytes.to_vec();
    let whole =
        connect(&request).receive(&mut &mut whole[..]).map(|outcome| outcome.map(|(_, opened)| opened));
    assert_eq!(cut, whole);
});
