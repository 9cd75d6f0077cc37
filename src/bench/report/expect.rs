//! What a run is expected to come to, so that a job can fail by it: `p99<50ms`, `loss=0`, `rate>=100k`.
//!
//! An expectation about a figure that the run does not have is not met: what measures nothing must not pass for what
//! found nothing wrong.

use super::{Latency, Report};
use std::fmt;
use std::str::FromStr;

/// One thing that is expected of a run: a name, one of `<`, `<=`, `=`, `>=` and `>`, and a value.
#[derive(Clone, Debug)]
pub struct Expectation {
    text: String,
    figure: Figure,
    operator: Operator,
    /// In `unit`.
    bound: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug)]
enum Figure {
    Latency(&'static Distribution, Statistic),
    Other(&'static Other),
}

/// Latencies of one sort.
#[derive(Debug)]
struct Distribution {
    /// Before the name of a figure of it.
    prefix: &'static str,
    /// What is said of a run without it, after "this run".
    absent: &'static str,
    of: fn(&Report) -> Option<&Latency>,
}

/// A figure that is no latency.
#[derive(Debug)]
struct Other {
    name: &'static str,
    kind: Kind,
    absent: &'static str,
    of: fn(&Report) -> Option<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Time,
    Share,
    Count,
    Size,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    name: &'static str,
    /// One of it, as figures have it: in microseconds, percent or bytes.
    size: f64,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

impl Expectation {
    /// Says in a sentence what the report has instead, if it is not as expected.
    pub fn check(&self, report: &Report) -> Result<(), String> {
        let text = &self.text;
        let Some(figure) = self.figure.of(report) else {
            return Err(format!("{text} is not met: this run {}", self.figure.absent()));
        };
        let figure = figure / self.unit.size;
        match self.operator.holds(figure, self.bound) {
            true => Ok(()),
            false => Err(format!("{text} is not met: it is {}{}", digits(figure), self.unit.name)),
        }
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Expectation, String> {
        let (name, operator, value) = split(text).ok_or_else(|| {
            "write a name, one of <, <=, =, >= and >, and a value, as in p99<50ms or loss=0".to_owned()
        })?;
        let figure = Figure::named(name).ok_or_else(|| format!("'{name}' is none of {}", names()))?;
        let kind = figure.kind();
        let (bound, unit) = kind.read(value).ok_or_else(|| kind.advice().to_owned())?;
        Ok(Expectation { text: text.trim().to_owned(), figure, operator, bound, unit })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What an [`Expectation`] can be about, as a list for people.
pub fn names() -> String {
    let latencies = STATISTICS.map(|(name, _)| name).join(", ");
    let others = OTHERS.each_ref().map(|other| other.name).join(", ");
    format!("{latencies} (latencies; with raw- or handshake- or served- before them too), {others}")
}

type Statistic = fn(&Latency) -> f64;

const STATISTICS: [(&str, Statistic); 8] = [
    ("min", |latency| latency.min),
    ("mean", |latency| latency.mean),
    ("p50", |latency| latency.p50),
    ("p90", |latency| latency.p90),
    ("p95", |latency| latency.p95),
    ("p99", |latency| latency.p99),
    ("p99.9", |latency| latency.p999),
    ("max", |latency| latency.max),
];

static DISTRIBUTIONS: [Distribution; 4] = [
    Distribution {
        prefix: "",
        absent: "measured no latency",
        of: |report| report.latency.as_ref().or(report.latency_raw.as_ref()),
    },
    Distribution { prefix: "raw-", absent: "measured no latency", of: |report| report.latency_raw.as_ref() },
    Distribution {
        prefix: "handshake-",
        absent: "completed no handshake",
        of: |report| report.connections.handshake.as_ref(),
    },
    Distribution {
        prefix: "served-",
        absent: "served nobody after a storm",
        of: |report| report.recovery.as_ref()?.until_served.as_ref(),
    },
];

const NO_MESSAGES: &str = "has no messages";
const NO_SERVER: &str = "did not measure the server";

static OTHERS: [Other; 15] = [
    other("loss", Kind::Share, "expected no delivery", |report| {
        let messages = report.messages.as_ref().filter(|messages| messages.expected > 0)?;
        Some(messages.lost as f64 * 100.0 / messages.expected as f64)
    }),
    other("lost", Kind::Count, NO_MESSAGES, |report| Some(report.messages.as_ref()?.lost as f64)),
    other("duplicated", Kind::Count, NO_MESSAGES, |report| Some(report.messages.as_ref()?.duplicated as f64)),
    other("reordered", Kind::Count, NO_MESSAGES, |report| Some(report.messages.as_ref()?.reordered as f64)),
    other("damaged", Kind::Count, NO_MESSAGES, |report| Some(report.messages.as_ref()?.damaged as f64)),
    other("strayed", Kind::Count, NO_MESSAGES, |report| Some(report.messages.as_ref()?.strayed as f64)),
    other("unserved", Kind::Count, "had no storm", |report| {
        let recovery = report.recovery.as_ref()?;
        Some(recovery.members.saturating_sub(recovery.served) as f64)
    }),
    other("rate", Kind::Count, NO_MESSAGES, |report| Some(report.messages.as_ref()?.received_per_second)),
    other("opened", Kind::Count, "", |report| Some(report.connections.opened as f64)),
    other("failed", Kind::Count, "", |report| Some(report.connections.failed.values().sum::<u64>() as f64)),
    other("disconnected", Kind::Count, "", |report| {
        Some(report.connections.lost.values().sum::<u64>() as f64)
    }),
    other("connect-rate", Kind::Count, "", |report| Some(report.connections.per_second)),
    other("server-cpu", Kind::Time, "did not measure what a delivery costs the server", |report| {
        report.server.as_ref()?.per_delivery
    }),
    other("server-memory", Kind::Size, NO_SERVER, |report| {
        Some(report.server.as_ref()?.memory_per_connection)
    }),
    other("valid", Kind::Count, "", |report| Some(f64::from(report.is_valid))),
];

const fn other(
    name: &'static str,
    kind: Kind,
    absent: &'static str,
    of: fn(&Report) -> Option<f64>,
) -> Other {
    Other { name, kind, absent, of }
}

impl Figure {
    fn named(name: &str) -> Option<Figure> {
        let latency = |distribution: &'static Distribution| {
            let rest = name.strip_prefix(distribution.prefix)?;
            let (_, statistic) = STATISTICS.iter().find(|(name, _)| *name == rest)?;
            Some(Figure::Latency(distribution, *statistic))
        };
        let other = OTHERS.iter().find(|other| other.name == name);
        other.map(Figure::Other).or_else(|| DISTRIBUTIONS.iter().find_map(latency))
    }

    fn kind(self) -> Kind {
        match self {
            Figure::Latency(..) => Kind::Time,
            Figure::Other(other) => other.kind,
        }
    }

    fn of(self, report: &Report) -> Option<f64> {
        match self {
            Figure::Latency(distribution, statistic) => (distribution.of)(report).map(statistic),
            Figure::Other(other) => (other.of)(report),
        }
    }

    fn absent(self) -> &'static str {
        match self {
            Figure::Latency(distribution, _) => distribution.absent,
            Figure::Other(other) => other.absent,
        }
    }
}

impl Kind {
    /// The first is that of a bare 0.
    fn units(self) -> &'static [Unit] {
        const fn unit(name: &'static str, size: f64) -> Unit {
            Unit { name, size }
        }
        match self {
            Kind::Time => const { &[unit("us", 1.0), unit("µs", 1.0), unit("ms", 1e3), unit("s", 1e6)] },
            Kind::Share => const { &[unit("%", 1.0)] },
            Kind::Count => const { &[unit("", 1.0), unit("k", 1e3), unit("M", 1e6)] },
            Kind::Size => const { &[unit("", 1.0), unit("KiB", 1024.0), unit("MiB", 1_048_576.0)] },
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Kind::Time => "write a time as in 500us, 50ms or 1.5s",
            Kind::Share => "write a share as in 0 or 0.1%",
            Kind::Count => "write a number as in 100, 50k or 1.5M",
            Kind::Size => "write a size as in 4096, 64KiB or 1.5MiB",
        }
    }

    fn read(self, value: &str) -> Option<(f64, Unit)> {
        let end = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
        let (number, name) = value.split_at(end);
        let number = number.parse().ok().filter(|number: &f64| number.is_finite())?;
        let name = name.trim_start();
        let units = self.units();
        let bare = units.first().filter(|_| name.is_empty() && number == 0.0);
        units.iter().find(|unit| unit.name == name).or(bare).map(|unit| (number, *unit))
    }
}

impl Operator {
    fn holds(self, figure: f64, bound: f64) -> bool {
        match self {
            Operator::Less => figure < bound,
            Operator::AtMost => figure <= bound,
            Operator::Equal => figure == bound,
            Operator::AtLeast => figure >= bound,
            Operator::Greater => figure > bound,
        }
    }
}

fn split(text: &str) -> Option<(&str, Operator, &str)> {
    const OPERATORS: [(&str, Operator); 5] = [
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("=", Operator::Equal),
    ];
    let (name, rest) = text.split_at(text.find(['<', '=', '>'])?);
    let (operator, value) =
        OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)))?;
    Some((name.trim(), operator, value.trim()))
}

