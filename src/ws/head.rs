//! The HTTP/1.1 head that a connection begins with (RFC 9112): finding its end, reading a request,
//! writing a response.

use httparse::{EMPTY_HEADER, Header};
use std::borrow::Cow;
use std::fmt;

/// Limits on a request head; 0 turns one off.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of the request line, in bytes.
    pub request_line: usize,
    /// Of the whole head with its last empty line, in bytes.
    pub head: usize,
    /// Of the number of header fields.
    pub fields: usize,
}

/// Why a head is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Not HTTP/1.x, or malformed in the way named.
    Malformed(&'static str),
    /// The request line is over the limit, in bytes.
    RequestLineTooLong(usize),
    /// The head is over the limit, in bytes.
    HeadTooLong(usize),
    /// More header fields than the limit.
    TooManyFields(usize),
}

/// The search for the end of a head, in a buffer that grows. Each byte is looked at once, however the
/// head arrives.
#[derive(Debug, Default)]
pub struct HeadScan {
    scanned: usize,
    line_start: usize,
    request_line_seen: bool,
}

impl HeadScan {
    /// Looks at what is new in `bytes`, which are all bytes since the head began. The length of the head,
    /// its last empty line included, once that is there.
    ///
    /// Empty lines before the request line are passed over and a line may end in a bare LF
    /// (RFC 9112 §2.2). What can be no HTTP is told at its first byte. Bytes beyond the limit are not looked at, so
    /// that they change nothing if they come in the same read.
    pub fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, HeadError> {
        let bytes = match limits.head {
            0 => bytes,
            limit => &bytes[..limit.min(bytes.len())],
        };
        while let Some(len) = bytes[self.scanned..].iter().position(|&byte| byte == b'\n') {
            let line_end = self.scanned + len;
            let line = &bytes[self.line_start..line_end];
            let is_empty = matches!(line, [] | [b'\r']);
            if is_empty && self.request_line_seen {
                return Ok(Some(line_end + 1));
            }
            if !is_empty && !self.request_line_seen {
                check_request_line(line, limits)?;
                self.request_line_seen = true;
            }
            self.scanned = line_end + 1;
            self.line_start = line_end + 1;
        }
        self.scanned = bytes.len();
        if !self.request_line_seen {
            check_request_line(&bytes[self.line_start..], limits)?;
        }
        if limits.head > 0 && bytes.len() >= limits.head {
            return Err(HeadError::HeadTooLong(limits.head));
        }
        Ok(None)
    }
}

fn check_request_line(line: &[u8], limits: &Limits) -> Result<(), HeadError> {
    let limit = limits.request_line;
    match line.first() {
        Some(0x16) => {
            Err(HeadError::Malformed("This port speaks HTTP and WebSocket without TLS; use http:// or ws://"))
        }
        Some(first) if !first.is_ascii_graphic() && *first != b'\r' => {
            Err(HeadError::Malformed("This is not an HTTP request"))
        }
        _ if limit > 0 && line.strip_suffix(b"\r").unwrap_or(line).len() > limit => {
            Err(HeadError::RequestLineTooLong(limit))
        }
        _ => Ok(()),
    }
}

/// A request head.
#[derive(Debug)]
pub struct Request<'h> {
    /// As sent: `GET`.
    pub method: &'h str,
    /// As sent: `/chat/lobby?format=html`.
    pub target: &'h str,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    fields: &'h [Header<'h>],
}

impl Request<'_> {
    /// Reads a whole head, as [`HeadScan`] found it, and hands the request to `then`: the fields' array
    /// stands on the stack here, so that no connection keeps one.
    pub fn parse<T>(
        head: &[u8],
        limits: &Limits,
        then: impl FnOnce(&Request<'_>) -> T,
    ) -> Result<T, HeadError> {
        const ON_STACK: usize = 100;
        let most_that_fit = head.len() / b"a:\n".len();
        let capacity = match limits.fields {
            0 => most_that_fit,
            limit => limit.min(most_that_fit),
        };
        if capacity <= ON_STACK {
            Request::parse_into(head, &mut [EMPTY_HEADER; ON_STACK][..capacity], then)
        } else {
            Request::parse_into(head, &mut vec![EMPTY_HEADER; capacity], then)
        }
    }

    fn parse_into<'h, T>(
        head: &'h [u8],
        fields: &mut [Header<'h>],
        then: impl FnOnce(&Request<'_>) -> T,
    ) -> Result<T, HeadError> {
        let capacity = fields.len();
        let mut parsed = httparse::Request::new(fields);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => {
                return Err(HeadError::Malformed("The request head is malformed"));
            }
            Err(httparse::Error::TooManyHeaders) => {
                return Err(HeadError::TooManyFields(capacity));
            }
            Err(httparse::Error::Version) => {
                return Err(HeadError::Malformed("Only HTTP/1.1 is spoken here"));
            }
            Err(_) => return Err(HeadError::Malformed("The request head is malformed")),
        }
        let (Some(method), Some(target), Some(minor_version)) = (parsed.method, parsed.path, parsed.version)
        else {
            return Err(HeadError::Malformed("The request head is malformed"));
        };
        Ok(then(&Request { method, target, minor_version, fields: parsed.headers }))
    }
}

