//! Line charts over time or over percentiles, as inline SVG.
//!
//! Positions are in percent of the plot, and only lines are stretched to its width. Text and strokes keep
//! their size on a narrow screen.

use super::super::units;
use super::Escaped;
use std::fmt;

/// Largest number of points with a tooltip. More would be too close together.
const MAX_DOTS: usize = 240;
/// The percentiles marked on the axis, as fractions.
const SHARES: [f64; 7] = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, MAX_SHARE];
/// Number of labels that fit next to each other on a phone.
const MAX_LABELS_ON_A_PHONE: usize = 5;
const MAX_SHARE: f64 = 0.999999;
/// The scale is logarithmic if the maximum exceeds the lower quartile by this factor.
const FAR_APART: f64 = 50.0;

/// A chart. Formats as a `figure` element, or as nothing if no line has a point.
pub(super) struct Chart<'a> {
    pub title: &'a str,
    pub x: Quantity,
    pub y: Quantity,
    pub phases: &'a [Phase],
    pub lines: Vec<Line>,
    pub dots: Dots,
}

/// Whether points are always shown, or only under the pointer.
#[derive(Clone, Copy)]
pub(super) enum Dots {
    Shown,
    Hidden,
}

/// A line. It is interrupted where a point has no value.
pub(super) struct Line {
    pub name: String,
    pub points: Vec<(f64, Option<f64>)>,
}

/// A marked range of the horizontal axis.
pub(super) struct Phase {
    pub name: String,
    pub from: f64,
    pub to: f64,
    pub shade: Shade,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Shade {
    Shaded,
    Clear,
}

/// The quantity on an axis, which determines its scale.
#[derive(Clone, Copy)]
pub(super) enum Quantity {
    /// From 0 to 1, scaled by the number of nines.
    Share,
    Seconds,
    Count,
    /// The load of a search, with its unit.
    Load(&'static str),
    /// From 0 to 1, shown in percent on a linear scale.
    Percent,
    /// Microseconds, on a logarithmic scale if most values are far below the maximum.
    Micros,
}

impl fmt::Display for Chart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = || self.lines.iter().enumerate().filter(|(_, line)| line.values().next().is_some());
        if drawn().next().is_none() {
            return Ok(());
        }
        let places = self.lines.iter().flat_map(|line| &line.points).map(|point| point.0);
        let x = Axis::of(self.x, places.chain(self.phases.iter().map(|phase| phase.to)));
        let y = Axis::of(self.y, self.lines.iter().flat_map(Line::values));
        let note = if y.is_log() { " <small>logarithmic scale</small>" } else { "" };
        writeln!(f, "<figure>\n<figcaption>{}{note}</figcaption>", Escaped(self.title))?;
        if self.lines.len() > 1 {
            writeln!(f, "<ul class=\"legend\">")?;
            for (at, line) in drawn() {
                writeln!(f, "<li>{} {}</li>", Sample(at), Escaped(&line.name))?;
            }
            writeln!(f, "</ul>")?;
        }
        writeln!(f, "<svg class=\"plot\" role=\"img\" aria-label=\"{}\">", Escaped(&self.summary()))?;
        self.write_phases(&x, f)?;
        for (index, &tick) in x.ticks.iter().enumerate() {
            let (at, label) = (x.percent(tick), self.x.label(tick));
            // Labels that are hidden on a phone.
            let is_minor = x.ticks.len() > MAX_LABELS_ON_A_PHONE && (x.ticks.len() - index).is_multiple_of(2);
            let minor = if is_minor { " minor" } else { "" };
            writeln!(f, "<line class=\"grid\" x1=\"{at:.2}%\" x2=\"{at:.2}%\" y1=\"0\" y2=\"100%\"/>")?;
            writeln!(f, "<text class=\"x{minor}\" x=\"{at:.2}%\" y=\"100%\" dy=\"18\">{label}</text>")?;
        }
        for &tick in &y.ticks {
            let (at, label) = (100.0 - y.percent(tick), self.y.label(tick));
            writeln!(f, "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{at:.2}%\" y2=\"{at:.2}%\"/>")?;
            writeln!(f, "<text class=\"y\" x=\"-8\" y=\"{at:.2}%\" dy=\"4\">{label}</text>")?;
        }
        writeln!(f, "<text class=\"x\" x=\"50%\" y=\"100%\" dy=\"36\">{}</text>", self.x.name())?;
        writeln!(
            f,
            "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%\" height=\"100%\" \
             overflow=\"visible\">"
        )?;
        for (at, line) in drawn() {
            writeln!(f, "<path class=\"{}\" d=\"{}\"/>", Style(at), line.path(&x, &y))?;
        }
        writeln!(f, "</svg>")?;
        for (at, line) in drawn() {
            self.write_dots(Style(at), line, &x, &y, f)?;
        }
        writeln!(f, "</svg>\n</figure>")
    }
}

