//! Expectations, with which a CI job can fail: `p99<50ms`, `loss=0`, `delivery-rate>=100k`.
//!
//! An expectation is not met if the run lacks its figure or the figure is unknown: a run that measured
//! nothing must not look like one without faults.

use super::figure::{DISTRIBUTIONS, Figure, Section, Unit, Value};
use super::{Outcome, Report};
use std::fmt;
use std::str::FromStr;

/// A figure, one of `<`, `<=`, `=`, `>=` and `>`, and a bound.
#[derive(Clone)]
pub(crate) struct Expectation {
    text: String,
    name: String,
    figure: Figure,
    operator: Operator,
    /// The bound, in units of `scale`.
    bound: f64,
    scale: Scale,
}

/// The unit of a bound.
#[derive(Clone, Copy)]
struct Scale {
    name: &'static str,
    /// The size of this unit, in the unit of the figure.
    size: f64,
}

#[derive(Clone, Copy)]
enum Operator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

impl Expectation {
    /// Checks the expectation against a report and returns the outcome.
    pub fn outcome(&self, report: &Report) -> Outcome {
        let checked = self.check(report);
        Outcome { text: self.text.clone(), is_met: checked.is_ok(), why: checked.err() }
    }

    /// Returns an error sentence with the actual value if the expectation is not met.
    pub fn check(&self, report: &Report) -> Result<(), String> {
        let Expectation { text, name, operator, bound, scale, .. } = self;
        let unmet = match self.figure.of(report) {
            Value::Exact(_)
                if self.figure.section == Section::Messages && !report.has_measured_messages() =>
            {
                "this run measured no message".to_owned()
            }
            Value::Exact(value) => {
                if operator.holds(value / scale.size, *bound) {
                    return Ok(());
                }
                format!("{name} is {}", self.readable(value))
            }
            Value::AtLeast(least, why) => {
                if operator.holds_from(least / scale.size, *bound) {
                    return Ok(());
                }
                format!("{name} is ≥ {} ({why})", self.readable(least))
            }
            Value::Unknown(why) => format!("{name} is unknown: {why}"),
            Value::Absent(why) => format!("this run {why}"),
        };
        Err(format!("{text} is not met: {unmet}"))
    }

    /// Formats a value for reading. Adds digits if it would look equal to the bound.
    fn readable(&self, value: f64) -> String {
        let Expectation { figure, scale, .. } = self;
        let (text, bound) = (figure.unit.text(value), self.bound * scale.size);
        let looks_equal = match figure.unit {
            Unit::Count | Unit::Flag => false,
            Unit::Rate => text == figure.unit.text(bound),
            // These are shown with three digits.
            Unit::Time | Unit::Share | Unit::Size | Unit::SizeRate => (value - bound).abs() < bound * 0.005,
        };
        if looks_equal && value != bound {
            return format!("{} {}", digits(value / scale.size), scale.name).trim_end().to_owned();
        }
        text
    }

    /// Returns the name of the figure.
    pub fn figure_name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Expectation, String> {
        let (name, operator, value) = split(text).ok_or_else(|| {
            "write a figure, one of <, <=, =, >= and >, and a value, as in p99<50ms or loss=0".to_owned()
        })?;
        let figure =
            Figure::named(name).ok_or_else(|| format!("there is no figure '{name}'; {}", names()))?;
        let (bound, scale) = figure.unit.read(value)?;
        Ok(Expectation { text: text.trim().to_owned(), name: figure.name(), figure, operator, bound, scale })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expectation({})", self.text)
    }
}

/// Returns a sentence that lists the figures.
pub(crate) fn names() -> String {
    let prefixes: Vec<&str> = DISTRIBUTIONS.iter().map(|it| it.prefix).filter(|it| !it.is_empty()).collect();
    let plain: Vec<&str> = Figure::plain_names().collect();
    format!(
        "there are min, mean, max and any percentile such as p99 or p99.9 (of latency, and after {} of others), {}",
        prefixes.join(", "),
        plain.join(", ")
    )
}

