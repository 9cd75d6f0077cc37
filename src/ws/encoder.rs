//! Messages as a server sends them: one frame, in the form negotiated with the client.

use super::deflate::{Compressor, Params};
use super::frame::{self, Header, Opcode};
use bytes::BufMut;

/// How the messages to a connection are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Never compressed.
    #[default]
    Plain,
    /// Compressed if that makes them shorter.
    Deflated,
    /// Like `Deflated`, for clients whose window is smaller than 32 KiB: the smallest window suits all of
    /// them.
    Narrow,
}

impl Form {
    /// All forms.
    pub const ALL: [Form; 3] = [Form::Plain, Form::Deflated, Form::Narrow];

    /// Returns the form for the compression negotiated with a client.
    pub fn agreed(deflate: Option<&Params>) -> Form {
        match deflate {
            None => Form::Plain,
            Some(Params { server_max_window_bits: None | Some(15), .. }) => Form::Deflated,
            Some(_) => Form::Narrow,
        }
    }
}

/// Encodes messages in all forms. One compressor per window size serves all connections.
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
    /// Allocates the memory of the compressor that nearly all clients use now, instead of at the first
    /// message.
    pub fn prepare(&mut self) {
        self.wide.prepare();
    }

    /// Appends a part of a message, encoded for [`join`](Encoder::join). It depends on nothing but the part and the form,
    /// so it can be kept and used again.
    pub fn encode_part(&mut self, form: Form, part: &[u8], out: &mut Vec<u8>) {
        match form {
            Form::Plain => out.extend_from_slice(part),
            Form::Deflated => self.wide.append_blocks(part, out),
            Form::Narrow => self.narrow.append_blocks(part, out),
        }
    }

    /// Writes a message that consists of parts, encoded in this form, as one frame.
    pub fn join(form: Form, opcode: Opcode, parts: &[u8], out: &mut impl BufMut) {
        if form == Form::Plain {
            return frame::encode(opcode, parts, out);
        }
        let payload_len = parts.len() as u64 + 1;
        Header { fin: true, compressed: true, opcode, mask: None, payload_len }.encode(out);
        out.put_slice(parts);
        Compressor::end_blocks(out);
    }

    /// Writes a message as one frame.
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
