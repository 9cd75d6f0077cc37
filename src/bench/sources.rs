//! The source addresses of clients.
//!
//! Each connection from one address to one server uses a port of `net.ipv4.ip_local_port_range`, and ports of
//! recently closed connections are not free yet. More clients therefore need more addresses. Linux becomes
//! slow at finding a free port well before the last one is used.

use ipnet::IpNet;
use socket2::{Domain, Socket, Type};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// Ports per address if the setting cannot be read: the default of Linux.
const USUAL_PORTS: usize = 28_232;
/// Clients per address on loopback, where addresses are plentiful.
const PER_ADDRESS: usize = 10_000;
/// With at most this many clients, the system chooses the address.
const FEW: usize = 1_000;

/// Largest number of addresses taken from one range: enough for more clients than a machine can have.
const MAX_OF_RANGE: usize = 4096;

/// The source addresses, which clients use in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sources {
    /// The system chooses: one address for each server.
    #[default]
    System,
    /// Addresses given with --source-ip.
    Given(Vec<IpAddr>),
    /// Addresses in 127.0.0.0/8, as many as the clients need; none if the system chooses.
    Loopback(Vec<IpAddr>),
}

impl FromStr for Sources {
    type Err = String;

    /// Parses addresses and ranges such as `10.0.0.0/24`, separated by commas. A range includes its hosts,
    /// without the network and broadcast addresses.
    fn from_str(list: &str) -> Result<Sources, String> {
        let mut addresses = Vec::new();
        for element in list.split(',').map(str::trim) {
            let range = element.parse().or_else(|_| element.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                format!("{element:?} is not an address or a range: write 10.0.0.5 or 10.0.0.0/24, separated by commas")
            })?;
            addresses.extend(range.hosts().take(MAX_OF_RANGE));
        }
        let mut known = HashSet::new();
        addresses.retain(|address| known.insert(*address));
        if addresses.iter().any(|address| address.is_ipv4() != addresses[0].is_ipv4()) {
            return Err("source addresses must be all IPv4 or all IPv6".into());
        }
        Ok(Sources::Given(addresses))
    }
}

impl Sources {
    /// Returns the default for servers in 127.0.0.0/8. For few clients the system chooses; otherwise these
    /// are addresses that the previous run probably did not use, since its ports may not be free yet.
    pub fn of_loopback(clients: usize, chance: u16) -> Sources {
        if clients <= FEW {
            return Sources::Loopback(Vec::new());
        }
        let [high, low] = chance.to_be_bytes();
        let first = Ipv4Addr::new(127, high, low, 1).to_bits();
        // Some systems treat .0 and .255 as network and broadcast addresses.
        let hosts = (first..)
            .map(|bits| Ipv4Addr::from_bits(bits & 0x00ff_ffff | 127 << 24))
            .filter(|address| !matches!(address.octets()[3], 0 | 255));
        Sources::Loopback(hosts.map(IpAddr::V4).take(clients.div_ceil(PER_ADDRESS)).collect())
    }

    fn addresses(&self) -> &[IpAddr] {
        match self {
            Sources::System => &[],
            Sources::Given(addresses) | Sources::Loopback(addresses) => addresses,
        }
    }

    /// Checks that the addresses belong to this machine, by binding to them.
    pub fn check_own(&self) -> Result<(), String> {
        self.addresses().iter().try_for_each(|address| check_own(*address))
    }

    /// Returns the largest number of clients that the ports allow for this many servers; `None` for no limit.
    pub fn most_clients(&self, servers: usize) -> Option<usize> {
        self.most_clients_with(servers, ports_per_address())
    }

    fn most_clients_with(&self, servers: usize, ports: usize) -> Option<usize> {
        let addresses = match self {
            Sources::System => 1,
            Sources::Given(addresses) => addresses.len(),
            Sources::Loopback(_) => return None,
        };
        Some(ports.saturating_mul(addresses).saturating_mul(servers))
    }

    /// Checks that there are enough ports for the clients, which use the servers in turn.
    pub fn check(&self, clients: usize, servers: usize) -> Result<(), String> {
        self.check_with(clients, servers, ports_per_address())
    }

