//! Points in time and durations, in nanoseconds, stored in one word each.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(u64);

/// A duration in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(u64);

impl Time {
    pub const ZERO: Time = Time(0);
    /// Later than the end of any run.
    pub const NEVER: Time = Time(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Returns the time since `earlier`, or zero if that is in the future.
    pub const fn since(self, earlier: Time) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Nanos {
    pub const ZERO: Nanos = Nanos(0);

    pub const fn new(nanos: u64) -> Nanos {
        Nanos(nanos)
    }

    pub const fn micros(micros: u64) -> Nanos {
        Nanos(micros * 1_000)
    }

    pub const fn millis(millis: u64) -> Nanos {
        Nanos(millis * 1_000_000)
    }

    pub const fn secs(secs: u64) -> Nanos {
        Nanos(secs * 1_000_000_000)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    pub const fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl From<Duration> for Nanos {
    /// Converts a duration. Limited to 584 years, the largest value.
    fn from(duration: Duration) -> Nanos {
        Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Duration {
        Duration::from_nanos(nanos.0)
    }
}

impl Add<Nanos> for Time {
    type Output = Time;

    fn add(self, nanos: Nanos) -> Time {
        Time(self.0.saturating_add(nanos.0))
    }
}

impl Add for Nanos {
    type Output = Nanos;

    fn add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }
}

impl Sub<Nanos> for Time {
    type Output = Time;

    fn sub(self, nanos: Nanos) -> Time {
        Time(self.0.saturating_sub(nanos.0))
    }
}
