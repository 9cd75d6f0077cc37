//! How fast one client may send: a token bucket, kept as the one instant at which it will be full again.

use std::time::{Duration, Instant};

/// Refusals that go on for so long end in [`Verdict::GiveUp`].
const PATIENCE: Duration = Duration::from_secs(10);
/// Refusals further apart than this are not one going on.
const PAUSE: Duration = Duration::from_secs(1);

/// The limit that holds for every client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Time in which the bucket gains a token; zero: unlimited.
    interval: Duration,
    /// How far ahead of now the instant of fullness may lie when one more is accepted.
    tolerance: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
    refusing_since: Option<Instant>,
    /// Milliseconds from `refusing_since` to the last refusal.
    refusing_for: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Accept,
    Refuse,
    /// Refused, and refused for so long that the client should be dismissed.
    GiveUp,
}

impl Rate {
    /// `per_second` tokens a second into a bucket that holds `burst`. 0 a second: no limit.
    pub fn new(per_second: u32, burst: u32) -> Rate {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or(Duration::ZERO);
        Rate { interval, tolerance: interval * burst.saturating_sub(1) }
    }

    /// Judges a message that arrives at `now`.
    pub fn judge(self, bucket: &mut Bucket, now: Instant) -> Verdict {
        if self.interval.is_zero() {
            return Verdict::Accept;
        }
        let full_at = bucket.full_at.map_or(now, |at| at.max(now));
        if full_at - now <= self.tolerance {
            bucket.full_at = Some(full_at + self.interval);
            return Verdict::Accept;
        }
        bucket.refuse(now)
    }
}

impl Bucket {
    fn refuse(&mut self, now: Instant) -> Verdict {
        let goes_on = self.refusing_since.filter(|&since| {
            let last = since + Duration::from_millis(self.refusing_for.into());
            now.saturating_duration_since(last) <= PAUSE
        });
        let since = goes_on.unwrap_or(now);
        let so_far = now.saturating_duration_since(since);
        self.refusing_since = Some(since);
        self.refusing_for = u32::try_from(so_far.as_millis()).unwrap_or(u32::MAX);
        if so_far >= PATIENCE { Verdict::GiveUp } else { Verdict::Refuse }
    }
}
