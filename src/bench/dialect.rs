//! What servers of a known kind want to be told, and say of themselves.

use super::template::Template;
use clap::ValueEnum;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A chat of throng in its format json, and its echo
    Throng,
    /// What is sent comes back as it is
    Raw,
    /// The protocol of hashrocket/websocket-shootout
    WebsocketShootout,
    /// Socket.IO (protocol 4) with a server that sends the event "message" on to all
    #[value(name = "socket.io")]
    SocketIo,
}

/// How to talk to a server.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// The path where the URL has none.
    pub path: &'static str,
    /// What each client says first.
    pub hello: Option<Template>,
    /// What is sent, to be heard by all or by who sent it.
    pub message: Template,
    /// Messages that hold this are not what was sent, though they may hold that too.
    pub aside: Option<&'static [u8]>,
    /// What the server asks from time to time, and the answer without which it ends the connection.
    pub heartbeat: Option<(&'static [u8], &'static [u8])>,
    /// The server reads what is around `{id}` and writes it anew.
    pub is_rewritten: bool,
}

impl Dialect {
    /// Of a kind of server, with an endpoint that sends all back to who sent it, or a room.
    pub fn of(kind: Kind, is_echo: bool) -> Dialect {
        let raw = Dialect {
            path: "/",
            hello: None,
            message: Template::new("{id}"),
            aside: None,
            heartbeat: None,
            is_rewritten: false,
        };
        match kind {
            Kind::Raw => raw,
            Kind::Throng if is_echo => Dialect { path: "/echo", ..raw },
            Kind::Throng => Dialect {
                path: "/chat/{room}?format=json",
                message: Template::new(r#"{"type":"say","text":"{id}"}"#),
                is_rewritten: true,
                ..raw
            },
            Kind::WebsocketShootout => Dialect {
                path: "/ws",
                message: match is_echo {
                    true => Template::new(r#"{"type":"echo","payload":{"sendTime":"{id}"}}"#),
                    false => Template::new(r#"{"type":"broadcast","payload":{"sendTime":"{id}"}}"#),
                },
                aside: Some(b"broadcastResult"),
                is_rewritten: true,
                ..raw
            },
            Kind::SocketIo => Dialect {
                path: "/socket.io/?EIO=4&transport=websocket",
                hello: Some(Template::new("40")),
                message: Template::new(r#"42["message","{id}"]"#),
                heartbeat: Some((b"2", b"3")),
                ..raw
            },
        }
    }

    /// Whether a message is one of the server's own, beside what was sent.
    pub fn is_aside(&self, payload: &[u8]) -> bool {
        self.aside.is_some_and(|aside| payload.windows(aside.len()).any(|window| window == aside))
    }

    /// What to answer at once.
    pub fn answer(&self, payload: &[u8]) -> Option<&'static [u8]> {
        self.heartbeat.filter(|(question, _)| payload == *question).map(|(_, answer)| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_broadcast_is_no_delivery() {
        let shootout = Dialect::of(Kind::WebsocketShootout, false);
        assert!(shootout.is_aside(br#"{"type":"broadcastResult","payload":{},"listenerCount":3}"#));
        assert!(!shootout.is_aside(br#"{"type":"broadcast","payload":{}}"#));
        assert!(!Dialect::of(Kind::Raw, false).is_aside(b"broadcastResult"));
    }

    #[test]
    fn a_heartbeat_is_answered_and_nothing_else() {
        let socket_io = Dialect::of(Kind::SocketIo, false);
        assert_eq!(socket_io.answer(b"2"), Some(&b"3"[..]));
        assert_eq!(socket_io.answer(br#"2["message"]"#), None);
        assert_eq!(Dialect::of(Kind::Raw, true).answer(b"2"), None);
    }
}
