//! Writing messages of one client.

use super::super::time::Time;
use crate::ws::{Codec, Connection, Message, Opcode};

/// Size of the output, in bytes, at which further messages wait until the socket has accepted it.
const HIGH_WATER: usize = 256 << 10;

/// Writes messages to one client.
pub(crate) struct FrameWriter<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) codec: &'a mut Codec,
    /// Number of messages in the output.
    pub(super) unsent: &'a mut u32,
    /// Whether the socket has not accepted earlier data yet.
    pub(super) is_blocked: bool,
    pub(super) now: Time,
}

impl FrameWriter<'_> {
    pub fn now(&self) -> Time {
        self.now
    }

    /// Returns true if a message can be written now. Otherwise [`super::Handler::on_writable`] is called once
    /// it can.
    pub fn has_room(&self) -> bool {
        !self.is_blocked && !is_full(self.connection)
    }

    /// Writes a message of the workload. It counts as sent when the socket has accepted it; until then it
    /// waits in the client's memory.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.write(opcode, payload) {
            *self.unsent += 1;
        }
    }

    /// Writes a text that is not part of the workload: a greeting, or the reply to a heartbeat.
    pub fn greet(&mut self, text: &[u8]) {
        self.write(Opcode::Text, text);
    }

    /// Returns false if the connection is not open.
    fn write(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let text = if opcode == Opcode::Text { str::from_utf8(payload).ok() } else { None };
        let message = text.map_or_else(|| Message::from(payload), Message::from);
        self.connection.send(&message, self.codec).is_ok()
    }
}

/// Returns true if further messages should wait.
pub(super) fn is_full(connection: &Connection) -> bool {
    connection.output().len() >= HIGH_WATER
}
