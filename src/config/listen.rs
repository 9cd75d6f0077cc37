//! The addresses to listen on, as people write them.

use crate::net::Endpoint;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Reads `HOST:PORT` and looks up the addresses that the host has. Without a host, or with `*`, it is all addresses
/// of this machine.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    if let Some((_, rest)) = text.split_once("://") {
        return Err(format!("leave out the scheme: write {}", rest.trim_end_matches('/')));
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "a port needs an address: write 127.0.0.1:{text} for this machine only, or *:{text} for all addresses"
        ));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("write an IPv6 address in brackets and add a port, as in [{text}]:8080"));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port),
        _ if text.is_empty() => return Err("write HOST:PORT, as in 127.0.0.1:8080".to_owned()),
        _ => return Err(format!("add a port, as in {text}:8080")),
    };
    let port = Some(port)
        .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|port| port.parse::<u16>().ok())
        .ok_or_else(|| format!("a port is a number from 0 to 65535, as in {host}:8080"))?;
    let mut addresses = Vec::new();
    for address in look_up(host, port)? {
        let address = canonical(address);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(Endpoint { name: text.to_owned(), addresses })
}

fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if matches!(host, "" | "*") {
        let all: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        return Ok(all.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let name = match host.strip_prefix('[') {
        None if host.contains(':') => {
            return Err(format!("write an IPv6 address in brackets, as in [{host}]:{port}"));
        }
        None => host,
        Some(rest) => {
            let inner = rest.strip_suffix(']').unwrap_or_default();
            let address = inner.split_once('%').map_or(inner, |(address, _zone)| address);
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("only an IPv6 address stands in brackets, as in [::1]:8080".to_owned());
            }
            inner
        }
    };
    let addresses: Vec<SocketAddr> = (name, port)
        .to_socket_addrs()
        .map_err(|error| format!("cannot find the address of {name}: {error}"))?
        .collect();
    if addresses.is_empty() { Err(format!("{name} has no address")) } else { Ok(addresses) }
}

/// An IPv4 address that is written as an IPv6 one becomes an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        endpoint(text).unwrap().addresses.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn a_name_stands_for_all_its_addresses_and_no_name_for_all_of_the_machine() {
        assert_eq!(addresses("127.0.0.1:8080"), ["127.0.0.1:8080"]);
        assert_eq!(addresses("[::1]:0"), ["[::1]:0"]);
        assert_eq!(addresses("[fe80::1%1]:80"), ["[fe80::1%1]:80"]);
        assert_eq!(addresses("[fe80::1%lo]:80"), ["[fe80::1%1]:80"]);
        assert_eq!(addresses("[::ffff:127.0.0.1]:80"), ["127.0.0.1:80"]);
        for all in ["*:80", ":80"] {
            assert_eq!(addresses(all), ["[::]:80", "0.0.0.0:80"]);
        }
        assert!(addresses("localhost:80").contains(&"127.0.0.1:80".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_explained() {
        for (text, advice) in [
            ("", "127.0.0.1:8080"),
            ("8080", "*:8080 for all"),
            ("localhost", "add a port, as in localhost:8080"),
            ("127.0.0.1", "add a port, as in 127.0.0.1:8080"),
            ("[::1]", "add a port, as in [::1]:8080"),
            ("::1", "as in [::1]:8080"),
            ("::1:8080", "brackets"),
            ("fe80::1%eth0:80", "as in [fe80::1%eth0]:80"),
            ("http://127.0.0.1:80/", "write 127.0.0.1:80"),
            ("127.0.0.1:99999", "0 to 65535"),
            ("127.0.0.1:+80", "0 to 65535"),
            ("127.0.0.1:", "0 to 65535"),
            ("[localhost]:80", "only an IPv6 address"),
            ("[::1:80", "only an IPv6 address"),
            ("no.such.host.invalid:80", "cannot find the address of no.such.host.invalid"),
        ] {
            let fault = endpoint(text).expect_err(text);
            assert!(fault.contains(advice), "{text}: {fault}");
        }
    }
}
