//! Parsers of values on the command line: times, sizes, counts and rates.
#![cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the load tester reads more kinds of values"))]

use std::time::Duration;

/// More digits after the point than anyone writes, and few enough to multiply.
const MOST_DECIMALS: usize = 9;

/// A time: `500ms`, `10s`, `1m30s`; a bare number is seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let bare = Decimal::split(text).filter(|(_, unit)| unit.is_empty());
    if let Some(nanos) = bare.and_then(|(seconds, _)| seconds.times(1_000_000_000)) {
        return u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| too_long());
    }
    text.trim()
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "write a time as in 10 or 10s (seconds), 500ms, 2m or 1m30s".to_owned())
}

fn too_long() -> String {
    "this time is longer than anything lasts: write it as in 10s, 2m or 1h".to_owned()
}

/// Bytes: `4096`, `64KiB`, `1.5MiB`, or `64k` for KiB. `64KB` is refused because it is ambiguous.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let advice = || "write a size in bytes, as in 4096, 64KiB or 1.5MiB".to_owned();
    let text = text.trim();
    let (number, unit) = Decimal::split(text).ok_or_else(advice)?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => number.times_exactly(1),
        "k" | "kib" => number.times(1 << 10),
        "m" | "mib" => number.times(1 << 20),
        "g" | "gib" => number.times(1 << 30),
        "t" | "tib" => number.times(1 << 40),
        "kb" => return Err(ambiguous(text, &number, "KiB", 1)),
        "mb" => return Err(ambiguous(text, &number, "MiB", 2)),
        "gb" => return Err(ambiguous(text, &number, "GiB", 3)),
        "tb" => return Err(ambiguous(text, &number, "TiB", 4)),
        _ => None,
    };
    usize::try_from(bytes.ok_or_else(advice)?)
        .map_err(|_| "this size is more than a computer holds: write it as in 64KiB".to_owned())
}

fn ambiguous(text: &str, number: &Decimal, unit: &str, power: u32) -> String {
    let digits = &text[..number.len];
    let [binary, decimal] = [1024u128, 1000].map(|base| number.times(base.pow(power)).unwrap_or(u128::MAX));
    format!("{text} is ambiguous: write {digits}{unit} ({}) or {decimal}", with_commas(binary))
}

/// A count: `10`, `10k`, `1.5M`.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let advice = || "write a number as in 50, 10k or 1.5M".to_owned();
    let (number, unit) = Decimal::split(text).ok_or_else(advice)?;
    let factor = factor(unit).ok_or_else(advice)?;
    let exact = number.times_exactly(factor).ok_or_else(advice)?;
    u64::try_from(exact).map_err(|_| advice())
}

/// A rate per second: `0.5`, `100`, `10k`, `1.5M`.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let advice = || "write how many a second, as in 0.5, 100 or 10k".to_owned();
    let (number, unit) = Decimal::split(text).ok_or_else(advice)?;
    let factor = factor(unit).ok_or_else(advice)?;
    let digits: f64 = text.trim()[..number.len].parse().map_err(|_| advice())?;
    Ok(digits * factor as f64)
}

fn factor(unit: &str) -> Option<u128> {
    match unit {
        "" => Some(1),
        "k" | "K" => Some(1_000),
        "M" => Some(1_000_000),
        _ => None,
    }
}

/// A number without a sign or an exponent, with digits before the point.
struct Decimal {
    digits: u128,
    decimals: u32,
    /// Bytes of the text that the number takes.
    len: usize,
}

impl Decimal {
    /// Splits text into a number and its unit, which a space may separate.
    fn split(text: &str) -> Option<(Decimal, &str)> {
        let text = text.trim();
        let len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(len);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.len() > MOST_DECIMALS || fraction.contains('.')
        {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}").parse::<u64>().ok()?;
        Some((Decimal { digits: digits.into(), decimals: fraction.len() as u32, len }, unit.trim_start()))
    }

