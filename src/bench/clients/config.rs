//! How clients reach the server, and the contents of their handshake requests.

use super::super::network::Dial;
use super::super::resolve::{Endpoints, Resolver};
use super::super::sources::Sources;
use super::super::target::Target;
use super::super::template::{Speaker, Template};
use super::super::time::Nanos;
use super::super::transport::Tls;
use crate::ws::deflate::Params;
use crate::ws::handshake::{ClientRequest, Connecting, InvalidField};
use crate::ws::{Codec, Config};
use std::net::SocketAddr;

/// How to reach the servers. Shared by all clients.
pub(crate) struct ConnectConfig {
    /// The servers, which clients use in turn; at least one.
    pub targets: Vec<Target>,
    /// The addresses of each server, which its clients use in turn.
    pub addresses: Addresses,
    pub rooms: usize,
    /// Source addresses.
    pub sources: Sources,
    /// Present if a server is reached over TLS.
    pub tls: Option<Tls>,
    /// Further header fields of the request.
    pub headers: Vec<(String, Template)>,
    pub subprotocols: Vec<String>,
    /// Whether to offer compression.
    pub deflate: bool,
    pub timeout: Nanos,
    /// Length of the longest message accepted, in bytes.
    pub max_message: usize,
    /// The first client with a small kernel receive buffer, and the size of that buffer in bytes.
    pub small_buffers: Option<(usize, usize)>,
    /// Whether the kernel stamps arrivals, so that latencies do not include the wake-up of the client.
    pub is_stamped: bool,
    /// The number of the first client, in templates.
    pub client_offset: usize,
    /// Seed of `{random:N}` in templates.
    pub seed: u64,
}

/// The addresses of servers.
pub(crate) enum Addresses {
    /// Addresses that do not change.
    #[cfg_attr(not(test), expect(dead_code, reason = "simulated servers do not move"))]
    Fixed(Endpoints),
    /// Addresses of names, which may change during a run.
    Resolved(Resolver),
}

impl Addresses {
    fn of(&self, target: usize, turn: usize) -> SocketAddr {
        let pick = |endpoints: &Endpoints| endpoints[target][turn % endpoints[target].len()];
        match self {
            Addresses::Fixed(endpoints) => pick(endpoints),
            Addresses::Resolved(resolver) => pick(&resolver.endpoints()),
        }
    }

    /// Resolves names again in the background.
    pub fn refresh(&self) {
        if let Addresses::Resolved(resolver) = self {
            resolver.refresh();
        }
    }

    /// Returns sentences about changes during the run.
    pub fn take_notes(&self) -> Vec<String> {
        match self {
            Addresses::Fixed(_) => Vec::new(),
            Addresses::Resolved(resolver) => resolver.take_notes(),
        }
    }
}

impl ConnectConfig {
    pub fn target(&self, client: usize) -> &Target {
        &self.targets[client % self.targets.len()]
    }

    /// Returns true if the kernel stamps the arrivals of all clients.
    pub fn is_every_arrival_stamped(&self) -> bool {
        cfg!(target_os = "linux") && self.is_stamped && !self.targets.iter().any(|target| target.is_tls)
    }

    pub fn dial(&self, client: usize) -> Dial<'_> {
        let (turn, place) = (client / self.targets.len(), client % self.targets.len());
        let (target, address) = (&self.targets[place], self.addresses.of(place, turn));
        Dial {
            address,
            source: self.sources.for_client(turn),
            receive_buffer: self.small_buffers.filter(|(first, _)| client >= *first).map(|(_, size)| size),
            is_stamped: self.is_stamped,
            tls: self.tls.as_ref().filter(|_| target.is_tls).map(|tls| (tls, target.host.as_str())),
        }
    }

    /// Returns the numbers of the client and its room for templates.
    pub fn speaker(&self, client: usize) -> Speaker {
        let number = self.client_offset + client;
        Speaker { client: number, room: number % self.rooms }
    }

    /// Returns the opening handshake of a client. `cookies` are those that the server has set before.
    pub fn open(
        &self,
        client: usize,
        cookies: Option<&str>,
        codec: &mut Codec,
    ) -> Result<Connecting, InvalidField> {
        let target = self.target(client);
        let speaker = self.speaker(client);
        let mut fields: Vec<(&str, String)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), plain_text(value, speaker, self.seed)))
            .collect();
        if let Some(cookies) = cookies {
            match fields.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
                Some((_, own)) => *own += &format!("; {cookies}"),
                None => fields.push(("Cookie", cookies.to_owned())),
            }
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let path = target
            .path
            .replace("{client}", &speaker.client.to_string())
            .replace("{room}", &speaker.room.to_string());
        let mut request = ClientRequest::new(&target.authority, &path);
        request.subprotocols = &subprotocols;
        request.deflate = if self.deflate { &[Params::BROWSERS_OFFER] } else { &[] };
        request.fields = &fields;
        Connecting::new(&request, &Config { max_message: self.max_message, ..Config::default() }, codec)
    }
}

fn plain_text(template: &Template, speaker: Speaker, seed: u64) -> String {
    let mut text = Vec::new();
    template.write_plain(speaker, seed, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
