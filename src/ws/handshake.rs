//! The opening handshake (RFC 6455 §4), of the server and of the client.

use super::deflate::Params;
use super::extensions;
use super::head::{Request, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};
use std::fmt;

/// Appended to a key before it is hashed (§1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

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
                Response::text(426, "This address speaks WebSocket; connect to it with ws://.")
                    .with("Upgrade", "websocket")
                    .with("Connection", "Upgrade")
            }
            Refusal::Version => {
                Response::text(426, "Only version 13 of the WebSocket protocol is spoken here.")
                    .with("Sec-WebSocket-Version", "13")
            }
        }
    }
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
    if request.only("host").is_none() {
        return Err(Refusal::Bad("The request needs exactly one Host header"));
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
    key.len() == 24 && BASE64.decode_slice(key, &mut bytes) == Ok(16)
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
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.key.as_bytes());
        if let Some(subprotocol) = self.subprotocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(subprotocol.as_bytes());
        }
        if let Some(deflate) = self.deflate {
            out.extend_from_slice(format!("\r\nSec-WebSocket-Extensions: {deflate}").as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// What a client asks for (§4.1).
#[derive(Clone, Debug)]
pub struct ClientRequest<'a> {
    /// Host, and port unless it is the scheme's own.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// 16 bytes of chance, new for each connection.
    pub nonce: [u8; 16],
    /// In order of preference.
    pub subprotocols: &'a [&'a str],
    /// The offer to compress messages, if there is one.
    pub deflate: Option<Params>,
    /// Further header fields, such as `Origin`.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Why a client does not take a server's answer (§4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// Not HTTP/1.1.
    Malformed,
    /// Another status than 101.
    Status(u16),
    /// `Upgrade` or `Connection` is missing or wrong.
    NotUpgraded,
    /// `Sec-WebSocket-Accept` is missing or not that of the key sent.
    WrongAccept,
    /// A subprotocol that was not offered, or more than one.
    WrongSubprotocol,
    /// An extension that was not offered, or not with these parameters.
    WrongExtension,
}

/// A server's answer that a client takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// How long the answer is, in bytes. Frames follow.
    pub head_len: usize,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// What was agreed on, if messages may be compressed.
    pub deflate: Option<Params>,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Malformed => f.write_str("the answer is not HTTP/1.1"),
            ResponseError::Status(status) => write!(f, "the answer is status {status}, not 101"),
            ResponseError::NotUpgraded => f.write_str("the answer does not upgrade to WebSocket"),
            ResponseError::WrongAccept => f.write_str("Sec-WebSocket-Accept is wrong"),
            ResponseError::WrongSubprotocol => f.write_str("a subprotocol that was not offered"),
            ResponseError::WrongExtension => {
                f.write_str("an extension, or a parameter of one, that was not offered")
            }
        }
    }
}

impl std::error::Error for ResponseError {}

