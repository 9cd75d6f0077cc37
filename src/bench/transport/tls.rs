//! TLS, with rustls: trusted certificates, and the records between a socket and its user.

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    InvalidMessage, RootCertStore, SignatureScheme,
};
use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Number of bytes that a write may leave unsent, before encryption: one record.
const BUFFER_LIMIT: usize = 16 << 10;

/// Configuration shared by all TLS connections of a run.
#[derive(Clone, Debug)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Creates a configuration that trusts the authorities of the system, or only those in the PEM file
    /// `cacert`, or, if `insecure`, every server.
    pub fn new(cacert: Option<&Path>, insecure: bool) -> Result<Tls, String> {
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer))
        } else {
            builder.with_root_certificates(roots(cacert)?)
        };
        let mut config = builder.with_no_client_auth();
        // The clients represent different users, none of whom has connected before.
        config.resumption = Resumption::disabled();
        Ok(Tls(Arc::new(config)))
    }
}

fn roots(cacert: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(file) = cacert else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(
                "the system has no trusted certificate authorities: name a file of certificates with --cacert, \
                        or accept any certificate with --insecure"
                    .into(),
            );
        }
        return Ok(roots);
    };
    let fault = |why: &dyn Display| format!("cannot read certificates from {}: {why}", file.display());
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| fault(&error))? {
        let certificate = certificate.map_err(|error| fault(&error))?;
        roots.add(certificate).map_err(|error| fault(&error))?;
    }
    if roots.is_empty() {
        return Err(fault(&"it contains none in PEM format"));
    }
    Ok(roots)
}

/// Accepts any certificate and signature. Since the identity of the server does not matter, nor does
/// ownership of the key: a check would only reject servers whose keys or signatures rustls cannot verify,
/// such as 1024-bit RSA, P-521 and SHA-1.
#[derive(Debug)]
struct AnyServer;

/// All schemes that a server may sign with. Those without a name are for keys restricted to RSA-PSS.
const SCHEMES: [SignatureScheme; 16] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// TLS over a socket.
#[derive(Debug)]
pub(crate) struct TlsTransport {
    socket: TcpStream,
    tls: ClientConnection,
}

impl TlsTransport {
    pub(super) fn new(socket: TcpStream, tls: &Tls, host: &str) -> io::Result<TlsTransport> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(ErrorKind::InvalidInput, format!("the host {host:?} cannot have a certificate"))
        })?;
        let mut tls = ClientConnection::new(tls.0.clone(), name).map_err(fault)?;
        tls.set_buffer_limit(Some(BUFFER_LIMIT));
        Ok(TlsTransport { socket, tls })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Reads at least one byte, unless the stream has ended.
    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let processed = self.tls.process_new_packets();
            // Send a reply of the handshake, or the alert that explains the error. If the socket does not
            // accept it, the next read or write reports that.
            let _ = self.flush();
            processed.map_err(fault)?;
            match self.tls.reader().read(buffer) {
                Err(error) if is_block(&error) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return self.end(),
                result => return result,
            }
            self.tls.read_tls(&mut self.socket)?;
        }
    }

    /// Handles the end of a connection without close_notify.
    fn end(&self) -> io::Result<usize> {
        if self.is_handshaking() {
            let text = "the server closed the connection during the TLS handshake: if it does not use TLS, use ws://";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        Ok(0)
    }
}

impl Read for TlsTransport {
    /// Fills the buffer or empties the socket. An error after some bytes is reported by the next read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(len) => filled += len,
                Err(error) if filled == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(filled)
    }
}

impl Write for TlsTransport {
    /// Accepts at most one record more than the socket accepts; the next flush sends it. During the handshake
    /// it accepts one record in total.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.tls.writer().write(bytes)?;
        match self.flush() {
            Err(error) if !is_block(&error) => Err(error),
            _ if taken == 0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

fn is_block(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

/// Describes a TLS error in a sentence.
fn fault(error: Error) -> io::Error {
    let text = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is not issued by a trusted authority: name a file with its authority with --cacert, \
             or accept any certificate with --insecure"
                .into()
        }
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the server's certificate is that of an authority (CA:TRUE, as made by openssl req -x509): create \
             one with basicConstraints=CA:FALSE, or accept any certificate with --insecure"
                .into()
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the signature of the server's certificate is invalid: --cacert may contain an older certificate of the same authority".into()
        }
        Error::InvalidCertificate(error) => {
            format!("the server's certificate is not valid ({error}): --insecure accepts any")
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not use TLS: use ws:// instead of wss://".into()
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server does not support TLS 1.2 or later".into()
        }
        Error::AlertReceived(AlertDescription::HandshakeFailure)
        | Error::PeerIncompatible(_) => {
            format!("the server and this client have no cipher in common (TLS: {error})")
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server requires a client certificate, which is not supported".into()
        }
        error => format!("TLS: {error}"),
    };
    io::Error::new(ErrorKind::InvalidData, text)
}
