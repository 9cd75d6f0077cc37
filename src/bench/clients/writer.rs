//! What writes the frames of one client.

use super::super::time::Time;
use crate::ws::deflate::Compressor;
use crate::ws::{Opcode, frame};
use rand::Rng;
use rand::rngs::StdRng;

/// Bytes of a batch beyond which further messages wait until the socket has taken it.
const HIGH_WATER: usize = 256 << 10;

/// Frames to be offered to the socket together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    /// Messages among them.
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
    /// Whether the socket still holds back what was written before.
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

    /// Whether a message can be written now. If not, [`super::Handler::on_writable`] tells when.
    pub fn has_room(&self) -> bool {
        !self.is_blocked && !self.batch.is_full()
    }

    /// Writes a message of the workload, which counts as sent when the socket has taken it. Until then it waits in the
    /// client's own memory.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.write(opcode, payload);
        self.batch.messages += 1;
    }

    /// Writes a text beside the workload: a greeting, or the answer to a heartbeat.
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
