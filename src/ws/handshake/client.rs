//! The client side of the opening handshake (§4.1, §4.2.2).

use super::AcceptKey;
use super::field::{self, InvalidField};
use super::refused::Refused;
use crate::ws::deflate::Params;
use crate::ws::extensions;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use httparse::{EMPTY_HEADER, Header, ParserConfig};
use std::fmt;

/// Largest response head that is read, in bytes, including interim responses before it.
pub const MAX_ANSWER: usize = 64 << 10;
/// Largest number of fields in a head.
const MAX_FIELDS: usize = 1000;
/// Number of fields parsed on the stack, enough for nearly every head.
const FEW_FIELDS: usize = 64;

/// The client's handshake request (§4.1).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientRequest<'a> {
    /// Host, with the port unless it is the scheme's default.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Subprotocols in order of preference; none by default.
    pub subprotocols: &'a [&'a str],
    /// Offers of compression in order of preference; none by default. Most servers accept [`Params::BROWSERS_OFFER`].
    pub deflate: &'a [Params],
    /// Further header fields, such as `Origin`. A `Host` field replaces `host`.
    pub fields: &'a [(&'a str, &'a str)],
}

/// The reason why a client rejects a server's response (§4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The response is not HTTP, or malformed.
    Malformed,
    /// The response is a TLS record: the server expects TLS.
    Tls,
    /// The HTTP version is not 1.1.
    Version,
    /// The head is longer than this many bytes.
    TooLong(usize),
    /// The head has more than this many fields.
    TooManyFields(usize),
    /// The status is not 101.
    Status(Box<Refused>),
    /// `Upgrade` or `Connection` is missing or wrong.
    NotUpgraded,
    /// `Sec-WebSocket-Accept` is missing or does not match the key.
    WrongAccept,
    /// The server chose a subprotocol that was not offered, or more than one.
    WrongSubprotocol {
        /// The subprotocols in the response.
        chosen: String,
        /// The offered subprotocols, separated by commas; may be empty.
        offered: String,
    },
    /// The server chose an extension, or parameters of one, that were not offered. Holds the value of the
    /// field.
    WrongExtension(String),
}

/// A response that the client accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// Length of the response head, in bytes. Frames follow.
    pub head_len: usize,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// The negotiated compression, if any.
    pub deflate: Option<Params>,
    /// Cookies to send with later requests: `NAME=VALUE` of each `Set-Cookie` (RFC 6265 §4.1).
    pub cookies: Vec<String>,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Malformed => f.write_str("the response is not HTTP"),
            ResponseError::Tls => f.write_str("the server expects TLS"),
            ResponseError::Version => f.write_str(
                "the response is not HTTP/1.1, which WebSocket requires; a proxy may use another version",
            ),
            ResponseError::TooLong(most) => write!(f, "the response head has more than {most} bytes"),
            ResponseError::TooManyFields(most) => {
                write!(f, "the response has more than {most} header fields")
            }
            ResponseError::Status(refused) => refused.fmt(f),
            ResponseError::NotUpgraded => f.write_str("the response does not upgrade to WebSocket"),
            ResponseError::WrongAccept => f.write_str("Sec-WebSocket-Accept does not match the key"),
            ResponseError::WrongSubprotocol { chosen, offered } if offered.is_empty() => {
                write!(f, "the server chose the subprotocol {chosen:?}, but none was offered")
            }
            ResponseError::WrongSubprotocol { chosen, offered } => {
                write!(f, "the server chose the subprotocol {chosen:?}, but the client offered {offered:?}")
            }
            ResponseError::WrongExtension(value) => {
                write!(f, "the server chose an extension or parameter that was not offered: {value:?}")
            }
        }
    }
}

impl std::error::Error for ResponseError {}

