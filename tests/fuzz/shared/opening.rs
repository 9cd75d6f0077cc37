//! The opening handshake, from end to end.

use throng::ws::deflate::Params;
use throng::ws::handshake::{self, Accepted, ClientRequest, Opened};
use throng::ws::head::{HeadScan, Limits, Request};

use crate::Cuts;

/// Small, so that inputs reach them.
pub const LIMITS: Limits = Limits { request_line: 100, head: 500, fields: 10 };

/// What comes of a client's offer, if the server lets it keep a context of its own. Both ends find the same.
pub fn shake_hands(deflate: Option<Params>, cuts: &Cuts<'_>) -> Option<Params> {
    let nonce = *b"the sample nonce";
    let request =
        ClientRequest { host: "throng", target: "/", nonce, subprotocols: &[], deflate, fields: &[] };
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    request.encode(&mut asked);
    let mut scan = HeadScan::default();
    let head_len = cuts.first_outcome(&asked, |come| scan.advance(come, &LIMITS));
    assert_eq!(head_len, Ok(Some(asked.len())));
    let accept = |request: &Request<'_>| {
        let deflate = handshake::deflate(request, true)?;
        Ok::<_, handshake::Refusal>(Accepted { key: handshake::check(request)?, subprotocol: None, deflate })
    };
    let accepted = Request::parse(&asked, &LIMITS, accept).expect("it is HTTP").expect("it is a handshake");
    accepted.encode(&mut answered);
    let opened = cuts.first_outcome(&answered, |come| request.check_response(come));
    let expected = Opened {
        head_len: answered.len(),
        subprotocol: None,
        deflate: accepted.deflate,
        cookies: Vec::new(),
    };
    assert_eq!(opened, Ok(Some(expected)));
    accepted.deflate
}
