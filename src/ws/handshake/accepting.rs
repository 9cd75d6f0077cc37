//! The server's side of the opening handshake, step by step.

use super::field::{self, InvalidField};
use super::{Refusal, check, deflate, write_switching};
use crate::ws::head::{HeadError, HeadScan, Request, Response};
use crate::ws::{Config, Connection, Role};
use std::fmt;

/// A server's connection whose opening handshake is in progress.
///
/// The order of calls: [`Accepting::receive`] until it returns a [`Connection`], whose output begins with the response;
/// what is left of the input are its first frames. Or it returns an error, whose [`output`](Rejected::output) the server
/// writes before it closes the TCP connection.
#[derive(Debug)]
pub struct Accepting {
    config: Config,
    scan: HeadScan,
    head: Vec<u8>,
}

/// The answer of an application to a handshake that it accepts.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    subprotocol: Option<String>,
    fields: Vec<(String, String)>,
}

impl Answer {
    /// Creates an answer without a subprotocol.
    pub fn new() -> Answer {
        Answer::default()
    }

    /// Chooses one of the subprotocols that the client offers in `Sec-WebSocket-Protocol`.
    pub fn with_subprotocol(self, name: impl Into<String>) -> Answer {
        Answer { subprotocol: Some(name.into()), ..self }
    }

    /// Adds a header field, such as `Set-Cookie`.
    pub fn with_field(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Answer, InvalidField> {
        let (name, value) = (name.into(), value.into());
        field::check(&name, &value)?;
        self.fields.push((name, value));
        Ok(self)
    }
}

/// A handshake that the server does not accept.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Why it is not accepted.
    pub reason: RejectReason,
    output: Vec<u8>,
}

/// Why a server does not accept a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// The request is not HTTP, or over a limit.
    Head(HeadError),
    /// The request is not a handshake of RFC 6455.
    Handshake(Refusal),
    /// The application refuses with this status.
    Application(u16),
    /// The application chose this subprotocol, which the client did not offer.
    NotOffered(String),
}

impl Rejected {
    /// Returns the response to write. The connection ends with it.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    fn new(reason: RejectReason, response: &Response, is_head: bool) -> Rejected {
        let mut output = Vec::new();
        response.encode(is_head, false, &mut output);
        Rejected { reason, output }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            RejectReason::Head(error) => error.fmt(f),
            RejectReason::Handshake(refusal) => refusal.fmt(f),
            RejectReason::Application(status) => write!(f, "refused with status {status}"),
            RejectReason::NotOffered(name) => write!(f, "the client did not offer the subprotocol {name:?}"),
        }
    }
}

impl std::error::Error for Rejected {}

impl Accepting {
    /// Creates the state of a TCP connection that was just accepted.
    pub fn new(config: &Config) -> Accepting {
        Accepting { config: config.clone(), scan: HeadScan::default(), head: Vec::new() }
    }

    /// Consumes bytes from the front of `input` up to the end of the request head. Returns `None` if more are needed.
    ///
    /// When the request is complete and is a handshake, `answer` decides about it by path, origin, cookies and so on. A
    /// refusal may have any status, fields and body. Before the response, the server may write interim responses of its
    /// own: `Response::new(103)` with fields, encoded with `keep_alive`.
    pub fn receive(
        &mut self,
        input: &mut &mut [u8],
        answer: impl FnOnce(&Request<'_>) -> Result<Answer, Response>,
    ) -> Result<Option<Connection>, Rejected> {
        let before = self.head.len();
        self.head.extend_from_slice(input);
        let rejected = |error: HeadError| {
            let response = error.response();
            Rejected::new(RejectReason::Head(error), &response, false)
        };
        let len = match self.scan.advance(&self.head, &self.config.head).map_err(rejected)? {
            Some(len) => len,
            None => {
                *input = &mut [];
                return Ok(None);
            }
        };
        *input = std::mem::take(input).split_at_mut(len - before).1;
        let decide = |request: &Request<'_>| self.decide(request, answer);
        Request::parse(&self.head[..len], &self.config.head, decide).map_err(rejected)?.map(Some)
    }

    fn decide(
        &self,
        request: &Request<'_>,
        answer: impl FnOnce(&Request<'_>) -> Result<Answer, Response>,
    ) -> Result<Connection, Rejected> {
        let is_head = request.method == "HEAD";
        let refused = |refusal: Refusal| {
            let response = refusal.response();
            Rejected::new(RejectReason::Handshake(refusal), &response, is_head)
        };
        let key = check(request).map_err(refused)?;
        let agreed = match self.config.deflate {
            true => deflate(request, self.config.keeps_client_context).map_err(refused)?,
            false => None,
        };
        let answer = answer(request).map_err(|response| {
            Rejected::new(RejectReason::Application(response.status), &response, is_head)
        })?;
        if let Some(chosen) = &answer.subprotocol
            && !request.list("sec-websocket-protocol").any(|offered| offered == chosen)
        {
            let response = Response::text(500, "The server chose a subprotocol that was not offered.");
            return Err(Rejected::new(RejectReason::NotOffered(chosen.clone()), &response, is_head));
        }
        let mut output = Vec::new();
        let fields = answer.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        write_switching(&key, answer.subprotocol.as_deref(), agreed.as_ref(), fields, &mut output);
        Ok(Connection::new(Role::Server, agreed.as_ref(), &self.config, output))
    }
}
