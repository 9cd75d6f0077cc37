//! The addresses to listen on: which of them are bound, and how.

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Bytes that the system keeps for a connection that does not read, besides `Limits::max_queue`. Linux doubles it for its
/// own use. Without it, that would grow to 4 MiB.
const SEND_BUFFER: usize = 128 << 10;
/// Beyond what Linux would grant by default; it takes the smaller of this and `net.core.somaxconn`.
const BACKLOG: i32 = 65_535;
/// Ports that are tried for a name with several addresses, all of which are to have the same.
const PORTS_TRIED: usize = 20;

/// An address to listen on as the operator wrote it, with all socket addresses that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As in `localhost:8080`.
    pub name: String,
    /// At least one, none twice.
    pub addresses: Vec<SocketAddr>,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint { name: address.to_string(), addresses: vec![address] }
    }
}

/// Binds listening sockets to all addresses. What cannot be bound is logged if another address of the same endpoint
/// can be.
///
/// `[::]` takes connections over IPv4 too, unless an IPv4 address of the same port is listened on besides.
pub(super) fn bind_all(endpoints: &[Endpoint]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for (addresses, endpoint) in distinct(endpoints).into_iter().zip(endpoints) {
        if addresses.is_empty() {
            continue;
        }
        let (bound, failed) = bind_together(&addresses, endpoints);
        for (address, error) in failed {
            let sentence = format!("cannot listen on {address}: {}", explain(&error, address));
            if bound.is_empty() {
                return Err(io::Error::new(error.kind(), sentence));
            }
            log::warn!("{sentence}; {} is listened on at its other addresses", endpoint.name);
        }
        listeners.extend(bound);
    }
    Ok(listeners)
}

/// The addresses to bind of each endpoint: without those that stand before, or that an unspecified address includes.
fn distinct(endpoints: &[Endpoint]) -> Vec<Vec<SocketAddr>> {
    let all: Vec<SocketAddr> = endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.addresses)
        .copied()
        .filter(|a| a.port() != 0)
        .collect();
    let includes = |wide: &SocketAddr, address: SocketAddr| {
        wide.ip().is_unspecified()
            && wide.is_ipv4() == address.is_ipv4()
            && wide.port() == address.port()
            && !address.ip().is_unspecified()
    };
    let mut seen: Vec<SocketAddr> = Vec::new();
    let mut is_new = |address: SocketAddr| {
        let is_new = address.port() == 0
            || !seen.contains(&address) && !all.iter().any(|wide| includes(wide, address));
        seen.push(address);
        is_new
    };
    let of = |endpoint: &Endpoint| endpoint.addresses.iter().copied().filter(|a| is_new(*a)).collect();
    endpoints.iter().map(of).collect()
}

type Failures = Vec<(SocketAddr, io::Error)>;

/// Binds the addresses of one endpoint. If the system chooses the port, it is the same for all of them.
fn bind_together(addresses: &[SocketAddr], endpoints: &[Endpoint]) -> (Vec<TcpListener>, Failures) {
    let mut tries = 0;
    loop {
        tries += 1;
        let (mut bound, mut failed) = (Vec::new(), Failures::new());
        let mut chosen = None;
        for &address in addresses {
            let port = if address.port() == 0 { chosen.unwrap_or(0) } else { address.port() };
            let with_port = SocketAddr::new(address.ip(), port);
            let to_bind = match address {
                SocketAddr::V4(_) => with_port,
                SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), port, 0, v6.scope_id()).into(),
            };
            match bind(to_bind, takes_ipv4(address, endpoints)) {
                Ok(listener) => {
                    chosen = chosen.or(listener.local_addr().ok().map(|local| local.port()));
                    bound.push(listener);
                }
                Err(error) => failed.push((address, error)),
            }
        }
        let is_port_taken =
            failed.iter().any(|(address, error)| address.port() == 0 && error.kind() == ErrorKind::AddrInUse);
        if !is_port_taken || tries == PORTS_TRIED {
            return (bound, failed);
        }
    }
}

/// Whether a socket at this address takes IPv4 connections too.
fn takes_ipv4(address: SocketAddr, endpoints: &[Endpoint]) -> bool {
    let is_beside = |endpoint: &Endpoint| {
        let is_same = endpoint.addresses.contains(&address);
        let mut others = endpoint.addresses.iter();
        others
            .any(|other| other.is_ipv4() && other.port() == address.port() && (is_same || other.port() != 0))
    };
    address.is_ipv6() && address.ip().is_unspecified() && !endpoints.iter().any(is_beside)
}

