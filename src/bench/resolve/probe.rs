//! Which addresses of a name answer.

use super::super::transport::Transport;
use super::TICK;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long an address may take to answer if the name has others.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A name and port, or an address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub name: String,
    pub port: u16,
    /// All addresses of the name that can be reached from the source addresses.
    pub known: Vec<SocketAddr>,
    /// The addresses that clients connect to.
    pub used: Vec<SocketAddr>,
}

/// The result of an attempt to connect.
enum Answer {
    Pending(Transport),
    Connected,
    Failed(io::Error),
}

/// Chooses the addresses of each host to use. Connects only to addresses not in use yet, and only if there is
/// a choice, since the server sees these connections.
pub(super) fn choose(hosts: &mut [Host], timeout: Duration, is_over: impl Fn() -> bool) -> Vec<String> {
    let mut attempts: Vec<(usize, SocketAddr)> = Vec::new();
    for (place, host) in hosts.iter().enumerate().filter(|(_, host)| host.known.len() > 1) {
        let tried = host.known.iter().filter(|address| !host.used.contains(address));
        attempts.extend(tried.map(|address| (place, *address)));
    }
    let timeout = timeout.min(PROBE_TIMEOUT);
    let answers = probe(&attempts, timeout, is_over);
    let is_connected = |place, address| {
        attempts
            .iter()
            .zip(&answers)
            .any(|(attempt, answer)| *attempt == (place, address) && matches!(answer, Answer::Connected))
    };
    for (place, host) in hosts.iter_mut().enumerate() {
        let Host { known, used, .. } = host;
        let mut answering = known.clone();
        answering.retain(|address| used.contains(address) || is_connected(place, *address));
        *used = if answering.is_empty() { known.clone() } else { answering };
    }
    let excluded =
        attempts.iter().zip(&answers).filter(|((place, address), _)| !hosts[*place].used.contains(address));
    excluded
        .filter_map(|((place, address), answer)| warning(&hosts[*place].name, address.ip(), answer, timeout))
        .collect()
}

/// Connects to all addresses at once and returns the results available at the deadline.
fn probe(attempts: &[(usize, SocketAddr)], timeout: Duration, is_over: impl Fn() -> bool) -> Vec<Answer> {
    let Ok(mut poll) = Poll::new() else { return Vec::new() };
    let begin = |(index, (_, address)): (usize, &(usize, SocketAddr))| {
        let mut transport = Transport::connect(*address, None, None, None)?;
        poll.registry().register(&mut transport, Token(index), Interest::WRITABLE)?;
        Ok(transport)
    };
    let begun = attempts.iter().enumerate().map(begin);
    let mut answers: Vec<Answer> =
        begun.map(|begun| begun.map_or_else(Answer::Failed, Answer::Pending)).collect();
    let mut events = Events::with_capacity(64);
    let deadline = Instant::now() + timeout;
    while answers.iter().any(|answer| matches!(answer, Answer::Pending(_))) && !is_over() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match poll.poll(&mut events, Some(left.min(TICK))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => break,
            _ => {}
        }
        for event in &events {
            let answer = &mut answers[event.token().0];
            let Answer::Pending(transport) = answer else { continue };
            match transport.connected() {
                Ok(false) => {}
                Ok(true) => *answer = Answer::Connected,
                Err(error) => *answer = Answer::Failed(error),
            }
        }
    }
    answers
}

/// Returns a warning about an address that is not used. Machines without IPv6 and servers on only one address
/// of `localhost` are common, so these give no warning.
fn warning(host: &str, address: IpAddr, answer: &Answer, timeout: Duration) -> Option<String> {
    match answer {
        Answer::Connected => None,
        Answer::Pending(_) => {
            Some(format!("{address} of {host} did not answer within {timeout:?} and is not used"))
        }
        Answer::Failed(error) if address.is_loopback() || error.kind() == ErrorKind::NetworkUnreachable => {
            None
        }
        Answer::Failed(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Some(format!("{address} of {host} refused a connection and is not used"))
        }
        Answer::Failed(error) => {
            Some(format!("{address} of {host} cannot be reached and is not used: {error}"))
        }
    }
}
