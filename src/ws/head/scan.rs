//! Finding the end of a head.

use super::{HeadError, Limits};

/// The search for the end of a head, in a buffer that grows. Each byte is looked at once, however the
/// head arrives.
#[derive(Debug, Default)]
pub struct HeadScan {
    scanned: usize,
    line_start: usize,
    request_line_seen: bool,
}

impl HeadScan {
    /// Looks at what is new in `bytes`, which are all bytes since the head began. Returns the length of the head, with
    /// its last empty line, once that has arrived.
    ///
    /// Empty lines before the request line are passed over and a line may end in a bare LF
    /// (RFC 9112 §2.2). What cannot be HTTP is refused at its first byte. Bytes beyond the limit are not looked at,
    /// so that they change nothing if they arrive in the same read.
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
    fn what_is_not_http_is_refused_at_its_first_byte() {
        assert!(matches!(scan(b"\x16\x03\x01"), Err(HeadError::Malformed(why)) if why.contains("TLS")));
        assert!(matches!(scan(b"\x00"), Err(HeadError::Malformed(_))));
        assert!(matches!(scan(b"\x81\x85"), Err(HeadError::Malformed(_))));
    }
}
