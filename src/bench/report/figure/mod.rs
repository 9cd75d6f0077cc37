//! Figures: name, unit and source of each, and where it is shown. [`list`] contains each of them once.

mod list;

use super::units::{self, thousands};
use super::{Causes, Latency, Report};
pub(super) use list::{DISTRIBUTIONS, FIGURES};

/// A figure of a report.
#[derive(Clone, Copy)]
pub(super) struct Figure {
    pub section: Section,
    pub unit: Unit,
    pub better: Better,
    pub places: &'static [Place],
    /// The counts by cause, for a count that has them.
    pub causes: Option<CausesOf>,
    source: Source,
}

#[derive(Clone, Copy)]
enum Source {
    Plain { name: &'static str, label: &'static str, of: fn(&Report) -> Value },
    Latency(&'static Distribution, Statistic),
}

/// The value of a figure in a report.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Exact(f64),
    /// A lower bound, and the reason why the exact value is unknown.
    AtLeast(f64, String),
    /// Measured but unknown, and the reason.
    Unknown(String),
    /// Not measured: the predicate of a sentence that starts with "this run".
    Absent(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Section {
    Run,
    Connections,
    Messages,
    Storm,
    Server,
    Client,
}

/// The unit of a figure. Times are in microseconds, shares from 0 to 1, sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Time,
    Share,
    Count,
    /// 1 for yes, 0 for no.
    Flag,
    Size,
    Rate,
    SizeRate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Better {
    Higher,
    Lower,
    /// A count of faults, which should be zero.
    Zero,
    Neither,
}

/// Where a figure is shown. The tables of the HTML page show all figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// A line of the table in the terminal.
    Line,
    /// A line of the table, unless the value is zero.
    LineIfAny,
    /// A note on the line above; `{}` is replaced by the value.
    Note(&'static str),
    /// A row of the comparison.
    Compare,
    /// A tile at the top of the HTML page, for runs of this shape.
    Key(Shape),
}

/// The main subject of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Connections,
    Messages,
    Storm,
}

/// A distribution of times.
#[derive(Debug)]
pub(super) struct Distribution {
    /// Prefix of the names of its figures.
    pub prefix: &'static str,
    pub label: &'static str,
    /// The text of [`Value::Absent`].
    absent: &'static str,
    /// Text that describes unanswered values, after their number.
    unanswered: &'static str,
    pub of: fn(&Report) -> Option<&Latency>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Min,
    Mean,
    /// A percentile, as a share from 0 to 1.
    At(f64),
    Max,
}

/// The statistics in tables, in this order.
pub(super) const STATISTICS: [Statistic; 9] = [
    Statistic::Min,
    Statistic::Mean,
    Statistic::At(0.5),
    Statistic::At(0.75),
    Statistic::At(0.9),
    Statistic::At(0.95),
    Statistic::At(0.99),
    Statistic::At(0.999),
    Statistic::Max,
];

/// Returns the counts by cause in a report.
type CausesOf = fn(&Report) -> Option<&Causes>;

impl Figure {
    const fn by(self, causes: CausesOf) -> Figure {
        Figure { causes: Some(causes), ..self }
    }

    /// Returns the figure with this name in `--expect`.
    pub fn named(name: &str) -> Option<Figure> {
        let is_plain =
            |figure: &&Figure| matches!(figure.source, Source::Plain { name: plain, .. } if plain == name);
        let of_distribution = |distribution: &&'static Distribution| {
            let statistic = Statistic::named(name.strip_prefix(distribution.prefix)?)?;
            Some(list::latency(Section::Messages, distribution, statistic, &[]))
        };
        let plain = FIGURES.iter().find(is_plain).copied();
        plain.or_else(|| DISTRIBUTIONS.iter().find_map(of_distribution))
    }