impl ClientRequest<'_> {
    /// Writes the request.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
            self.target,
            self.host,
            self.key()
        );
        if !self.subprotocols.is_empty() {
            let list = self.subprotocols.join(", ");
            text += &format!("Sec-WebSocket-Protocol: {list}\r\n");
        }
        if let Some(offer) = &self.deflate {
            text += &format!("Sec-WebSocket-Extensions: {offer}\r\n");
        }
        for (name, value) in self.fields {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        out.extend_from_slice(text.as_bytes());
    }

    /// Reads the server's answer from the start of `bytes`; `None` if more bytes are needed.
    pub fn check_response(&self, bytes: &[u8]) -> Result<Option<Opened>, ResponseError> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        let head_len = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(ResponseError::Malformed),
        };
        match (parsed.version, parsed.code) {
            (Some(1), Some(101)) => {}
            (_, Some(status)) if status != 101 => return Err(ResponseError::Status(status)),
            _ => return Err(ResponseError::Malformed),
        }
        let values = |name: &'static str| {
            let matching = move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
            parsed.headers.iter().filter(matching).map(|field| field.value)
        };
        let lists = |name, token: &str| {
            values(name)
                .flat_map(|value| value.split(|&byte| byte == b','))
                .any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        };
        if !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
            return Err(ResponseError::NotUpgraded);
        }
        let accept = AcceptKey::of(&self.key());
        if !values("sec-websocket-accept").eq([accept.as_bytes()]) {
            return Err(ResponseError::WrongAccept);
        }
        let deflate = self.agreed_deflate(values("sec-websocket-extensions"))?;
        let mut chosen = values("sec-websocket-protocol");
        let subprotocol = match (chosen.next(), chosen.next()) {
            (None, _) => None,
            (Some(one), None) => {
                let offered = self.subprotocols.iter().find(|offered| offered.as_bytes() == one);
                Some((*offered.ok_or(ResponseError::WrongSubprotocol)?).to_owned())
            }
            _ => return Err(ResponseError::WrongSubprotocol),
        };
        Ok(Some(Opened { head_len, subprotocol, deflate }))
    }

    /// The one extension that a server may answer with, and only if it was offered.
    fn agreed_deflate<'v>(
        &self,
        values: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Option<Params>, ResponseError> {
        let mut agreed = None;
        for value in values {
            for extension in extensions::parse(value).map_err(|_| ResponseError::WrongExtension)? {
                let answer = Params::of_answer(&extension).filter(|answer| {
                    agreed.is_none() && self.deflate.is_some_and(|offer| offer.allows(answer))
                });
                agreed = Some(answer.ok_or(ResponseError::WrongExtension)?);
            }
        }
        Ok(agreed)
    }

    fn key(&self) -> String {
        BASE64.encode(self.nonce)
    }
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
            ("Host: server.example.com\r\n", "", 400),
            ("Host:", "Host: twice\r\nHost:", 400),
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

    fn client() -> ClientRequest<'static> {
        ClientRequest {
            host: "server.example.com",
            target: "/chat",
            nonce: *b"the sample nonce",
            subprotocols: &["throng.v1", "chat"],
            deflate: None,
            fields: &[("Origin", "http://server.example.com")],
        }
    }

    #[test]
    fn client_and_server_agree_with_each_other() {
        let mut request = Vec::new();
        client().encode(&mut request);
        let key = Request::parse(&request, &LIMITS, |request| {
            let offered: Vec<_> = request.list("sec-websocket-protocol").collect();
            assert_eq!(offered, ["throng.v1", "chat"]);
            check(request)
        });
        let mut answer = Vec::new();
        let subprotocol = Some("chat");
        Accepted { key: key.unwrap().unwrap(), subprotocol, deflate: None }.encode(&mut answer);
        let head_len = answer.len();
        for cut in 0..head_len {
            assert_eq!(client().check_response(&answer[..cut]), Ok(None));
        }
        answer.extend_from_slice(b"\x81\x00");
        let accepted = client().check_response(&answer);
        let subprotocol = Some("chat".to_owned());
        assert_eq!(accepted, Ok(Some(Opened { head_len, subprotocol, deflate: None })));
    }

    #[test]
    fn a_client_takes_no_answer_that_differs_from_what_it_asked() {
        let good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let table = [
            ("101", "200", ResponseError::Status(200)),
            ("HTTP/1.1", "HTTP/1.0", ResponseError::Malformed),
            ("HTTP/1.1", "SSH-2.0", ResponseError::Malformed),
            ("Upgrade: websocket\r\n", "", ResponseError::NotUpgraded),
            ("Connection: Upgrade", "Connection: close", ResponseError::NotUpgraded),
            ("s3pP", "S3pP", ResponseError::WrongAccept),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: other\r\n\r\n", ResponseError::WrongSubprotocol),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: throng.v1\r\n\r\n",
                ResponseError::WrongSubprotocol,
            ),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                ResponseError::WrongExtension,
            ),
        ];
        for (from, to, error) in table {
            let answer = good.replacen(from, to, 1);
            assert!(!error.to_string().is_empty());
            assert_eq!(client().check_response(answer.as_bytes()), Err(error), "{answer}");
        }
        let none = Opened { head_len: good.len(), subprotocol: None, deflate: None };
        assert_eq!(
            client().check_response(good.as_bytes()),
            Ok(Some(none)),
            "it need not choose a subprotocol"
        );
    }
}
