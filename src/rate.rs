//! Token buckets, which limit how fast something may be done. Each is one number: the time at which it will be full.
//!
//! What costs more than the bucket holds is not refused but a debt: the next is allowed once it is paid.

use std::time::{Duration, Instant};

/// So many tokens a second, and so many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: u64,
    burst: u64,
}

/// What is left of a [`Rate`], as the time in nanoseconds at which all of it is there again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket(u64);

impl Rate {
    /// `per_second` tokens a second into a bucket that holds `burst`, at least 1. 0 a second: no limit.
    pub fn new(per_second: u64, burst: u64) -> Rate {
        Rate { per_second, burst: burst.max(1) }
    }

    /// The tokens a second and at once.
    pub fn limits(self) -> (u64, u64) {
        (self.per_second, self.burst)
    }

    /// Whether a token is left.
    pub fn allows(self, bucket: Bucket, now: u64) -> bool {
        self.per_second == 0 || bucket.0.saturating_sub(now) <= self.time(self.burst - 1)
    }

    /// Takes tokens, more than are left if need be.
    pub fn charge(self, bucket: &mut Bucket, now: u64, tokens: u64) {
        if self.per_second != 0 {
            bucket.0 = bucket.0.max(now).saturating_add(self.time(tokens));
        }
    }

    /// The time in which so many tokens are added.
    fn time(self, tokens: u64) -> u64 {
        let nanos = u128::from(tokens) * 1_000_000_000 / u128::from(self.per_second);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// Counts nanoseconds since a while before it was first asked, so that 0 was long ago.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock(Option<Instant>);

impl Clock {
    const BEFORE: Duration = Duration::from_secs(60);

    /// The time of an instant.
    pub fn nanos(&mut self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(*self.0.get_or_insert(now)) + Clock::BEFORE;
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