    fn check_with(&self, clients: usize, servers: usize, ports: usize) -> Result<(), String> {
        let Some(most) = self.most_clients_with(servers, ports).filter(|most| clients > *most) else {
            return Ok(());
        };
        let needed = clients.div_ceil(servers.max(1)).div_ceil(ports.max(1));
        let known = match self {
            Sources::Given(addresses) => format!("--source-ip has {}: add more", addresses.len()),
            _ => "the system uses one: name more addresses of this machine with --source-ip".to_owned(),
        };
        Err(format!(
            "{clients} connections need {needed} source addresses, one per {ports} connections to a server; {known}, or \
             open at most {most} connections"
        ))
    }

    /// Returns true if the server has the same address family as the source addresses.
    pub fn can_reach(&self, server: IpAddr) -> bool {
        self.addresses().first().is_none_or(|address| address.is_ipv4() == server.is_ipv4())
    }

    /// Returns the address of the client with this number, from 0; `None` if the system chooses.
    pub fn for_client(&self, number: usize) -> Option<IpAddr> {
        let addresses = self.addresses();
        addresses.get(number.checked_rem(addresses.len())?).copied()
    }
}

fn check_own(address: IpAddr) -> Result<(), String> {
    let is_of_one = match address {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    };
    let not_own = || format!("{address} is not an address of this machine");
    if !is_of_one {
        return Err(not_own());
    }
    let endpoint = SocketAddr::new(address, 0);
    let bound = Socket::new(Domain::for_address(endpoint), Type::STREAM, None)
        .and_then(|socket| socket.bind(&endpoint.into()));
    bound.map_err(|error| match error.kind() {
        ErrorKind::AddrNotAvailable => not_own(),
        _ => format!("cannot connect from {address}: {error}"),
    })
}

/// Returns the number of connections that ports allow from one address to one server. A few ports are left
/// for other programs and recently closed connections.
pub(crate) fn ports_per_address() -> usize {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ports = range.ok().and_then(|text| ports_of(&text)).unwrap_or(USUAL_PORTS);
    (ports - ports / 100).max(1)
}