impl Unit {
    /// Returns the units that a bound may have. A bare number has the first one, where that is allowed.
    fn scales(self) -> &'static [Scale] {
        const fn scale(name: &'static str, size: f64) -> Scale {
            Scale { name, size }
        }
        const KIB: f64 = 1024.0;
        match self {
            Unit::Time => const { &[scale("us", 1.0), scale("µs", 1.0), scale("ms", 1e3), scale("s", 1e6)] },
            Unit::Share => const { &[scale("%", 0.01)] },
            Unit::Count | Unit::Flag | Unit::Rate => {
                const { &[scale("", 1.0), scale("k", 1e3), scale("M", 1e6)] }
            }
            Unit::Size | Unit::SizeRate => {
                const {
                    &[
                        scale("", 1.0),
                        scale("KiB", KIB),
                        scale("MiB", KIB * KIB),
                        scale("GiB", KIB * KIB * KIB),
                        scale("k", KIB),
                        scale("M", KIB * KIB),
                    ]
                }
            }
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Unit::Time => "write a time as in 500us, 50ms or 1.5s",
            Unit::Share => "write a share as in 0 or 0.1%",
            Unit::Flag => "write 1 for yes or 0 for no",
            Unit::Count | Unit::Rate => "write a number as in 100, 50k or 1.5M",
            Unit::Size | Unit::SizeRate => "write a size as in 4096, 64KiB or 1.5MiB",
        }
    }

    fn read(self, text: &str) -> Result<(f64, Scale), String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let unit = unit.trim_start();
        let number = digits.parse().ok().filter(|number: &f64| number.is_finite());
        let Some(number) = number else { return Err(self.advice().to_owned()) };
        let scales = self.scales();
        if let Some(scale) = scales.iter().find(|scale| scale.name == unit) {
            return Ok((number, *scale));
        }
        if let ("", 0.0, [first, ..]) = (unit, number, scales) {
            return Ok((number, *first));
        }
        Err(self.ambiguous(digits, number, unit).unwrap_or_else(|| self.advice().to_owned()))
    }

    /// Explains that KB, MB and GB are ambiguous: they may be powers of 1,000 or of 1,024.
    fn ambiguous(self, digits: &str, number: f64, unit: &str) -> Option<String> {
        let is_size = matches!(self, Unit::Size | Unit::SizeRate);
        let power = ["kb", "mb", "gb"].iter().position(|name| name.eq_ignore_ascii_case(unit))? as i32 + 1;
        let letter = unit.chars().next()?.to_ascii_uppercase();
        let binary = super::units::thousands((number * 1024f64.powi(power)) as u64);
        let decimal = number * 1000f64.powi(power);
        is_size.then(|| {
            format!("{digits}{unit} is ambiguous: write {digits}{letter}iB ({binary}) or {decimal:.0}")
        })
    }
}

impl Operator {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Operator::Less => value < bound,
            Operator::AtMost => value <= bound,
            Operator::Equal => is_equal(value, bound),
            Operator::AtLeast => value >= bound,
            Operator::Greater => value > bound,
        }
    }

    /// Returns true if the comparison holds for every value from `least` upwards.
    fn holds_from(self, least: f64, bound: f64) -> bool {
        matches!(self, Operator::AtLeast | Operator::Greater) && self.holds(least, bound)
    }
}