    /// The product, rounded down.
    fn times(&self, factor: u128) -> Option<u128> {
        Some(self.digits.checked_mul(factor)? / 10u128.pow(self.decimals))
    }

    /// The product if it is a whole number.
    fn times_exactly(&self, factor: u128) -> Option<u128> {
        let product = self.digits.checked_mul(factor)?;
        product.is_multiple_of(10u128.pow(self.decimals)).then(|| product / 10u128.pow(self.decimals))
    }
}

/// A size as [`size`] reads it: in the greatest unit of which it is a multiple.
pub(crate) fn shown_size(bytes: usize) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    unit.map_or_else(|| bytes.to_string(), |(bits, unit)| format!("{}{unit}", bytes >> bits))
}

/// Digits in groups of three.
pub(crate) fn with_commas(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [
            ("0", 0),
            ("10", 10_000),
            ("0.25", 250),
            ("10s", 10_000),
            ("1.5s", 1_500),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            (" 3 s ", 3_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(time("250us"), Ok(Duration::from_micros(250)));
        for wrong in ["", "-5", "-5s", "soon", "1e3", "5 parsecs", ".5", "5.", "1.2.3", "nan", "inf", "1_000"]
        {
            let fault = time(wrong).expect_err(wrong);
            assert!(fault.contains("500ms"), "{wrong}: {fault}");
        }
        assert!(time("99999999999").is_err_and(|fault| fault.contains("longer than")));
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64b", 64),
            ("64KiB", 65_536),
            ("64k", 65_536),
            ("64K", 65_536),
            ("1.5MiB", 1_572_864),
            ("16 MiB", 16 << 20),
            ("2g", 2 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "KiB", "-1", "1.5", "1.5b", "64 bytes", "64kibi", "1e3", "1_000", "inf", "64kk"] {
            let fault = size(wrong).expect_err(wrong);
            assert!(fault.contains("64KiB"), "{wrong}: {fault}");
        }
        assert!(size("99999999999GiB").is_err_and(|fault| fault.contains("more than a computer")));
    }

    #[test]
    fn a_size_is_shown_as_it_is_read() {
        for text in ["0", "1", "500", "1KiB", "1025", "64KiB", "3MiB", "1GiB", "1TiB"] {
            assert_eq!(size(text).map(shown_size).as_deref(), Ok(text));
        }
    }

    #[test]
    fn an_ambiguous_size_is_refused_with_both_meanings() {
        for (text, sentence) in [
            ("64KB", "64KB is ambiguous: write 64KiB (65,536) or 64000"),
            ("64 kb", "64 kb is ambiguous: write 64KiB (65,536) or 64000"),
            ("1.5MB", "1.5MB is ambiguous: write 1.5MiB (1,572,864) or 1500000"),
            ("1GB", "1GB is ambiguous: write 1GiB (1,073,741,824) or 1000000000"),
        ] {
            assert_eq!(size(text), Err(sentence.to_owned()));
        }
    }

    #[test]
    fn counts_are_whole_numbers_with_or_without_a_factor() {
        for (text, number) in
            [("0", 0), ("50", 50), ("10k", 10_000), ("10K", 10_000), ("1.5M", 1_500_000), ("0.5k", 500)]
        {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        for wrong in ["", "k", "-1", "1.5", "1.0005k", "10KiB", "10m", "1e3", "1_000", "nan", &"9".repeat(30)]
        {
            assert!(count(wrong).is_err_and(|fault| fault.contains("10k")), "{wrong}");
        }
    }

    #[test]
    fn rates_may_be_parts_of_one() {
        for (text, number) in [("0", 0.0), ("0.5", 0.5), ("100", 100.0), ("10k", 10_000.0), ("1.5M", 1.5e6)] {
            assert_eq!(rate(text), Ok(number), "{text}");
        }
        for wrong in ["", "-1", "nan", "inf", "1e3", "10/s", "fast", "1_000", "0x10"] {
            assert!(rate(wrong).is_err_and(|fault| fault.contains("10k")), "{wrong}");
        }
    }
}
