//! What a message carries, wherever the server puts it: who said it, its number, and when it was due.

use crate::Fault;

#[derive(Clone, Copy)]
pub struct Marker {
    pub sender: usize,
    pub number: u32,
    /// Nanoseconds since the driver started.
    pub due: u64,
}

/// `~`, and the three in hexadecimal.
pub const LENGTH: usize = 1 + 4 + 8 + 16;

impl Marker {
    /// Appends it, filled up to a text of `size` bytes.
    pub fn append(self, out: &mut Vec<u8>, size: usize) {
        use std::io::Write;
        let Marker { sender, number, due } = self;
        let end = out.len() + size;
        write!(out, "~{sender:04x}{number:08x}{due:016x}").expect("a vector takes all");
        out.resize(end, b'.');
    }

    pub fn find(message: &[u8]) -> Result<Marker, Fault> {
        let parse = || {
            let start = message.iter().position(|byte| *byte == b'~')?;
            let text = std::str::from_utf8(message.get(start + 1..start + LENGTH)?).ok()?;
            let number = |range| u64::from_str_radix(text.get(range)?, 16).ok();
            Some(Marker {
                sender: number(0..4)? as usize,
                number: number(4..12)? as u32,
                due: number(12..28)?,
            })
        };
        parse().ok_or_else(|| format!("no marker in {:?}", String::from_utf8_lossy(message)).into())
    }
}
