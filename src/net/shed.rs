//! What the server does not carry, counted by cause: connections that it refuses or ends and messages that it leaves
//! out, since a limit says so. Each cause is told in the log at most once a second, with how many there were since.

use std::fmt;
use std::time::{Duration, Instant};

/// A cause is told again after this, at the earliest.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why a connection or a message was not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A connection was closed: too much waited for it.
    QueueFull,
    /// A connection was closed: much waited for it for long.
    HighWater,
    /// A connection was closed: it took nothing for long.
    Stalled,
    /// A message was left out for one slow reader.
    LeftOut,
    /// A connection was refused: there are as many as there may be.
    Connections,
    /// A connection was refused: its address has as many as it may.
    PerAddress,
    /// A connection was refused: the system has no descriptors left.
    Descriptors,
    /// A connection was dropped: it had been longest at its handshake, and there were too many at it.
    Handshakes,
    /// A request head was not complete in time.
    HeadTimeout,
    /// A message was not complete in time.
    MessageTimeout,
    /// A ping was not answered in time.
    PongTimeout,
    /// A connection was cut off: the peer did not do its part in closing it in time.
    CloseTimeout,
    /// A connection was closed: a compressed message referred to an earlier one against what was agreed.
    LostContext,
    /// A message was refused: its sender sends too many.
    Rate,
    /// A connection was closed: it sent too many messages.
    RateClosed,
}

impl Cause {
    const ALL: [Cause; 15] = [
        Cause::QueueFull,
        Cause::HighWater,
        Cause::Stalled,
        Cause::LeftOut,
        Cause::Connections,
        Cause::PerAddress,
        Cause::Descriptors,
        Cause::Handshakes,
        Cause::HeadTimeout,
        Cause::MessageTimeout,
        Cause::PongTimeout,
        Cause::CloseTimeout,
        Cause::LostContext,
        Cause::Rate,
        Cause::RateClosed,
    ];

    /// What was shed, and by which limit.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Cause::QueueFull => ("slow readers closed", "--max-queue"),
            Cause::HighWater => ("slow readers closed", "--high-water-timeout"),
            Cause::Stalled => ("slow readers closed", "--stall-timeout"),
            Cause::LeftOut => ("messages left out for slow readers", "--slow drop"),
            Cause::Connections => ("connections refused with 503", "--max-connections"),
            Cause::PerAddress => ("connections refused with 429", "--max-per-address"),
            Cause::Descriptors => ("connections refused with 503", "no descriptors left"),
            Cause::Handshakes => ("unfinished handshakes dropped", "--max-handshakes"),
            Cause::HeadTimeout => ("requests late", "--head-timeout"),
            Cause::MessageTimeout => ("messages late", "--message-timeout"),
            Cause::PongTimeout => ("pings unanswered", "--pong-timeout"),
            Cause::CloseTimeout => ("closings cut off", "--close-timeout"),
            Cause::LostContext => (
                "connections closed whose compressed messages refer to earlier ones",
                "--deflate-contexts 1MiB lets such clients do so",
            ),
            Cause::Rate => ("messages refused", "--rate"),
            Cause::RateClosed => ("connections closed", "--rate"),
        }
    }

    /// Peers that vanish are a matter of course.
    fn level(self) -> log::Level {
        match self {
            Cause::PongTimeout | Cause::CloseTimeout => log::Level::Debug,
            _ => log::Level::Warn,
        }
    }
}

/// How often each cause was met, and what of that has been told.
#[derive(Debug, Default)]
pub(super) struct Shed {
    tallies: [Tally; Cause::ALL.len()],
    /// Whether there may be some of which the log does not know.
    is_untold: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    total: u64,
    told: u64,
    told_at: Option<Instant>,
}

impl Shed {
    pub(super) fn count(&mut self, cause: Cause, times: usize) {
        self.tallies[cause as usize].total += times as u64;
        self.is_untold = true;
    }

    /// When a cause may be told of which the log does not know all.
    pub(super) fn due(&self) -> Option<Instant> {
        if !self.is_untold {
            return None;
        }
        self.tallies.iter().filter_map(Tally::due).min()
    }

    /// Tells what may be told. To be called when a tick ends, since a cause that was never told is due at once.
    pub(super) fn tell(&mut self, now: Instant) {
        for (cause, times) in self.take_due(now) {
            let (what, limit) = cause.words();
            log::log!(cause.level(), "{what}: {times} ({limit})");
        }
    }

    /// Tells all there ever was, if there was any.
    pub(super) fn tell_total(&self) {
        if self.tallies.iter().any(|tally| tally.total > 0) {
            log::info!("shed in all: {self}");
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<(Cause, u64)> {
        if !std::mem::take(&mut self.is_untold) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (cause, tally) in Cause::ALL.into_iter().zip(&mut self.tallies) {
            if tally.total == tally.told {
                continue;
            }
            if tally.due().is_some_and(|due| now < due) {
                self.is_untold = true;
                continue;
            }
            due.push((cause, tally.total - tally.told));
            *tally = Tally { told: tally.total, told_at: Some(now), ..*tally };
        }
        due
    }
}

impl fmt::Display for Shed {
    /// The causes there were, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (cause, tally) in Cause::ALL.into_iter().zip(&self.tallies) {
            if tally.total > 0 {
                let (what, limit) = cause.words();
                write!(f, "{separator}{what}: {} ({limit})", tally.total)?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

impl Tally {
    /// `None` if all was told, or nothing ever was.
    fn due(&self) -> Option<Instant> {
        self.told_at.filter(|_| self.total > self.told).map(|at| at + INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_at_once_and_then_once_a_second_with_all_that_came_meanwhile() {
        let start = Instant::now();
        let mut shed = Shed::default();
        assert_eq!((shed.due(), shed.take_due(start)), (None, vec![]));
        shed.count(Cause::QueueFull, 1);
        shed.count(Cause::QueueFull, 2);
        assert_eq!(shed.take_due(start), [(Cause::QueueFull, 3)]);
        assert_eq!((shed.due(), shed.take_due(start)), (None, vec![]));

        shed.count(Cause::QueueFull, 4);
        shed.count(Cause::Rate, 1);
        assert_eq!(shed.take_due(start + INTERVAL / 2), [(Cause::Rate, 1)], "each has a second of its own");
        assert_eq!(shed.due(), Some(start + INTERVAL), "what is not told is not lost");
        assert_eq!(shed.take_due(start + INTERVAL - Duration::from_nanos(1)), []);
        shed.count(Cause::QueueFull, 1);
        assert_eq!(shed.take_due(start + INTERVAL), [(Cause::QueueFull, 5)]);
        assert_eq!(shed.due(), None, "nothing wakes up while nothing happens");
        shed.count(Cause::Rate, 1);
        assert_eq!(shed.take_due(start + 9 * INTERVAL), [(Cause::Rate, 1)]);
    }

    #[test]
    fn the_total_names_the_causes_there_were() {
        let mut shed = Shed::default();
        assert_eq!(shed.to_string(), "");
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
        shed.count(Cause::LeftOut, 12);
        shed.count(Cause::QueueFull, 1);
        shed.take_due(Instant::now());
        shed.count(Cause::QueueFull, 1);
        assert_eq!(
            shed.to_string(),
            "slow readers closed: 2 (--max-queue), messages left out for slow readers: 12 (--slow drop)"
        );
    }
}
