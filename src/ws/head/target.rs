//! What a request asks for and of which host (RFC 9112 §3.2 and §3.3, RFC 3986 §3.2).

use core::net::Ipv6Addr;

/// Why a `Host` field is refused.
pub(super) const BAD_HOST: &str = "The Host header is not a host name or address with an optional port";

/// A request target, split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'h> {
    /// `host[:port]` of an absolute target.
    pub(super) authority: Option<&'h str>,
    /// Begins with a slash, except for `*`. Still percent-encoded.
    pub(super) path: &'h str,
    /// Without the question mark, still percent-encoded; empty if there is none.
    pub(super) query: &'h str,
}

impl<'h> Target<'h> {
    /// Splits a target in origin form (`/path?query`), absolute form (`http://host/path?query`) or, of OPTIONS, asterisk
    /// form (`*`). The authority form belongs to CONNECT, which only proxies answer.
    pub(super) fn parse(method: &str, target: &'h str) -> Result<Target<'h>, &'static str> {
        if target.contains('#') {
            return Err("The request target has a fragment: leave out what begins with '#'");
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Target { authority: None, path: target, query: "" });
        }
        let (authority, rest) = match target.split_once("://") {
            _ if target.starts_with('/') => (None, target),
            Some((scheme, rest)) if is_known_scheme(scheme) => {
                let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                if !is_authority(authority) {
                    return Err("The request target names no valid host");
                }
                (Some(authority), rest)
            }
            _ => return Err("The request target is neither a path nor an http:// address"),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Target { authority, path: if path.is_empty() { "/" } else { path }, query })
    }
}

fn is_known_scheme(scheme: &str) -> bool {
    ["http", "https", "ws", "wss"].into_iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// Whether this is `host[:port]`, without user information.
pub(super) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if is_ipv6(address) => match rest.strip_prefix(':') {
            Some(port) => ("[]", port),
            None if rest.is_empty() => ("[]", ""),
            None => return false,
        },
        Some(_) => return false,
        None => text.split_once(':').unwrap_or((text, "")),
    };
    (host == "[]" || is_name(host)) && (port.is_empty() || is_port(port))
}

/// Whether this is an IPv6 address, with or without a zone (RFC 6874), which some clients send.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Whether this is a registered name or an IPv4 address: unreserved characters, sub-delimiters and percent-encodings.
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_allowed = |(index, byte): (usize, &u8)| match byte {
        b'%' => {
            bytes.get(index + 1..index + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        }
        byte => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte),
    };
    !bytes.is_empty() && bytes.iter().enumerate().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_split_in_each_form() {
        let table = [
            ("/", None, "/", ""),
            ("/chat/a%20b?format=html&x", None, "/chat/a%20b", "format=html&x"),
            ("//chat", None, "//chat", ""),
            ("/a?b://c", None, "/a", "b://c"),
            ("/a?b?c", None, "/a", "b?c"),
            ("http://host/path", Some("host"), "/path", ""),
            ("HTTPS://Host:443/path?x=/", Some("Host:443"), "/path", "x=/"),
            ("http://host", Some("host"), "/", ""),
            ("http://host?x", Some("host"), "/", "x"),
            ("ws://[::1]:8080//chat", Some("[::1]:8080"), "//chat", ""),
        ];
        for (target, authority, path, query) in table {
            assert_eq!(Target::parse("GET", target), Ok(Target { authority, path, query }), "{target}");
        }
        assert_eq!(Target::parse("OPTIONS", "*").unwrap().path, "*");
    }

    #[test]
    fn other_targets_are_refused() {
        let targets = [
            "*",
            "host",
            "host:80",
            "[::1]:80",
            "http:/path",
            "http:path",
            "ftp://host/",
            "http:///path",
            "http://",
            "http://?x",
            "http://user@host/",
            "http://host:x/",
            "http://:80/",
            "/path#part",
            "http://host#part",
            "#",
            "?x",
            "chat",
            "://host/",
        ];
        for target in targets {
            assert!(Target::parse("GET", target).is_err(), "{target}");
        }
        assert!(Target::parse("CONNECT", "host:80").is_err());
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for host in [
            "a",
            "chat.example.com",
            "chat.example.com:443",
            "a_b",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "[fe80::1%25eth0]:80",
            "[fe80::1%eth0]",
            "a.",
            "xn--caf-dma.example",
            "a%20b",
            "a:",
            "a:0",
            "a:65535",
            "[::1]:",
        ] {
            assert!(is_authority(host), "{host}");
        }
        for host in [
            "",
            ":",
            ":80",
            "a b",
            "a\tb",
            "user@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:99999999999999999999",
            "a:80:80",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[a]",
            "[::1]a",
            "[::1]80",
            "[::1]:x",
            "[127.0.0.1]",
            "[::1%]",
            "a%2",
            "a%zz",
            "café",
            "a\"b",
            "<a>",
            "a, b",
            "http://a",
        ] {
            assert!(!is_authority(host), "{host}");
        }
    }
}
