//! The client's part of the opening handshake (§4.1, §4.2.2).

use super::AcceptKey;
use super::refused::Refused;
use crate::ws::deflate::Params;
use crate::ws::extensions;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use httparse::{EMPTY_HEADER, Header, ParserConfig};
use std::fmt;

/// The longest head of an answer that is read, in bytes; interim answers before it count too.
pub const MAX_ANSWER: usize = 64 << 10;
/// The most fields that a head may have.
const MAX_FIELDS: usize = 1000;
/// Room on the stack, which is enough for nearly every head.
const FEW_FIELDS: usize = 64;

/// What a client asks for (§4.1).
#[derive(Clone, Debug)]
pub struct ClientRequest<'a> {
    /// Host, and port unless it is the scheme's own.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// 16 random bytes, new for each connection.
    pub nonce: [u8; 16],
    /// In order of preference.
    pub subprotocols: &'a [&'a str],
    /// The offer to compress messages, if there is one.
    pub deflate: Option<Params>,
    /// Further header fields, such as `Origin`. A `Host` among them is sent in place of `host`.
    pub fields: &'a [(&'a str, &'a str)],
}

/// Why a client does not take a server's answer (§4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// Not HTTP, or malformed.
    Malformed,
    /// A TLS record: the server expects TLS.
    Tls,
    /// Another version of HTTP than 1.1.
    Version,
    /// The head does not end within this many bytes.
    TooLong(usize),
    /// The head has more fields than this.
    TooManyFields(usize),
    /// Another status than 101.
    Status(Box<Refused>),
    /// `Upgrade` or `Connection` is missing or wrong.
    NotUpgraded,
    /// `Sec-WebSocket-Accept` is missing or not that of the key sent.
    WrongAccept,
    /// A subprotocol that was not offered, or more than one.
    WrongSubprotocol {
        /// What the answer names.
        chosen: String,
        /// What the request named, with commas between; empty if it named none.
        offered: String,
    },
    /// An extension that was not offered, or not with these parameters: the value of the field.
    WrongExtension(String),
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
    /// What the server wants to be told when the client comes again: `NAME=VALUE` of each `Set-Cookie` (RFC 6265 §4.1).
    pub cookies: Vec<String>,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Malformed => f.write_str("the answer is not HTTP"),
            ResponseError::Tls => f.write_str("the server speaks TLS"),
            ResponseError::Version => f.write_str(
                "the answer is not HTTP/1.1, which WebSocket needs: a proxy may speak another version",
            ),
            ResponseError::TooLong(most) => write!(f, "the head of the answer is over {most} bytes"),
            ResponseError::TooManyFields(most) => write!(f, "the answer has over {most} header fields"),
            ResponseError::Status(refused) => refused.fmt(f),
            ResponseError::NotUpgraded => f.write_str("the answer does not upgrade to WebSocket"),
            ResponseError::WrongAccept => f.write_str("Sec-WebSocket-Accept is not that of the key sent"),
            ResponseError::WrongSubprotocol { chosen, offered } if offered.is_empty() => {
                write!(f, "the server chose the subprotocol {chosen:?}, and none was offered")
            }
            ResponseError::WrongSubprotocol { chosen, offered } => {
                write!(f, "the server chose the subprotocol {chosen:?}, and offered was {offered:?}")
            }
            ResponseError::WrongExtension(value) => {
                write!(
                    f,
                    "the server chose an extension, or a parameter of one, that was not offered: {value:?}"
                )
            }
        }
    }
}

impl std::error::Error for ResponseError {}

