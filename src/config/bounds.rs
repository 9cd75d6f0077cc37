//! Parsers of values within bounds, so that no value overflows, nor keeps the server busy by itself.

use crate::net::Slow;
use crate::{chat, logging, values};
use std::path::PathBuf;
use std::time::Duration;

pub(super) const KIB: usize = 1 << 10;
pub(super) const MIB: usize = 1 << 20;
pub(super) const TIB: usize = 1 << 40;
/// The largest message, which fits an offset of 32 bits into a batch with much room to spare.
pub(super) const LARGEST_MESSAGE: usize = 256 * MIB;
/// The largest request head.
pub(super) const LARGEST_HEAD: usize = MIB;
/// The longest time.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The shortest timeout: some are started anew whenever they end, which must not be all that is done.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// The longest time that messages are held back to be sent together.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// 0, or a size within the bounds.
pub(super) fn size<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    match values::size(text)? {
        size if size == 0 || (LEAST..=MOST).contains(&size) => Ok(size),
        _ => Err(within(&values::shown_size(LEAST), &values::shown_size(MOST), LEAST <= 1)),
    }
}

/// A size within the bounds, where 0 stands for the greatest.
pub(super) fn size_or_most<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    size::<LEAST, MOST>(text).map(|size| if size == 0 { MOST } else { size })
}

/// A size from 1.
pub(super) fn size_from_one(text: &str) -> Result<usize, String> {
    match size::<1, TIB>(text)? {
        0 => Err("write a size from 1".to_owned()),
        size => Ok(size),
    }
}

/// 0, or a number within the bounds.
pub(super) fn count<T: TryFrom<u64>, const LEAST: u64, const MOST: u64>(text: &str) -> Result<T, String> {
    let bounds = || within(&LEAST.to_string(), &values::with_commas(MOST.into()), LEAST <= 1);
    match values::count(text)? {
        number if number == 0 || (LEAST..=MOST).contains(&number) => {
            T::try_from(number).map_err(|_| bounds())
        }
        _ => Err(bounds()),
    }
}

/// A number from 1.
pub(super) fn positive<T: TryFrom<u64>, const MOST: u64>(text: &str) -> Result<T, String> {
    match values::count(text)? {
        0 => Err("write a number from 1".to_owned()),
        _ => count::<T, 1, MOST>(text),
    }
}

fn within(least: &str, most: &str, is_any: bool) -> String {
    if is_any { format!("the most is {most}") } else { format!("write 0, or from {least} to {most}") }
}

/// 0, or a time after which something happens.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    let time = time(text)?;
    if !time.is_zero() && time < SHORTEST_TIMEOUT {
        return Err("write 0, or a time from 10ms".to_owned());
    }
    Ok(time)
}

/// A time, possibly 0.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = values::time(text)?;
    if time > YEAR { Err("a time is a year at most, which is 8760h".to_owned()) } else { Ok(time) }
}

/// For how long messages are held back.
pub(super) fn pause(text: &str) -> Result<Duration, String> {
    let time = values::time(text)?;
    if time > LONGEST_PAUSE { Err("messages are held back for 1s at most".to_owned()) } else { Ok(time) }
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

pub(super) fn slow(text: &str) -> Result<Slow, String> {
    match text {
        "close" => Ok(Slow::Close),
        "drop" => Ok(Slow::Drop),
        _ => Err("write close or drop".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Result<logging::Format, String> {
    match text {
        "text" => Ok(logging::Format::Text),
        "json" => Ok(logging::Format::Json),
        _ => Err("write text or json".to_owned()),
    }
}

pub(super) fn chat_format(text: &str) -> Result<chat::Format, String> {
    chat::Format::parse(text).ok_or_else(|| "write json, lines, html or raw".to_owned())
}

pub(super) fn verbosity(text: &str) -> Result<u8, String> {
    match text {
        "0" => Ok(0),
        "1" => Ok(1),
        "2" => Ok(2),
        _ => Err("write 0, 1 (connections) or 2 (messages too)".to_owned()),
    }
}

pub(super) fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// The value of a header field.
pub(super) fn policy(text: &str) -> Result<String, String> {
    match text.chars().find(|character| !matches!(character, ' '..='~')) {
        None => Ok(text.trim().to_owned()),
        Some(wrong) => Err(format!("a header cannot contain {wrong:?}; write printable ASCII in one line")),
    }
}

/// A directory with a page in it.
pub(super) fn page_directory(text: &str) -> Result<PathBuf, String> {
    let directory = PathBuf::from(text);
    match directory.metadata() {
        Err(error) => Err(format!("cannot open the directory: {error}")),
        Ok(about) if !about.is_dir() => Err("this is not a directory".to_owned()),
        Ok(_) if !directory.join("index.html").is_file() => {
            Err("the directory has no index.html, which is the page".to_owned())
        }
        Ok(_) => Ok(directory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_their_bounds_are_refused_with_the_bounds() {
        type Bounded = fn(&str) -> Result<usize, String>;
        let table: [(Bounded, &[&str], &[&str], &str); 4] = [
            (
                size::<500, MIB>,
                &["0", "500", "1MiB"],
                &["1", "499", "1048577"],
                "write 0, or from 500 to 1MiB",
            ),
            (size::<1, TIB>, &["0", "1", "1024GiB"], &["1025GiB"], "the most is 1TiB"),
            (count::<_, 5, 100_000>, &["0", "5", "100k"], &["4", "100001"], "write 0, or from 5 to 100,000"),
            (positive::<_, 1_000>, &["1", "1k"], &["1001"], "the most is 1,000"),
        ];
        for (parse, good, wrong, sentence) in table {
            assert!(good.iter().all(|text| parse(text).is_ok()), "{good:?}");
            for text in wrong {
                assert_eq!(parse(text), Err(sentence.to_owned()), "{text}");
            }
        }
        assert_eq!(size_or_most::<1, MIB>("0"), Ok(MIB));
        assert!(positive::<u32, 10>("0").is_err());
        assert!(count::<u32, 1, { u64::MAX }>("5000M").is_err(), "it does not fit the type");
    }

    #[test]
    fn times_are_off_or_long_enough_to_wait_and_short_enough_to_add() {
        for text in ["0", "10ms", "8760h", "31536000"] {
            assert!(timeout(text).is_ok(), "{text}");
        }
        for text in ["1ns", "9ms", "8761h", "9223372036854775807s", "31536001"] {
            assert!(timeout(text).is_err(), "{text}");
        }
        assert_eq!(time("1ms"), Ok(Duration::from_millis(1)));
        assert!(pause("1s").is_ok() && pause("1001ms").is_err());
    }
}
