//! The progress display of a run: three lines that are redrawn on a terminal, otherwise a new line every few
//! seconds. All of it goes to standard error, so that standard output contains only the report. Write errors
//! are ignored.

use super::report::units::{micros, rate, thousands};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::Write;

/// Seconds between lines without a terminal.
const INTERVAL: f64 = 5.0;
/// Resolution of the progress bar.
const STEPS: u64 = 1_000;
/// Number of seconds that the trend shows.
const TREND: usize = 30;

/// The current state of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The phase as in the rows of a report: `connecting`, `settling`, `warmup`, `measuring`, `draining`.
    pub phase: &'static str,
    /// Seconds since the phase began.
    pub elapsed: f64,
    /// Planned duration of the phase in seconds, if known.
    pub of: Option<f64>,
    /// Connections planned.
    pub planned: u64,
    /// Connections open.
    pub open: u64,
    /// Connections that failed or were lost.
    pub failed: u64,
    /// Deliveries lost so far.
    pub lost: u64,
    pub sent_per_second: f64,
    pub received_per_second: f64,
    /// Latency of the last second, in microseconds; zero if nothing was received.
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// The display of a run. It disappears when finished or dropped; lines written without a terminal remain.
#[derive(Debug)]
pub(crate) struct Progress(Display);

#[derive(Debug)]
enum Display {
    Drawn(Drawn),
    Lines(Lines),
}

/// A bar with the state of the connections next to it, a line of rates and a line of latency.
#[derive(Debug)]
struct Drawn {
    bars: MultiProgress,
    state: ProgressBar,
    rates: ProgressBar,
    latency: ProgressBar,
    trend: Trend,
}

#[derive(Debug, Default)]
struct Lines {
    phase: &'static str,
    /// When the last line was written, in seconds since the start of its phase.
    at: f64,
}

/// The p99 latency of the last seconds.
#[derive(Debug, Default)]
struct Trend {
    /// The second of the last value, with its phase.
    second: (&'static str, u64),
    values: Vec<f64>,
}

impl Progress {
    /// Draws if standard error is a terminal that supports it, in colour unless `NO_COLOR` is set.
    pub fn new() -> Progress {
        let bars = MultiProgress::new();
        if bars.is_hidden() {
            return Progress(Display::Lines(Lines::default()));
        }
        let line = |template: &str| bars.add(ProgressBar::new(STEPS).with_style(style(template)));
        let state = line("{bar:12.cyan/dim} {wide_msg}");
        let (rates, latency) = (line("{wide_msg}"), line("{wide_msg}"));
        Progress(Display::Drawn(Drawn { bars, state, rates, latency, trend: Trend::default() }))
    }

    /// Shows the current state. To be called several times per second.
    pub fn show(&mut self, snapshot: &Snapshot) {
        match &mut self.0 {
            Display::Drawn(drawn) => {
                drawn.trend.take(snapshot);
                drawn.state.set_position((snapshot.share() * STEPS as f64) as u64);
                drawn.state.set_message(snapshot.state());
                drawn.rates.set_message(snapshot.rates());
                drawn.latency.set_message(format!("{}  {}", snapshot.latency(), drawn.trend.line()));
            }
            Display::Lines(lines) => lines.show(snapshot, &mut std::io::stderr()),
        }
    }

