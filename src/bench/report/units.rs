//! Formats numbers for reading: three significant digits and a unit.

/// Formats a count with its digits in groups of three.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a time in microseconds.
pub(crate) fn micros(micros: f64) -> String {
    match micros.abs() {
        size if size > 0.0 && size < 0.9995 => format!("{} ns", short(micros * 1e3)),
        size if size < 999.5 => format!("{} µs", short(micros)),
        size if size < 999_500.0 => format!("{} ms", short(micros / 1e3)),
        _ => format!("{} s", short(micros / 1e6)),
    }
}

/// Formats a number of bytes.
pub(crate) fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes.abs() < 1023.5 {
        return format!("{bytes:.0} B");
    }
    let mut size = bytes / 1024.0;
    let mut unit = 0;
    while size.abs() >= 1023.5 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{} {}", short(size), UNITS[unit])
}

/// Formats a rate per second.
pub(crate) fn rate(rate: f64) -> String {
    if rate.fract() == 0.0 { format!("{}/s", thousands(rate as u64)) } else { format!("{}/s", short(rate)) }
}

/// Formats a share from 0 to 1 in percent.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.005 => "<0.01 %".to_owned(),
        percent => format!("{} %", short(percent)),
    }
}

/// Formats a number with three significant digits, or all digits before the point. Small whole numbers have
/// no decimals.
pub(crate) fn short(number: f64) -> String {
    let is_whole = (number - number.round()).abs() < 1e-9;
    match number.abs() {
        size if is_whole && size < 999.5 => format!("{:.0}", number.round() + 0.0),
        size if size < 9.995 => format!("{number:.2}"),
        size if size < 99.95 => format!("{number:.1}"),
        _ if number < 999.5 => format!("{number:.0}"),
        _ => thousands(number.round() as u64),
    }
}

/// Formats the relative change of a number: `+12.3 %`. Empty if it was 0 before.
pub(crate) fn change(before: f64, after: f64) -> String {
    if before == after {
        return percent(0.0);
    }
    let share = (after - before) / before;
    match share.is_finite() {
        true if share > 0.0 => format!("+{}", percent(share)),
        true => percent(share),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        let counts = [0, 999, 1_000, 12_345, 123_456, 1_234_567];
        let texts = ["0", "999", "1,000", "12,345", "123,456", "1,234,567"];
        assert_eq!(counts.map(thousands), texts);
    }

    #[test]
    fn times_use_the_next_unit_instead_of_a_fourth_digit() {
        let times = [0.0, 0.412, 9.994, 9.996, 99.96, 999.4, 999.6, 999_600.0, 123e6];
        let texts =
            ["0 µs", "412 ns", "9.99 µs", "10.0 µs", "100 µs", "999 µs", "1.00 ms", "1.00 s", "123 s"];
        assert_eq!(times.map(micros), texts);
    }

    #[test]
    fn bytes_have_binary_units_and_may_be_negative() {
        let sizes = [0.0, 1023.0, 1023.6, 1536.0, 35.2 * 1048576.0, 3e12, -300.0, -4096.0];
        let texts = ["0 B", "1023 B", "1.00 KiB", "1.50 KiB", "35.2 MiB", "2,794 GiB", "-300 B", "-4 KiB"];
        assert_eq!(sizes.map(bytes), texts);
    }

    #[test]
    fn rates_and_shares_are_rounded() {
        let rates = [0.0, 0.5, 10.0, 99.94, 999_998.7];
        assert_eq!(rates.map(rate), ["0/s", "0.50/s", "10/s", "99.9/s", "999,999/s"]);
        let shares = [0.0, 1e-9, 0.00071, 0.41, 1.0];
        assert_eq!(shares.map(percent), ["0 %", "<0.01 %", "0.07 %", "41 %", "100 %"]);
    }

    #[test]
    fn changes_are_relative_to_the_first_value() {
        for (before, after, text) in [
            (100.0, 112.34, "+12.3 %"),
            (100.0, 50.0, "-50 %"),
            (2.0, 2.0, "0 %"),
            (0.0, 0.0, "0 %"),
            (1.0, 13.344, "+1,234 %"),
            (0.0, 5.0, ""),
        ] {
            assert_eq!(change(before, after), text);
        }
    }
}
