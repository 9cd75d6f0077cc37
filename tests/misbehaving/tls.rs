//! An echo server with TLS and a self-signed certificate.

use super::wire::{BINARY, CLOSE, FrameReader, Request, TEXT};
use rcgen::{CertificateParams, CertifiedKey, DnType, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A server that runs until the process ends.
pub struct TlsEcho {
    address: SocketAddr,
    /// Its self-signed certificate, in PEM format.
    pub certificate: String,
}

impl TlsEcho {
    /// Starts a server with a certificate for these names.
    pub fn start(names: &[&str]) -> TlsEcho {
        let mut params =
            CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an echo under test");
        let signing_key = KeyPair::generate().unwrap();
        let identity = CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key };
        let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                thread::spawn(move || serve(StreamOwned::new(tls, stream)));
            }
        });
        TlsEcho { address, certificate: identity.cert.pem() }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

fn serve(stream: StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> {
    stream.sock.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let request = Request::read(&mut stream)?;
    stream.get_mut().write_all(request.switching().as_bytes())?;
    let mut frames = FrameReader::new(stream);
    loop {
        let frame = frames.next()?;
        if matches!(frame.opcode, TEXT | BINARY | CLOSE) {
            frames.stream().get_mut().write_all(&frame.encode())?;
        }
        if frame.opcode == CLOSE {
            return Ok(());
        }
    }
}