impl<'h> Request<'h> {
    /// The path of the target, without the query, still percent-encoded.
    pub fn path(&self) -> &'h str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// The query of the target, without the question mark, still percent-encoded; empty if there is none.
    pub fn query(&self) -> &'h str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The values of all fields of this name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let matching = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
        self.fields.iter().filter(matching).map(|field| field.value.trim_ascii())
    }

    /// The value of the only field of this name; `None` if there is none, more than one, or it is not ASCII.
    pub fn only(&self, name: &str) -> Option<&'h str> {
        let mut values = self.all(name);
        let value = values.next().filter(|value| value.is_ascii())?;
        match values.next() {
            None => std::str::from_utf8(value).ok(),
            Some(_) => None,
        }
    }

    /// Whether a field of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The elements of all fields of this name, which hold comma-separated lists (RFC 9110 §5.6.1).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'h str> {
        self.all(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(str::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Whether a list field holds this token, in any case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token))
    }

    /// Whether a body follows the head (RFC 9112 §6).
    pub fn has_body(&self) -> bool {
        self.has("transfer-encoding") || self.all("content-length").any(|len| len != b"0")
    }

    /// Whether the connection may be kept for another request (RFC 9112 §9.3); of HTTP/1.0 none is.
    pub fn keeps_alive(&self) -> bool {
        self.minor_version == 1 && !self.lists("connection", "close")
    }
}

