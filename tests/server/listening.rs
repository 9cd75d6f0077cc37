//! The addresses that are listened on.

use crate::support::{Raw, Server, get, throng, wait};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::process::Stdio;

#[track_caller]
fn assert_serves(address: SocketAddr) {
    let mut raw = Raw::connect(address);
    raw.send(get("/healthz"));
    assert_eq!(raw.reply().status, 200);
}

/// The addresses that the name has on this machine.
fn addresses_of_localhost() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> =
        "localhost:0".to_socket_addrs().unwrap().map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// A server on one endpoint that has that many addresses.
fn server(endpoint: &str, addresses: usize) -> Server {
    let mut command = throng();
    command.args(["--listen", endpoint]);
    Server::launch(command, addresses)
}

#[test]
fn every_address_of_a_name_is_listened_on_at_one_port() {
    let local = addresses_of_localhost();
    let both = ["127.0.0.1", "::1"].map(|address| address.parse().unwrap()).to_vec();
    for (endpoint, reached) in [("localhost:0", local), ("*:0", both.clone()), (":0", both)] {
        let server = server(endpoint, reached.len());
        let port = server.address().port();
        assert!(server.addresses.iter().all(|address| address.port() == port), "{:?}", server.addresses);
        for address in reached {
            assert_serves(SocketAddr::new(address, port));
        }
    }
}

#[test]
fn all_of_ipv6_takes_ipv4_too_unless_that_has_a_listener_of_its_own() {
    let both = server("[::]:0", 1);
    let port = both.address().port();
    for local in ["127.0.0.1", "::1"] {
        assert_serves(SocketAddr::new(local.parse().unwrap(), port));
    }
    drop(both);
    let apart = Server::start_on(&[&format!("[::]:{port}"), &format!("127.0.0.2:{port}")], &[]);
    assert_eq!(apart.addresses.len(), 2);
    assert_serves(SocketAddr::new("::1".parse().unwrap(), port));
    assert_serves(SocketAddr::new("127.0.0.2".parse().unwrap(), port));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the operator asked for one IPv4 address");
}

#[test]
fn a_client_over_ipv4_is_the_same_on_an_ipv6_listener() {
    let mut command = throng();
    command.args(["--listen", "[::]:0", "-v", "--max-per-address", "1"]);
    let server = Server::launch(command, 1);
    let address = SocketAddr::new("127.0.0.1".parse().unwrap(), server.address().port());
    // Loopback is not limited, in whatever form its address comes.
    let _kept = [Raw::connect(address), Raw::connect(address)];
    assert_serves(address);
    let line = server.wait_for_log("connected from 127.0.0.1:");
    assert!(!line.contains("ffff"), "{line}");
}

#[test]
fn an_address_that_is_named_twice_or_included_is_bound_once() {
    let probe = server("127.0.0.1:0", 1);
    let port = probe.address().port();
    drop(probe);
    let list = format!("127.0.0.1:{port},localhost:{port},127.0.0.1:{port}");
    let addresses = addresses_of_localhost();
    let server = server(&list, addresses.len());
    server.assert_well();
    assert_eq!(server.log().matches("listening on").count(), addresses.len());
    for address in addresses {
        assert_serves(SocketAddr::new(address, port));
    }
}

#[test]
fn a_zone_names_the_interface_of_a_link_local_address() {
    // Whether this machine has such an address or not, the zone is understood.
    let mut child = throng()
        .args(["--listen", "[fe80::1234%lo]:0"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(&mut child);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot listen on [fe80::1234%1]:0") && said.contains("no network interface"),
        "{said}"
    );
}
