//! Opening handshakes: the requests of clients, and the evaluation of responses.

use super::super::refusal;
use super::client::{Cause, Opening};
use super::config::ConnectConfig;
use crate::ws::handshake::{Opened, Refused, ResponseError};
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
    Opened(Opened),
    /// The server refuses the handshake.
    Refused {
        is_complete: bool,
    },
    /// The response violates the protocol, as described.
    Invalid(String),
}

impl<'a> Handshakes<'a> {
    pub fn new(config: &'a ConnectConfig, first: usize) -> Handshakes<'a> {
        Handshakes { config, first, refusals: HashMap::new() }
    }

    /// Writes the request of a client. `cookies` are those that the server has set before.
    pub fn write_request(&self, client: usize, nonce: [u8; 16], cookies: Option<&str>, out: &mut Vec<u8>) {
        self.config.with_request(self.first + client, nonce, cookies, |request| request.encode(out));
    }

    /// Evaluates the bytes received. A refusal is stored in `opening` until its body is complete.
    pub fn check<S>(&self, client: usize, opening: &mut Opening<S>, cookies: Option<&str>) -> Answer {
        let answer = self.config.with_request(self.first + client, opening.nonce, cookies, |request| {
            request.check_response(&opening.head)
        });
        match answer {
            Ok(None) => Answer::Incomplete,
            Ok(Some(opened)) => Answer::Opened(opened),
            Err(ResponseError::Status(mut refused)) => {
                let is_complete = refused.push(&opening.head[refused.head_len..]);
                opening.refused = Some(refused);
                Answer::Refused { is_complete }
            }
            Err(error) => Answer::Invalid(refusal::sentence(&error, &opening.head)),
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
                Cause::Server(refusal::ended_early(is_tls, &opening.head))
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
