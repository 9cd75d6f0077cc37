//! Writing a response.

use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields besides `Content-Length` and `Connection`.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The content.
    pub body: Body,
    /// Whether the connection ends after it, even if the request asks to keep it.
    pub is_last: bool,
}

/// The content of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The bytes.
    Bytes(Bytes),
    /// The status has no content: 204 or 304.
    None,
}

impl Response {
    /// A response without content.
    pub fn new(status: u16) -> Response {
        Response { status, fields: Vec::new(), body: Body::None, is_last: false }
    }

    /// A response whose body is one line of text.
    pub fn text(status: u16, body: impl fmt::Display) -> Response {
        let body = Body::Bytes(format!("{body}\n").into());
        Response { body, ..Response::new(status) }.with("Content-Type", "text/plain; charset=utf-8")
    }

    /// The same with one more field.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.fields.push((name, value.into()));
        self
    }

    /// Returns the line of a [`Response::text`].
    pub fn line(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes.trim_ascii_end()),
            Body::None => Cow::Borrowed(""),
        }
    }

    /// Writes the response; without the body where `head_only` (to a HEAD request). A line break in the value of a field
    /// is written as a space (RFC 9110 §5.5), so that no value can add a field.
    pub fn encode(&self, head_only: bool, keep_alive: bool, out: &mut Vec<u8>) {
        let reason = reason_phrase(self.status);
        out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", self.status).as_bytes());
        let mut has_upgrade = false;
        for (name, value) in &self.fields {
            has_upgrade |= *name == "Upgrade";
            let value = value.replace(['\r', '\n', '\0'], " ");
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Body::Bytes(bytes) = &self.body {
            out.extend_from_slice(format!("Content-Length: {}\r\n", bytes.len()).as_bytes());
        }
        // RFC 9110 §7.8: a sender of Upgrade also lists it as an option of the connection.
        out.extend_from_slice(match (has_upgrade, keep_alive && !self.is_last) {
            (true, true) => b"Connection: Upgrade\r\n",
            (true, false) => b"Connection: Upgrade, close\r\n",
            (false, true) => b"",
            (false, false) => b"Connection: close\r\n",
        });
        out.extend_from_slice(b"\r\n");
        if let (Body::Bytes(bytes), false) = (&self.body, head_only) {
            out.extend_from_slice(bytes);
        }
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        // RFC 9112 §4: the phrase may be empty.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: &Response, head_only: bool, keep_alive: bool) -> String {
        let mut out = Vec::new();
        response.encode(head_only, keep_alive, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_is_written_whole_or_head_only() {
        assert_eq!(
            encoded(&Response::text(404, "No."), false, false),
            "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 4\r\nConnection: close\r\n\r\nNo.\n"
        );
        assert!(encoded(&Response::text(200, "ok"), true, true).ends_with("Content-Length: 3\r\n\r\n"));
    }

    #[test]
    fn a_response_without_content_has_no_length() {
        assert_eq!(encoded(&Response::new(304), false, true), "HTTP/1.1 304 Not Modified\r\n\r\n");
    }

    #[test]
    fn the_connection_field_lists_upgrade_and_close() {
        let required = Response::new(426).with("Upgrade", "websocket");
        assert!(encoded(&required, false, true).ends_with("\r\nConnection: Upgrade\r\n\r\n"));
        assert!(encoded(&required, false, false).ends_with("\r\nConnection: Upgrade, close\r\n\r\n"));
        let last = Response { is_last: true, ..Response::new(204) };
        assert!(encoded(&last, false, true).ends_with("\r\nConnection: close\r\n\r\n"));
    }
}