impl Chart<'_> {
    /// Returns the text alternative of the chart.
    fn summary(&self) -> String {
        let greatest = self.lines.iter().filter_map(|line| {
            let greatest = line.values().reduce(f64::max)?;
            Some(format!("{} up to {}", line.name, self.y.text(greatest)))
        });
        format!("{}: {}", self.title, greatest.collect::<Vec<_>>().join(", "))
    }

    fn write_phases(&self, x: &Axis, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in self.phases {
            let (from, to) = (x.percent(phase.from), x.percent(phase.to));
            let (width, name) = (to - from, Escaped(&phase.name));
            let class = if phase.shade == Shade::Clear { "measuring" } else { "phase" };
            writeln!(
                f,
                "<rect class=\"{class}\" x=\"{from:.2}%\" width=\"{width:.2}%\" height=\"100%\">\
                 <title>{name}</title></rect>"
            )?;
            // A letter takes about 2.3 % of the width of a phone.
            if width > 2.3 * phase.name.chars().count() as f64 {
                let middle = from + width / 2.0;
                writeln!(f, "<text class=\"x\" x=\"{middle:.2}%\" y=\"0\" dy=\"-6\">{name}</text>")?;
            }
        }
        Ok(())
    }

    /// Writes points that show their values under the pointer.
    fn write_dots(
        &self,
        style: Style,
        line: &Line,
        x: &Axis,
        y: &Axis,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let every = line.points.len().div_ceil(MAX_DOTS).max(1);
        let shown = if matches!(self.dots, Dots::Shown) { "shown " } else { "" };
        for &(at, value) in line.points.iter().step_by(every) {
            let Some(value) = value else { continue };
            writeln!(
                f,
                "<circle class=\"dot {shown}{style}\" cx=\"{:.2}%\" cy=\"{:.2}%\" r=\"5\"><title>{}, {}: {}</title></circle>",
                x.percent(at),
                100.0 - y.percent(value),
                Escaped(&line.name),
                self.x.text(at),
                self.y.text(value)
            )?;
        }
        Ok(())
    }
}

