use super::*;
use mio::{Events, Poll};
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, DnType, IsCa, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{Signer, SigningKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ServerConfig, ServerConnection, SignatureAlgorithm, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use std::net;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

type Identity = CertifiedKey<KeyPair>;
type Accepted = StreamOwned<ServerConnection, net::TcpStream>;

fn identity(names: &[&str]) -> Identity {
    identity_of("a server", names)
}

fn identity_of(subject: &str, names: &[&str]) -> Identity {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, subject);
    let signing_key = KeyPair::generate().unwrap();
    CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key }
}

/// Writes `text` to its own file and loads it with `Tls::new`.
fn with_file(text: &str) -> Result<Tls, String> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("throng-{}-{number}.pem", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let tls = Tls::new(Some(&file), false);
    std::fs::remove_file(&file).unwrap();
    tls
}

fn trusting(identity: &Identity) -> Tls {
    with_file(&identity.cert.pem()).unwrap()
}

fn is_handshaking(stream: &Transport) -> bool {
    matches!(stream, Transport::Tls(tls) if tls.is_handshaking())
}

/// Starts a server for one connection.
fn serve<T: Send + 'static>(
    handle: impl FnOnce(net::TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || handle(listener.accept().unwrap().0)))
}

fn serve_tls<T: Send + 'static>(
    identity: &Identity,
    version: &'static SupportedProtocolVersion,
    handle: impl FnOnce(Accepted) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der()).into();
    let key = provider().key_provider.load_private_key(key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![identity.cert.der().clone()], key);
    serve_tls_with(Arc::new(SingleCertAndKey::from(certified)), version, handle)
}

fn serve_tls_with<T: Send + 'static>(
    resolver: Arc<dyn ResolvesServerCert>,
    version: &'static SupportedProtocolVersion,
    handle: impl FnOnce(Accepted) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    let connection = ServerConnection::new(Arc::new(config)).unwrap();
    serve(move |socket| handle(StreamOwned::new(connection, socket)))
}

fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn echo(mut stream: impl Read + Write) {
    let mut buffer = [0; 5000];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        stream.write_all(&buffer[..len]).unwrap();
    }
}

/// Sends close_notify and waits until the client has closed.
fn end(mut stream: Accepted) {
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    let _ = stream.read(&mut [0]);
}

fn connect(address: SocketAddr, tls: &Tls, host: &str) -> Transport {
    Transport::connect(address, None, None, Some((tls, host))).unwrap()
}

/// Calls `step` on each event until it returns a result.
fn drive<T>(
    stream: &mut Transport,
    mut step: impl FnMut(&mut Transport) -> io::Result<Option<T>>,
) -> io::Result<T> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4);
    poll.registry().register(stream, Token(0), Interest::READABLE | Interest::WRITABLE)?;
    loop {
        poll.poll(&mut events, Some(Duration::from_secs(20)))?;
        assert!(!events.is_empty(), "no event for 20 s");
        if stream.connected()?
            && let Some(result) = step(stream)?
        {
            poll.registry().deregister(stream)?;
            return Ok(result);
        }
    }
}

/// Reads until the socket is empty. Returns true at the end of the stream.
fn read_ready(stream: &mut Transport, received: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 10_000];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(len) => received.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Writes until the socket accepts no more. Returns the number of bytes accepted.
fn write_ready(stream: &mut Transport, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(len) => sent += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
    match stream.flush() {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(sent),
    }
}