/// A response with a body that is whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields besides `Content-Length` and `Connection`.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Response {
    /// A response whose body is one line of text.
    pub fn text(status: u16, body: impl fmt::Display) -> Response {
        Response {
            status,
            fields: vec![("Content-Type", "text/plain; charset=utf-8".into())],
            body: Cow::Owned(format!("{body}\n").into_bytes()),
        }
    }

    /// The same with one more field.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.fields.push((name, value.into()));
        self
    }

    /// Writes the response; without the body where `head_only` (to a HEAD request).
    pub fn encode(&self, head_only: bool, keep_alive: bool, out: &mut Vec<u8>) {
        let reason = reason_phrase(self.status);
        out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", self.status).as_bytes());
        for (name, value) in &self.fields {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if self.status != 304 {
            out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        if !keep_alive {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if !head_only && self.status != 304 {
            out.extend_from_slice(&self.body);
        }
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        // RFC 9112 §4: the phrase may be empty.
        _ => "",
    }
}

impl HeadError {
    /// The status that answers the error; the connection ends with it.
    pub fn response(&self) -> Response {
        match self {
            HeadError::Malformed(why) => Response::text(400, format_args!("{why}.")),
            HeadError::RequestLineTooLong(limit) => {
                Response::text(414, format_args!("The request line is over {limit} bytes."))
            }
            HeadError::HeadTooLong(limit) => {
                Response::text(431, format_args!("The request head is over {limit} bytes."))
            }
            HeadError::TooManyFields(limit) => {
                Response::text(431, format_args!("The request head has over {limit} header fields."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { request_line: 40, head: 100, fields: 3 };

    /// The outcome for `bytes` whole; and the test that they have the same one byte by byte.
    fn scan(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        let whole = HeadScan::default().advance(bytes, &LIMITS);
        let mut scan = HeadScan::default();
        let piecewise = (1..=bytes.len())
            .map(|end| scan.advance(&bytes[..end], &LIMITS))
            .find(|result| *result != Ok(None))
            .unwrap_or(Ok(None));
        assert_eq!(piecewise, whole, "{}", bytes.escape_ascii());
        whole
    }

    #[test]
    fn the_end_of_a_head_is_found_however_it_arrives() {
        assert_eq!(scan(b"GET / HTTP/1.1\r\n\r\n"), Ok(Some(18)));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nframes"), Ok(Some(27)));
        assert_eq!(scan(b"GET / HTTP/1.1\nHost: a\n\n"), Ok(Some(24)));
        assert_eq!(scan(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Ok(Some(22)));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nHost: a\r\n"), Ok(None));
        assert_eq!(scan(b""), Ok(None));
    }

    #[test]
    fn limits_of_a_head_at_one_less_the_limit_and_one_more() {
        for (len, expected) in [(39, Ok(None)), (40, Ok(None)), (41, Err(HeadError::RequestLineTooLong(40)))]
        {
            let line = [b"GET /", "a".repeat(len - 5).as_bytes(), b"\r\n"].concat();
            assert_eq!(scan(&line), expected, "a line of {len}");
            assert_eq!(scan(&line[..len]), expected, "a line of {len} without its end");
        }
        for (len, expected) in
            [(99, Ok(Some(99))), (100, Ok(Some(100))), (101, Err(HeadError::HeadTooLong(100)))]
        {
            let start = b"GET / HTTP/1.1\r\na: ";
            let filling = "b".repeat(len - start.len() - 4);
            let head = [start, filling.as_bytes(), b"\r\n\r\n"].concat();
            assert_eq!(scan(&head), expected, "a head of {len}");
        }
        for (fields, expected) in [(2, Ok(())), (3, Ok(())), (4, Err(HeadError::TooManyFields(3)))] {
            let head = format!("GET / HTTP/1.1\r\n{}\r\n", "a:\r\n".repeat(fields));
            assert_eq!(Request::parse(head.as_bytes(), &LIMITS, |_| ()), expected);
        }
    }

    #[test]
    fn of_a_line_only_what_ends_it_does_not_count() {
        let line = |len: usize, end: &str| format!("GET /{}{end}", "a".repeat(len - 5));
        for end in ["\n", "\r\n"] {
            assert_eq!(scan(line(40, end).as_bytes()), Ok(None));
            assert_eq!(scan(line(41, end).as_bytes()), Err(HeadError::RequestLineTooLong(40)));
            assert_eq!(scan(line(40, &format!("\r{end}")).as_bytes()).is_ok(), end == "\n");
        }
    }

    #[test]
    fn what_lies_beyond_the_limit_changes_nothing() {
        let empty_lines = "\r\n".repeat(50);
        for rest in ["", "\x16", "\x00", "GET / HTTP/1.1\r\n\r\n"] {
            assert_eq!(scan((empty_lines.clone() + rest).as_bytes()), Err(HeadError::HeadTooLong(100)));
        }
    }

    #[test]
    fn zero_turns_a_limit_off() {
        let off = Limits { request_line: 0, head: 0, fields: 0 };
        let head = format!("GET /{} HTTP/1.1\r\n{}\r\n", "a".repeat(100_000), "a:\r\n".repeat(1000));
        assert_eq!(HeadScan::default().advance(head.as_bytes(), &off), Ok(Some(head.len())));
        let seen = Request::parse(head.as_bytes(), &off, |request| request.all("a").count());
        assert_eq!(seen, Ok(1000));
    }

    #[test]
    fn what_is_not_http_is_told_at_its_first_byte() {
        assert!(matches!(scan(b"\x16\x03\x01"), Err(HeadError::Malformed(why)) if why.contains("TLS")));
        assert!(matches!(scan(b"\x00"), Err(HeadError::Malformed(_))));
        assert!(matches!(scan(b"\x81\x85"), Err(HeadError::Malformed(_))));
    }

    #[test]
    fn fields_are_found_in_any_case_and_lists_over_several_lines() {
        let head =
            b"GET /chat/a%20b?format=html&x HTTP/1.1\r\nHost: h\r\nCONNECTION: keep-alive, Upgrade\r\n\
            connection:x\r\n\r\n";
        Request::parse(head, &LIMITS, |request| {
            assert_eq!(request.path(), "/chat/a%20b");
            assert_eq!(request.query(), "format=html&x");
            assert_eq!(request.only("host"), Some("h"));
            assert_eq!(request.only("connection"), None, "there are two");
            let tokens: Vec<_> = request.list("connection").collect();
            assert_eq!(tokens, ["keep-alive", "Upgrade", "x"]);
            assert!(request.lists("connection", "upgrade"));
            assert!(request.keeps_alive() && !request.has_body());
        })
        .unwrap();
    }

    #[test]
    fn malformed_heads_are_refused() {
        for head in [
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\na: b\0c\r\n\r\n",
        ] {
            let result = Request::parse(head.as_bytes(), &LIMITS, |_| ());
            assert!(matches!(result, Err(HeadError::Malformed(_))), "{head:?}");
        }
    }

    #[test]
    fn a_response_is_written_whole_or_head_only() {
        let mut out = Vec::new();
        Response::text(426, "No.").with("Upgrade", "websocket").encode(false, false, &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            "HTTP/1.1 426 Upgrade Required\\r\\nContent-Type: text/plain; charset=utf-8\\r\\n\
             Upgrade: websocket\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\nNo.\\n"
        );
        let mut head = Vec::new();
        Response::text(200, "ok").encode(true, true, &mut head);
        assert!(head.ends_with(b"Content-Length: 3\r\n\r\n"));
    }
}
