//! The opening handshake, from end to end.

use throng::ws::deflate::Params;
use throng::ws::handshake::{self, Accepted, ClientRequest, Connecting, Opened, ResponseError};
use throng::ws::head::{HeadScan, Limits, Request};
use throng::ws::{Codec, Config};

use crate::Cuts;

/// Small, so that inputs reach them.
pub const LIMITS: Limits = Limits { request_line: 100, head: 500, fields: 10 };

/// What comes of a client's offer, if the server lets it keep a context of its own. Both ends find the same.
pub fn shake_hands(deflate: Option<Params>, cuts: &Cuts<'_>) -> Option<Params> {
    let mut request = ClientRequest::new("throng", "/");
    request.deflate = deflate.as_slice();
    let mut connecting = connect(&request);
    let (asked, mut answered) = (connecting.output().to_vec(), Vec::new());
    let mut scan = HeadScan::default();
    let head_len = cuts.first_outcome(&asked, |come| scan.advance(come, &LIMITS));
    assert_eq!(head_len, Ok(Some(asked.len())));
    let accept = |request: &Request<'_>| {
        let deflate = handshake::deflate(request, true)?;
        Ok::<_, handshake::Refusal>(Accepted { key: handshake::check(request)?, subprotocol: None, deflate })
    };
    let accepted = Request::parse(&asked, &LIMITS, accept).expect("it is HTTP").expect("it is a handshake");
    accepted.encode(&mut answered);
    let opened =
        read_response(&mut connecting, cuts, &answered).expect("it is accepted").expect("it is whole");
    assert_eq!((opened.head_len, opened.deflate), (answered.len(), accepted.deflate));
    accepted.deflate
}

/// A client whose key is the same each time.
pub fn connect(request: &ClientRequest<'_>) -> Connecting {
    let mut codec = Codec::with_random(|bytes| bytes.copy_from_slice(b"the sample nonce"));
    Connecting::new(request, &Config::default(), &mut codec).expect("it can be sent")
}

/// What comes of a response in these reads.
pub fn read_response(
    connecting: &mut Connecting,
    cuts: &Cuts<'_>,
    response: &[u8],
) -> Result<Option<Opened>, ResponseError> {
    let mut received = 0;
    cuts.first_outcome(response, |come| {
        let mut piece = come[received..].to_vec();
        received = come.len();
        Ok(connecting.receive(&mut &mut piece[..])?.map(|(_, opened)| opened))
    })
}
