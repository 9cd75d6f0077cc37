//! What a run is aimed at: a WebSocket URL (RFC 6455 §3) and the addresses behind it.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

const NO_SCHEME: &str = "it does not begin with ws:// or wss://";

/// A server, and a path on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was written.
    pub url: String,
    /// Whether the scheme is `wss`.
    pub is_tls: bool,
    /// The name or address that a certificate has to be for: no brackets, in lower case.
    pub host: String,
    /// The value of the `Host` field: the port is left out if it is the scheme's own.
    pub authority: String,
    /// Path and query as they were written, placeholders in braces too; `/` if there are none.
    pub path: String,
    /// Where to connect to; empty until [`Target::resolve`].
    pub addresses: Vec<SocketAddr>,
    port: u16,
}

impl FromStr for Target {
    type Err = String;

    /// Reads a URL, and asks nobody what it means.
    fn from_str(url: &str) -> Result<Target, String> {
        parse(url).map_err(|fault| format!("{fault}: write ws://HOST[:PORT][/PATH] or wss://…"))
    }
}

/// What is wrong is said without the URL, which the command line shows beside it.
fn parse(url: &str) -> Result<Target, &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or(NO_SCHEME)?;
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "ws" => false,
        "wss" => true,
        "http" => return Err("the scheme of a WebSocket is ws, not http"),
        "https" => return Err("the scheme of a WebSocket is wss, not https"),
        _ => return Err(NO_SCHEME),
    };
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("spaces and what is not ASCII have to be encoded");
    }
    if rest.contains('#') {
        return Err("a WebSocket URL has no fragment (# in a path is %23)");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("a user name or password cannot be given");
    }
    let (name, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
    };
    let own_port = if is_tls { 443 } else { 80 };
    let port = match port {
        "" | ":" => own_port,
        _ => port.strip_prefix(':').and_then(parse_port).ok_or("the port is not a number from 1 to 65535")?,
    };
    let (host, name) = parse_host(name)?;
    Ok(Target {
        url: url.to_owned(),
        is_tls,
        host,
        authority: if port == own_port { name } else { format!("{name}:{port}") },
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        addresses: Vec::new(),
        port,
    })
}

fn parse_port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port != 0)
}

/// The host, without the brackets of an IPv6 address and with them.
fn parse_host(name: &str) -> Result<(String, String), &'static str> {
    if name.starts_with('[') || name.ends_with(']') {
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let address: Ipv6Addr =
            inner.and_then(|inner| inner.parse().ok()).ok_or("there is no IPv6 address in the brackets")?;
        return Ok((address.to_string(), format!("[{address}]")));
    }
    if name.is_empty() {
        return Err("the host is missing");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err("the host is not a name, nor an IPv4 address, nor an IPv6 address in brackets");
    }
    let host = name.to_ascii_lowercase();
    Ok((host.clone(), host))
}

impl Target {
    /// Asks the system for the addresses of the host. This may take a while.
    pub fn resolve(&mut self) -> io::Result<()> {
        self.addresses = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        if self.addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
        }
        Ok(())
    }

    /// Of several addresses leaves those where somebody takes connections, if there are any: a name such as
    /// `localhost` may have one of IPv6 that nobody listens on.
    pub fn keep_answering(&mut self, patience: Duration) {
        if self.addresses.len() > 1 {
            let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, patience).is_ok();
            let answering: Vec<_> = self.addresses.iter().filter(answers).copied().collect();
            if !answering.is_empty() {
                self.addresses = answering;
            }
        }
    }

    /// Whether it is known to be on this machine, and to have an address of IPv4 there.
    pub fn is_in_127(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().is_loopback())
            && self.addresses.iter().any(SocketAddr::is_ipv4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_url_is_taken_apart() {
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
    fn what_is_wrong_with_a_url_is_said() {
        let table = [
            ("", "does not begin"),
            ("example.com:80/chat", "does not begin"),
            ("ws:example.com", "does not begin"),
            ("ftp://example.com", "does not begin"),
            ("http://example.com", "is ws, not http"),
            ("https://example.com", "is wss, not https"),
            ("ws://", "host is missing"),
            ("ws:///chat", "host is missing"),
            ("ws://:80", "host is missing"),
            ("ws://example.com/a#b", "fragment"),
            ("ws://user@example.com", "user name"),
            ("ws://user:secret@example.com/", "user name"),
            ("ws://example.com:0", "port"),
            ("ws://example.com:65536", "port"),
            ("ws://example.com:+80", "port"),
            ("ws://example.com:http", "port"),
            ("ws://::1:80", "IPv6 address in brackets"),
            ("ws://[::1]80", "port"),
            ("ws://[::1", "no IPv6 address in the brackets"),
            ("ws://::1]", "brackets"),
            ("ws://[example.com]", "brackets"),
            ("ws://[127.0.0.1]", "brackets"),
            ("ws://[fe80::1%25eth0]/", "brackets"),
            ("ws://h{client}/", "not a name"),
            ("ws://example.com/a b", "encoded"),
            ("ws://example.com/\r\nX: y", "encoded"),
            ("ws://bücher.example/", "encoded"),
        ];
        for (url, part) in table {
            let fault = url.parse::<Target>().expect_err(url);
            assert!(fault.contains(part), "{url}: {fault}");
            assert!(fault.ends_with("write ws://HOST[:PORT][/PATH] or wss://…"), "{fault}");
        }
    }

    #[test]
    fn addresses_are_known_once_they_were_asked_for() {
        for (url, address, is_in_127) in [
            ("ws://127.0.0.2:81", "127.0.0.2:81", true),
            ("wss://[::1]", "[::1]:443", false),
            ("ws://192.0.2.1", "192.0.2.1:80", false),
        ] {
            let mut target: Target = url.parse().unwrap();
            assert!(!target.is_in_127());
            target.resolve().unwrap();
            assert_eq!(target.addresses, [address.parse().unwrap()]);
            assert_eq!(target.is_in_127(), is_in_127, "{url}");
        }
    }

    #[test]
    fn addresses_where_nobody_listens_are_left_out_if_others_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answering = listener.local_addr().unwrap();
        let silent = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut target: Target = "ws://localhost".parse().unwrap();
        for (all, kept) in [([silent, answering], &[answering][..]), ([silent, silent], &[silent, silent])] {
            target.addresses = all.into();
            target.keep_answering(Duration::from_secs(1));
            assert_eq!(target.addresses, kept);
        }
    }
}
