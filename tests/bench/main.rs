//! `throng bench` against throng, and against servers that do something wrong: the report shows exactly that.
//!
//! Reports are read as JSON, as a user's program reads them, and not by the types that wrote them.

#[path = "../misbehaving/mod.rs"]
mod misbehaving;
#[path = "../support/mod.rs"]
mod support;

mod counts;
mod handshakes;
mod latency;
mod outputs;
mod real_servers;
mod run;
mod scenarios;
mod search;
mod servers;
mod signals;
mod statuses;
mod tls;

/// The path of the test that becomes a server, where another test starts it in a process of its own.
const SERVER_PROCESS: &str = "a_server_in_a_process_of_its_own";

#[test]
#[ignore = "other tests start it, and it serves them"]
fn a_server_in_a_process_of_its_own() {
    misbehaving::process::serve_if_asked();
}
