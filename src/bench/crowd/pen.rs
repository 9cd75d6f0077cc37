//! What a client writes with.

use crate::ws::deflate::Compressor;
use crate::ws::{Opcode, frame};
use rand::Rng;
use rand::rngs::StdRng;

/// Writes frames to one client.
pub struct Pen<'a> {
    pub(super) frames: &'a mut Vec<u8>,
    pub(super) compressor: Option<&'a mut Compressor>,
    pub(super) rng: &'a mut StdRng,
}

impl Pen<'_> {
    /// Sends a message.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let key = self.rng.next_u32().to_ne_bytes();
        match self.compressor.as_mut().and_then(|compressor| compressor.compress(payload)) {
            Some(compressed) if compressed.len() < payload.len() => {
                frame::encode_masked_compressed(opcode, compressed, key, self.frames);
            }
            _ => frame::encode_masked(opcode, payload, key, self.frames),
        }
    }

    /// Sends a control frame.
    pub(super) fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        frame::encode_masked(opcode, payload, self.rng.next_u32().to_ne_bytes(), self.frames);
    }
}
