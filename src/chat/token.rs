//! Random identifiers, kept as bytes and shown as base64 for URLs.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{Rng, rngs::StdRng};
use serde::{Serialize, Serializer};

/// Names a member for as long as it is connected. Given by the server, never taken from a client.
pub(super) type Uid = Token<12>;

/// Names one incarnation of a room's history.
pub(super) type Epoch = Token<9>;

const LONGEST: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Token<BYTES> {
    pub fn random(rng: &mut StdRng) -> Self {
        let mut bytes = [0; BYTES];
        rng.fill_bytes(&mut bytes);
        Token(bytes)
    }

    /// Calls `then` with the token as text.
    pub fn with_str<T>(&self, then: impl FnOnce(&str) -> T) -> T {
        const { assert!(BYTES.div_ceil(3) * 4 <= LONGEST) };
        let mut text = [0; LONGEST];
        let length = BASE64_URL_SAFE_NO_PAD
            .encode_slice(self.0, &mut text)
            .expect("LONGEST is long enough, as asserted");
        then(str::from_utf8(&text[..length]).expect("base64 is ASCII"))
    }
}

impl<const BYTES: usize> fmt::Display for Token<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| f.write_str(text))
    }
}

impl<const BYTES: usize> Serialize for Token<BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_str(|text| serializer.serialize_str(text))
    }
}

impl<const BYTES: usize> PartialEq<str> for Token<BYTES> {
    fn eq(&self, other: &str) -> bool {
        self.with_str(|text| text == other)
    }
}
