//! The URL of a server (RFC 6455 §3).

use std::net::Ipv6Addr;
use std::str::FromStr;

const NO_SCHEME: &str = "it does not start with ws:// or wss://";

/// A server and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The URL as written.
    pub url: String,
    /// Whether the scheme is `wss`.
    pub is_tls: bool,
    /// The name or address to look up and to verify in the certificate: in lower case, without brackets. An
    /// IPv6 address may have a zone, as in `fe80::1%eth0`, but only without TLS.
    pub host: String,
    /// The value of the `Host` field: without a zone, and without the scheme's default port.
    pub authority: String,
    /// Path and query as written, with placeholders in braces; `/` if there are none.
    pub path: String,
    /// The port; the scheme's default if the URL has none.
    pub port: u16,
}

impl FromStr for Target {
    type Err = String;

    /// Parses a URL without resolving its host.
    fn from_str(url: &str) -> Result<Target, String> {
        parse(url).map_err(|fault| match fault {
            Fault::Form(fault) => format!("{fault}: write ws://HOST[:PORT][/PATH] or wss://…"),
            Fault::WithAdvice(fault) => fault,
        })
    }
}

/// An error in a URL. The command line shows the URL itself.
enum Fault {
    /// The form is wrong. The right form is appended to the message.
    Form(&'static str),
    /// A sentence that already explains what to write.
    WithAdvice(String),
}

impl From<&'static str> for Fault {
    fn from(fault: &'static str) -> Fault {
        Fault::Form(fault)
    }
}

fn parse(url: &str) -> Result<Target, Fault> {
    let (scheme, rest) = url.split_once("://").ok_or(NO_SCHEME)?;
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "ws" => false,
        "wss" => true,
        "http" => return Err("the scheme of a WebSocket is ws, not http".into()),
        "https" => return Err("the scheme of a WebSocket is wss, not https".into()),
        _ => return Err(NO_SCHEME.into()),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(Fault::WithAdvice(
            "user names and passwords are not allowed in the URL: use -H 'Authorization: Basic …' (the … is the output \
             of printf USER:PASSWORD | base64)"
                .to_owned(),
        ));
    }
    if !authority.is_ascii() {
        return Err(Fault::WithAdvice(
            "host names must be ASCII: write the encoded form, as in ws://xn--bcher-kva.example for \
             bücher.example (the command idn2 prints it)"
                .to_owned(),
        ));
    }
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("spaces and non-ASCII characters must be percent-encoded (a space is %20)".into());
    }
    if rest.contains('#') {
        return Err("a WebSocket URL has no fragment (# in a path is %23)".into());
    }
    let (name, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
    };
    let own_port = if is_tls { 443 } else { 80 };
    let host = Host::parse(name)?;
    let port = match port {
        "" | ":" => own_port,
        _ => port.strip_prefix(':').and_then(parse_port).ok_or("the port is not a number from 1 to 65535")?,
    };
    if is_tls && host.zone.is_some() {
        return Err(Fault::WithAdvice(
            "certificates are not issued for addresses with a zone: use a name of the server, or ws://"
                .to_owned(),
        ));
    }
    Ok(Target {
        url: url.to_owned(),
        is_tls,
        authority: if port == own_port { host.in_field() } else { format!("{}:{port}", host.in_field()) },
        host: host.to_look_up(),
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        port,
    })
}

fn parse_port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port != 0)
}

struct Host {
    /// The name or address, without brackets.
    name: String,
    is_v6: bool,
    /// The interface of a link-local address (RFC 6874).
    zone: Option<String>,
}

impl Host {
    fn parse(text: &str) -> Result<Host, Fault> {
        if text.starts_with('[') || text.ends_with(']') {
            return Host::parse_v6(text);
        }
        if text.is_empty() {
            return Err("the host is missing".into());
        }
        if text.contains(['{', '}']) {
            return Err(Fault::WithAdvice(
                "{client} and {room} are allowed in the path and the query, not in the host or port; for several servers, \
                 give several URLs"
                    .to_owned(),
            ));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            return Err("the host is not a name, an IPv4 address or an IPv6 address in brackets".into());
        }
        Ok(Host { name: text.to_ascii_lowercase(), is_v6: false, zone: None })
    }