impl<'a> ClientRequest<'a> {
    /// Creates a request without subprotocols, compression and further fields.
    pub fn new(host: &'a str, target: &'a str) -> ClientRequest<'a> {
        ClientRequest { host, target, subprotocols: &[], deflate: &[], fields: &[] }
    }

    /// Writes the request with the key that encodes `nonce`.
    pub(super) fn encode(&self, nonce: [u8; 16], out: &mut Vec<u8>) -> Result<(), InvalidField> {
        let is_host = |field: &&(&str, &str)| field.0.eq_ignore_ascii_case("host");
        let host = self.fields.iter().find(is_host).map_or(self.host, |(_, host)| host);
        self.check(host)?;
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
            self.target,
            BASE64.encode(nonce)
        );
        if !self.subprotocols.is_empty() {
            text += &format!("Sec-WebSocket-Protocol: {}\r\n", self.subprotocols.join(", "));
        }
        if !self.deflate.is_empty() {
            let offers: Vec<String> = self.deflate.iter().map(|offer| offer.as_offer().to_string()).collect();
            text += &format!("Sec-WebSocket-Extensions: {}\r\n", offers.join(", "));
        }
        for (name, value) in self.fields.iter().filter(|field| !is_host(field)) {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn check(&self, host: &str) -> Result<(), InvalidField> {
        field::check_word(host)?;
        field::check_word(self.target)?;
        self.fields.iter().try_for_each(|(name, value)| field::check(name, value))?;
        // An element may be a list of its own.
        let subprotocols = self.subprotocols.iter().flat_map(|one| one.split(','));
        let is_space = [' ', '\t'];
        subprotocols.map(|name| name.trim_matches(is_space)).try_for_each(field::check_subprotocol)?;
        let bits = self.deflate.iter().flat_map(|it| [it.server_max_window_bits, it.client_max_window_bits]);
        match bits.flatten().find(|bits| !(8..=15).contains(bits)) {
            None => Ok(()),
            Some(bits) => Err(InvalidField::WindowBits(bits)),
        }
    }
}

/// What a request offers, by which its response is judged.
pub(super) struct Offered<'a, S> {
    pub nonce: [u8; 16],
    pub subprotocols: &'a [S],
    pub deflate: &'a [Params],
}

/// Parses the response at `start` in `bytes`. Returns `None` if more bytes are needed. Interim responses are skipped:
/// `start` is moved behind them.
pub(super) fn check_response<S: AsRef<str>>(
    offered: &Offered<'_, S>,
    bytes: &[u8],
    start: &mut usize,
) -> Result<Option<Opened>, ResponseError> {
    let read = &bytes[..bytes.len().min(MAX_ANSWER)];
    match read {
        // The first bytes of a TLS alert (RFC 8446 §5.1).
        [0x15] => return Ok(None),
        [0x15, 0x03, ..] => return Err(ResponseError::Tls),
        _ => {}
    }
    loop {
        let Some(head) = Head::parse(&read[*start..])? else {
            let is_full = read.len() == MAX_ANSWER;
            return if is_full { Err(ResponseError::TooLong(MAX_ANSWER)) } else { Ok(None) };
        };
        // Interim responses, such as 100 and 103, are skipped (RFC 9110 §15.2).
        if !matches!(head.status, 100 | 102..=199) {
            return offered.check_head(&head, *start + head.len).map(Some);
        }
        *start += head.len;
    }
}

