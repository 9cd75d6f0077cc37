//! The opening handshake (RFC 6455 §4): [`Accepting`] on the server and [`Connecting`] on the client.
//!
//! The rest serves servers that read heads on their own: they find the end of the head with
//! [`HeadScan`](super::head::HeadScan), parse it with [`Request::parse`], [`check`] it, negotiate [`deflate`] and encode
//! [`Accepted`], in this order.

mod accepting;
mod client;
mod connecting;
mod field;
mod refused;

pub use accepting::{Accepting, Answer, RejectReason, Rejected};
pub use client::{ClientRequest, MAX_ANSWER, Opened, ResponseError};
pub use connecting::Connecting;
pub use field::InvalidField;
pub use refused::Refused;

use super::deflate::Params;
use super::extensions;
use super::head::{Request, Response};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD as BASE64};
use sha1::{Digest, Sha1};
use std::fmt;

/// Appended to a key before it is hashed (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Base64 as in keys. Their last character has four bits that mean nothing, and are not always zero: not even in the
/// RFC's own example (§4.1).
const KEYS: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// The value of `Sec-WebSocket-Accept` (§4.2.2): base64 of a SHA-1, always 28 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptKey([u8; 28]);

impl AcceptKey {
    /// Derives it from the value of `Sec-WebSocket-Key`.
    ///
    /// ```
    /// use throng::ws::handshake::AcceptKey;
    /// assert_eq!(AcceptKey::of("dGhlIHNhbXBsZSBub25jZQ==").as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// ```
    pub fn of(key: &str) -> AcceptKey {
        let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
        let mut accept = [0; 28];
        BASE64.encode_slice(hash, &mut accept).expect("20 bytes are 28 characters of base64");
        AcceptKey(accept)
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a handshake is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request breaks RFC 6455 §4.1 in the way named.
    Bad(&'static str),
    /// Not a GET.
    Method,
    /// A plain request where only WebSocket is spoken.
    UpgradeRequired,
    /// Another version than 13.
    Version,
}

impl Refusal {
    /// The answer to the request.
    pub fn response(&self) -> Response {
        match self {
            Refusal::Bad(why) => Response::text(400, format_args!("{why}.")),
            Refusal::Method => {
                Response::text(405, "A WebSocket handshake is a GET request.").with("Allow", "GET")
            }
            Refusal::UpgradeRequired => {
                upgrade_required("This address speaks WebSocket; connect to it with ws://.")
            }
            Refusal::Version => upgrade_required("Only version 13 of the WebSocket protocol is spoken here."),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.response().line().trim_end_matches('.'))
    }
}

impl std::error::Error for Refusal {}

/// What to upgrade to (RFC 9110 §15.5.22), and in which version (RFC 6455 §4.2.2).
fn upgrade_required(why: &str) -> Response {
    Response::text(426, why).with("Upgrade", "websocket").with("Sec-WebSocket-Version", "13")
}

/// Whether a request asks for WebSocket at all.
pub fn wants_websocket(request: &Request<'_>) -> bool {
    request.lists("upgrade", "websocket")
}

/// Checks what the RFC demands of a client's handshake (§4.2.1); what is left to the server's policy
/// (path, origin, subprotocol) is left to the caller.
pub fn check(request: &Request<'_>) -> Result<AcceptKey, Refusal> {
    if !wants_websocket(request) {
        return Err(Refusal::UpgradeRequired);
    }
    if request.method != "GET" {
        return Err(Refusal::Method);
    }
    if request.minor_version != 1 {
        return Err(Refusal::Bad("A WebSocket handshake is made with HTTP/1.1"));
    }
    if request.has_body() {
        return Err(Refusal::Bad("A WebSocket handshake has no body"));
    }
    if !request.lists("connection", "upgrade") {
        return Err(Refusal::Bad("The Connection header does not list Upgrade"));
    }
    if request.only("sec-websocket-version") != Some("13") {
        return Err(Refusal::Version);
    }
    let key = request
        .only("sec-websocket-key")
        .filter(|key| is_key(key))
        .ok_or(Refusal::Bad("Sec-WebSocket-Key is not the base64 of 16 bytes"))?;
    Ok(AcceptKey::of(key))
}

/// The agreement on compression: the first of the client's offers that can be accepted (RFC 7692 §5). The client keeps
/// a context of its own only if `keeps_context`.
pub fn deflate(request: &Request<'_>, keeps_context: bool) -> Result<Option<Params>, Refusal> {
    let mut agreed = None;
    for value in request.all("sec-websocket-extensions") {
        let offers = extensions::parse(value)
            .map_err(|_| Refusal::Bad("Sec-WebSocket-Extensions does not follow the grammar of RFC 6455"))?;
        let accept = |offer| Params::of_offer(offer)?.accept(keeps_context);
        agreed = agreed.or_else(|| offers.iter().find_map(accept));
    }
    Ok(agreed.filter(|_| !request.only("user-agent").is_some_and(is_faulty)))
}

/// Safari 15.0 to 15.3 damages what it inflates.
fn is_faulty(user_agent: &str) -> bool {
    let version = user_agent.split_once("Version/15.").and_then(|(_, rest)| rest.split(['.', ' ']).next());
    user_agent.contains("Safari/") && matches!(version, Some("0" | "1" | "2" | "3"))
}

fn is_key(key: &str) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && KEYS.decode_slice(key, &mut bytes) == Ok(16)
}

/// The server's answer to a handshake that it takes (§4.2.2).
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// From the client's key.
    pub key: AcceptKey,
    /// One of those that the client offered, if any is known.
    pub subprotocol: Option<&'static str>,
    /// What was agreed on, if messages may be compressed.
    pub deflate: Option<Params>,
}

