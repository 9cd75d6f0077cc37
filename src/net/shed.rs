//! Counts refused and closed connections, refused requests and dropped messages by cause. The log reports each cause at
//! most once a second, with its count and the setting that decides, so that no peer can flood the log.

use std::fmt;
use std::time::{Duration, Instant};

/// A cause is logged again after this, at the earliest.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why a connection, a request or a message was refused or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A connection was closed: its queue exceeded the limit.
    QueueFull,
    /// A connection was closed: its queue was long for too long.
    HighWater,
    /// A connection was closed: its peer read nothing for too long.
    Stalled,
    /// A message was left out for one slow reader.
    LeftOut,
    /// A connection was closed: it held much of the memory that may be kept for peers.
    Memory,
    /// A connection was refused: the server has as many as allowed.
    Connections,
    /// A connection was refused: its address has as many as allowed.
    PerAddress,
    /// A connection was refused: the system has no descriptors left.
    Descriptors,
    /// A connection was dropped: the system cannot watch another one.
    Unwatched,
    /// A connection was dropped: it had been longest at its handshake, and there were too many at it.
    Handshakes,
    /// A request head was not complete in time.
    HeadTimeout,
    /// A request was refused: its head is malformed.
    Malformed,
    /// A request was refused: its head is too large.
    HeadTooLarge,
    /// A WebSocket handshake was refused.
    Handshake,
    /// A WebSocket handshake was refused: pages of its origin may not connect.
    Origin,
    /// A request was refused: its host is not served.
    Host,
    /// A message was not complete in time.
    MessageTimeout,
    /// A ping was not answered in time.
    PongTimeout,
    /// A connection was cut off: the peer did not complete the closing handshake in time.
    CloseTimeout,
    /// A connection was closed: a compressed message referred to an earlier one against the negotiated parameters.
    LostContext,
    /// A message was refused: its sender sends too many.
    Rate,
    /// A message was refused: its sender sends too many bytes.
    ByteRate,
    /// A message was refused: too many bytes are sent because of its sender.
    FanOutRate,
    /// A message was refused: too many bytes are said in its room.
    RoomRate,
    /// A connection was closed: it sent too many messages or bytes.
    RateClosed,
}

impl Cause {
    const ALL: [Cause; 25] = [
        Cause::QueueFull,
        Cause::HighWater,
        Cause::Stalled,
        Cause::LeftOut,
        Cause::Memory,
        Cause::Connections,
        Cause::PerAddress,
        Cause::Descriptors,
        Cause::Unwatched,
        Cause::Handshakes,
        Cause::HeadTimeout,
        Cause::Malformed,
        Cause::HeadTooLarge,
        Cause::Handshake,
        Cause::Origin,
        Cause::Host,
        Cause::MessageTimeout,
        Cause::PongTimeout,
        Cause::CloseTimeout,
        Cause::LostContext,
        Cause::Rate,
        Cause::ByteRate,
        Cause::FanOutRate,
        Cause::RoomRate,
        Cause::RateClosed,
    ];

    /// Returns what was refused, closed or left out, and the setting that decides.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Cause::QueueFull => {
                ("slow readers closed", "queue above --max-queue; --slow drop leaves messages out instead")
            }
            Cause::HighWater => {
                ("slow readers closed", "queue above --high-water for longer than --high-water-timeout")
            }
            Cause::Stalled => ("slow readers closed", "nothing read for --stall-timeout"),
            Cause::LeftOut => ("messages left out for slow readers", "--slow drop"),
            Cause::Memory => ("connections closed", "more kept for peers than --max-memory"),
            Cause::Connections => ("connections refused with 503", "--max-connections"),
            Cause::PerAddress => ("connections refused with 429", "--max-per-address"),
            Cause::Descriptors => (
                "connections refused with 503",
                "no descriptors left; raise ulimit -n or lower --max-connections",
            ),
            Cause::Unwatched => {
                ("connections dropped", "the system cannot watch more; lower --max-connections")
            }
            Cause::Handshakes => ("unfinished handshakes dropped", "--max-handshakes"),
            Cause::HeadTimeout => ("requests refused with 408", "head not complete within --head-timeout"),
            Cause::Malformed => ("malformed requests refused", "not valid HTTP/1.1"),
            Cause::HeadTooLarge => ("requests refused", "--max-request-line, --max-head, --max-headers"),
            Cause::Handshake => ("WebSocket handshakes refused", "not valid by RFC 6455"),
            Cause::Origin => ("pages of other origins refused", "--allow-origin"),
            Cause::Host => ("requests for other hosts refused", "--host"),
            Cause::MessageTimeout => ("connections closed", "message not complete within --message-timeout"),
            Cause::PongTimeout => ("connections closed", "ping not answered within --pong-timeout"),
            Cause::CloseTimeout => {
                ("connections cut off", "closing handshake not complete within --close-timeout")
            }
            Cause::LostContext => (
                "connections closed whose compressed messages refer to earlier ones",
                "--deflate-contexts 1MiB lets such clients do so",
            ),
            Cause::Rate => ("messages refused", "--rate"),
            Cause::ByteRate => ("messages refused", "--byte-rate"),
            Cause::FanOutRate => ("messages refused", "--fan-out-rate"),
            Cause::RoomRate => ("messages refused", "--room-rate"),
            Cause::RateClosed => {
                ("connections closed", "more than --rate, --byte-rate, --fan-out-rate or --room-rate")
            }
        }
    }

    /// Returns the level of its lines. Vanished peers are normal, so they are not warnings.
    fn level(self) -> log::Level {
        match self {
            Cause::PongTimeout | Cause::CloseTimeout => log::Level::Debug,
            _ => log::Level::Warn,
        }
    }
}