impl ClientRequest<'_> {
    /// Writes the request.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let is_host = |field: &&(&str, &str)| field.0.eq_ignore_ascii_case("host");
        let host = self.fields.iter().find(is_host).map_or(self.host, |(_, host)| host);
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n",
            self.target,
            self.key()
        );
        if !self.subprotocols.is_empty() {
            text += &format!("Sec-WebSocket-Protocol: {}\r\n", self.subprotocols.join(", "));
        }
        if let Some(offer) = &self.deflate {
            text += &format!("Sec-WebSocket-Extensions: {}\r\n", offer.as_offer());
        }
        for (name, value) in self.fields.iter().filter(|field| !is_host(field)) {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        out.extend_from_slice(text.as_bytes());
    }

    /// Reads the server's answer from the start of `bytes`; `None` if more bytes are needed. Bytes after the head
    /// change nothing: those of a refusal's body are for [`Refused::push`].
    pub fn check_response(&self, bytes: &[u8]) -> Result<Option<Opened>, ResponseError> {
        let read = &bytes[..bytes.len().min(MAX_ANSWER)];
        match read {
            // How an alert begins (RFC 8446 §5.1).
            [0x15] => return Ok(None),
            [0x15, 0x03, ..] => return Err(ResponseError::Tls),
            _ => {}
        }
        let mut start = 0;
        loop {
            let Some(head) = Head::parse(&read[start..])? else {
                let is_full = read.len() == MAX_ANSWER;
                return if is_full { Err(ResponseError::TooLong(MAX_ANSWER)) } else { Ok(None) };
            };
            start += head.len;
            // Interim answers, such as 100 and 103, are passed over (RFC 9110 §15.2).
            if !matches!(head.status, 100 | 102..=199) {
                return self.check_head(&head, start).map(Some);
            }
        }
    }

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
        let accept = AcceptKey::of(&self.key());
        if !head.values("sec-websocket-accept").eq([accept.as_bytes()]) {
            return Err(ResponseError::WrongAccept);
        }
        let deflate = self.agreed_deflate(head.values("sec-websocket-extensions"))?;
        let subprotocol = self.agreed_subprotocol(head.elements("sec-websocket-protocol"))?;
        Ok(Opened { head_len, subprotocol, deflate, cookies: head.cookies() })
    }

    /// One of those that were offered, in the same case. As browsers do, a client does not take two, not even twice
    /// the same.
    fn agreed_subprotocol<'v>(
        &self,
        chosen: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Option<String>, ResponseError> {
        let chosen: Vec<_> = chosen.map(String::from_utf8_lossy).collect();
        let mut offered = self.subprotocols.iter().flat_map(|one| one.split(',')).map(str::trim);
        match &chosen[..] {
            [] => Ok(None),
            [one] if offered.any(|offered| offered == one) => Ok(Some(one.to_string())),
            _ => Err(ResponseError::WrongSubprotocol {
                chosen: chosen.join(", "),
                offered: self.subprotocols.join(", "),
            }),
        }
    }

    /// The one extension that a server may answer with, and only if it was offered.
    fn agreed_deflate<'v>(
        &self,
        values: impl Iterator<Item = &'v [u8]>,
    ) -> Result<Option<Params>, ResponseError> {
        let mut agreed = None;
        for value in values {
            let wrong = || ResponseError::WrongExtension(String::from_utf8_lossy(value).into_owned());
            for extension in extensions::parse(value).map_err(|_| wrong())? {
                let answer = Params::of_answer(&extension).filter(|answer| {
                    agreed.is_none() && self.deflate.is_some_and(|offer| offer.allows(answer))
                });
                agreed = Some(answer.ok_or_else(wrong)?);
            }
        }
        Ok(agreed)
    }

    fn key(&self) -> String {
        BASE64.encode(self.nonce)
    }
}

/// The head of an answer.
struct Head<'h> {
    len: usize,
    minor_version: u8,
    status: u16,
    reason: &'h str,
    fields: Vec<Header<'h>>,
}

impl<'h> Head<'h> {
    /// Reads a head from the start of `bytes`; `None` if more bytes are needed.
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
        // A client is to take folded lines (RFC 9112 §5.2), and others take a space before the colon.
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

    /// Those of a list, which may stand in one field or in several (RFC 9110 §5.6.1).
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

/// The bytes from the first line on that is not empty, which is where the parser begins.
fn without_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
