//! How the server is reached, and what is asked of it first.

use super::super::sources::Sources;
use super::super::stream::Tls;
use super::super::target::Target;
use crate::ws::deflate::Params;
use crate::ws::handshake::ClientRequest;
use std::net::SocketAddr;
use std::time::Duration;

/// The offer to compress: each message on its own, so that one compressor serves all clients.
const OFFER: Params = Params {
    server_no_context_takeover: true,
    client_no_context_takeover: true,
    server_max_window_bits: None,
    client_max_window_bits: None,
};

/// How the server is reached; the same for all clients.
#[derive(Debug)]
pub struct Access {
    /// The servers, which clients take in turn; at least one.
    pub targets: Vec<Target>,
    /// Which clients take in turn, by the number in their path.
    pub rooms: usize,
    /// Addresses to connect from.
    pub sources: Sources,
    /// If a server asks for it.
    pub tls: Option<Tls>,
    /// Further fields of the request.
    pub fields: Vec<(String, String)>,
    /// In order of preference.
    pub subprotocols: Vec<String>,
    /// Compression is offered.
    pub deflate: bool,
    /// For a connection to open.
    pub timeout: Duration,
    /// The longest message taken, in bytes.
    pub max_message: usize,
    /// Clients from this number on will stop reading: the system is to take in little for them.
    pub readers: usize,
}

impl Access {
    /// Where a client connects to: of a server with several addresses to one after the other.
    pub(super) fn target(&self, client: usize) -> (&Target, SocketAddr) {
        let (turn, place) = (client / self.targets.len(), client % self.targets.len());
        let target = &self.targets[place];
        (target, target.addresses[turn % target.addresses.len()])
    }

    /// Lends the request that a client makes.
    pub(super) fn with_request<T>(
        &self,
        client: usize,
        nonce: [u8; 16],
        use_it: impl FnOnce(&ClientRequest<'_>) -> T,
    ) -> T {
        let (target, _) = self.target(client);
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let subprotocols: Vec<_> = self.subprotocols.iter().map(String::as_str).collect();
        let path = target
            .path
            .replace("{client}", &client.to_string())
            .replace("{room}", &(client % self.rooms).to_string());
        use_it(&ClientRequest {
            host: &target.authority,
            target: &path,
            nonce,
            subprotocols: &subprotocols,
            deflate: self.deflate.then_some(OFFER),
            fields: &fields,
        })
    }
}
