//! Writing frames of one client.

use super::super::time::Time;
use crate::ws::deflate::Compressor;
use crate::ws::{Opcode, frame};
use rand::Rng;
use rand::rngs::StdRng;

/// Size of a batch, in bytes, at which further messages wait until the socket has accepted it.
const HIGH_WATER: usize = 256 << 10;

/// Frames to be written to the socket together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    /// Number of messages among them.
    pub messages: u32,
}

impl Batch {
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= HIGH_WATER
    }
}

/// Writes frames to one client.
pub(crate) struct FrameWriter<'a> {
    pub(super) batch: &'a mut Batch,
    /// Whether the socket has not accepted earlier data yet.
    pub(super) is_blocked: bool,
    /// Present if messages are compressed.
    pub(super) compressor: Option<&'a mut Compressor>,
    pub(super) now: Time,
    pub(super) rng: &'a mut StdRng,
}

impl FrameWriter<'_> {
    pub fn now(&self) -> Time {
        self.now
    }

    /// Returns true if a message can be written now. Otherwise [`super::Handler::on_writable`] is called once
    /// it can.
    pub fn has_room(&self) -> bool {
        !self.is_blocked && !self.batch.is_full()
    }

    /// Writes a message of the workload. It counts as sent when the socket has accepted it; until then it
    /// waits in the client's memory.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.write(opcode, payload);
        self.batch.messages += 1;
    }

    /// Writes a text that is not part of the workload: a greeting, or the reply to a heartbeat.
    pub fn greet(&mut self, text: &[u8]) {
        self.write(Opcode::Text, text);
    }

    fn write(&mut self, opcode: Opcode, payload: &[u8]) {
        let key = self.rng.next_u32().to_ne_bytes();
        let compressed = self.compressor.as_mut().and_then(|compressor| compressor.compress(payload));
        match compressed.filter(|compressed| compressed.len() < payload.len()) {
            Some(compressed) => {
                frame::encode_masked_compressed(opcode, compressed, key, &mut self.batch.bytes);
            }
            None => frame::encode_masked(opcode, payload, key, &mut self.batch.bytes),
        }
    }

    pub(super) fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        frame::encode_masked(opcode, payload, self.rng.next_u32().to_ne_bytes(), &mut self.batch.bytes);
    }
}
