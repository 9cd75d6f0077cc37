//! Servers that refuse, delay or end connections.

use super::wire::Request;
use super::{Act, Answer, Incoming, Kind, Script, Server};
use std::time::Duration;

pub const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
pub const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"tea\"\r\n\
    Content-Type: text/plain\r\nContent-Length: 25\r\n\r\nA token is needed for tea";
pub const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: https://login.test/tea\r\nContent-Length: 0\r\n\r\n";
pub const TOO_MANY: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n";

/// Answers every second handshake with this response.
pub fn refuses_every_second(kind: Kind, response: &'static str) -> Server {
    let answer = move |number, _: &Request| match number % 2 {
        0 => Answer::Accept,
        _ => Answer::Refuse(response.to_owned()),
    };
    Script::new(kind).on_handshake(answer).start()
}

/// Opens the first `count` connections, and answers all later handshakes with this response.
pub fn refuses_after(kind: Kind, count: usize, response: &'static str) -> Server {
    let answer = move |number, _: &Request| match number < count {
        true => Answer::Accept,
        false => Answer::Refuse(response.to_owned()),
    };
    Script::new(kind).on_handshake(answer).start()
}

pub fn never_answers_a_handshake() -> Server {
    Script::new(Kind::Echo).on_handshake(|_, _| Answer::Silence).start()
}

pub fn delays_handshakes(kind: Kind, time: Duration) -> Server {
    Script::new(kind).on_handshake(move |_, _| Answer::AcceptAfter(time)).start()
}

/// Opens the first `count` connections at once, and later ones only after `time`.
pub fn delays_handshakes_after(kind: Kind, count: usize, time: Duration) -> Server {
    let answer = move |number, _: &Request| match number < count {
        true => Answer::Accept,
        false => Answer::AcceptAfter(time),
    };
    Script::new(kind).on_handshake(answer).start()
}

/// Answers with 401 unless a header field has a value that `name` returns for some client number.
pub fn asks_for(kind: Kind, field: &'static str, name: fn(usize) -> String) -> Server {
    let answer = move |_, request: &Request| match &request.values(field)[..] {
        [value] if (0..1000).any(|client| *value == name(client)) => Answer::Accept,
        _ => Answer::Refuse(UNAUTHORIZED.to_owned()),
    };
    Script::new(kind).on_handshake(answer).start()
}

/// Delivers `count` messages of each connection, then closes it.
pub fn closes_each_after(kind: Kind, count: u64, code: u16, reason: &'static str) -> Server {
    let act = move |said: Incoming| {
        let mut acts = Vec::new();
        let of_sender = said.of_sender;
        if of_sender < count {
            acts = said.deliver();
        }
        if of_sender + 1 == count {
            acts.push(Act::Close(code, reason));
        }
        acts
    };
    Script::new(kind).on_message(act).start()
}

/// Delivers `count` messages in total, then closes all connections.
pub fn closes_all_after(kind: Kind, count: u64, code: u16, reason: &'static str) -> Server {
    let act = move |said: Incoming| {
        let of_all = said.of_all;
        let mut acts = said.deliver();
        if of_all + 1 == count {
            acts.push(Act::CloseAll(code, reason));
        }
        acts
    };
    Script::new(kind).on_message(act).start()
}

/// Closes all connections except the first `count`, each of them `time` after it has opened.
pub fn closes_later_connections(kind: Kind, count: usize, time: Duration) -> Server {
    let greet = move |number| match number < count {
        true => vec![Act::Join],
        false => vec![Act::Join, Act::Later(time, vec![Act::Close(1001, "gone again")])],
    };
    Script::new(kind).on_open(greet).start()
}
