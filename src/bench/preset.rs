//! Paths, messages and heartbeats of well-known kinds of servers.

use super::template::Template;
use clap::ValueEnum;

/// Kinds of servers with known protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetKind {
    /// throng's chat in the format json, and its echo
    Throng,
    /// A server that sends messages back unchanged
    Raw,
    /// The protocol of hashrocket/websocket-shootout
    WebsocketShootout,
    /// A Socket.IO server (protocol 4) that broadcasts the event "message"
    #[value(name = "socket.io")]
    SocketIo,
}

/// How to communicate with a server.
#[derive(Clone, Debug)]
pub(crate) struct Preset {
    /// Used if the URL has no path.
    pub path: &'static str,
    /// The first message of each client.
    pub on_open: Option<Template>,
    /// The message that the server sends back, to its sender or to all.
    pub message: Template,
    /// Text in messages that are not deliveries, although they may repeat the text of one.
    pub not_delivery: Option<&'static [u8]>,
    /// A message that the server sends regularly, and the required reply; without it the server closes the
    /// connection.
    pub heartbeat: Option<(&'static [u8], &'static [u8])>,
    /// Whether the server parses the JSON around `{id}` and serialises it again.
    pub is_rewritten: bool,
}

impl Preset {
    /// Returns the preset for the echo or the rooms of a kind of server.
    pub fn of(kind: PresetKind, is_echo: bool) -> Preset {
        let raw = Preset {
            path: "/",
            on_open: None,
            message: Template::new("{id}"),
            not_delivery: None,
            heartbeat: None,
            is_rewritten: false,
        };
        match kind {
            PresetKind::Raw => raw,
            PresetKind::Throng if is_echo => Preset { path: "/echo", ..raw },
            PresetKind::Throng => Preset {
                path: "/chat/{room}?format=json",
                message: Template::new(r#"{"type":"say","text":"{id}"}"#),
                is_rewritten: true,
                ..raw
            },
            PresetKind::WebsocketShootout => Preset {
                path: "/ws",
                message: match is_echo {
                    true => Template::new(r#"{"type":"echo","payload":{"sendTime":"{id}"}}"#),
                    false => Template::new(r#"{"type":"broadcast","payload":{"sendTime":"{id}"}}"#),
                },
                not_delivery: Some(b"broadcastResult"),
                is_rewritten: true,
                ..raw
            },
            PresetKind::SocketIo => Preset {
                path: "/socket.io/?EIO=4&transport=websocket",
                on_open: Some(Template::new("40")),
                message: Template::new(r#"42["message","{id}"]"#),
                heartbeat: Some((b"2", b"3")),
                ..raw
            },
        }
    }

    /// Returns the reply to a heartbeat.
    pub fn answer(&self, payload: &[u8]) -> Option<&'static [u8]> {
        self.heartbeat.filter(|(question, _)| payload == *question).map(|(_, answer)| answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_heartbeats_are_answered() {
        let socket_io = Preset::of(PresetKind::SocketIo, false);
        assert_eq!(socket_io.answer(b"2"), Some(&b"3"[..]));
        assert_eq!(socket_io.answer(br#"2["message"]"#), None);
        assert_eq!(Preset::of(PresetKind::Raw, true).answer(b"2"), None);
    }
}
