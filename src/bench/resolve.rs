//! Resolution of the hosts of a run.
//!
//! A name may have several addresses, some of which may have no server. At the start all of them are tried at
//! once, and those that do not answer are not used if others do. The addresses of a name may also change
//! during a run, so it can be resolved again in the background ([`Resolver::refresh`]).

use super::target::Target;
use super::transport::Transport;
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long an address may take to answer if the name has others.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
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

/// A name and port, or an address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: u16,
    /// All addresses of the name that can be reached from the source addresses.
    known: Vec<SocketAddr>,
    /// The addresses that clients connect to.
    used: Vec<SocketAddr>,
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

/// The result of an attempt to connect.
enum Answer {
    Pending(Transport),
    Connected,
    Failed(io::Error),
}

/// Chooses the addresses of each host to use. Connects only to addresses not in use yet, and only if there is
/// a choice, since the server sees these connections.
fn choose(hosts: &mut [Host], timeout: Duration, is_over: impl Fn() -> bool) -> Vec<String> {
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

/// Returns true if all servers are in 127.0.0.0/8, so that any address of it can be a source address.
pub(crate) fn are_in_127(endpoints: &Endpoints) -> bool {
    endpoints.iter().flatten().all(|address| address.is_ipv4() && address.ip().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn targets(urls: &[&str]) -> Vec<Target> {
        urls.iter().map(|url| url.parse().expect(url)).collect()
    }

    fn listener(address: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Returns an address that refuses connections. While the socket exists, no other program can listen on
    /// it.
    fn refusing() -> (socket2::Socket, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    }

    /// Returns an address whose accept queue is full, so that further connections get no answer.
    fn silent() -> (socket2::Socket, Vec<Transport>, SocketAddr) {
        let (socket, address) = refusing();
        socket.listen(0).unwrap();
        let connect = || Transport::connect(address, None, None, None).unwrap();
        let waiting: Vec<Transport> = std::iter::repeat_with(connect).take(3).collect();
        while !waiting[0].connected().unwrap() {
            thread::yield_now();
        }
        (socket, waiting, address)
    }

    fn resolver(
        look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
        urls: &[&str],
    ) -> Result<(Resolver, Vec<String>), Unresolved> {
        let interrupted = AtomicBool::new(false);
        Resolver::with(Box::new(look_up), Box::new(|_| true), &targets(urls), TIMEOUT, &interrupted)
    }

    /// Waits until a refresh has finished.
    fn wait(resolver: &Resolver) {
        while resolver.0.state().is_asking {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_ip_address_is_used_without_lookup_or_probe() {
        let (listener, address) = listener("127.0.0.1:0");
        let urls = [format!("ws://{address}/a"), "wss://[::1]".to_owned(), format!("ws://{address}/b")];
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let (resolver, warnings) =
            Resolver::resolve(&targets(&urls), |_| true, TIMEOUT, &AtomicBool::new(false)).unwrap();
        let v6 = "[::1]:443".parse().unwrap();
        assert_eq!(*resolver.endpoints(), [[address], [v6], [address]]);
        assert!(warnings.is_empty() && !are_in_127(&resolver.endpoints()));
        resolver.refresh();
        assert!(!resolver.0.state().is_asking, "there is nothing to resolve");
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn addresses_that_do_not_answer_are_not_used_if_others_do() {
        let (_listener, answering) = listener("127.0.0.1:0");
        let ((_socket, refusing), (_full, _waiting, silent)) = (refusing(), silent());
        let all = [refusing, answering, silent, answering];
        let (resolver, warnings) = resolver(move |_, _| Ok(all.into()), &["ws://h"]).unwrap();
        assert_eq!(*resolver.endpoints(), [[answering]]);
        assert_eq!(warnings, ["127.0.0.1 of h did not answer within 2s and is not used"]);
        assert!(are_in_127(&resolver.endpoints()));
    }

    #[test]
    fn all_addresses_are_kept_if_none_answers() {
        let ((_a, first), (_b, second)) = (refusing(), refusing());
        let (resolver, warnings) = resolver(move |_, _| Ok(vec![first, second]), &["ws://h"]).unwrap();
        assert_eq!(*resolver.endpoints(), [[first, second]]);
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_signal_interrupts_lookups_and_probes() {
        let (_full, _waiting, silent) = silent();
        let (_other_full, _other_waiting, other) = self::silent();
        let slow = |_: &str, _| {
            thread::sleep(Duration::from_secs(600));
            Ok(Vec::new())
        };
        let look_ups: [Box<LookUp>; 2] = [Box::new(slow), Box::new(move |_, _| Ok(vec![silent, other]))];
        for look_up in look_ups {
            let interrupted = AtomicBool::new(false);
            let outcome = thread::scope(|scope| {
                let can_reach = Box::new(|_| true);
                let waiting = scope.spawn(|| {
                    Resolver::with(look_up, can_reach, &targets(&["ws://h"]), TIMEOUT, &interrupted)
                });
                interrupted.store(true, Ordering::Relaxed);
                waiting.join().unwrap()
            });
            assert_eq!(outcome.err(), Some(Unresolved::Interrupted));
        }
    }

    #[test]
    fn errors_explain_why_there_is_no_address() {
        let fails = resolver(|_, _| Err(io::Error::other("no such name")), &["ws://nowhere.example"]);
        let text = "cannot find the host nowhere.example: no such name";
        assert_eq!(fails.err(), Some(Unresolved::NotFound(text.into())));
        let empty = resolver(|_, _| Ok(Vec::new()), &["ws://h"]).err();
        assert_eq!(empty, Some(Unresolved::NotFound("the host h has no address".into())));
        let other = Resolver::resolve(
            &targets(&["ws://[::1]:1"]),
            |address| address.is_ipv4(),
            TIMEOUT,
            &AtomicBool::new(false),
        );
        assert!(matches!(other.err(), Some(Unresolved::OtherFamily(why)) if why.starts_with("::1 cannot")));
        let slow = |_: &str, _| {
            thread::sleep(Duration::from_secs(600));
            Ok(Vec::new())
        };
        let timeout = Duration::from_millis(50);
        let late = Resolver::with(
            Box::new(slow),
            Box::new(|_| true),
            &targets(&["ws://h"]),
            timeout,
            &AtomicBool::new(false),
        );
        let text = "cannot find the host h: no answer within 50ms";
        assert_eq!(late.err(), Some(Unresolved::NotFound(text.into())));
    }

    #[test]
    fn addresses_are_updated_and_kept_if_the_lookup_fails() {
        let (first, second) = ("192.0.2.1:80".parse().unwrap(), "192.0.2.2:80".parse().unwrap());
        let found = Arc::new(Mutex::new(Ok(vec![first])));
        let now = Arc::clone(&found);
        let look_up = move |_: &str, _| match &*now.lock().unwrap() {
            Ok(addresses) => Ok(Vec::clone(addresses)),
            Err(kind) => Err(io::Error::from(*kind)),
        };
        let (resolver, _) = resolver(look_up, &["ws://h", "ws://h/b"]).unwrap();
        assert_eq!(*resolver.endpoints(), [[first], [first]]);
        for (answer, expected) in
            [(Err(ErrorKind::NotFound), first), (Ok(vec![second]), second), (Ok(Vec::new()), second)]
        {
            *found.lock().unwrap() = answer;
            resolver.0.state().asked_at = None;
            resolver.refresh();
            wait(&resolver);
            assert_eq!(*resolver.endpoints(), [[expected], [expected]]);
        }
        assert_eq!(
            resolver.take_notes(),
            ["the address of h changed from 192.0.2.1 to 192.0.2.2 during the run"]
        );
        assert!(resolver.take_notes().is_empty());
        *found.lock().unwrap() = Ok(vec![first]);
        resolver.refresh();
        assert!(!resolver.0.state().is_asking, "the last refresh is too recent");
    }

    #[test]
    fn an_address_in_use_is_not_probed_again() {
        let ((one, first), (two, second)) = (listener("127.0.0.1:0"), listener("127.0.0.1:0"));
        let (three, third) = listener("127.0.0.1:0");
        let found = Arc::new(Mutex::new(vec![first, second]));
        let now = Arc::clone(&found);
        let (resolver, _) = resolver(move |_, _| Ok(now.lock().unwrap().clone()), &["ws://h"]).unwrap();
        *found.lock().unwrap() = vec![third, second];
        resolver.refresh();
        wait(&resolver);
        assert_eq!(*resolver.endpoints(), [[third, second]]);
        for listener in [one, two, three] {
            listener.accept().unwrap();
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn servers_in_127_are_recognised() {
        for (addresses, expected) in [
            (&["127.0.0.1:1", "127.9.9.9:2"][..], true),
            (&["127.0.0.1:1", "[::1]:1"], false),
            (&["192.0.2.1:1"], false),
        ] {
            let endpoints = addresses.iter().map(|address| vec![address.parse().unwrap()]).collect();
            assert_eq!(are_in_127(&endpoints), expected, "{addresses:?}");
        }
    }
}
