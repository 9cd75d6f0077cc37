//! What a person sees while a run goes on: two lines that are drawn anew on a terminal, else a line from time to time.
//! All of it goes to standard error, so that what the run prints stays clean.

use super::report::figures::{micros, rate, thousands};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::Write;

/// Seconds from one line to the next where there is no terminal.
const INTERVAL: f64 = 5.0;
/// Parts that the bar can tell apart.
const STEPS: u64 = 1_000;

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// `connecting`, `warming up`, `measuring`, `draining`.
    pub phase: &'static str,
    /// Seconds since the phase began.
    pub elapsed: f64,
    /// Seconds that the phase takes, if that is known.
    pub of: Option<f64>,
    /// Connections open.
    pub open: u64,
    /// Connections asked for.
    pub wanted: u64,
    /// Connections that failed or were lost.
    pub failed: u64,
    /// Messages sent a second.
    pub sent_per_second: f64,
    /// Deliveries a second.
    pub received_per_second: f64,
    /// Latencies so far, in microseconds; zero if there are none.
    pub p50: f64,
    /// Likewise.
    pub p99: f64,
    /// Likewise.
    pub max: f64,
    /// Deliveries lost.
    pub lost: u64,
}

/// The display of a run. It is gone when it is finished or dropped; lines that were not drawn on a terminal stay.
#[derive(Debug)]
pub struct Progress(Display);

#[derive(Debug)]
enum Display {
    Drawn(Drawn),
    Lines(Lines),
}

/// A bar with the state of the connections beside it, and a line of figures.
#[derive(Debug)]
struct Drawn {
    bars: MultiProgress,
    state: ProgressBar,
    figures: ProgressBar,
}

#[derive(Debug, Default)]
struct Lines {
    phase: &'static str,
    /// When the last one was written, in seconds of its phase.
    at: f64,
}

impl Progress {
    /// Draws if standard error is a terminal that can, in colour unless `NO_COLOR` is set.
    pub fn new() -> Progress {
        let bars = MultiProgress::new();
        if bars.is_hidden() {
            return Progress(Display::Lines(Lines::default()));
        }
        let state = bars.add(ProgressBar::new(STEPS).with_style(style("{bar:12.cyan/dim} {wide_msg}")));
        let figures = bars.add(ProgressBar::new(STEPS).with_style(style("{wide_msg}")));
        Progress(Display::Drawn(Drawn { bars, state, figures }))
    }

    /// Shows where the run stands; to be called some times a second.
    pub fn show(&mut self, snapshot: &Snapshot) {
        match &mut self.0 {
            Display::Drawn(drawn) => {
                drawn.state.set_position((snapshot.share() * STEPS as f64) as u64);
                drawn.state.set_message(snapshot.state());
                drawn.figures.set_message(snapshot.figures());
            }
            Display::Lines(lines) => {
                if lines.is_due(snapshot) {
                    // Nobody reads it: no reason to stop the run.
                    let _ = writeln!(std::io::stderr(), "{}", snapshot.line());
                }
            }
        }
    }

    /// Takes the display away.
    pub fn finish(self) {
        if let Display::Drawn(drawn) = self.0 {
            drawn.state.finish_and_clear();
            drawn.figures.finish_and_clear();
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
    fn is_due(&mut self, snapshot: &Snapshot) -> bool {
        let is_due = snapshot.phase != self.phase || snapshot.elapsed - self.at >= INTERVAL;
        if is_due {
            (self.phase, self.at) = (snapshot.phase, snapshot.elapsed);
        }
        is_due
    }
}

impl Snapshot {
    /// How much of the phase is done.
    fn share(&self) -> f64 {
        let (done, all) = match self.of {
            Some(of) => (self.elapsed, of),
            None => (self.open as f64, self.wanted as f64),
        };
        if all > 0.0 { (done / all).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn state(&self) -> String {
        let of = self.of.map_or(String::new(), |of| format!("/{}", (of * 10.0).round() / 10.0));
        let mut text = format!("{} {}{of} s, {}", self.phase, self.elapsed as u64, thousands(self.open));
        if self.open < self.wanted {
            text += &format!("/{}", thousands(self.wanted));
        }
        text += " open";
        for (count, name) in [(self.failed, "failed"), (self.lost, "lost")] {
            if count > 0 {
                text += &format!(", {} {name}", thousands(count));
            }
        }
        text
    }

    /// Empty if the run has had no messages.
    fn figures(&self) -> String {
        let mut figures = Vec::new();
        if self.sent_per_second > 0.0 || self.received_per_second > 0.0 || self.max > 0.0 {
            figures.push(format!("{} sent", rate(self.sent_per_second)));
            figures.push(format!("{} received", rate(self.received_per_second)));
        }
        if self.max > 0.0 {
            let latencies = [("p50", self.p50), ("p99", self.p99), ("max", self.max)];
            figures.extend(latencies.map(|(name, latency)| format!("{name} {}", micros(latency))));
        }
        figures.join(", ")
    }

    fn line(&self) -> String {
        let figures = self.figures();
        let between = if figures.is_empty() { "" } else { "; " };
        format!("{}{between}{figures}", self.state())
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are sound").progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Snapshot {
        Snapshot {
            phase: "warming up",
            elapsed: 119.9,
            of: Some(120.0),
            open: 99_876,
            wanted: 100_000,
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
    fn both_lines_fit_80_columns_in_a_large_run() {
        let snapshot = busy();
        let state = "warming up 119/120 s, 99,876/100,000 open, 124 failed, 12,345 lost";
        let figures = "12,346/s sent, 1,234,568/s received, p50 123 µs, p99 12.3 ms, max 1.23 s";
        assert_eq!(snapshot.state(), state);
        assert_eq!(snapshot.figures(), figures);
        let bar = 12 + 1;
        assert!(bar + state.chars().count() <= 80 && figures.chars().count() <= 80);
        assert_eq!(snapshot.line(), format!("{state}; {figures}"));
    }

    #[test]
    fn what_there_is_none_of_is_not_mentioned() {
        let snapshot =
            Snapshot { phase: "connecting", elapsed: 2.5, open: 10, wanted: 10, ..Snapshot::default() };
        assert_eq!(snapshot.line(), "connecting 2 s, 10 open");
    }

    #[test]
    fn a_run_that_stands_still_says_so() {
        let snapshot = Snapshot { sent_per_second: 0.0, received_per_second: 0.0, ..busy() };
        assert!(snapshot.figures().starts_with("0/s sent, 0/s received, p50"));
    }

    #[test]
    fn the_bar_counts_seconds_or_else_connections() {
        let share = |of, open| Snapshot { elapsed: 3.0, of, open, wanted: 8, ..Snapshot::default() }.share();
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
}
