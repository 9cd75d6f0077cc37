//! The agreement on compression, of both ends.

use std::collections::HashMap;

use throng::ws::deflate::Params;
use throng::ws::extensions::{self, Extension};
use throng::ws::handshake::ClientRequest;

use crate::connect;

/// An agreement by a byte of an input, of which `0` to `5` stand for none, messages on their own and contexts kept, the
/// latter three with a small window of the server.
pub fn agreement(choice: u8) -> Option<Params> {
    if choice.is_multiple_of(3) {
        return None;
    }
    let alone = choice % 3 == 1;
    Some(Params {
        server_no_context_takeover: alone,
        client_no_context_takeover: alone,
        server_max_window_bits: (choice % 6 > 2).then_some(10),
        client_max_window_bits: None,
    })
}

/// A server answers arbitrary offers: what it accepts, the client can read and has permitted.
pub fn answer_offers(offers: &[u8]) {
    for offer in &extensions::parse(offers).unwrap_or_default() {
        let Some(read) = Params::of_offer(offer) else { continue };
        assert_eq!(Params::of_offer(&only(&read.to_string())), Some(read));
        for answer in [false, true].into_iter().filter_map(|keeps_context| read.accept(keeps_context)) {
            let text = answer.to_string();
            assert_eq!(Params::of_answer(&only(&text)), Some(answer));
            assert!(read.allows(&answer) && is_permitted(&only(&text), offer), "{text} to {offer:?}");
        }
    }
}

/// A client that made the first of these offers reads an arbitrary answer: what it takes, it has permitted.
pub fn read_answer(offers: &[u8], answer: &[u8]) {
    let offers = extensions::parse(offers).unwrap_or_default();
    let deflate = offers.first().and_then(Params::of_offer);
    let mut request = ClientRequest::new("throng", "/");
    request.deflate = deflate.as_slice();
    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: ";
    let mut head = [head, answer, b"\r\n\r\n"].concat();
    if let Ok(Some((_, opened))) = connect(&request).receive(&mut &mut head[..])
        && opened.head_len == head.len()
        && !answer.contains(&b'\n')
    {
        match (&extensions::parse(answer).expect("it was read")[..], opened.deflate) {
            ([], None) => {}
            ([answer], Some(agreed)) => {
                assert_eq!(Params::of_answer(answer), Some(agreed));
                assert!(is_permitted(answer, &offers[0]), "{answer:?} to {:?}", offers[0]);
            }
            (_, agreed) => panic!("{agreed:?}"),
        }
    }
}

/// Whether an answer follows from an offer by RFC 7692 §7.1, told from the texts alone.
fn is_permitted(answer: &Extension<'_>, offer: &Extension<'_>) -> bool {
    let (answer, offer) = (values(answer), values(offer));
    let is_demanded =
        |name| offer.get(name).is_none_or(|most| answer.get(name).is_some_and(|bits| bits <= most));
    let client_window = "client_max_window_bits";
    is_demanded("server_no_context_takeover")
        && is_demanded("server_max_window_bits")
        && answer
            .get(client_window)
            .is_none_or(|bits| offer.get(client_window).is_some_and(|most| bits <= most))
}

/// The values of parameters by their names, which have to be different; 15 where there is none.
fn values<'e>(extension: &'e Extension<'_>) -> HashMap<&'e str, u8> {
    let number = |value: &str| value.parse().expect("it is a number");
    let value = |(name, value): &'e (&str, Option<_>)| (*name, value.as_deref().map_or(15, number));
    let values: HashMap<_, _> = extension.params.iter().map(value).collect();
    assert_eq!(values.len(), extension.params.len(), "{extension:?}");
    values
}

fn only(text: &str) -> Extension<'_> {
    let extensions = extensions::parse(text.as_bytes()).expect("it follows the grammar");
    let [extension] = <[_; 1]>::try_from(extensions).expect("it is one");
    extension
}