/// Binds a listening socket. Its connections inherit its options, which saves system calls for each.
fn bind(address: SocketAddr, takes_ipv4: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!takes_ipv4)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// The system's error, and what to do where that is known.
fn explain(error: &io::Error, address: SocketAddr) -> String {
    const EAFNOSUPPORT: i32 = 97;
    let is_link_local = matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    match error.kind() {
        ErrorKind::InvalidInput if is_link_local => {
            format!("{error}; name its network interface, as in [fe80::1%eth0]:{}", address.port())
        }
        _ if address.is_ipv6() && error.raw_os_error() == Some(EAFNOSUPPORT) => {
            format!("{error}; this machine has no IPv6")
        }
        ErrorKind::AddrNotAvailable => format!("{error}; no network interface of this machine has it"),
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            format!("{error}; ports below 1024 need the capability CAP_NET_BIND_SERVICE")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(lists: &[&[&str]]) -> Vec<Endpoint> {
        let endpoint = |list: &&[&str]| Endpoint {
            name: list.join(","),
            addresses: list.iter().map(|address| address.parse().unwrap()).collect(),
        };
        lists.iter().map(endpoint).collect()
    }

    /// What is bound of these endpoints.
    fn bound(lists: &[&[&str]]) -> Vec<String> {
        distinct(&endpoints(lists)).into_iter().flatten().map(|address| address.to_string()).collect()
    }

    #[test]
    fn an_address_is_bound_once_and_not_if_an_unspecified_one_includes_it() {
        assert_eq!(bound(&[&["127.0.0.1:80"], &["[::1]:80", "127.0.0.1:80"]]), ["127.0.0.1:80", "[::1]:80"]);
        assert_eq!(
            bound(&[&["127.0.0.1:80", "127.0.0.1:81"], &["0.0.0.0:80"]]),
            ["127.0.0.1:81", "0.0.0.0:80"]
        );
        assert_eq!(bound(&[&["[::]:80"], &["127.0.0.1:80", "[::1]:80"]]), ["[::]:80", "127.0.0.1:80"]);
        assert_eq!(bound(&[&["127.0.0.1:0"], &["127.0.0.1:0"]]), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert_eq!(bound(&[&["0.0.0.0:0"], &["127.0.0.1:0"]]), ["0.0.0.0:0", "127.0.0.1:0"]);
    }

    #[test]
    fn all_of_ipv6_takes_ipv4_unless_that_is_listened_on_besides() {
        let any: SocketAddr = "[::]:80".parse().unwrap();
        for (lists, expected) in [
            (&[&["[::]:80"][..]][..], true),
            (&[&["[::]:80"], &["0.0.0.0:81"]], true),
            (&[&["[::]:80"], &["0.0.0.0:80"]], false),
            (&[&["[::]:80"], &["127.0.0.1:80"]], false),
            (&[&["[::]:80", "0.0.0.0:80"]], false),
        ] {
            assert_eq!(takes_ipv4(any, &endpoints(lists)), expected, "{lists:?}");
        }
        let any = "[::]:0".parse().unwrap();
        assert!(takes_ipv4(any, &endpoints(&[&["[::]:0"], &["0.0.0.0:0"]])), "these get different ports");
        assert!(!takes_ipv4(any, &endpoints(&[&["[::]:0", "0.0.0.0:0"]])));
        assert!(!takes_ipv4("[::1]:80".parse().unwrap(), &endpoints(&[&["[::1]:80"]])));
    }

    #[test]
    fn all_addresses_of_a_name_get_one_port_of_the_systems_choice() {
        let endpoint = endpoints(&[&["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"]]);
        let listeners = bind_all(&endpoint).unwrap();
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert_eq!(addresses.len(), 3);
        assert!(addresses.iter().all(|address| address.port() == addresses[0].port()), "{addresses:?}");
        assert_ne!(addresses[0].port(), 0);
    }

    #[test]
    fn an_address_that_cannot_be_bound_is_an_error_only_if_the_name_has_no_other() {
        // TEST-NET-1, which no interface has.
        let listeners = bind_all(&endpoints(&[&["192.0.2.1:0", "127.0.0.1:0"]])).unwrap();
        assert_eq!(listeners.len(), 1);
        let error = bind_all(&endpoints(&[&["127.0.0.1:0"], &["192.0.2.1:0"]])).unwrap_err().to_string();
        assert!(
            error.contains("cannot listen on 192.0.2.1:0") && error.contains("no network interface"),
            "{error}"
        );
    }
}
