//! Messages of the server that are not deliveries: greetings, errors, acknowledgements.

use std::collections::HashMap;

/// Largest number of kinds that are distinguished; further ones are counted together.
const MAX_KINDS: usize = 16;
/// Number of bytes that determine the kind of a message.
const KEY: usize = 64;
/// Number of characters shown of a message.
const SAMPLE: usize = 160;

/// Messages that are not deliveries, by kind, with the first message of each.
#[derive(Debug, Default)]
pub(crate) struct OtherMessages {
    kinds: HashMap<Vec<u8>, (String, u64)>,
    /// Messages of further kinds.
    pub beyond: u64,
}

impl OtherMessages {
    pub fn add(&mut self, payload: &[u8]) {
        let key = key(payload);
        if let Some((_, count)) = self.kinds.get_mut(&key) {
            *count += 1;
        } else if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(key, (sample(payload), 1));
        } else {
            self.beyond += 1;
        }
    }

    pub fn merge(&mut self, other: OtherMessages) {
        self.beyond += other.beyond;
        for (key, (sample, count)) in other.kinds {
            if let Some((_, own)) = self.kinds.get_mut(&key) {
                *own += count;
            } else if self.kinds.len() < MAX_KINDS {
                self.kinds.insert(key, (sample, count));
            } else {
                self.beyond += count;
            }
        }
    }

    /// Returns a sample and the number of messages of each kind, the most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, u64)> {
        let mut kinds: Vec<_> =
            self.kinds.values().map(|(sample, count)| (sample.as_str(), *count)).collect();
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        kinds
    }
}

/// Returns the part that messages of one kind have in common: in JSON the first two strings, as in
/// `"type":"welcome"`, or the first four for an error; otherwise the beginning. Digits are ignored.
fn key(payload: &[u8]) -> Vec<u8> {
    let begin = &payload[..payload.len().min(KEY)];
    let is_json = matches!(begin.first(), Some(b'{' | b'['));
    let strings = if begin.windows(5).any(|part| part.eq_ignore_ascii_case(b"error")) { 8 } else { 4 };
    let mut quotes = 0;
    let end = begin.iter().position(|byte| {
        quotes += usize::from(*byte == b'"');
        is_json && quotes == strings
    });
    let shared = match end {
        Some(end) => &begin[..end],
        None if is_json => begin,
        None => &begin[..begin.len().min(16)],
    };
    shared.iter().filter(|byte| !byte.is_ascii_digit()).copied().collect()
}

fn sample(payload: &[u8]) -> String {
    // A character has at most four bytes.
    let text = String::from_utf8_lossy(&payload[..payload.len().min(4 * SAMPLE + 4)]);
    match text.char_indices().nth(SAMPLE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_kind_are_counted_together_and_the_first_is_shown() {
        let mut other = OtherMessages::default();
        for number in 0..5 {
            other.add(format!(r#"{{"type":"welcome","uid":"u{number}"}}"#).as_bytes());
            other.add(format!(r#"{{"type":"error","code":"rate_limited","id":{number}}}"#).as_bytes());
        }
        other.add(br#"{"type":"error","code":"too_long"}"#);
        other.add(b"12:00:01 Welcome, guest17!");
        other.add(b"12:00:07 Welcome, guest9!");
        let kinds = other.by_frequency();
        assert_eq!(kinds[0], (r#"{"type":"error","code":"rate_limited","id":0}"#, 5));
        assert_eq!(kinds[1], (r#"{"type":"welcome","uid":"u0"}"#, 5));
        assert_eq!(kinds[2], ("12:00:01 Welcome, guest17!", 2));
        assert_eq!(kinds[3], (r#"{"type":"error","code":"too_long"}"#, 1));
    }

    #[test]
    fn memory_is_bounded_when_each_message_of_the_server_differs() {
        let (mut one, mut two) = (OtherMessages::default(), OtherMessages::default());
        for number in 0..1_000_u32 {
            let letters: String = number.to_string().chars().map(|c| (c as u8 + 49) as char).collect();
            one.add(letters.as_bytes());
            two.add(format!("x{letters}").as_bytes());
        }
        one.merge(two);
        assert_eq!(one.by_frequency().iter().map(|kind| kind.1).sum::<u64>() + one.beyond, 2_000);
        assert!(one.kinds.len() <= MAX_KINDS);
        one.add("ä".repeat(10_000).as_bytes());
        assert!(sample("ä".repeat(10_000).as_bytes()).chars().count() == SAMPLE + 1);
    }
}
