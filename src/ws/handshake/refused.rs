//! A server's refusal of a handshake: a response whose status is not 101.

use httparse::{Header, Status, parse_chunk_size};
use std::fmt;

/// Header fields that explain what the client should do.
const EXPLANATORY_FIELDS: [&str; 4] =
    ["Location", "WWW-Authenticate", "Retry-After", "Sec-WebSocket-Version"];
/// Number of body bytes kept, including chunk framing.
const KEPT_BODY: usize = 1 << 10;
/// Number of characters shown of a field or of the body.
const SHOWN: usize = 200;

/// A refusal. The body follows the head and may have to be read separately.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The status code.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: String,
    /// Printable values of the header fields that explain what to do.
    pub fields: Vec<(&'static str, String)>,
    /// Length of the head, in bytes. The body follows.
    pub head_len: usize,
    framing: Framing,
    /// Whether the body is compressed, so that it cannot be shown.
    is_encoded: bool,
    body: Vec<u8>,
}

/// What determines the end of the body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilEnd,
}

impl Refused {
    pub(super) fn new(status: u16, reason: &str, head_len: usize, fields: &[Header<'_>]) -> Refused {
        let named = |name: &str| fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let length = || str::from_utf8(named("content-length")?.value).ok()?.trim().parse().ok();
        let framing = match named("transfer-encoding") {
            _ if matches!(status, 204 | 304) => Framing::Length(0),
            Some(_) => Framing::Chunked,
            None => length().map_or(Framing::UntilEnd, Framing::Length),
        };
        let explanatory = |name| Some((name, printable(named(name)?.value)));
        Refused {
            status,
            reason: printable(reason.as_bytes()),
            fields: EXPLANATORY_FIELDS.into_iter().filter_map(explanatory).collect(),
            head_len,
            framing,
            is_encoded: named("content-encoding").is_some(),
            body: Vec::new(),
        }
    }

    /// Appends bytes of the body. Returns true if no more are needed.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let room = KEPT_BODY - self.body.len();
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.body.len() == KEPT_BODY
            || match self.framing {
                Framing::Length(len) => self.body.len() as u64 >= len,
                Framing::Chunked => decode_chunks(&self.body).1,
                Framing::UntilEnd => false,
            }
    }

    /// Returns the status code and reason phrase, the same for all refusals with one cause.
    pub fn headline(&self) -> String {
        format!("status {} {}", self.status, self.reason).trim_end().to_owned()
    }

    /// Returns the received part of the body as one printable line, shortened; for an HTML page its title.
    /// Returns `None` if that adds nothing to the status.
    pub fn text(&self) -> Option<String> {
        if self.is_encoded {
            return None;
        }
        let body = match self.framing {
            Framing::Chunked => decode_chunks(&self.body).0,
            Framing::Length(len) => self.body[..self.body.len().min(len as usize)].to_vec(),
            Framing::UntilEnd => self.body.clone(),
        };
        let text = printable(title(&body).unwrap_or(&body));
        let repeats_reason = text.trim_start_matches(&self.status.to_string()).trim() == self.reason;
        (!text.is_empty() && !repeats_reason).then_some(text)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        let fields = self.fields.iter().map(|(name, value)| format!("{name}: {value}"));
        let details: Vec<String> = fields.chain(self.text().map(|text| format!("\"{text}\""))).collect();
        if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join("; ")) }
    }
}

/// Returns the content of a chunked body (RFC 9112 §7.1), and true if the last chunk was received or the
/// framing is invalid.
fn decode_chunks(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    loop {
        match parse_chunk_size(bytes) {
            Ok(Status::Complete((_, 0))) | Err(_) => return (content, true),
            Ok(Status::Partial) => return (content, false),
            Ok(Status::Complete((start, len))) => {
                let rest = &bytes[start..];
                let Some((chunk, rest)) = rest.split_at_checked(len as usize) else {
                    content.extend_from_slice(rest);
                    return (content, false);
                };
                content.extend_from_slice(chunk);
                bytes = rest.strip_prefix(b"\r\n").unwrap_or(rest);
            }
        }
    }
}

/// Returns the title of an HTML page.
fn title(body: &[u8]) -> Option<&[u8]> {
    let find =
        |bytes: &[u8], tag: &[u8]| bytes.windows(tag.len()).position(|at| at.eq_ignore_ascii_case(tag));
    let start = find(body, b"<title>")? + b"<title>".len();
    let len = find(&body[start..], b"</title>")?;
    Some(&body[start..start + len])
}