/// Sends all bytes and waits until as many were received.
fn exchange(stream: &mut Transport, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (mut sent, mut received) = (0, Vec::new());
    drive(stream, |stream| {
        if read_ready(stream, &mut received)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        sent += write_ready(stream, &bytes[sent..])?;
        Ok((received.len() >= bytes.len()).then(|| std::mem::take(&mut received)))
    })
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

#[test]
fn a_megabyte_is_echoed_over_tcp_and_each_version_of_tls() {
    let bytes = pattern(1 << 20);
    for receive_buffer in [None, Some(4096)] {
        let (address, server) = serve(echo);
        let mut stream = Transport::connect(address, None, receive_buffer, None).unwrap();
        assert!(exchange(&mut stream, &bytes).unwrap() == bytes);
        drop(stream);
        server.join().unwrap();

        let identity = identity(&["localhost", "127.0.0.1"]);
        let tls = trusting(&identity);
        for (version, host) in [(&TLS12, "localhost"), (&TLS13, "127.0.0.1")] {
            let (address, server) = serve_tls(&identity, version, echo);
            let mut stream = Transport::connect(address, None, receive_buffer, Some((&tls, host))).unwrap();
            assert!(exchange(&mut stream, &bytes).unwrap() == bytes);
            drop(stream);
            server.join().unwrap();
        }
    }
}

#[test]
fn bytes_left_by_a_write_are_sent_by_flush() {
    let identity = identity(&["localhost"]);
    let (start, started) = mpsc::channel();
    let (address, server) = serve_tls(&identity, &TLS13, move |mut stream| {
        stream.conn.complete_io(&mut stream.sock).unwrap();
        let mut received = vec![0; started.recv().unwrap()];
        stream.read_exact(&mut received).unwrap();
        received
    });
    let mut stream = connect(address, &trusting(&identity), "localhost");
    let chunk = pattern(10_000);
    let mut sent = Vec::new();
    drive(&mut stream, |stream| {
        read_ready(stream, &mut Vec::new())?;
        loop {
            match write_ready(stream, &chunk)? {
                taken if taken == chunk.len() => sent.extend_from_slice(&chunk),
                taken => {
                    sent.extend_from_slice(&chunk[..taken]);
                    // During the handshake it is not the socket that blocks.
                    return Ok((!is_handshaking(stream)).then_some(()));
                }
            }
        }
    })
    .unwrap();
    start.send(sent.len()).unwrap();
    drive(&mut stream, |stream| match stream.flush() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    })
    .unwrap();
    assert!(server.join().unwrap() == sent, "{} bytes sent", sent.len());
}

#[test]
fn certificates_of_unknown_authorities_are_rejected_unless_insecure() {
    let server = identity(&["localhost"]);
    let others = [
        (identity_of("another server", &["localhost"]), "not issued by a trusted authority"),
        (identity(&["localhost"]), "an older certificate of the same authority"),
    ];
    for version in [&TLS12, &TLS13] {
        for (other, part) in &others {
            let (address, thread) = serve_tls(&server, version, echo);
            let error = exchange(&mut connect(address, &trusting(other), "localhost"), b"hello").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains(part), "{error}");
            thread.join().unwrap();
        }
        let (address, thread) = serve_tls(&server, version, echo);
        let any = Tls::new(None, true).unwrap();
        assert_eq!(exchange(&mut connect(address, &any, "another.example"), b"hello").unwrap(), b"hello");
        thread.join().unwrap();
    }
}

/// Presents something that is not a certificate, and signs with zeros.
#[derive(Debug)]
struct Impostor(SignatureScheme);

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let certificate = b"not a certificate".to_vec().into();
        Some(Arc::new(rustls::sign::CertifiedKey::new(vec![certificate], Arc::new(Impostor(self.0)))))
    }
}

impl SigningKey for Impostor {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.0).then(|| Box::new(Impostor(self.0)) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0 {
            SignatureScheme::ECDSA_NISTP256_SHA256
            | SignatureScheme::ECDSA_NISTP384_SHA384
            | SignatureScheme::ECDSA_NISTP521_SHA512
            | SignatureScheme::ECDSA_SHA1_Legacy => SignatureAlgorithm::ECDSA,
            SignatureScheme::ED25519 => SignatureAlgorithm::ED25519,
            SignatureScheme::ED448 => SignatureAlgorithm::ED448,
            _ => SignatureAlgorithm::RSA,
        }
    }
}

impl Signer for Impostor {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0; 64])
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}

#[test]
fn any_certificate_and_signature_is_accepted_only_if_insecure() {
    use SignatureScheme as Scheme;
    // Schemes that the server side of rustls can sign with; SHA-1 is not among them.
    let tls12 = [
        Scheme::RSA_PKCS1_SHA256,
        Scheme::RSA_PKCS1_SHA512,
        Scheme::RSA_PSS_SHA256,
        Scheme::ECDSA_NISTP521_SHA512,
    ];
    let tls13 =
        [Scheme::RSA_PSS_SHA512, Scheme::ECDSA_NISTP521_SHA512, Scheme::ED448, Scheme::Unknown(0x0809)];
    let versions = [(&TLS12, &tls12[..]), (&TLS13, &tls13[..])];
    let any = Tls::new(None, true).unwrap();
    let some = trusting(&identity(&["localhost"]));
    for (version, schemes) in versions {
        for scheme in schemes {
            for (tls, is_taken) in [(&any, true), (&some, false)] {
                let (address, server) = serve_tls_with(Arc::new(Impostor(*scheme)), version, echo);
                let echoed = exchange(&mut connect(address, tls, "localhost"), b"hello");
                assert_eq!(echoed.is_ok(), is_taken, "{scheme:?}: {echoed:?}");
                server.join().unwrap();
            }
        }
    }
}

