//! What may be said, and how many bytes it takes in each format.

use std::borrow::Cow;

use super::{
    characters::is_visible,
    refusal::Refusal,
    settings::exceeds,
    size::{self, Size},
};

/// Bytes that a text may take where it is escaped, so that the frame it is in stays below [`size::MAX_FRAME`]. A higher
/// limit on the text itself goes before this one.
const MAX_ESCAPED: usize = size::MAX_FRAME - 1024;

/// Checks a text that is to be said, and measures it.
///
/// # Errors
/// [`Refusal::TextTooLong`], [`Refusal::TextEscaped`], [`Refusal::BadText`] or [`Refusal::TextEmpty`].
pub(super) fn check(text: &str, max_bytes: usize) -> Result<Size, Refusal> {
    if exceeds(text.len(), max_bytes) {
        return Err(Refusal::TextTooLong { bytes: text.len(), limit: max_bytes });
    }
    if has_controls(text) {
        return Err(Refusal::BadText);
    }
    if !text.chars().any(is_visible) {
        return Err(Refusal::TextEmpty);
    }
    let size = Size::of(text);
    let limit = if max_bytes == 0 { 0 } else { max_bytes.max(MAX_ESCAPED) };
    match size.largest() {
        bytes if exceeds(bytes, limit) => Err(Refusal::TextEscaped { bytes, limit }),
        _ => Ok(size),
    }
}

/// Replaces the characters that may not be said by spaces, for those who cannot be asked to leave them out.
pub(super) fn without_controls(text: &str) -> Cow<'_, str> {
    if has_controls(text) { text.replace(is_refused, " ").into() } else { text.into() }
}

/// Control characters steer terminals and take six bytes each in JSON.
fn is_refused(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

fn has_controls(text: &str) -> bool {
    // Bytes of control characters, of the first byte of some, and of a few others. One look at all of them, without a
    // branch for each, is faster than stopping at the first.
    let may_be = |byte: &u8| (*byte < b' ') | (*byte == 0x7F) | (*byte == 0xC2);
    text.as_bytes().iter().fold(false, |found, byte| found | may_be(byte)) && text.contains(is_refused)
}
