//! The source of masking keys and handshake keys, which no peer may be able to predict (RFC 6455 §10.3).

use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// Fills a slice with random bytes.
type Fill = Box<dyn FnMut(&mut [u8]) + Send>;

/// A source of random bytes.
pub(super) enum Random {
    /// A keyed hash of a counter. The system chooses the key.
    System { key: RandomState, counter: u64 },
    /// The source that the caller has given.
    Given(Fill),
}

impl Default for Random {
    fn default() -> Random {
        Random::System { key: RandomState::new(), counter: 0 }
    }
}

impl Random {
    /// Returns the next `N` random bytes.
    pub(super) fn next<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Random::System { key, counter } => {
                for piece in bytes.chunks_mut(size_of::<u64>()) {
                    *counter += 1;
                    piece.copy_from_slice(&key.hash_one(*counter).to_ne_bytes()[..piece.len()]);
                }
            }
            Random::Given(fill) => fill(&mut bytes),
        }
        bytes
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Random::System { .. } => "System",
            Random::Given(_) => "Given",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_differ_from_one_another_and_from_those_of_another_source() {
        let (mut one, mut other) = (Random::default(), Random::default());
        let keys: HashSet<[u8; 16]> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(keys.len(), 2000);
    }

    #[test]
    fn a_given_source_is_asked_for_each_key() {
        let mut byte = 0;
        let fill = move |bytes: &mut [u8]| {
            byte += 1;
            bytes.fill(byte);
        };
        let mut random = Random::Given(Box::new(fill));
        assert_eq!((random.next(), random.next()), ([1; 4], [2; 16]));
    }
}
