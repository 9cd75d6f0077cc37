//! A message as a server sends it: one frame, in the form that was agreed on with the client.

use super::deflate::{Compressor, Params};
use super::frame::{self, Header, Opcode};
use bytes::BufMut;

/// What the frames of a connection may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Never compressed.
    #[default]
    Plain,
    /// Compressed where it helps.
    Deflated,
    /// The same, for clients that inflate with a window below 32 KiB: the smallest there is serves them all.
    Narrow,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 3] = [Form::Plain, Form::Deflated, Form::Narrow];

    /// The form for a client with which this was agreed on.
    pub fn agreed(deflate: Option<&Params>) -> Form {
        match deflate {
            None => Form::Plain,
            Some(Params { server_max_window_bits: None | Some(15), .. }) => Form::Deflated,
            Some(_) => Form::Narrow,
        }
    }
}

/// Encodes messages in all forms, with one compressor a window for all connections.
#[derive(Debug)]
pub struct Encoder {
    wide: Compressor,
    narrow: Compressor,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { wide: Compressor::new(15), narrow: Compressor::new(9) }
    }
}

impl Encoder {
    /// Takes the memory now that compressing for nearly all clients needs, and not at the first message.
    pub fn prepare(&mut self) {
        self.wide.prepare();
    }

    /// Writes a whole message as one frame.
    pub fn encode(&mut self, form: Form, opcode: Opcode, payload: &[u8], out: &mut impl BufMut) {
        let compressed = match form {
            Form::Plain => None,
            Form::Deflated => self.wide.compress(payload),
            Form::Narrow => self.narrow.compress(payload),
        };
        match compressed {
            None => frame::encode(opcode, payload, out),
            Some(compressed) => {
                let payload_len = compressed.len() as u64;
                Header { fin: true, compressed: true, opcode, mask: None, payload_len }.encode(out);
                out.put_slice(compressed);
            }
        }
    }
}
