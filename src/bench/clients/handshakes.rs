//! Opening handshakes: the requests of clients, and the evaluation of responses.

use super::super::refusal;
use super::client::{Cause, Opening};
use super::config::ConnectConfig;
use crate::ws::handshake::{Connecting, Refused, ResponseError};
use crate::ws::{Codec, Connection};
use std::collections::HashMap;

/// The opening handshakes of one thread's clients.
pub(super) struct Handshakes<'a> {
    config: &'a ConnectConfig,
    /// The number of this thread's first client among those of all threads.
    first: usize,
    /// The first refusal in full, by its status. Others with the same status may differ only in a date or an
    /// id.
    refusals: HashMap<String, String>,
}

/// The evaluation of the bytes received so far.
pub(super) enum Answer {
    /// More bytes are needed.
    Incomplete,
    /// The connection, and cookies to send with the next one.
    Opened(Box<Connection>, Vec<String>),
    /// The server refuses the handshake.
    Refused { is_complete: bool },
    /// The response violates the protocol, as described.
    Invalid(String),
}

impl<'a> Handshakes<'a> {
    pub fn new(config: &'a ConnectConfig, first: usize) -> Handshakes<'a> {
        Handshakes { config, first, refusals: HashMap::new() }
    }

    /// Returns the opening handshake of a client. `cookies` are those that the server has set before.
    pub fn open(&self, client: usize, cookies: Option<&str>, codec: &mut Codec) -> Result<Connecting, Cause> {
        let connecting = self.config.open(self.first + client, cookies, codec);
        connecting.map_err(|error| Cause::Client(format!("the handshake cannot be sent: {error}")))
    }

    /// Evaluates the bytes received, and leaves the first frames in them. A refusal is stored in `opening` until its
    /// body is complete.
    pub fn receive<S>(&self, opening: &mut Opening<S>, bytes: &mut &mut [u8]) -> Answer {
        match opening.connecting.receive(bytes) {
            Ok(None) => Answer::Incomplete,
            Ok(Some((connection, opened))) => Answer::Opened(Box::new(connection), opened.cookies),
            Err(ResponseError::Status(mut refused)) => {
                let is_complete = refused.push(bytes);
                opening.refused = Some(refused);
                Answer::Refused { is_complete }
            }
            Err(error) => Answer::Invalid(refusal::sentence(&error, opening.connecting.received())),
        }
    }

    /// Returns why a handshake has failed whose connection ended because of `cause`.
    pub fn failure<S>(&mut self, client: usize, opening: &Opening<S>, cause: Cause) -> Cause {
        match (&opening.refused, cause) {
            (Some(refused), _) => {
                let first = self.refusals.entry(refused.headline()).or_insert_with(|| sentence(refused));
                Cause::Server(first.clone())
            }
            (None, Cause::Ended) if opening.is_connected => {
                let is_tls = self.config.target(self.first + client).is_tls;
                Cause::Server(refusal::ended_early(is_tls, opening.connecting.received()))
            }
            (None, cause) => cause,
        }
    }
}

fn sentence(refused: &Refused) -> String {
    match refusal::advice(refused) {
        Some(advice) => format!("the server answered the handshake with {refused}: {advice}"),
        None => format!("the server answered the handshake with {refused}"),
    }
}