    /// Prints a line that remains.
    pub fn note(&mut self, line: &str) {
        match &mut self.0 {
            Display::Drawn(drawn) => {
                let _ = drawn.bars.println(line);
            }
            Display::Lines(_) => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    /// Removes the display.
    pub fn finish(self) {
        if let Display::Drawn(drawn) = self.0 {
            for bar in [drawn.state, drawn.rates, drawn.latency] {
                bar.finish_and_clear();
            }
            let _ = drawn.bars.clear();
        }
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Lines {
    fn show(&mut self, snapshot: &Snapshot, to: &mut impl Write) {
        if self.is_due(snapshot) {
            // `eprintln!` would panic if standard error is closed or full.
            let _ = writeln!(to, "{}", snapshot.line());
        }
    }

    fn is_due(&mut self, snapshot: &Snapshot) -> bool {
        let is_due = snapshot.phase != self.phase || snapshot.elapsed - self.at >= INTERVAL;
        if is_due {
            (self.phase, self.at) = (snapshot.phase, snapshot.elapsed);
        }
        is_due
    }
}

impl Trend {
    /// Adds a value for each second in which messages were received.
    fn take(&mut self, snapshot: &Snapshot) {
        let second = (snapshot.phase, snapshot.elapsed as u64);
        if second == self.second || snapshot.p99 <= 0.0 {
            return;
        }
        self.second = second;
        if self.values.len() == TREND {
            self.values.remove(0);
        }
        self.values.push(snapshot.p99);
    }

    /// Formats the values as bars, scaled to the largest one.
    fn line(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let greatest = self.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let bar = |value: &f64| BARS[((value / greatest * 8.0).ceil() as usize).clamp(1, 8) - 1];
        self.values.iter().map(bar).collect()
    }
}

impl Snapshot {
    /// Returns the fraction of the phase that is done.
    fn share(&self) -> f64 {
        let (done, all) = match self.of {
            Some(of) => (self.elapsed, of),
            None => (self.open as f64, self.planned as f64),
        };
        if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn state(&self) -> String {
        let phase = if self.phase == "warmup" { "warming up" } else { self.phase };
        let of = self.of.map_or(String::new(), |of| format!("/{}", (of * 10.0).round() / 10.0));
        let mut text = format!("{phase} {}{of} s, {}", self.elapsed as u64, thousands(self.open));
        if self.open < self.planned {
            text += &format!("/{}", thousands(self.planned));
        }
        text += " open";
        if self.failed > 0 {
            text += &format!(", {} failed", thousands(self.failed));
        }
        text
    }

    /// Formats the message rates. Empty if there were no messages yet.
    fn rates(&self) -> String {
        if self.sent_per_second <= 0.0 && self.received_per_second <= 0.0 && self.max <= 0.0 {
            return String::new();
        }
        let mut text =
            format!("sent {}, received {}", rate(self.sent_per_second), rate(self.received_per_second));
        if self.lost > 0 {
            text += &format!(", lost {}", thousands(self.lost));
        }
        text
    }

    fn latency(&self) -> String {
        if self.max <= 0.0 {
            return String::new();
        }
        format!("p50 {}, p99 {}, max {}", micros(self.p50), micros(self.p99), micros(self.max))
    }

    fn line(&self) -> String {
        let parts = [self.state(), self.rates(), self.latency()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("; ")
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are sound").progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    fn busy() -> Snapshot {
        Snapshot {
            phase: "warmup",
            elapsed: 119.9,
            of: Some(120.0),
            open: 99_876,
            planned: 100_000,
            failed: 124,
            sent_per_second: 12_345.6,
            received_per_second: 1_234_567.8,
            p50: 123.4,
            p99: 12_345.6,
            max: 1_234_567.8,
            lost: 12_345,
        }
    }

    #[test]
    fn each_line_fits_80_columns_in_a_large_run() {
        let snapshot = busy();
        assert_eq!(snapshot.state(), "warming up 119/120 s, 99,876/100,000 open, 124 failed");
        assert_eq!(snapshot.rates(), "sent 12,346/s, received 1,234,568/s, lost 12,345");
        assert_eq!(snapshot.latency(), "p50 123 µs, p99 12.3 ms, max 1.23 s");
        let (bar, trend) = (12 + 1, 2 + TREND);
        assert!(bar + snapshot.state().chars().count() <= 80);
        assert!(snapshot.latency().chars().count() + trend <= 80);
    }

    #[test]
    fn zero_counts_are_not_shown() {
        let snapshot =
            Snapshot { phase: "connecting", elapsed: 2.5, open: 10, planned: 10, ..Snapshot::default() };
        assert_eq!(snapshot.line(), "connecting 2 s, 10 open");
    }

    #[test]
    fn a_stalled_run_shows_zero_rates() {
        let snapshot = Snapshot { sent_per_second: 0.0, received_per_second: 0.0, ..busy() };
        assert!(snapshot.line().contains("; sent 0/s, received 0/s, lost 12,345; p50"));
    }

    #[test]
    fn the_bar_shows_seconds_or_else_connections() {
        let share = |of, open| Snapshot { elapsed: 3.0, of, open, planned: 8, ..Snapshot::default() }.share();
        assert_eq!(share(Some(12.0), 8), 0.25);
        assert_eq!(share(Some(2.0), 8), 1.0);
        assert_eq!(share(None, 4), 0.5);
        assert_eq!(Snapshot::default().share(), 0.0);
    }

    #[test]
    fn lines_are_due_every_five_seconds_and_when_the_phase_changes() {
        let mut lines = Lines::default();
        let due: Vec<bool> = [
            ("connecting", 0.0),
            ("connecting", 4.9),
            ("connecting", 5.1),
            ("connecting", 10.0),
            ("measuring", 0.5),
            ("measuring", 5.4),
            ("measuring", 5.5),
        ]
        .map(|(phase, elapsed)| lines.is_due(&Snapshot { phase, elapsed, ..Snapshot::default() }))
        .into();
        assert_eq!(due, [true, false, true, false, true, false, true]);
    }

    #[test]
    fn the_trend_has_one_bar_for_each_of_the_last_seconds() {
        let mut trend = Trend::default();
        let at = |elapsed, p99| Snapshot { phase: "measuring", elapsed, p99, ..Snapshot::default() };
        for (elapsed, p99) in [(1.0, 0.0), (1.1, 10.0), (1.9, 99.0), (2.0, 80.0), (3.0, 40.0)] {
            trend.take(&at(elapsed, p99));
        }
        assert_eq!(trend.line(), "▁█▄");
        (10..100).for_each(|second| trend.take(&at(f64::from(second), 1.0)));
        assert_eq!(trend.line(), "█".repeat(TREND));
    }

    #[test]
    fn a_full_standard_error_is_ignored() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        assert!(writeln!(full, "a line").is_err());
        Lines::default().show(&busy(), &mut full);
    }
}
