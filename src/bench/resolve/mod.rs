//! Resolution of the hosts of a run.
//!
//! A name may have several addresses, some of which may have no server. At the start all of them are tried at
//! once, and those that do not answer are not used if others do. The addresses of a name may also change
//! during a run, so it can be resolved again in the background ([`Resolver::refresh`]).

mod probe;
#[cfg(test)]
mod tests;

use super::target::Target;
use probe::{Host, PROBE_TIMEOUT, choose};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How often the interrupt flag is checked.
const TICK: Duration = Duration::from_millis(20);
/// Minimum time between two resolutions of a name.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// For each target of a run, in order, the addresses to connect to: at least one.
pub(crate) type Endpoints = Vec<Vec<SocketAddr>>;

/// The reason why there are no addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// A signal arrived first.
    Interrupted,
    /// A name has no address, or the lookup failed.
    NotFound(String),
    /// The source addresses are IPv4 and the addresses of a name IPv6, or vice versa.
    OtherFamily(String),
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::Interrupted => f.write_str("interrupted"),
            Unresolved::NotFound(why) | Unresolved::OtherFamily(why) => f.write_str(why),
        }
    }
}

type LookUp = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;
type CanReach = dyn Fn(IpAddr) -> bool + Send + Sync;

/// Holds the addresses of the targets and updates them.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<Shared>);

struct Shared {
    look_up: Box<LookUp>,
    can_reach: Box<CanReach>,
    /// For each target, the index of its host.
    targets: Vec<usize>,
    state: Mutex<State>,
}

struct State {
    hosts: Vec<Host>,
    endpoints: Arc<Endpoints>,
    notes: Vec<String>,
    is_asking: bool,
    asked_at: Option<Instant>,
}

impl Resolver {
    /// Resolves all targets within `timeout`. Excludes addresses that `can_reach` rejects, and addresses that
    /// do not answer if others of the same name do. Returns warnings too.
    pub fn resolve(
        targets: &[Target],
        can_reach: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
        timeout: Duration,
        interrupted: &AtomicBool,
    ) -> Result<(Resolver, Vec<String>), Unresolved> {
        let look_up = |host: &str, port| Ok((host, port).to_socket_addrs()?.collect());
        Resolver::with(Box::new(look_up), Box::new(can_reach), targets, timeout, interrupted)
    }

    fn with(
        look_up: Box<LookUp>,
        can_reach: Box<CanReach>,
        targets: &[Target],
        timeout: Duration,
        interrupted: &AtomicBool,
    ) -> Result<(Resolver, Vec<String>), Unresolved> {
        let mut hosts: Vec<Host> = Vec::new();
        let mut places = Vec::new();
        for Target { host, port, .. } in targets {
            let known = hosts.iter().position(|known| known.name == *host && known.port == *port);
            places.push(known.unwrap_or_else(|| {
                hosts.push(Host { name: host.clone(), port: *port, known: Vec::new(), used: Vec::new() });
                hosts.len() - 1
            }));
        }
        let shared = Arc::new(Shared {
            look_up,
            can_reach,
            targets: places,
            state: Mutex::new(State {
                hosts: Vec::new(),
                endpoints: Arc::default(),
                notes: Vec::new(),
                is_asking: false,
                asked_at: None,
            }),
        });
        let found = shared.look_up_all(&hosts, timeout, interrupted)?;
        for (host, found) in hosts.iter_mut().zip(found) {
            let found = found.map_err(|error| {
                Unresolved::NotFound(format!("cannot find the host {}: {error}", host.name))
            })?;
            host.known = shared.reachable(&found);
            if host.known.is_empty() {
                return Err(if found.is_empty() {
                    Unresolved::NotFound(format!("the host {} has no address", host.name))
                } else {
                    Unresolved::OtherFamily(format!(
                        "{} cannot be reached from the addresses of --source-ip: one has IPv4 and the other IPv6",
                        host.name
                    ))
                });
            }
        }
        let warnings = choose(&mut hosts, timeout, || interrupted.load(Ordering::Relaxed));
        if interrupted.load(Ordering::Relaxed) {
            return Err(Unresolved::Interrupted);
        }
        let mut state = shared.state();
        state.endpoints = shared.endpoints(&hosts);
        state.hosts = hosts;
        drop(state);
        Ok((Resolver(shared), warnings))
    }