impl Line {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().filter_map(|&(_, value)| value)
    }

    fn path(&self, x: &Axis, y: &Axis) -> String {
        let mut path = String::new();
        let mut is_drawing = false;
        for &(at, value) in &self.points {
            if let Some(value) = value {
                let (across, down) = (x.percent(at) * 10.0, 1000.0 - y.percent(value) * 10.0);
                // A line of no length makes an isolated point visible as a dot.
                path += &if is_drawing {
                    format!("L{across:.1} {down:.1}")
                } else {
                    format!("M{across:.1} {down:.1}h0")
                };
            }
            is_drawing = value.is_some();
        }
        path
    }
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Quantity::Share => "percentile, the maximum at the right edge",
            Quantity::Seconds => "seconds",
            Quantity::Load(name) => name,
            Quantity::Count | Quantity::Percent | Quantity::Micros => "",
        }
    }

    /// Formats a value in full.
    fn text(self, value: f64) -> String {
        match self {
            Quantity::Share => format!("{} %", self.label(value)),
            Quantity::Seconds => format!("{value:.0} s"),
            Quantity::Count => units::thousands(value.round() as u64),
            Quantity::Load(name) => format!("{} {name}", units::short(value)),
            Quantity::Percent => units::percent(value),
            Quantity::Micros => units::micros(value),
        }
    }

    /// Formats a round value in a short form for an axis.
    fn label(self, value: f64) -> String {
        match self {
            Quantity::Share => format!("{}", (value * 1e8).round() / 1e6),
            Quantity::Seconds => units::thousands(value as u64),
            Quantity::Percent => units::percent(value),
            Quantity::Count | Quantity::Load(_) if value >= 1e6 => {
                format!("{} M", (value / 1e4).round() / 1e2)
            }
            Quantity::Count | Quantity::Load(_) => units::thousands(value as u64),
            Quantity::Micros if value == 0.0 => "0".to_owned(),
            Quantity::Micros => match units::micros(value) {
                text if text.contains('.') => text.replacen("0 ", " ", 1),
                text => text,
            },
        }
    }
}

/// The scale of an axis: `scale` maps values to positions from `low` to `high`.
struct Axis {
    scale: fn(f64) -> f64,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn of(quantity: Quantity, values: impl Iterator<Item = f64>) -> Axis {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let [least, low, high] = [values.first(), values.get(values.len() / 4), values.last()]
            .map(|value| value.copied().unwrap_or_default());
        match quantity {
            Quantity::Share => Axis::nines(high),
            Quantity::Micros if least > 0.0 && high / low > FAR_APART => Axis::log(least, high),
            Quantity::Seconds | Quantity::Load(_) => Axis::linear(high, 1.0).until(high),
            Quantity::Percent => Axis::linear(high.max(1e-4), 0.0),
            Quantity::Count | Quantity::Micros => Axis::linear(high, 1.0),
        }
    }

    /// Creates a scale on which each further nine takes the same space.
    fn nines(high: f64) -> Axis {
        fn scale(share: f64) -> f64 {
            (1.0 / (1.0 - share.min(MAX_SHARE))).log10()
        }
        let high = scale(high).max(1.0);
        let ticks = SHARES.into_iter().filter(|&share| scale(share) <= high + 1e-6).collect();
        Axis { scale, low: 0.0, high, ticks }
    }

    /// Creates a linear scale from zero with steps of at least `least` and at most six marks. The last mark
    /// is at least `high`.
    fn linear(high: f64, least: f64) -> Axis {
        let high = high.max(1e-9);
        let step = round_up(high / 5.0).max(least);
        let steps = (high / step - 1e-9).ceil().max(1.0) as usize;
        let ticks = (0..=steps).map(|at| at as f64 * step).collect();
        Axis { scale: |value| value, low: 0.0, high: steps as f64 * step, ticks }
    }

    /// Ends the scale at the maximum.
    fn until(mut self, high: f64) -> Axis {
        self.ticks.retain(|&tick| tick <= high);
        Axis { high, ..self }
    }

    fn log(low: f64, high: f64) -> Axis {
        let (low, high) = (1.0 / round_up(1.0 / low), round_up(high));
        let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
        let within = |tick: &f64| (low * 0.999..high * 1.001).contains(tick);
        let marks = |factors: &[f64]| -> Vec<f64> {
            let marks = powers.clone().flat_map(|power| factors.iter().map(move |by| by * 10f64.powi(power)));
            marks.filter(within).collect()
        };
        let fine = marks(&[1.0, 2.0, 5.0]);
        let ticks = if fine.len() > 8 { marks(&[1.0]) } else { fine };
        Axis { scale: f64::log10, low: low.log10(), high: high.log10(), ticks }
    }

    fn is_log(&self) -> bool {
        self.ticks.first().is_some_and(|&tick| tick > 0.0)
    }

