//! What the fuzz targets share.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod audience;
mod chat;
mod compression;
mod cuts;
mod frames;
mod negotiation;
mod opening;

pub use chat::play;
pub use compression::{compress_and_inflate, inflate_frugally, inflate_plainly};
pub use cuts::Cuts;
pub use frames::{Receiver, contents, receive_frugally, send};
pub use negotiation::{agreement, answer_offers, read_answer};
pub use opening::{LIMITS, connect, read_response, shake_hands};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The parts of a script: ASCII has a character that separates records.
pub fn records(script: &[u8]) -> impl Iterator<Item = &[u8]> {
    script.split(|&byte| byte == 0x1E)
}