    fn parse_v6(text: &str) -> Result<Host, Fault> {
        const NO_ADDRESS: &str = "the brackets do not contain an IPv6 address";
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(NO_ADDRESS)?;
        let (address, zone) = match inner.split_once('%') {
            // `%25eth0` (RFC 6874), or the common form `%eth0`.
            Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
            None => (inner, None),
        };
        let address: Ipv6Addr = address.parse().map_err(|_| NO_ADDRESS)?;
        let is_interface = |zone: &str| {
            !zone.is_empty()
                && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if address.is_unicast_link_local() != zone.is_some() || !zone.is_none_or(is_interface) {
            return Err(Fault::WithAdvice(
                "only link-local IPv6 addresses have an interface, and they need one: write [fe80::1%25eth0]"
                    .to_owned(),
            ));
        }
        Ok(Host { name: address.to_string(), is_v6: true, zone: zone.map(str::to_owned) })
    }

    fn to_look_up(&self) -> String {
        match &self.zone {
            Some(zone) => format!("{}%{zone}", self.name),
            None => self.name.clone(),
        }
    }

    fn in_field(&self) -> String {
        if self.is_v6 { format!("[{}]", self.name) } else { self.name.clone() }
    }
}

impl Target {
    /// Returns the URL without its query, which may contain a secret.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }
}

/// Returns a URL without its query and user information, which may contain secrets.
pub(crate) fn shown(url: &str) -> String {
    let (rest, query) = url.split_once('?').map_or((url, ""), |(rest, _)| (rest, "?…"));
    let authority = rest.find("://").map_or(0, |at| at + 3);
    let end = rest[authority..].find('/').map_or(rest.len(), |at| authority + at);
    match rest[authority..end].rfind('@') {
        Some(at) => format!("{}…{}{query}", &rest[..authority], &rest[authority + at..]),
        None => format!("{rest}{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed() {
        let table = [
            ("ws://example.com", "example.com", "example.com", 80, "/"),
            ("wss://example.com", "example.com", "example.com", 443, "/"),
            ("WS://Example.COM:80/Chat", "example.com", "example.com", 80, "/Chat"),
            ("wss://example.com:443/", "example.com", "example.com", 443, "/"),
            ("wss://example.com:80/a/b?c=d/e", "example.com", "example.com:80", 80, "/a/b?c=d/e"),
            ("ws://example.com:443", "example.com", "example.com:443", 443, "/"),
            ("ws://example.com:/", "example.com", "example.com", 80, "/"),
            ("ws://example.com?format=raw", "example.com", "example.com", 80, "/?format=raw"),
            ("ws://my_host-1:8080/x", "my_host-1", "my_host-1:8080", 8080, "/x"),
            ("ws://127.0.0.1:8080/echo", "127.0.0.1", "127.0.0.1:8080", 8080, "/echo"),
            ("ws://[::1]/chat", "::1", "[::1]", 80, "/chat"),
            ("wss://[2001:DB8:0::1]:8443", "2001:db8::1", "[2001:db8::1]:8443", 8443, "/"),
            ("ws://h/chat/r{room}?name=c{client}@x", "h", "h", 80, "/chat/r{room}?name=c{client}@x"),
            ("ws://h/a://b", "h", "h", 80, "/a://b"),
            ("ws://[fe80::1%25eth0]:81/a", "fe80::1%eth0", "[fe80::1]:81", 81, "/a"),
            ("ws://[fe80::1%eth0.5]", "fe80::1%eth0.5", "[fe80::1]", 80, "/"),
            ("ws://xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example", 80, "/"),
        ];
        for (url, host, authority, port, path) in table {
            let target: Target = url.parse().expect(url);
            assert_eq!(target.url, url);
            assert_eq!(target.is_tls, url.starts_with("wss"), "{url}");
            assert_eq!((&*target.host, &*target.authority), (host, authority), "{url}");
            assert_eq!((target.port, &*target.path), (port, path), "{url}");
        }
    }

    #[test]
    fn errors_in_urls_are_explained() {
        let table = [
            ("", "does not start"),
            ("example.com:80/chat", "does not start"),
            ("ws:example.com", "does not start"),
            ("ftp://example.com", "does not start"),
            ("http://example.com", "is ws, not http"),
            ("https://example.com", "is wss, not https"),
            ("ws://", "host is missing"),
            ("ws:///chat", "host is missing"),
            ("ws://:80", "host is missing"),
            ("ws://example.com/a#b", "fragment"),
            ("ws://example.com:0", "port"),
            ("ws://example.com:65536", "port"),
            ("ws://example.com:+80", "port"),
            ("ws://example.com:http", "port"),
            ("ws://::1:80", "IPv6 address in brackets"),
            ("ws://[::1]80", "port"),
            ("ws://[::1", "brackets do not contain an IPv6 address"),
            ("ws://::1]", "brackets"),
            ("ws://[example.com]", "brackets"),
            ("ws://[127.0.0.1]", "brackets"),
            ("ws://example.com/a b", "encoded"),
            ("ws://example.com/\r\nX: y", "encoded"),
            ("ws://example.com/bücher", "encoded"),
        ];
        for (url, part) in table {
            let fault = url.parse::<Target>().expect_err(url);
            assert!(fault.contains(part), "{url}: {fault}");
            assert!(fault.ends_with("write ws://HOST[:PORT][/PATH] or wss://…"), "{fault}");
        }
    }

    #[test]
    fn errors_in_urls_advise_what_to_write() {
        for (url, advice) in [
            ("ws://user@example.com", "-H 'Authorization: Basic …'"),
            ("ws://user:secret@example.com/", "-H 'Authorization: Basic …'"),
            ("ws://user:sécret@example.com/", "-H 'Authorization: Basic …'"),
            ("ws://bücher.example/", "xn--bcher-kva.example"),
            ("ws://h{client}/", "in the path and the query"),
            ("ws://{room}:80/", "in the path and the query"),
            ("ws://[fe80::1]/", "write [fe80::1%25eth0]"),
            ("ws://[fe80::1%25]/", "write [fe80::1%25eth0]"),
            ("ws://[2001:db8::1%25eth0]/", "write [fe80::1%25eth0]"),
            ("wss://[fe80::1%25eth0]/", "a name of the server"),
        ] {
            let fault = url.parse::<Target>().expect_err(url);
            assert!(fault.contains(advice), "{url}: {fault}");
        }
    }

    #[test]
    fn secrets_in_urls_are_not_shown() {
        for (url, expected) in [
            ("ws://h/a", "ws://h/a"),
            ("ws://h/a?token=b", "ws://h/a?…"),
            ("ws://h?a", "ws://h?…"),
            ("ws://u:p@h:80/a@b?c", "ws://…@h:80/a@b?…"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