#[test]
fn the_certificate_of_an_authority_is_rejected_as_that_of_a_server() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signing_key = KeyPair::generate().unwrap();
    let identity = CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key };
    let (address, server) = serve_tls(&identity, &TLS13, echo);
    let error = exchange(&mut connect(address, &trusting(&identity), "localhost"), b"hello").unwrap_err();
    assert!(error.to_string().contains("CA:FALSE"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_certificate_for_another_host_is_rejected_with_both_names() {
    let identity = identity(&["another.example"]);
    let (address, server) = serve_tls(&identity, &TLS13, echo);
    let error = exchange(&mut connect(address, &trusting(&identity), "localhost"), b"hello").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("localhost") && text.contains("another.example"), "{text}");
    server.join().unwrap();
}

#[test]
fn a_host_that_cannot_have_a_certificate_is_rejected() {
    let (address, server) = serve(drop);
    let tls = Tls::new(None, true).unwrap();
    let error = Transport::connect(address, None, None, Some((&tls, "-"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_without_tls_is_recognised() {
    let (address, server) = serve(|mut socket| {
        let _ = socket.read(&mut [0; 1000]);
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = socket.read(&mut [0; 1000]);
    });
    let tls = Tls::new(None, true).unwrap();
    let error = exchange(&mut connect(address, &tls, "localhost"), b"hello").unwrap_err();
    assert_eq!(error.to_string(), "the server does not use TLS: use ws:// instead of wss://");
    server.join().unwrap();
}

#[test]
fn a_file_without_certificates_is_rejected() {
    let nowhere = Tls::new(Some("/nowhere/ca.pem".as_ref()), false).unwrap_err();
    assert!(nowhere.contains("read certificates from /nowhere/ca.pem: "), "{nowhere}");
    for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let fault = with_file(text).expect_err(text);
        assert!(fault.starts_with("cannot read certificates from "), "{fault}");
    }
}

#[test]
fn the_end_of_the_stream_is_read_with_and_without_close_notify() {
    let identity = identity(&["localhost"]);
    let cut = |mut stream: Accepted| {
        stream.write_all(b"bye").unwrap();
    };
    let say = |mut stream: Accepted| {
        stream.write_all(b"bye").unwrap();
        end(stream);
    };
    let servers = [serve_tls(&identity, &TLS13, cut), serve_tls(&identity, &TLS13, say)];
    for (address, server) in servers {
        let mut stream = connect(address, &trusting(&identity), "localhost");
        let mut received = Vec::new();
        drive(&mut stream, |stream| {
            let has_ended = read_ready(stream, &mut received)?;
            stream.flush()?;
            Ok(has_ended.then_some(()))
        })
        .unwrap();
        assert_eq!(received, b"bye");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the end remains");
        drop(stream);
        server.join().unwrap();
    }
}

#[test]
fn a_connection_closed_during_the_handshake_is_an_error() {
    let (address, server) = serve(|mut socket| socket.read(&mut [0; 2000]).unwrap());
    let mut stream = connect(address, &Tls::new(None, true).unwrap(), "localhost");
    let error = exchange(&mut stream, b"hello").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the server closed the connection during the TLS handshake: "), "{text}");
    server.join().unwrap();
}

#[test]
fn a_client_connects_from_its_source_address() {
    for (server, source) in [("127.0.0.1:0", "127.0.0.3"), ("[::1]:0", "::1")] {
        // A machine may be without IPv6.
        let Ok(listener) = net::TcpListener::bind(server) else { continue };
        let source: IpAddr = source.parse().unwrap();
        let address = listener.local_addr().unwrap();
        let mut stream = Transport::connect(address, Some(source), None, None).unwrap();
        drive(&mut stream, |_| Ok(Some(()))).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), source);
    }
}

#[test]
fn a_connection_to_a_closed_port_is_refused() {
    let address = net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Transport::connect(address, None, None, None)
        .and_then(|mut stream| drive(&mut stream, |_| Ok(Some(()))))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_transport_without_tls_is_small() {
    assert!(size_of::<Transport>() <= 16);
}
