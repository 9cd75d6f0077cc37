//! What a server says that refuses a handshake: its answer has another status than 101.

use httparse::{Header, Status, parse_chunk_size};
use std::fmt;

/// Fields that tell what to do about it.
const TELLING: [&str; 4] = ["Location", "WWW-Authenticate", "Retry-After", "Sec-WebSocket-Version"];
/// Bytes of the body that are kept, with those of its framing.
const KEPT_BODY: usize = 1 << 10;
/// Characters of a field or of the body that are shown.
const SHOWN: usize = 200;

/// A refusal. Its body follows the head, so that some of it may have to be waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status code.
    pub status: u16,
    /// In words; may be empty.
    pub reason: String,
    /// Those of the fields that tell what to do, printable.
    pub fields: Vec<(&'static str, String)>,
    /// How long the head is, in bytes. The body follows.
    pub head_len: usize,
    framing: Framing,
    /// The body is compressed and cannot be shown.
    is_encoded: bool,
    body: Vec<u8>,
}

/// What ends the body (RFC 9112 §6.3).
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
        let telling = |name| Some((name, printable(named(name)?.value)));
        Refused {
            status,
            reason: printable(reason.as_bytes()),
            fields: TELLING.into_iter().filter_map(telling).collect(),
            head_len,
            framing,
            is_encoded: named("content-encoding").is_some(),
            body: Vec::new(),
        }
    }

    /// Takes the next bytes after the head; whether there is no more to wait for.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let room = KEPT_BODY - self.body.len();
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.body.len() == KEPT_BODY
            || match self.framing {
                Framing::Length(len) => self.body.len() as u64 >= len,
                Framing::Chunked => without_chunks(&self.body).1,
                Framing::UntilEnd => false,
            }
    }

    /// Status and reason alone, which are the same for all that are refused for the same cause.
    pub fn headline(&self) -> String {
        format!("status {} {}", self.status, self.reason).trim_end().to_owned()
    }

    /// What has come of the body in one line, printable and cut; of a page its title. `None` if it says nothing.
    pub fn text(&self) -> Option<String> {
        if self.is_encoded {
            return None;
        }
        let body = match self.framing {
            Framing::Chunked => without_chunks(&self.body).0,
            Framing::Length(len) => self.body[..self.body.len().min(len as usize)].to_vec(),
            Framing::UntilEnd => self.body.clone(),
        };
        let text = printable(title(&body).unwrap_or(&body));
        let says_the_same = text.trim_start_matches(&self.status.to_string()).trim() == self.reason;
        (!text.is_empty() && !says_the_same).then_some(text)
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

/// The content of chunks (RFC 9112 §7.1), and whether the last of them has come or what comes is none.
fn without_chunks(mut bytes: &[u8]) -> (Vec<u8>, bool) {
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

/// What stands between the tags of an HTML page's title.
fn title(body: &[u8]) -> Option<&[u8]> {
    let find =
        |bytes: &[u8], tag: &[u8]| bytes.windows(tag.len()).position(|at| at.eq_ignore_ascii_case(tag));
    let start = find(body, b"<title>")? + b"<title>".len();
    let len = find(&body[start..], b"</title>")?;
    Some(&body[start..start + len])
}

/// In one line, without control characters, and cut.
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

    /// The refusal of which `answer` is the head, and maybe some of the body; and whether that is whole.
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
    fn status_fields_and_body_are_told_in_one_line() {
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
    fn a_body_is_whole_by_its_length_its_last_chunk_or_when_enough_of_it_has_come() {
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
        assert!(refused_.push(b"aa") && refused_.push(b"a"), "it stays whole");
        assert_eq!(refused_.text(), Some("a".repeat(SHOWN) + "…"));
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_shown() {
        let (refused, _) = refused("HTTP/1.1 400 Bad\r\nLocation: a\u{9b}b\r\n\r\n\x1b[2Jgone\0\r\n\tto");
        assert_eq!(refused.to_string(), "status 400 Bad (Location: ab; \"[2Jgone to\")");
    }
}