    fn percent(&self, value: f64) -> f64 {
        let share = ((self.scale)(value) - self.low) / (self.high - self.low);
        share.clamp(0.0, 1.0) * 100.0
    }
}

/// Rounds up to the next 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let round = [1.0, 2.0, 5.0].into_iter().find(|by| by * power >= value * 0.999_999);
    round.unwrap_or(10.0) * power
}

/// The CSS classes for the colour and strokes of a line.
#[derive(Clone, Copy)]
struct Style(usize);

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colour = self.0 % 6;
        write!(f, "c{colour} s{}", (self.0 / 6 + colour) % 6)
    }
}

/// A sample of a line for legends.
pub(super) struct Sample(pub usize);

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style(self.0);
        write!(f, "<svg class=\"sample\" aria-hidden=\"true\"><path class=\"{style}\" d=\"M0 6h34\"/></svg>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        for (high, last, count) in [(0.0, 1.0, 2), (1.0, 1.0, 2), (12.0, 15.0, 4), (10_000.0, 10_000.0, 6)] {
            let axis = Axis::of(Quantity::Count, [high].into_iter());
            assert_eq!((axis.ticks.last(), axis.ticks.len()), (Some(&last), count), "{high}");
        }
        let axis = Axis::of(Quantity::Micros, [180.0, 9_500.0].into_iter());
        let labels: Vec<_> = axis.ticks.iter().map(|&tick| Quantity::Micros.label(tick)).collect();
        assert_eq!(labels, ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms"]);
    }

    #[test]
    fn the_scale_is_logarithmic_if_most_values_are_far_below_the_maximum() {
        let axis = |values: &[f64]| Axis::of(Quantity::Micros, values.iter().copied());
        assert!(!axis(&[20.0, 2_000.0, 3_000.0, 4_000.0]).is_log(), "only one is far below");
        assert!(axis(&[20.0, 30.0, 40.0, 4_000.0]).is_log());
        assert!(!axis(&[0.0, 30.0, 40.0, 4_000.0]).is_log(), "a logarithmic scale has no zero");
    }

    #[test]
    fn the_axis_of_time_covers_the_phases() {
        let phases = [Phase { name: "measuring".to_owned(), from: 0.0, to: 8.0, shade: Shade::Clear }];
        let lines = vec![Line { name: "a".to_owned(), points: vec![(0.0, Some(1.0)), (4.0, Some(1.0))] }];
        let (x, y) = (Quantity::Seconds, Quantity::Count);
        let chart = Chart { title: "", x, y, phases: &phases, lines, dots: Dots::Hidden };
        assert!(chart.to_string().contains("d=\"M0.0 0.0h0L500.0 0.0\""), "{chart}");
    }

    #[test]
    fn each_nine_takes_the_same_space() {
        let axis = Axis::of(Quantity::Share, [0.0, 0.9999].into_iter());
        for (share, percent) in [(0.0, 0.0), (0.9, 25.0), (0.99, 50.0), (0.999, 75.0), (1.0, 100.0)] {
            assert!((axis.percent(share) - percent).abs() < 1e-6, "{share}");
        }
    }

    #[test]
    fn a_line_is_interrupted_where_values_are_missing() {
        let points = vec![(0.0, Some(0.0)), (1.0, Some(5.0)), (2.0, None), (4.0, Some(10.0))];
        let line = Line { name: String::new(), points };
        let axes =
            (Axis::of(Quantity::Seconds, [4.0].into_iter()), Axis::of(Quantity::Count, [10.0].into_iter()));
        assert_eq!(line.path(&axes.0, &axes.1), "M0.0 1000.0h0L250.0 500.0M1000.0 0.0h0");
    }

    #[test]
    fn lines_differ_in_colour_or_strokes() {
        let styles: std::collections::BTreeSet<String> = (0..36).map(|at| Style(at).to_string()).collect();
        assert_eq!(styles.len(), 36);
    }
}