impl<S: AsRef<str>> Offered<'_, S> {
    fn check_head(&self, head: &Head<'_>, head_len: usize) -> Result<Opened, ResponseError> {
        if head.status != 101 {
            let refused = Refused::new(head.status, head.reason, head_len, &head.fields);
            return Err(ResponseError::Status(Box::new(refused)));
        }
        if head.minor_version != 1 {
            return Err(ResponseError::Version);
        }
        if !head.lists("upgrade", "websocket") || !head.lists("connection", "upgrade") {
            return Err(ResponseError::NotUpgraded);
        }
        let accept = AcceptKey::of(&BASE64.encode(self.nonce));
        if !head.values("sec-websocket-accept").eq([accept.as_bytes()]) {
            return Err(ResponseError::WrongAccept);
        }
        let deflate = self.agreed_deflate(head.values("sec-websocket-extensions"))?;
        let subprotocol = self.agreed_subprotocol(head.elements("sec-websocket-protocol"))?;
        Ok(Opened { head_len, subprotocol, deflate, cookies: head.cookies() })
    }

    /// Returns the subprotocol that the server chose. It must equal an offered one, including case. As in
    /// browsers, two are rejected even if they are the same.
    fn agreed_subprotocol<'v>(
        &self,
        chosen: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Option<String>, ResponseError> {
        let chosen: Vec<_> = chosen.map(String::from_utf8_lossy).collect();
        let mut offered = self.subprotocols.iter().flat_map(|one| one.as_ref().split(',')).map(str::trim);
        match &chosen[..] {
            [] => Ok(None),
            [one] if offered.any(|offered| offered == one) => Ok(Some(one.to_string())),
            _ => Err(ResponseError::WrongSubprotocol {
                chosen: chosen.join(", "),
                offered: self.subprotocols.iter().map(S::as_ref).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Returns the negotiated compression, the only extension that may appear in a response.
    fn agreed_deflate<'v>(
        &self,
        values: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Option<Params>, ResponseError> {
        let mut agreed = None;
        for value in values {
            let wrong = || ResponseError::WrongExtension(String::from_utf8_lossy(value).into_owned());
            for extension in extensions::parse(value).map_err(|_| wrong())? {
                let answer = Params::of_answer(&extension).filter(|answer| {
                    agreed.is_none() && self.deflate.iter().any(|offer| offer.allows(answer))
                });
                agreed = Some(answer.ok_or_else(wrong)?);
            }
        }
        Ok(agreed)
    }
}

/// The head of a response.
struct Head<'h> {
    len: usize,
    minor_version: u8,
    status: u16,
    reason: &'h str,
    fields: Vec<Header<'h>>,
}

impl<'h> Head<'h> {
    /// Parses a head at the start of `bytes`. Returns `None` if more bytes are needed.
    fn parse(bytes: &'h [u8]) -> Result<Option<Head<'h>>, ResponseError> {
        let parsed = match Head::parse_into(bytes, &mut [EMPTY_HEADER; FEW_FIELDS]) {
            Err(httparse::Error::TooManyHeaders) => {
                Head::parse_into(bytes, &mut vec![EMPTY_HEADER; MAX_FIELDS])
            }
            parsed => parsed,
        };
        parsed.map_err(|error| match error {
            httparse::Error::TooManyHeaders => ResponseError::TooManyFields(MAX_FIELDS),
            httparse::Error::Version if without_empty_lines(bytes).starts_with(b"HTTP/") => {
                ResponseError::Version
            }
            _ => ResponseError::Malformed,
        })
    }

    fn parse_into(bytes: &'h [u8], fields: &mut [Header<'h>]) -> Result<Option<Head<'h>>, httparse::Error> {
        let mut parsed = httparse::Response::new(fields);
        // Clients must accept folded lines (RFC 9112 §5.2), and other clients accept a space before the
        // colon.
        let status = ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .parse_response(&mut parsed, bytes)?;
        let (httparse::Status::Complete(len), Some(minor_version), Some(status)) =
            (status, parsed.version, parsed.code)
        else {
            return Ok(None);
        };
        let reason = parsed.reason.unwrap_or_default();
        Ok(Some(Head { len, minor_version, status, reason, fields: parsed.headers.to_vec() }))
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        let matching = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
        self.fields.iter().filter(matching).map(|field| field.value.trim_ascii())
    }

    /// Returns the elements of a list, which may be split over several fields (RFC 9110 §5.6.1).
    fn elements(&self, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
        self.values(name).flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
    }

    fn cookies(&self) -> Vec<String> {
        let pairs = self.values("set-cookie").filter_map(|value| {
            let pair = str::from_utf8(value).ok()?.split(';').next()?.trim();
            pair.contains('=').then(|| pair.to_owned())
        });
        pairs.collect()
    }

    fn lists(&self, name: &'static str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Skips empty lines at the start, as the parser does.
fn without_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