/// Parses the number of ports from the system setting.
fn ports_of(range: &str) -> Option<usize> {
    let mut ends = range.split_whitespace().map(str::parse::<u16>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    Some(usize::from(high.checked_sub(low)?) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_addresses(sources: &Sources, expected: &[&str]) {
        let texts: Vec<String> = sources.addresses().iter().map(IpAddr::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn lists_of_addresses_and_ranges_are_parsed_in_order_without_duplicates() {
        for (list, expected) in [
            ("10.0.0.5", &["10.0.0.5"][..]),
            ("10.0.0.5, 10.0.0.4,10.0.0.5", &["10.0.0.5", "10.0.0.4"]),
            ("10.0.0.6/30,10.0.1.1", &["10.0.0.5", "10.0.0.6", "10.0.1.1"]),
            ("10.0.0.4/31", &["10.0.0.4", "10.0.0.5"]),
            ("10.0.0.5/32", &["10.0.0.5"]),
            ("2001:db8::5,::1", &["2001:db8::5", "::1"]),
            ("2001:db8::/127", &["2001:db8::", "2001:db8::1"]),
        ] {
            assert_addresses(&list.parse().expect(list), expected);
        }
    }

    #[test]
    fn large_ranges_are_limited() {
        for list in ["10.0.0.0/8", "2001:db8::/32", "::/0"] {
            assert_eq!(list.parse::<Sources>().expect(list).addresses().len(), MAX_OF_RANGE);
        }
    }

    #[test]
    fn errors_in_lists_are_explained() {
        for (list, part) in [
            ("", "\"\" is not an address"),
            ("10.0.0.5,", "\"\" is not an address"),
            ("10.0.0.5;10.0.0.6", "separated by commas"),
            ("localhost", "\"localhost\" is not"),
            ("10.0.0.0/33", "\"10.0.0.0/33\" is not"),
            ("10.0.0.5:80", "is not an address"),
            ("10.0.0.5,::1", "all IPv4 or all IPv6"),
        ] {
            let fault = list.parse::<Sources>().expect_err(list);
            assert!(fault.contains(part), "{fault}");
        }
    }

    #[test]
    fn clients_use_addresses_in_turn_as_long_as_there_are_ports() {
        let sources: Sources = "10.0.0.1,10.0.0.2".parse().unwrap();
        let [first, second] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().ok());
        for (number, address) in [(0, first), (1, second), (2, first), (20_001, second)] {
            assert_eq!(sources.for_client(number), address);
        }
        assert_eq!(sources.most_clients_with(1, 1_000), Some(2_000));
        assert_eq!(sources.most_clients_with(3, 1_000), Some(6_000));
        assert_eq!(sources.check_with(2_000, 1, 1_000), Ok(()));
        assert_eq!(sources.check_with(6_000, 3, 1_000), Ok(()));
        let fault = sources.check_with(2_001, 1, 1_000).unwrap_err();
        assert!(
            fault.contains("need 3 source addresses") && fault.contains("open at most 2000 connections"),
            "{fault}"
        );
    }

    #[test]
    fn without_addresses_the_system_has_one_for_each_server() {
        let sources = Sources::default();
        assert_eq!(sources.for_client(999_999), None);
        assert_eq!(sources.check_with(1_000, 1, 1_000), Ok(()));
        assert_eq!(sources.most_clients_with(2, 1_000), Some(2_000));
        let fault = sources.check_with(1_001, 1, 1_000).unwrap_err();
        assert!(fault.contains("need 2 source addresses") && fault.contains("--source-ip"), "{fault}");
    }

    #[test]
    fn the_number_of_ports_is_read_from_the_system_setting() {
        for (range, ports) in [
            ("32768\t60999\n", Some(28_232)),
            ("1024 65535", Some(64_512)),
            ("5 5", Some(1)),
            ("6 5", None),
            ("", None),
            ("many", None),
        ] {
            assert_eq!(ports_of(range), ports, "{range:?}");
        }
        assert!(ports_per_address() > 0);
    }

    #[test]
    fn addresses_of_other_machines_are_rejected() {
        for own in ["127.0.0.1", "127.0.0.16/30"] {
            assert_eq!(own.parse::<Sources>().expect(own).check_own(), Ok(()), "{own}");
        }
        for (list, address) in [
            ("192.0.2.7", "192.0.2.7"),
            ("127.0.0.1,192.0.2.7", "192.0.2.7"),
            ("224.0.0.1", "224.0.0.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("0.0.0.0", "0.0.0.0"),
            ("::", "::"),
            ("ff02::1", "ff02::1"),
        ] {
            let fault = list.parse::<Sources>().expect(list).check_own();
            assert_eq!(fault, Err(format!("{address} is not an address of this machine")));
        }
        // Without IPv6 the error text differs.
        assert!("2001:db8::7".parse::<Sources>().unwrap().check_own().is_err());
    }

    #[test]
    fn loopback_has_as_many_addresses_as_clients_need() {
        assert_addresses(&Sources::of_loopback(FEW, 7), &[]);
        assert_addresses(&Sources::of_loopback(FEW + 1, 0x0203), &["127.2.3.1"]);
        assert_addresses(&Sources::of_loopback(PER_ADDRESS + 1, 0), &["127.0.0.1", "127.0.0.2"]);
        let clients = 300 * PER_ADDRESS;
        let many = Sources::of_loopback(clients, u16::MAX);
        assert_eq!((many.check(clients, 1), many.most_clients(1)), (Ok(()), None));
        let over_the_byte: Vec<String> = many.addresses()[253..255].iter().map(IpAddr::to_string).collect();
        assert_eq!(over_the_byte, ["127.255.255.254", "127.0.0.1"]);
    }

    #[test]
    fn addresses_of_one_family_do_not_reach_the_other() {
        let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), "::1".parse().unwrap());
        let sources: Sources = "10.0.0.1".parse().unwrap();
        assert!(sources.can_reach(v4) && !sources.can_reach(v6));
        assert!(Sources::default().can_reach(v4) && Sources::default().can_reach(v6));
    }
}