/// Six digits, so that a figure that just misses its bound does not look as if it met it.
fn digits(figure: f64) -> String {
    if figure.fract() == 0.0 {
        return figure.to_string();
    }
    let before_point = figure.abs().log10().floor() as i32 + 1;
    let decimals = (6 - before_point).clamp(1, 12) as usize;
    format!("{figure:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Messages, sample};
    use super::*;

    fn check(text: &str, report: &Report) -> Result<(), String> {
        text.parse::<Expectation>().unwrap_or_else(|error| panic!("{text}: {error}")).check(report)
    }

    #[test]
    fn each_operator_holds_on_its_side_of_the_bound() {
        let report = sample::broadcast();
        for (met, missed) in [
            ("p50<1001us", "p50<1ms"),
            ("p50<=1ms", "p50<=999us"),
            ("p50=1ms", "p50=1.001ms"),
            ("p50>=1ms", "p50>=1001us"),
            ("p50>999µs", "p50>0.001s"),
        ] {
            assert_eq!(check(met, &report), Ok(()));
            assert!(check(missed, &report).is_err(), "{missed}");
        }
    }

    #[test]
    fn each_name_finds_its_figure() {
        let report = sample::broadcast();
        for text in [
            "min=100us",
            "mean=1.2ms",
            "p90=2ms",
            "p95=3ms",
            "p99=4ms",
            "p99.9=8ms",
            "max=10ms",
            "raw-p50=900us",
            "raw-max=9ms",
            "handshake-p99=3.2ms",
            "lost=2",
            "duplicated=0",
            "reordered=1",
            "damaged=0",
            "rate>=999.7k",
            "opened=9997",
            "failed=3",
            "disconnected=2",
            "connect-rate=4321.4",
            "server-cpu=0.67us",
            "server-memory=2.1KiB",
            "valid=1",
            "loss<0.00001%",
            "loss>0",
        ] {
            assert_eq!(check(text, &report), Ok(()));
        }
    }

    #[test]
    fn a_share_equals_itself() {
        let mut report = sample::broadcast();
        if let Some(messages) = &mut report.messages {
            (messages.lost, messages.expected) = (3, 1000);
        }
        assert_eq!(check("loss=0.3%", &report), Ok(()));
    }

    #[test]
    fn what_is_missed_says_by_how_much_in_the_unit_of_the_bound() {
        let mut report = sample::broadcast();
        report.latency = Some(Latency { p99: 50_012.3, ..Latency::default() });
        report.is_valid = false;
        for (text, figure) in [
            ("p99 < 50ms", "50.0123ms"),
            ("p99<0.05s", "0.0500123s"),
            ("loss=0", "0.00000666867%"),
            ("lost=0", "2"),
            ("rate>=1M", "0.9997M"),
            ("opened >= 10k", "9.997k"),
            ("server-memory<=2KiB", "2.1KiB"),
            ("valid=1", "0"),
        ] {
            assert_eq!(check(text, &report), Err(format!("{text} is not met: it is {figure}")));
        }
    }

    #[test]
    fn a_figure_that_the_run_does_not_have_is_not_met_and_the_sentence_says_so() {
        let mut report = sample::connect();
        report.connections.handshake = None;
        for (text, absent) in [
            ("p99<50ms", "measured no latency"),
            ("raw-p99<50ms", "measured no latency"),
            ("handshake-p99<50ms", "completed no handshake"),
            ("loss=0", "expected no delivery"),
            ("damaged=0", "has no messages"),
            ("server-memory<1MiB", "did not measure the server"),
            ("server-cpu<1us", "did not measure what a delivery costs the server"),
        ] {
            assert_eq!(check(text, &report), Err(format!("{text} is not met: this run {absent}")));
        }
        report.messages = Some(Messages::default());
        assert!(check("loss=0", &report).is_err());
    }

    #[test]
    fn without_a_plan_latency_is_the_raw_one() {
        let report = Report { latency: None, ..sample::broadcast() };
        assert_eq!(check("p50=900us", &report), Ok(()));
    }

    #[test]
    fn values_have_the_units_of_their_kind() {
        for text in ["p99<0", "p99 < 1.5 s", " loss<=0.1% ", "rate>1.5M", "lost<10k", "server-memory<64KiB"] {
            assert!(text.parse::<Expectation>().is_ok(), "{text}");
        }
        let times = "write a time as in 500us, 50ms or 1.5s";
        let shares = "write a share as in 0 or 0.1%";
        let numbers = "write a number as in 100, 50k or 1.5M";
        let sizes = "write a size as in 4096, 64KiB or 1.5MiB";
        for (text, advice) in [
            ("p99<50", times),
            ("p99<", times),
            ("p99<-1ms", times),
            ("p99==1ms", times),
            ("p99<1e3us", times),
            ("p99<1.2.3ms", times),
            ("loss<0.1", shares),
            ("rate>fast", numbers),
            ("rate>100KiB", numbers),
            ("rate>inf", numbers),
            ("server-memory<5ms", sizes),
        ] {
            assert_eq!(text.parse::<Expectation>().map(|_| ()), Err(advice.to_owned()), "{text}");
        }
        assert!(format!("lost<{}", "9".repeat(400)).parse::<Expectation>().is_err());
    }

    #[test]
    fn what_cannot_be_expected_names_what_can() {
        for text in ["", "p99", "p99!50ms"] {
            let error = text.parse::<Expectation>().map(|_| ()).expect_err("there is no operator");
            assert!(error.contains("p99<50ms"), "{error}");
        }
        for text in ["p98<1ms", "raw-loss=0", "=1", "P99<1ms"] {
            let error = text.parse::<Expectation>().map(|_| ()).expect_err("there is no such name");
            assert!(error.contains("p99.9") && error.contains("server-memory"), "{error}");
        }
    }

    #[test]
    fn every_name_in_the_list_can_be_written() {
        let names = names();
        let listed = names.split(", ").map(|name| name.split(" (").next().unwrap_or(name));
        let listed: Vec<&str> = listed.collect();
        assert_eq!(listed.len(), STATISTICS.len() + OTHERS.len());
        for name in listed {
            assert!(format!("{name}<0").parse::<Expectation>().is_ok(), "{name}");
        }
    }
}