/// How often each cause occurred, and what of that has been logged.
#[derive(Debug, Default)]
pub(super) struct Shed {
    tallies: [Tally; Cause::ALL.len()],
    /// Whether some may not have been logged yet.
    has_unlogged: bool,
}

#[derive(Debug, Default)]
struct Tally {
    total: u64,
    logged: u64,
    logged_at: Option<Instant>,
    /// A description of the first occurrence since then.
    example: Option<String>,
}

/// What to log for a cause.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    cause: Cause,
    count: u64,
    example: Option<String>,
}

impl Shed {
    pub(super) fn count(&mut self, cause: Cause, times: usize) {
        self.tallies[cause as usize].total += times as u64;
        self.has_unlogged = true;
    }

    /// Counts one occurrence, described by a sentence. Only the first sentence since the last report is built and
    /// logged.
    pub(super) fn count_with(&mut self, cause: Cause, example: impl FnOnce() -> String) {
        self.count(cause, 1);
        self.tallies[cause as usize].example.get_or_insert_with(example);
    }

    /// Returns when the next unlogged cause may be logged.
    pub(super) fn due(&self) -> Option<Instant> {
        if !self.has_unlogged {
            return None;
        }
        self.tallies.iter().filter_map(Tally::due).min()
    }

    /// Logs all causes that are due. Called at the end of a tick, since a new cause is due at once.
    pub(super) fn log_due(&mut self, now: Instant) {
        for report in self.take_due(now) {
            let (_, setting) = report.cause.words();
            log::log!(report.cause.level(), count = report.count, setting = setting; "{report}");
        }
    }

    /// Logs how often each cause occurred since the start.
    pub(super) fn log_totals(&self) {
        if self.tallies.iter().any(|tally| tally.total > 0) {
            log::info!("totals: {self}");
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<Report> {
        if !std::mem::take(&mut self.has_unlogged) {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (cause, tally) in Cause::ALL.into_iter().zip(&mut self.tallies) {
            if tally.total == tally.logged {
                continue;
            }
            if tally.due().is_some_and(|due| now < due) {
                self.has_unlogged = true;
                continue;
            }
            due.push(Report { cause, count: tally.total - tally.logged, example: tally.example.take() });
            tally.logged = tally.total;
            tally.logged_at = Some(now);
        }
        due
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { cause, count, example } = self;
        let (what, setting) = cause.words();
        match example {
            None => write!(f, "{what}: {count} ({setting})"),
            Some(example) if *count == 1 => f.write_str(example),
            Some(example) => write!(f, "{example} ({what} since the last report: {count})"),
        }
    }
}

impl fmt::Display for Shed {
    /// The causes there were, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (cause, tally) in Cause::ALL.into_iter().zip(&self.tallies) {
            if tally.total > 0 {
                let (what, setting) = cause.words();
                write!(f, "{separator}{what}: {} ({setting})", tally.total)?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

impl Tally {
    /// `None` if all was logged, or nothing ever was.
    fn due(&self) -> Option<Instant> {
        self.logged_at.filter(|_| self.total > self.logged).map(|at| at + INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cause: Cause, count: u64) -> Report {
        Report { cause, count, example: None }
    }

    #[test]
    fn a_cause_is_logged_at_once_and_then_once_a_second_with_how_often_it_occurred() {
        let start = Instant::now();
        let mut shed = Shed::default();
        assert_eq!((shed.due(), shed.take_due(start)), (None, vec![]));
        shed.count(Cause::QueueFull, 1);
        shed.count(Cause::QueueFull, 2);
        assert_eq!(shed.take_due(start), [report(Cause::QueueFull, 3)]);
        assert_eq!((shed.due(), shed.take_due(start)), (None, vec![]));

        shed.count(Cause::QueueFull, 4);
        shed.count(Cause::Rate, 1);
        let half = start + INTERVAL / 2;
        assert_eq!(shed.take_due(half), [report(Cause::Rate, 1)], "each has a second of its own");
        assert_eq!(shed.due(), Some(start + INTERVAL), "what is not logged is not lost");
        assert_eq!(shed.take_due(start + INTERVAL - Duration::from_nanos(1)), []);
        shed.count(Cause::QueueFull, 1);
        assert_eq!(shed.take_due(start + INTERVAL), [report(Cause::QueueFull, 5)]);
        assert_eq!(shed.due(), None, "nothing wakes up while nothing happens");
        shed.count(Cause::Rate, 1);
        assert_eq!(shed.take_due(start + 9 * INTERVAL), [report(Cause::Rate, 1)]);
    }

    #[test]
    fn an_example_is_made_once_a_report() {
        let start = Instant::now();
        let mut shed = Shed::default();
        shed.count_with(Cause::Handshake, || "refused a".to_owned());
        let reports = shed.take_due(start);
        assert_eq!(reports.iter().map(ToString::to_string).collect::<Vec<_>>(), ["refused a"]);
        shed.count_with(Cause::Handshake, || "refused b".to_owned());
        for _ in 0..3 {
            shed.count_with(Cause::Handshake, || unreachable!("nobody will read it"));
        }
        let reports = shed.take_due(start + INTERVAL);
        assert_eq!(
            reports[0].to_string(),
            "refused b (WebSocket handshakes refused since the last report: 4)"
        );
    }

    #[test]
    fn the_totals_name_the_causes_there_were() {
        let mut shed = Shed::default();
        assert_eq!(shed.to_string(), "");
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
        shed.count(Cause::LeftOut, 12);
        shed.count(Cause::Stalled, 1);
        shed.take_due(Instant::now());
        shed.count(Cause::Stalled, 1);
        assert_eq!(
            shed.to_string(),
            "slow readers closed: 2 (nothing read for --stall-timeout), messages left out for slow readers: 12 \
             (--slow drop)"
        );
    }
}