/// Returns the text in one line, without control characters, and shortened.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut characters = line.chars().filter(|character| !character.is_control());
    let mut shown: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use httparse::EMPTY_HEADER;

    /// Parses `answer` as a refusal. Also returns true if its body is complete.
    fn refused(answer: &str) -> (Refused, bool) {
        let mut fields = [EMPTY_HEADER; 10];
        let mut parsed = httparse::Response::new(&mut fields);
        let Ok(Status::Complete(head_len)) = parsed.parse(answer.as_bytes()) else { panic!("{answer}") };
        let (status, reason) = (parsed.code.unwrap(), parsed.reason.unwrap());
        let mut refused = Refused::new(status, reason, head_len, parsed.headers);
        let is_whole = refused.push(&answer.as_bytes()[head_len..]);
        (refused, is_whole)
    }

    #[test]
    fn status_fields_and_body_are_shown_in_one_line() {
        let table = [
            (
                "401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 14\r\n\r\ntoken expired\n",
                "status 401 Unauthorized (WWW-Authenticate: Bearer; \"token expired\")",
            ),
            (
                "308 Permanent Redirect\r\nlocation: wss://b.example/chat\r\nContent-Length: 0\r\n\r\n",
                "status 308 Permanent Redirect (Location: wss://b.example/chat)",
            ),
            (
                "429 Too Many Requests\r\nRetry-After: 5\r\nServer: x\r\n\r\n",
                "status 429 Too Many Requests (Retry-After: 5)",
            ),
            ("503 \r\n\r\n", "status 503"),
            (
                "404 Not Found\r\n\r\n<html>\r\n<head><TITLE>404 Not Found</title></head><body>…",
                "status 404 Not Found",
            ),
            (
                "200 OK\r\n\r\n<!doctype html><title>Welcome\n to nginx!</title>",
                "status 200 OK (\"Welcome to nginx!\")",
            ),
            (
                "400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nno ke\r\n1;x\r\ny\r\n0\r\n\r\n",
                "status 400 Bad Request (\"no key\")",
            ),
            (
                "403 Forbidden\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x0b",
                "status 403 Forbidden",
            ),
            (
                "403 Forbidden\r\nContent-Length: 2\r\n\r\nnobut this is another answer",
                "status 403 Forbidden (\"no\")",
            ),
        ];
        for (answer, expected) in table {
            assert_eq!(refused(&format!("HTTP/1.1 {answer}")).0.to_string(), expected);
        }
    }

    #[test]
    fn a_body_is_complete_by_length_by_last_chunk_or_at_the_limit() {
        let (mut refused_, is_whole) = refused("HTTP/1.1 400 \r\nContent-Length: 5\r\n\r\nno");
        assert!(!is_whole && !refused_.push(b"  "));
        assert!(refused_.push(b"!"));
        assert_eq!(refused_.text().as_deref(), Some("no !"));
        let (mut refused_, is_whole) = refused("HTTP/1.1 400 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nno");
        assert_eq!((is_whole, refused_.text().as_deref()), (false, Some("no")));
        assert!(!refused_.push(b"one\r\n") && refused_.push(b"0\r\n\r\n"));
        assert_eq!(refused_.text().as_deref(), Some("noone"));
        assert!(refused("HTTP/1.1 400 \r\nContent-Length: 0\r\n\r\n").1);
        assert!(refused("HTTP/1.1 204 \r\n\r\n").1);
        let (mut refused_, is_whole) = refused("HTTP/1.0 400 \r\n\r\n");
        assert!(!is_whole && !refused_.push(&[b'a'; KEPT_BODY - 1]));
        assert!(refused_.push(b"aa") && refused_.push(b"a"), "it stays complete");
        assert_eq!(refused_.text(), Some("a".repeat(SHOWN) + "…"));
    }

    #[test]
    fn control_characters_are_not_shown() {
        let (refused, _) = refused("HTTP/1.1 400 Bad\r\nLocation: a\u{9b}b\r\n\r\n\x1b[2Jgone\0\r\n\tto");
        assert_eq!(refused.to_string(), "status 400 Bad (Location: ab; \"[2Jgone to\")");
    }
}