impl Accepted {
    /// Writes the response, after which frames follow.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_switching(&self.key, self.subprotocol, self.deflate.as_ref(), std::iter::empty(), out);
    }
}

/// Writes the response 101.
fn write_switching<'f>(
    key: &AcceptKey,
    subprotocol: Option<&str>,
    deflate: Option<&Params>,
    fields: impl Iterator<Item = (&'f str, &'f str)>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(key.as_bytes());
    if let Some(subprotocol) = subprotocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(subprotocol.as_bytes());
    }
    if let Some(deflate) = deflate {
        out.extend_from_slice(format!("\r\nSec-WebSocket-Extensions: {deflate}").as_bytes());
    }
    for (name, value) in fields {
        out.extend_from_slice(format!("\r\n{name}: {value}").as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::head::Limits;

    const LIMITS: Limits = Limits { request_line: 8192, head: 16384, fields: 100 };

    const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    fn outcome(head: &str) -> Result<AcceptKey, Refusal> {
        Request::parse(head.as_bytes(), &LIMITS, check).expect("well-formed HTTP")
    }

    #[test]
    fn the_handshake_of_section_1_3_is_taken() {
        let key = outcome(GOOD).unwrap();
        assert_eq!(key.as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut out = Vec::new();
        let subprotocol = Some("chat");
        Accepted { key, subprotocol, deflate: None }.encode(&mut out);
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        );
    }

    #[test]
    fn unused_bits_of_a_key_may_be_set() {
        for (key, accept) in [
            ("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
            ("AQIDBAUGBwgJCgsMDQ4PEP==", "z5uhIsLlElYBlzdseQtOC96GgUM="),
        ] {
            let key = outcome(&GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", key)).expect(key);
            assert_eq!(std::str::from_utf8(key.as_bytes()), Ok(accept));
        }
    }

    #[test]
    fn tokens_and_names_count_in_any_case_and_within_lists() {
        let head = GOOD
            .replace("Upgrade: websocket", "UPGRADE: h2c, WebSocket")
            .replace("Connection: Upgrade", "connection: keep-alive, upgrade");
        assert!(outcome(&head).is_ok());
    }

    #[test]
    fn each_failure_has_its_own_status() {
        let table: &[(&str, &str, u16)] = &[
            ("GET ", "POST ", 405),
            ("HTTP/1.1", "HTTP/1.0", 400),
            ("Upgrade: websocket\r\n", "", 426),
            ("Upgrade: websocket", "Upgrade: h2c", 426),
            ("Connection: Upgrade\r\n", "", 400),
            ("Connection: Upgrade", "Connection: keep-alive", 400),
            ("Sec-WebSocket-Version: 13\r\n", "", 426),
            ("Version: 13", "Version: 8", 426),
            ("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13", 426),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZUFB", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ_==", 400),
            ("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n", 400),
            ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ];
        for (from, to, status) in table {
            let head = GOOD.replacen(from, to, 1);
            let refusal = outcome(&head).expect_err(&head);
            assert_eq!(refusal.response().status, *status, "{head}");
        }
    }
}