/// Returns true if values are equal up to rounding: a fraction such as 0.3 % is not exact in binary.
fn is_equal(value: f64, bound: f64) -> bool {
    (value - bound).abs() <= f64::EPSILON * 4.0 * value.abs().max(bound.abs())
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

/// Formats a value with six digits, so that a value close to its bound does not look equal to it.
fn digits(value: f64) -> String {
    if value.fract() == 0.0 {
        return value.to_string();
    }
    let before_point = value.abs().log10().floor() as i32 + 1;
    let decimals = (6 - before_point).clamp(1, 12) as usize;
    format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').to_owned()
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
    fn expectations_cover_every_unit_and_distribution() {
        let report = sample::storm();
        for text in [
            "p75=1.5ms",
            "p99.99<=10ms",
            "service-time-p99=3.6ms",
            "handshake-mean=0.96ms",
            "lag-p99<50us",
            "back-max=0.5s",
            "served-p50=70ms",
            "never-back=1",
            "unserved=7",
            "delivery-rate>=999.7k",
            "sent-rate>99",
            "server-cpu=0.67us",
            "server-memory=2.1KiB",
            "server-memory-peak<36MiB",
            "client-busiest-thread<42%",
            "payload-rate>100MiB",
            "loss<0.00001%",
            "valid=1",
        ] {
            assert_eq!(check(text, &report), Ok(()));
        }
    }

    #[test]
    fn a_share_equals_itself() {
        let mut report = sample::broadcast();
        for (lost, expected, text) in [(3, 1_000, "loss=0.3%"), (1, 1_000, "loss=0.1%"), (7, 100, "loss=7%")]
        {
            let messages = report.messages.as_mut().expect("it has messages");
            (messages.lost, messages.expected) = (lost, expected);
            assert_eq!(check(text, &report), Ok(()));
        }
    }

    #[test]
    fn unmet_expectations_show_values_in_readable_units() {
        let mut report = sample::broadcast();
        if let Some(latency) = &mut report.latency {
            (latency.p99, latency.p999, latency.max) = (50_012.3, 50_012.3, 50_012.3);
            latency.curve.clear();
        }
        report.is_valid = false;
        for (text, value) in [
            ("p99 < 10ms", "p99 is 50.0 ms"),
            ("p99 < 50ms", "p99 is 50.0123 ms"),
            ("p99<0.05s", "p99 is 0.0500123 s"),
            ("loss=0", "loss is <0.01 %"),
            ("lost=0", "lost is 2"),
            ("delivery-rate>=1M", "delivery-rate is 999,700/s"),
            ("sent-rate>=100", "sent-rate is 99.97"),
            ("opened >= 10k", "opened is 9,997"),
            ("server-memory<=2KiB", "server-memory is 2.10 KiB"),
            ("valid=1", "valid is no"),
        ] {
            assert_eq!(check(text, &report), Err(format!("{text} is not met: {value}")));
        }
    }

    #[test]
    fn a_lower_bound_satisfies_only_expectations_below_it() {
        let report = sample::dead_server();
        let unmet =
            |text: &str| Err(format!("{text} is not met: p99 is ≥ 4 ms (12 deliveries never arrived)"));
        for text in ["p99<1s", "p99<=1s", "p99=0.004s", "p99<0.001s", "p99>1s"] {
            assert_eq!(check(text, &report), unmet(text));
        }
        assert_eq!(check("p99>3ms", &report), Ok(()));
        assert_eq!(check("p50<2ms", &report), Ok(()));
    }

    #[test]
    fn expectations_on_unknown_counts_are_not_met() {
        let mut report = sample::broadcast();
        report.messages.as_mut().expect("it has messages").unknown = 5;
        let error = check("duplicated=0", &report).expect_err("it is unknown");
        assert!(error.starts_with("duplicated=0 is not met: duplicated is unknown: 5 deliveries"), "{error}");
        assert!(check("reordered<9", &report).is_err());
        assert_eq!(check("damaged=0", &report), Ok(()));
    }

    #[test]
    fn expectations_on_missing_figures_are_not_met_and_explained() {
        let mut report = sample::connect();
        report.connections.handshake = None;
        for (text, absent) in [
            ("p99<50ms", "measured no latency"),
            ("service-time-p99<50ms", "measured no service time"),
            ("handshake-p99<50ms", "completed no handshake"),
            ("loss=0", "sent no messages"),
            ("never-back=0", "had no storm"),
            ("server-memory<1MiB", "did not measure the server (--server-pid)"),
        ] {
            assert_eq!(check(text, &report), Err(format!("{text} is not met: this run {absent}")));
        }
        report.messages = Some(Messages::default());
        assert_eq!(
            check("loss=0", &report),
            Err("loss=0 is not met: this run expected no delivery".to_owned())
        );
    }

    #[test]
    fn usual_notations_are_accepted() {
        for text in [
            "p99<0",
            "p99 < 1.5 s",
            " loss<=0.1% ",
            "delivery-rate>1.5M",
            "lost<10k",
            "server-memory<64KiB",
            "server-memory<64k",
            "server-memory<1.5MiB",
            "server-memory<4096",
        ] {
            assert!(text.parse::<Expectation>().is_ok(), "{text}");
        }
    }

    #[test]
    fn errors_show_a_value_in_the_right_form() {
        for (text, advice) in [
            ("p99<50", "50ms"),
            ("p99<", "50ms"),
            ("p99<-1ms", "50ms"),
            ("p99==1ms", "50ms"),
            ("p99<1e3us", "50ms"),
            ("p99<1.2.3ms", "50ms"),
            ("loss<0.1", "0.1%"),
            ("delivery-rate>fast", "50k"),
            ("delivery-rate>inf", "50k"),
            ("delivery-rate>100KB", "50k"),
            ("server-memory<5ms", "64KiB"),
            ("server-memory<64KB", "64KB is ambiguous: write 64KiB (65,536) or 64000"),
            ("server-memory<1.5mb", "1.5mb is ambiguous: write 1.5MiB (1,572,864) or 1500000"),
        ] {
            let error = text.parse::<Expectation>().expect_err(text);
            assert!(error.contains(advice), "{text}: {error}");
        }
        assert!(format!("lost<{}", "9".repeat(400)).parse::<Expectation>().is_err());
    }

    #[test]
    fn errors_about_unknown_figures_list_the_known_ones() {
        for text in ["", "p99", "p99!50ms"] {
            let error = text.parse::<Expectation>().expect_err("there is no operator");
            assert!(error.contains("p99<50ms"), "{error}");
        }
        for text in ["q98<1ms", "service-time-loss=0", "=1", "P99<1ms", "rate>1"] {
            let error = text.parse::<Expectation>().expect_err("there is no such figure");
            assert!(error.contains("p99.9") && error.contains("never-back"), "{error}");
        }
    }

    #[test]
    fn an_expectation_keeps_its_text_and_the_name_of_its_figure() {
        let expectation: Expectation = " service-time-p99.9 < 1s ".parse().expect("it is sound");
        assert_eq!(expectation.figure_name(), "service-time-p99.9");
        assert_eq!(expectation.to_string(), "service-time-p99.9 < 1s");
    }
}
