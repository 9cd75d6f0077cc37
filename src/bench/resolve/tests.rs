use super::super::transport::Transport;
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
            let waiting = scope
                .spawn(|| Resolver::with(look_up, can_reach, &targets(&["ws://h"]), TIMEOUT, &interrupted));
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
