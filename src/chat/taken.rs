//! Which names are taken by those who are present.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

use rand::{Rng, RngExt, rngs::StdRng};

use super::name::{GUEST, Keys, Name};

/// Without those that are easily taken for one another.
const GUEST_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GUEST_LENGTH: usize = 4;
const MAX_GUEST_LENGTH: usize = 8;

/// The names of all who are present.
///
/// Holds hashes of their keys under a secret key, 16 bytes a name. Two different keys of one hash are an error on the safe
/// side: the second name is called taken, once in 2^64 / members.
pub(super) struct Names {
    secret: [u64; 2],
    taken: HashSet<u64, BuildHasherDefault<DefaultHasher>>,
}

impl Names {
    pub fn new(rng: &mut StdRng) -> Names {
        Names { secret: [rng.next_u64(), rng.next_u64()], taken: HashSet::default() }
    }

    /// Takes a name; returns false if somebody has it.
    pub fn take(&mut self, name: &Name<'_>) -> bool {
        self.take_keys(&name.keys)
    }

    /// Gives back `current` and takes `next`; returns false, and changes nothing, if somebody else has that.
    pub fn exchange(&mut self, current: &str, next: &Name<'_>) -> bool {
        let current = Keys::of(current);
        self.release_keys(&current);
        let is_free = self.take_keys(&next.keys);
        if !is_free {
            self.take_keys(&current);
        }
        is_free
    }

    pub fn release(&mut self, name: &str) {
        self.release_keys(&Keys::of(name));
    }

    /// Takes a name for somebody who has none: `guest-` and four characters, or more when those are crowded.
    pub fn take_guest(&mut self, rng: &mut StdRng) -> Box<str> {
        let mut attempts = 0;
        loop {
            let length = GUEST_LENGTH + attempts / 4;
            let mut name = String::with_capacity(GUEST.len() + length);
            name.push_str(GUEST);
            for _ in 0..length {
                name.push(char::from(GUEST_ALPHABET[rng.random_range(..GUEST_ALPHABET.len())]));
            }
            if self.take_keys(&Keys::of(&name)) {
                return name.into_boxed_str();
            }
            attempts += 1;
        }
    }

    /// Takes the name of a guest for one that had it before, so that a reconnect changes nobody's name. Returns `None` if
    /// this server gives no such names, or somebody has it.
    pub fn take_guest_again(&mut self, name: &str) -> Option<Box<str>> {
        let given = name.strip_prefix(GUEST)?.as_bytes();
        let is_possible = (GUEST_LENGTH..=MAX_GUEST_LENGTH).contains(&given.len())
            && given.iter().all(|byte| GUEST_ALPHABET.contains(byte));
        (is_possible && self.take_keys(&Keys::of(name))).then(|| name.into())
    }

    fn take_keys(&mut self, keys: &Keys) -> bool {
        let hashes = self.hashes(keys);
        if hashes.iter().any(|hash| self.taken.contains(hash)) {
            return false;
        }
        self.taken.extend(hashes);
        true
    }

    fn release_keys(&mut self, keys: &Keys) {
        for hash in self.hashes(keys) {
            self.taken.remove(&hash);
        }
    }

    fn hashes(&self, keys: &Keys) -> [u64; 2] {
        keys.each().map(|key| {
            let mut hasher = DefaultHasher::new();
            self.secret.hash(&mut hasher);
            key.hash(&mut hasher);
            hasher.finish()
        })
    }
}
