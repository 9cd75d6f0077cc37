//! The addresses that clients connect from.
//!
//! An address has 28,232 ports for connections to one server, unless `net.ipv4.ip_local_port_range` says otherwise, and
//! those of connections that have just ended are not free yet: more clients need more addresses. Long before the last
//! port is taken, Linux looks long for one.

use ipnet::IpNet;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Clients to one server that an address has ports for.
const PORTS: usize = 28_000;
/// Clients that one is given on loopback, where there are many.
const PER_ADDRESS: usize = 10_000;
/// Clients for whom any address will do.
const FEW: usize = 1_000;

/// Addresses taken of one range: for more clients than a machine can have.
const MAX_OF_RANGE: usize = 4096;

/// Source addresses, which clients take in turn; none if the system is to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources(Vec<IpAddr>);

impl FromStr for Sources {
    type Err = String;

    /// Reads addresses and ranges such as `10.0.0.0/24`, with commas between. Of a range these are the hosts, without
    /// the addresses of the network and of broadcast.
    fn from_str(list: &str) -> Result<Sources, String> {
        let mut addresses = Vec::new();
        for element in list.split(',').map(str::trim) {
            let range = element.parse().or_else(|_| element.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                format!("{element:?} is not an address or a range: write 10.0.0.5 or 10.0.0.0/24, with commas between")
            })?;
            addresses.extend(range.hosts().take(MAX_OF_RANGE));
        }
        let mut known = HashSet::new();
        addresses.retain(|address| known.insert(*address));
        if addresses.iter().any(|address| address.is_ipv4() != addresses[0].is_ipv4()) {
            return Err(
                "source addresses are all IPv4 or all IPv6: the server is reached by one of them".into()
            );
        }
        Ok(Sources(addresses))
    }
}

impl Sources {
    /// What a run takes that is not told, if its servers are in 127/8 themselves: for few clients what the system chooses,
    /// else some addresses that are likely to be others than those of the run before.
    pub fn of_loopback(clients: usize, chance: u16) -> Sources {
        if clients <= FEW {
            return Sources::default();
        }
        let [high, low] = chance.to_be_bytes();
        let first = Ipv4Addr::new(127, high, low, 1).to_bits();
        // Both ends of a byte look like a network's own address to some, or like broadcast.
        let hosts = (first..)
            .map(|bits| Ipv4Addr::from_bits(bits & 0x00ff_ffff | 127 << 24))
            .filter(|address| !matches!(address.octets()[3], 0 | 255));
        Sources(hosts.map(IpAddr::V4).take(clients.div_ceil(PER_ADDRESS)).collect())
    }

    /// Whether there are enough addresses for so many clients of one server.
    pub fn check(&self, clients: usize) -> Result<(), String> {
        let (needed, known) = (clients.div_ceil(PORTS), self.0.len());
        if known == 0 || needed <= known {
            return Ok(());
        }
        Err(format!(
            "{clients} clients need {needed} source addresses, one for each {PORTS}, and --source-ip has {known}: \
             add some, or start {} clients at most",
            known * PORTS
        ))
    }

    /// Whether the server can be reached from here: addresses of one kind do not reach the other.
    pub fn can_reach(&self, server: IpAddr) -> bool {
        self.0.first().is_none_or(|address| address.is_ipv4() == server.is_ipv4())
    }

    /// Where a client connects from, which are numbered from 0; `None` if the system is to choose.
    pub fn for_client(&self, number: usize) -> Option<IpAddr> {
        self.0.get(number.checked_rem(self.0.len())?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_addresses(sources: &Sources, expected: &[&str]) {
        let texts: Vec<String> = sources.0.iter().map(IpAddr::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_list_of_addresses_and_ranges_is_read_in_its_order_and_each_address_once() {
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
    fn a_range_of_any_size_is_read_at_once() {
        for list in ["10.0.0.0/8", "2001:db8::/32", "::/0"] {
            assert_eq!(list.parse::<Sources>().expect(list).0.len(), MAX_OF_RANGE);
        }
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said() {
        for (list, part) in [
            ("", "\"\" is not an address"),
            ("10.0.0.5,", "\"\" is not an address"),
            ("10.0.0.5;10.0.0.6", "with commas between"),
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
    fn clients_take_addresses_in_turn_as_long_as_there_are_ports() {
        let sources: Sources = "10.0.0.1,10.0.0.2".parse().unwrap();
        let [first, second] = [Some(sources.0[0]), Some(sources.0[1])];
        for (number, address) in [(0, first), (1, second), (2, first), (2 * PORTS - 1, second)] {
            assert_eq!(sources.for_client(number), address);
        }
        assert_eq!(sources.check(2 * PORTS), Ok(()));
        let fault = sources.check(2 * PORTS + 1).unwrap_err();
        assert!(fault.contains("need 3 source addresses") && fault.contains("start 56000"), "{fault}");
    }

    #[test]
    fn without_addresses_the_system_chooses_for_any_number_of_clients() {
        let sources = Sources::default();
        assert_eq!(sources.check(1_000_000), Ok(()));
        assert_eq!(sources.for_client(0), None);
        assert_eq!(sources.for_client(999_999), None);
    }

    #[test]
    fn loopback_has_as_many_addresses_as_clients_need() {
        assert_addresses(&Sources::of_loopback(FEW, 7), &[]);
        assert_addresses(&Sources::of_loopback(FEW + 1, 0x0203), &["127.2.3.1"]);
        assert_addresses(&Sources::of_loopback(PER_ADDRESS + 1, 0), &["127.0.0.1", "127.0.0.2"]);
        let clients = 300 * PER_ADDRESS;
        let many = Sources::of_loopback(clients, u16::MAX);
        assert_eq!(many.check(clients), Ok(()));
        let over_the_byte: Vec<String> = many.0[253..255].iter().map(IpAddr::to_string).collect();
        assert_eq!(over_the_byte, ["127.255.255.254", "127.0.0.1"]);
    }

    #[test]
    fn addresses_of_one_kind_do_not_reach_the_other() {
        let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), "::1".parse().unwrap());
        let sources: Sources = "10.0.0.1".parse().unwrap();
        assert!(sources.can_reach(v4) && !sources.can_reach(v6));
        assert!(Sources::default().can_reach(v4) && Sources::default().can_reach(v6));
    }
}