    /// Returns the current addresses.
    pub fn endpoints(&self) -> Arc<Endpoints> {
        Arc::clone(&self.0.state().endpoints)
    }

    /// Resolves names again in a separate thread, without waiting for it. Does nothing within 5 s of the last
    /// time, or if there are no names to resolve.
    pub fn refresh(&self) {
        let mut state = self.0.state();
        let is_soon = state.asked_at.is_some_and(|at| at.elapsed() < REFRESH_INTERVAL);
        let has_names = state.hosts.iter().any(|host| host.name.parse::<IpAddr>().is_err());
        if state.is_asking || is_soon || !has_names {
            return;
        }
        (state.is_asking, state.asked_at) = (true, Some(Instant::now()));
        let hosts = state.hosts.clone();
        drop(state);
        let shared = Arc::clone(&self.0);
        let asking = thread::Builder::new().name("resolver".into()).spawn(move || shared.ask_again(hosts));
        if asking.is_err() {
            self.0.state().is_asking = false;
        }
    }

    /// Returns sentences about changes since the start. Each is returned once.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.state().notes)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up all hosts at the same time, each in its own thread, since a lookup cannot be interrupted.
    fn look_up_all(
        self: &Arc<Shared>,
        hosts: &[Host],
        timeout: Duration,
        interrupted: &AtomicBool,
    ) -> Result<Vec<io::Result<Vec<SocketAddr>>>, Unresolved> {
        let (sender, receiver) = mpsc::channel();
        for (place, host) in hosts.iter().cloned().enumerate() {
            let (shared, sender) = (Arc::clone(self), sender.clone());
            thread::Builder::new()
                .name("resolver".into())
                .spawn(move || {
                    // The receiver may have given up.
                    let _ = sender.send((place, (shared.look_up)(&host.name, host.port)));
                })
                .map_err(|error| Unresolved::NotFound(format!("cannot start a thread: {error}")))?;
        }
        let deadline = Instant::now() + timeout;
        let no_answer = || Err(io::Error::new(ErrorKind::TimedOut, format!("no answer within {timeout:?}")));
        let mut found: Vec<_> = hosts.iter().map(|_| no_answer()).collect();
        let mut missing = hosts.len();
        while missing > 0 && Instant::now() < deadline {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Unresolved::Interrupted);
            }
            if let Ok((place, addresses)) = receiver.recv_timeout(TICK) {
                found[place] = addresses;
                missing -= 1;
            }
        }
        Ok(found)
    }

    /// Returns the addresses that can be reached from the source addresses, without duplicates.
    fn reachable(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut seen = BTreeSet::new();
        found
            .iter()
            .copied()
            .filter(|address| (self.can_reach)(address.ip()) && seen.insert(*address))
            .collect()
    }

    fn endpoints(&self, hosts: &[Host]) -> Arc<Endpoints> {
        Arc::new(self.targets.iter().map(|&place| hosts[place].used.clone()).collect())
    }

    /// Updates the addresses. A name keeps its addresses if the lookup finds none.
    fn ask_again(&self, mut hosts: Vec<Host>) {
        let before = hosts.clone();
        for host in &mut hosts {
            let found = (self.look_up)(&host.name, host.port).unwrap_or_default();
            let found = self.reachable(&found);
            let is_same = found.iter().collect::<BTreeSet<_>>() == host.known.iter().collect();
            if !found.is_empty() && !is_same {
                host.known = found;
                host.used.retain(|address| host.known.contains(address));
            }
        }
        let mut notes = choose(&mut hosts, PROBE_TIMEOUT, || false);
        for (old, new) in before.iter().zip(&hosts).filter(|(old, new)| old.used != new.used) {
            let list = |host: &Host| {
                host.used.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
            };
            notes.push(format!(
                "the address of {} changed from {} to {} during the run",
                new.name,
                list(old),
                list(new)
            ));
        }
        let mut state = self.state();
        state.is_asking = false;
        state.notes.append(&mut notes);
        if hosts != before {
            state.endpoints = self.endpoints(&hosts);
            state.hosts = hosts;
        }
    }
}

/// Returns true if all servers are in 127.0.0.0/8, so that any address of it can be a source address.
pub(crate) fn are_in_127(endpoints: &Endpoints) -> bool {
    endpoints.iter().flatten().all(|address| address.is_ipv4() && address.ip().is_loopback())
}
