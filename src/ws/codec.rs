//! What all connections of a thread share.

use super::deflate::{Compressors, Inflater};
use super::random::Random;

/// Compression and random numbers, for any number of connections.
///
/// **Use one codec for each thread**, not one for each connection. It allocates its memory at first use: 48 KiB to
/// inflate, and about 300 KB for each window size with which it compresses. Nothing in it belongs to a connection, so
/// connections may use it in any order, and a connection may use another one at any time.
///
/// Masking keys (RFC 6455 §5.3) and the keys of opening handshakes come from it. No peer may be able to predict them.
/// By default, they are keyed hashes of a counter, and the operating system chooses the key.
#[derive(Debug, Default)]
pub struct Codec {
    pub(super) inflater: Inflater,
    pub(super) compressors: Compressors,
    pub(super) random: Random,
}

impl Codec {
    /// Creates a codec with the default source of random numbers.
    pub fn new() -> Codec {
        Codec::default()
    }

    /// Creates a codec that calls `fill` for random bytes: 4 for each frame of a client and 16 for each of its opening
    /// handshakes. They must come from a cryptographically secure generator and must never repeat a sequence: a peer
    /// that can predict masking keys can make a client send bytes of its choice (RFC 6455 §10.3).
    pub fn with_random(fill: impl FnMut(&mut [u8]) + Send + 'static) -> Codec {
        Codec { random: Random::Given(Box::new(fill)), ..Codec::default() }
    }
}