    /// Returns the names of all figures that are not part of a distribution.
    pub fn plain_names() -> impl Iterator<Item = &'static str> {
        FIGURES.iter().filter_map(|figure| match figure.source {
            Source::Plain { name, .. } => Some(name),
            Source::Latency(..) => None,
        })
    }

    /// Returns the name in `--expect`.
    pub fn name(&self) -> String {
        match self.source {
            Source::Plain { name, .. } => name.to_owned(),
            Source::Latency(distribution, statistic) => {
                format!("{}{}", distribution.prefix, statistic.name())
            }
        }
    }

    /// Returns the label within the section.
    pub fn label(&self) -> String {
        match self.source {
            Source::Plain { label, .. } => label.to_owned(),
            Source::Latency(distribution, statistic) => {
                format!("{} {}", distribution.label, statistic.name())
            }
        }
    }

    /// Returns the label for lists with figures of several sections.
    pub fn full_label(&self, report: &Report) -> String {
        let Source::Latency(distribution, statistic) = self.source else {
            return match self.section {
                Section::Server => format!("server {}", self.label()),
                Section::Client => format!("client {}", self.label()),
                Section::Connections if !self.label().contains("connect") => {
                    format!("connections {}", self.label())
                }
                Section::Run | Section::Connections | Section::Messages | Section::Storm => self.label(),
            };
        };
        format!("{} {}", distribution.in_run(report).label, statistic.name())
    }

    pub fn of(&self, report: &Report) -> Value {
        match self.source {
            Source::Plain { of, .. } => of(report),
            Source::Latency(distribution, statistic) => distribution.in_run(report).value(report, statistic),
        }
    }

    /// Returns true if the figure counts faults and there are some or their number is unknown.
    pub fn is_faulty(&self, value: &Value) -> bool {
        let is_any = match value {
            Value::Exact(count) | Value::AtLeast(count, _) => *count > 0.0,
            Value::Unknown(_) => true,
            Value::Absent(_) => false,
        };
        self.better == Better::Zero && is_any
    }

    pub fn is_at(&self, place: Place) -> bool {
        self.places.contains(&place)
    }

    /// Returns the template of the note.
    pub fn note(&self) -> Option<&'static str> {
        self.places.iter().find_map(|place| match place {
            Place::Note(template) => Some(*template),
            _ => None,
        })
    }

    /// Formats a value of this figure.
    pub fn text(&self, value: &Value) -> String {
        match value {
            Value::Exact(value) => self.unit.text(*value),
            Value::AtLeast(value, _) => format!("≥ {}", self.unit.text(*value)),
            Value::Unknown(_) => "unknown".to_owned(),
            Value::Absent(_) => ABSENT.to_owned(),
        }
    }
}

/// Shown for a figure that a run does not have.
pub(super) const ABSENT: &str = "–";

impl Distribution {
    /// Replaces latency by service time for a closed loop, where messages have no due time.
    fn in_run(&'static self, report: &Report) -> &'static Distribution {
        let is_closed_loop = report.latency.is_none() && report.service_time.is_some();
        if is_closed_loop && self.prefix.is_empty() { &list::SERVICE_TIME } else { self }
    }

    pub fn value(&self, report: &Report, statistic: Statistic) -> Value {
        match (self.of)(report) {
            None => Value::Absent(self.absent),
            Some(latency) => statistic.of(latency, self.unanswered),
        }
    }
}

impl Statistic {
    fn named(name: &str) -> Option<Statistic> {
        match name {
            "min" => Some(Statistic::Min),
            "mean" => Some(Statistic::Mean),
            "max" => Some(Statistic::Max),
            _ => {
                let digits = name.strip_prefix('p')?;
                let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
                    && digits.ends_with(|c: char| c.is_ascii_digit())
                    && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
                let percent: f64 = digits.parse().ok().filter(|_| is_number)?;
                (percent <= 100.0).then_some(Statistic::At(percent / 100.0))
            }
        }
    }

    pub fn name(self) -> String {
        match self {
            Statistic::Min => "min".to_owned(),
            Statistic::Mean => "mean".to_owned(),
            // A share such as 0.999 is not exact in binary.
            Statistic::At(share) => format!("p{}", (share * 1e10).round() / 1e8),
            Statistic::Max => "max".to_owned(),
        }
    }

    fn of(self, latency: &Latency, unanswered: &str) -> Value {
        let value = match self {
            Statistic::Min => latency.min,
            Statistic::Mean => latency.mean,
            Statistic::At(share) => latency.at(share),
            Statistic::Max => latency.max,
        };
        // Every unanswered value makes the mean too low.
        let is_bound = match self {
            Statistic::Mean => latency.unanswered > 0,
            _ => latency.is_lower_bound(value),
        };
        if is_bound {
            Value::AtLeast(value, format!("{} {unanswered}", thousands(latency.unanswered)))
        } else {
            Value::Exact(value)
        }
    }
}

impl Section {
    pub fn title(self) -> &'static str {
        match self {
            Section::Run => "run",
            Section::Connections => "connections",
            Section::Messages => "messages",
            Section::Storm => "after the storm",
            Section::Server => "server",
            Section::Client => "client",
        }
    }

    /// Returns the figures of this section, without distributions, which have their own table.
    pub fn plain(self) -> impl Iterator<Item = &'static Figure> {
        FIGURES
            .iter()
            .filter(move |figure| figure.section == self && matches!(figure.source, Source::Plain { .. }))
    }
}

impl Shape {
    pub fn of(report: &Report) -> Shape {
        match (&report.recovery, &report.messages) {
            (Some(_), _) => Shape::Storm,
            (None, Some(_)) => Shape::Messages,
            (None, None) => Shape::Connections,
        }
    }

    /// Returns the most important section for such a run.
    pub fn section(self) -> Section {
        match self {
            Shape::Connections => Section::Connections,
            Shape::Messages => Section::Messages,
            Shape::Storm => Section::Storm,
        }
    }
}

impl Unit {
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Time => units::micros(value),
            Unit::Share => units::percent(value),
            Unit::Count => thousands(value as u64),
            Unit::Flag => if value > 0.0 { "yes" } else { "no" }.to_owned(),
            Unit::Size => units::bytes(value),
            Unit::Rate => units::rate(value),
            Unit::SizeRate => format!("{}/s", units::bytes(value)),
        }
    }
}

#[cfg(test)]
mod tests;
