//! A client reads an arbitrary answer to its handshake, with one outcome however the reads cut it.
#![no_main]

use throng::ws::{deflate::Params, handshake::ClientRequest};
use throng_fuzz::Cuts;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (nonce, subprotocols, deflate) =
        (*b"the sample nonce", &["throng.v1", "chat"], Some(Params::default()));
    let request = ClientRequest { host: "throng", target: "/", nonce, subprotocols, deflate, fields: &[] };
    let (cuts, bytes) = Cuts::split_from(input);
    let cut = cuts.first_outcome(bytes, |come| request.check_response(come));
    assert_eq!(cut, request.check_response(bytes));
});
