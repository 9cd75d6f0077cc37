//! How many bytes a text takes once it is written, which escapes make more than it has.

/// Bytes of a frame that chat composes: the least that common clients accept, and therefore the most that is sent.
pub(super) const MAX_FRAME: usize = 64 << 10;

/// The bytes of a text, or of a whole message, in the formats that escape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Size {
    pub json: usize,
    pub html: usize,
}

impl Size {
    /// The size of a text inside a JSON string or an HTML element.
    pub fn of(text: &str) -> Size {
        let bytes = text.as_bytes();
        let is_escaped = |byte: &u8| {
            (*byte < b' ')
                | (*byte == b'"')
                | (*byte == b'\\')
                | (*byte == b'&')
                | (*byte == b'\'')
                | (*byte == b'<')
                | (*byte == b'>')
        };
        let mut size = Size { json: bytes.len(), html: bytes.len() };
        if bytes.iter().fold(false, |found, byte| found | is_escaped(byte)) {
            for byte in bytes.iter().filter(|byte| is_escaped(byte)) {
                let (json, html) = added_by_escape(*byte);
                size.json += json;
                size.html += html;
            }
        }
        size
    }

    pub fn largest(self) -> usize {
        self.json.max(self.html)
    }
}

/// The bytes that a byte takes beyond itself.
fn added_by_escape(byte: u8) -> (usize, usize) {
    match byte {
        b'"' => (1, "&quot;".len() - 1),
        b'&' => (0, "&amp;".len() - 1),
        b'\'' => (0, "&#39;".len() - 1),
        b'<' | b'>' => (0, "&lt;".len() - 1),
        b'\\' | b'\n' | b'\t' | b'\r' | 0x08 | 0x0C => (1, 0),
        0..b' ' => (r"\u0000".len() - 1, 0),
        _ => (0, 0),
    }
}

/// The digits of a number.
pub(super) fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}
