//! The marker in each message, by which it is recognised wherever the server puts it: in JSON, in HTML, after
//! a prefix.

use super::time::{Nanos, Time};

/// Identifies a message and holds its due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub sender: u32,
    /// The number of the message among those of its sender, from 0, including those that were due but not
    /// sent.
    pub number: u32,
    /// When the message was due.
    pub due: Time,
    /// How much later than due it was sent.
    pub lag: Nanos,
}

/// Distinguishes the messages of this run from those of others, which the server's history may contain.
pub(crate) type Tag = [u8; 4];

/// Length of a marker in bytes.
pub(crate) const LENGTH: usize = 1 + TAG + SENDER + NUMBER + DUE + LAG;

/// The bytes of a marker that differ between messages of a run: the last digits of the sender and the number.
pub(crate) const DISTINCTIVE: std::ops::Range<usize> = LENGTH - LAG - DUE - 8..LENGTH - LAG - DUE;

const BEGIN: u8 = b'~';
const TAG: usize = 4;
/// Numbers of digits. A digit has six bits.
const SENDER: usize = 4;
const NUMBER: usize = 6;
const DUE: usize = 10;
const LAG: usize = 7;

/// The digits. Servers do not escape them in any format.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 64 {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};
const NO_DIGIT: u8 = 64;

/// Returns a tag made from a random number.
pub(crate) fn tag(chance: u32) -> Tag {
    [0, 6, 12, 18].map(|shift| DIGITS[(chance >> shift) as usize % 64])
}

impl Marker {
    /// Appends the marker.
    pub fn write(&self, tag: Tag, out: &mut Vec<u8>) {
        out.push(BEGIN);
        out.extend_from_slice(&tag);
        write_number(self.sender.into(), SENDER, out);
        write_number(self.number.into(), NUMBER, out);
        write_number(self.due.as_nanos(), DUE, out);
        write_number(self.lag.get(), LAG, out);
    }

    /// Appends the marker, padded with dots to `size` bytes.
    pub fn write_filled(&self, tag: Tag, size: usize, out: &mut Vec<u8>) {
        let end = out.len() + size.max(LENGTH);
        self.write(tag, out);
        out.resize(end, b'.');
    }

    /// Finds the first marker of this run at or after `from` and returns its offset too. `hint` is an offset
    /// to try first.
    pub fn find(message: &[u8], tag: Tag, from: usize, hint: usize) -> Option<(usize, Marker)> {
        if hint >= from
            && let Some(marker) = Marker::read(message, hint, tag)
        {
            return Some((hint, marker));
        }
        let mut from = from;
        while let Some(at) = message.get(from..)?.iter().position(|byte| *byte == BEGIN) {
            if let Some(marker) = Marker::read(message, from + at, tag) {
                return Some((from + at, marker));
            }
            from += at + 1;
        }
        None
    }

    fn read(message: &[u8], at: usize, tag: Tag) -> Option<Marker> {
        let mut rest =
            message.get(at..at.checked_add(LENGTH)?)?.strip_prefix(&[BEGIN])?.strip_prefix(&tag)?;
        let mut next = |digits| {
            let (number, after) = rest.split_at(digits);
            rest = after;
            read_number(number)
        };
        Some(Marker {
            sender: next(SENDER)? as u32,
            number: u32::try_from(next(NUMBER)?).ok()?,
            due: Time::from_nanos(next(DUE)?),
            lag: Nanos::new(next(LAG)?),
        })
    }
}

/// Writes a number with a fixed number of digits. Numbers that are too large become the largest possible one.
fn write_number(number: u64, digits: usize, out: &mut Vec<u8>) {
    let number = number.min((1 << (6 * digits)) - 1);
    out.extend((0..digits).rev().map(|digit| DIGITS[(number >> (6 * digit)) as usize % 64]));
}

fn read_number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| match VALUES[usize::from(*digit)] {
        NO_DIGIT => None,
        value => Some(number << 6 | u64::from(value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = *b"a-_9";
    const MARKER: Marker = Marker {
        sender: 123_456,
        number: u32::MAX,
        due: Time::from_nanos(1 << 59 | 7),
        lag: Nanos::new(3_000_000_001),
    };

    fn written(marker: Marker) -> String {
        let mut out = Vec::new();
        marker.write(TAG, &mut out);
        assert_eq!(out.len(), LENGTH);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_marker_is_found_wherever_the_server_puts_it() {
        let id = written(MARKER);
        for message in [
            id.clone(),
            format!("12:00:01 guest say: {id}....."),
            format!(r#"{{"type":"message","text":"{id}"}}"#),
            format!("<b>~</b> a~b {}~{id}", &id[..LENGTH - 1]),
        ] {
            for hint in [0, 3, 40, usize::MAX] {
                let (at, marker) = Marker::find(message.as_bytes(), TAG, 0, hint).expect(&message);
                assert_eq!((marker, &message[at..at + LENGTH]), (MARKER, &*id));
                assert_eq!(Marker::find(message.as_bytes(), TAG, at + 1, hint), None, "there is only one");
            }
        }
    }

    #[test]
    fn other_text_is_not_mistaken_for_a_marker() {
        let id = written(MARKER);
        for message in
            ["", "~", "hello", &id[1..], &id[..LENGTH - 1], &id.replace('a', "b"), &id.replace('9', "+")]
        {
            assert_eq!(Marker::find(message.as_bytes(), TAG, 0, 0), None, "{message}");
        }
    }

    #[test]
    fn a_lag_that_is_too_long_becomes_the_longest() {
        let id = written(Marker { lag: Nanos::new(u64::MAX), ..MARKER });
        let found = Marker::find(id.as_bytes(), TAG, 0, 0).unwrap().1;
        assert_eq!(found, Marker { lag: Nanos::new((1 << 42) - 1), ..MARKER });
    }
}
