//! Tests of `throng bench` against throng, and against servers that each have one fault: the report shows
//! exactly that fault.
//!
//! Reports are parsed as JSON, as a user's program does, and not with the types that wrote them.

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

/// The path of the test that acts as a server when another test starts it in a separate process.
const SERVER_PROCESS: &str = "a_server_in_a_separate_process";

#[test]
#[ignore = "started by other tests as a server"]
fn a_server_in_a_separate_process() {
    misbehaving::process::serve_if_asked();
}
