//! Reading a request head.

use super::target::{BAD_HOST, Target, is_authority};
use super::{HeadError, Limits, framing};
use httparse::{EMPTY_HEADER, Header};

/// A request head that follows RFC 9112: with a valid target, the `Host` that its version needs, and at most one
/// statement on the length of its body.
#[derive(Debug)]
pub struct Request<'h> {
    /// As sent: `GET`.
    pub method: &'h str,
    /// As sent: `/chat/lobby?format=html`.
    pub target: &'h str,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    path: &'h str,
    query: &'h str,
    host: Option<&'h str>,
    has_body: bool,
    fields: &'h [Header<'h>],
}

impl Request<'_> {
    /// Reads a whole head, as [`HeadScan`](super::HeadScan) found it, and hands the request to `then`: the fields' array
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
        let fields = &*parsed.headers;
        let Target { authority, path, query } =
            Target::parse(method, target).map_err(HeadError::Malformed)?;
        let host = host(minor_version, fields).map_err(HeadError::Malformed)?;
        let has_body = framing::has_body(minor_version, fields).map_err(HeadError::Malformed)?;
        Ok(then(&Request {
            method,
            target,
            minor_version,
            path,
            query,
            // RFC 9112 §3.2.2: an absolute target overrides the field.
            host: authority.or(host),
            has_body,
            fields,
        }))
    }
}

/// The value of the `Host` field, which HTTP/1.0 does not need (RFC 9112 §3.2).
fn host<'h>(minor_version: u8, fields: &[Header<'h>]) -> Result<Option<&'h str>, &'static str> {
    let mut hosts = values(fields, "host");
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if minor_version == 0 => return Ok(None),
        (Some(host), None) => host,
        _ => return Err("The request needs exactly one Host header"),
    };
    str::from_utf8(host).ok().filter(|host| is_authority(host)).map(Some).ok_or(BAD_HOST)
}

/// The values of all fields of this name, in order.
pub(super) fn values<'h>(fields: &[Header<'h>], name: &str) -> impl Iterator<Item = &'h [u8]> {
    let matching = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name);
    fields.iter().filter(matching).map(|field| field.value.trim_ascii())
}

impl<'h> Request<'h> {
    /// The path of the target, without the query, still percent-encoded. It begins with a slash, except for the `*` of
    /// an OPTIONS request to the whole server.
    pub fn path(&self) -> &'h str {
        self.path
    }

    /// The segments of the path that are not empty, still percent-encoded: a slash too many makes no other address.
    pub fn segments(&self) -> impl Iterator<Item = &'h str> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// The query of the target, without the question mark, still percent-encoded; empty if there is none.
    pub fn query(&self) -> &'h str {
        self.query
    }

    /// The host that is asked, with the port if it was sent: that of the target if it names one, else of the `Host`
    /// field. A request of HTTP/1.0 may have neither.
    pub fn host(&self) -> Option<&'h str> {
        self.host
    }

    /// The values of all fields of this name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        values(self.fields, name)
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
        self.has_body
    }

    /// Whether the connection may be kept for another request (RFC 9112 §9.3); of HTTP/1.0 none is.
    pub fn keeps_alive(&self) -> bool {
        self.minor_version == 1 && !self.lists("connection", "close")
    }
}

#[cfg(test)]
mod tests {
    use super::super::HeadScan;
    use super::*;

    const LIMITS: Limits = Limits { request_line: 8192, head: 16384, fields: 6 };

    fn outcome(head: &str) -> Result<Option<String>, HeadError> {
        Request::parse(head.as_bytes(), &LIMITS, |request| request.host().map(str::to_owned))
    }

    #[test]
    fn a_head_has_at_most_as_many_fields_as_the_limit() {
        for (fields, expected) in [(5, Ok(())), (6, Ok(())), (7, Err(HeadError::TooManyFields(6)))] {
            let head = format!("GET / HTTP/1.0\r\n{}\r\n", "a:\r\n".repeat(fields));
            assert_eq!(Request::parse(head.as_bytes(), &LIMITS, |_| ()), expected);
        }
    }

    #[test]
    fn zero_turns_a_limit_off() {
        let off = Limits { request_line: 0, head: 0, fields: 0 };
        let head = format!("GET /{} HTTP/1.0\r\n{}\r\n", "a".repeat(100_000), "a:\r\n".repeat(1000));
        assert_eq!(HeadScan::default().advance(head.as_bytes(), &off), Ok(Some(head.len())));
        let seen = Request::parse(head.as_bytes(), &off, |request| request.all("a").count());
        assert_eq!(seen, Ok(1000));
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
    fn the_host_is_that_of_the_target_or_of_the_one_field() {
        let table = [
            ("GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", Some("a:80")),
            ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Some("b")),
            ("GET http://b HTTP/1.0\r\n\r\n", Some("b")),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Some("a")),
            ("GET / HTTP/1.0\r\n\r\n", None),
        ];
        for (head, host) in table {
            assert_eq!(outcome(head), Ok(host.map(str::to_owned)), "{head:?}");
        }
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a/b\r\n\r\n",
        ] {
            assert!(matches!(outcome(head), Err(HeadError::Malformed(_))), "{head:?}");
        }
    }

    #[test]
    fn malformed_heads_are_refused() {
        for head in [
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET /\r\nHost: a\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc: d\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\x0bc\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nÜ: b\r\n\r\n",
        ] {
            assert!(matches!(outcome(head), Err(HeadError::Malformed(_))), "{head:?}");
        }
    }
}
