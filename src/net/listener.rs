//! Errors of accepting connections, and how many connections an address may have.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// How an attempt to accept ended.
pub(super) enum Accepted<T> {
    Connection(T, SocketAddr),
    /// No connection waits.
    Nobody,
    /// The connection that was first in line has failed; the next may be accepted.
    Aborted(io::Error),
    /// The next attempt would fail, too.
    Failed(io::Error),
}

/// Tells errors of one connection from those of the listener.
pub(super) fn accepted<T>(result: io::Result<(T, SocketAddr)>) -> Accepted<T> {
    match result {
        Ok((socket, peer)) => Accepted::Connection(socket, peer),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Accepted::Nobody,
        Err(error) if is_of_connection(&error) => Accepted::Aborted(error),
        Err(error) => Accepted::Failed(error),
    }
}

/// Whether accept(2) lists an error as one of the connection that was first in line. Any other may last, and the
/// connection stays in line.
fn is_of_connection(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const NO_NETWORK: i32 = libc::ENONET;
    #[cfg(not(target_os = "linux"))]
    const NO_NETWORK: i32 = libc::ENETDOWN;
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::ENETDOWN
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | NO_NETWORK
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
        )
    )
}

/// Whether no descriptor is left, in this process or in the whole system.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// What an operator can do about an error of accept, if that is known; ends with `; `.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => "raise the file limit (ulimit -n) or lower --max-connections; ",
        Some(libc::ENFILE) => "raise the system's limit of open files (fs.file-max); ",
        Some(libc::ENOBUFS | libc::ENOMEM) => "the system is short of memory for sockets; ",
        Some(libc::EPERM | libc::EACCES) => "look for a firewall or a security policy that forbids it; ",
        _ => "",
    }
}

/// How many connections each client has, as far as addresses tell clients apart: by IPv4 address or by IPv6 network of
/// 64 bits, since the smallest network that a customer gets has that many addresses. Loopback does not count.
#[derive(Debug)]
pub(super) struct PerAddress {
    max: usize,
    counts: HashMap<IpAddr, usize>,
}

impl PerAddress {
    /// At most `max` for one address; 0 for any number, at no cost.
    pub(super) fn new(max: usize) -> PerAddress {
        PerAddress { max, counts: HashMap::new() }
    }

    /// Counts a connection; `false` if the address has as many as it may.
    pub(super) fn admit(&mut self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.max == 0 || address.is_loopback() {
            return true;
        }
        let count = self.counts.entry(network(address)).or_default();
        if *count == self.max {
            return false;
        }
        *count += 1;
        true
    }

    /// Counts the end of an admitted connection.
    pub(super) fn release(&mut self, address: IpAddr) {
        let network = network(address.to_canonical());
        if let Some(count) = self.counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
    }
}

/// What stands for all addresses of one client. On a link each neighbour has an address in the same network.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => {
            Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_connections_as_it_may_and_loopback_any_number() {
        let mut per_address = PerAddress::new(2);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let other: IpAddr = "2001:db8::1".parse().unwrap();
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(per_address.admit(one) && per_address.admit(one));
        assert!(!per_address.admit(one));
        assert!(per_address.admit(other));
        assert!((0..10).all(|_| per_address.admit(local)));
        per_address.release(one);
        assert!(per_address.admit(one) && !per_address.admit(one));
        for address in [one, one, other] {
            per_address.release(address);
        }
        assert!(per_address.counts.is_empty());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_and_ipv4_as_itself_however_it_comes() {
        let admits = |addresses: [&str; 2]| {
            let mut per_address = PerAddress::new(1);
            let [first, second] = addresses.map(|address| address.parse().unwrap());
            assert!(per_address.admit(first));
            let admits = per_address.admit(second);
            per_address.release(first);
            assert!(admits || per_address.admit(second), "the place was given back");
            admits
        };
        assert!(!admits(["2001:db8::1", "2001:db8::ffff:0:0:2"]));
        assert!(admits(["2001:db8::1", "2001:db8:0:1::1"]));
        assert!(!admits(["192.0.2.1", "::ffff:192.0.2.1"]));
        assert!(admits(["::ffff:192.0.2.1", "::ffff:192.0.2.2"]));
        assert!(admits(["fe80::1", "fe80::2"]), "neighbours on one link");
        assert!(admits(["::ffff:127.0.0.1", "::ffff:127.0.0.1"]), "loopback");
    }

    #[test]
    fn only_errors_of_one_connection_are_skipped() {
        let of_connection = [
            libc::ECONNABORTED,
            libc::EINTR,
            libc::ENETDOWN,
            libc::EPROTO,
            libc::ENOPROTOOPT,
            libc::EHOSTDOWN,
            libc::EHOSTUNREACH,
            libc::EOPNOTSUPP,
            libc::ENETUNREACH,
        ];
        for code in of_connection {
            assert!(is_of_connection(&io::Error::from_raw_os_error(code)), "{code}");
        }
        let lasting = [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EPERM,
            libc::EACCES,
            libc::EBADF,
            libc::EINVAL,
            libc::ENOTSOCK,
            libc::EFAULT,
            libc::ENOSYS,
            libc::EIO,
            0,
            100_000,
        ];
        for code in lasting {
            assert!(!is_of_connection(&io::Error::from_raw_os_error(code)), "{code}");
        }
        assert!(!is_of_connection(&io::Error::other("without a number")));
    }
}
