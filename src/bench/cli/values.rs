//! Parsers for the values of flags, with the limits of the load tester.

use super::Conditions;
use crate::bench::marker;
use crate::bench::sources::Sources;
use crate::bench::target::Target;
use crate::bench::template::Template;
use crate::values;
use std::time::Duration;

/// More connections than a machine can have, but few enough for counters to fit in memory.
const MAX_CLIENTS: u64 = 10_000_000;
const MAX_THREADS: u64 = 1024;
/// Messages or connections per second.
const MAX_RATE: f64 = 10e6;
const MIN_RATE: f64 = 0.001;
/// Keeps nanoseconds since the start of a run far below 2^63.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// In bytes. The reply may contain additional text and must fit into the 64 MiB that clients accept.
const MAX_MESSAGE: usize = 60 << 20;
const LARGEST_RECEIVE_BUFFER: usize = 1 << 30;

/// Header fields that the handshake sets itself.
const OWN_FIELDS: [&str; 6] = [
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Upgrade",
    "Connection",
];

/// Parses a time that may be 0.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    let time = values::time(text)?;
    if time > LONGEST { Err("a time is at most a year".to_owned()) } else { Ok(time) }
}

/// Parses a time above 0.
pub(super) fn period(text: &str) -> Result<Duration, String> {
    let time = wait(text)?;
    if time.is_zero() { Err("write a time above 0, as in 10s or 500ms".to_owned()) } else { Ok(time) }
}

/// Parses the time to hold connections, which may be 0.
pub(super) fn duration_or_none(text: &str) -> Result<Duration, String> {
    wait(text)
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = values::rate(text)?;
    if rate > MAX_RATE {
        return Err("at most 10M per second are possible".to_owned());
    }
    if rate < MIN_RATE {
        return Err("write a number per second, at least 0.001, as in 0.5, 100 or 10k".to_owned());
    }
    Ok(rate)
}

/// Parses a number of clients, rooms or the like, at least 1.
pub(super) fn clients(text: &str) -> Result<usize, String> {
    count(text, 1, MAX_CLIENTS).map(|number| number as usize)
}

pub(super) fn client_offset(text: &str) -> Result<usize, String> {
    count(text, 0, u32::MAX.into()).map(|number| number as usize)
}

pub(super) fn threads(text: &str) -> Result<usize, String> {
    count(text, 1, MAX_THREADS).map(|number| number as usize)
}

pub(super) fn depth(text: &str) -> Result<u32, String> {
    count(text, 1, MAX_CLIENTS).map(|number| number as u32)
}

pub(super) fn messages(text: &str) -> Result<u64, String> {
    // A marker has 32 bits for the number of a message.
    count(text, 1, u32::MAX.into())
}

/// Rejects --messages with an explanation; otherwise the flag would be unknown.
pub(super) fn no_messages(_: &str) -> Result<String, String> {
    Err("connect sends no messages: it ends after --duration".to_owned())
}

fn count(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = values::count(text)?;
    if number < least {
        return Err(format!("write a number from {least}, as in 50 or 10k"));
    }
    if number > most {
        return Err(format!("at most {} are possible", values::with_commas(most.into())));
    }
    Ok(number)
}

pub(super) fn message_size(text: &str) -> Result<usize, String> {
    let size = values::size(text)?;
    if size < marker::LENGTH {
        return Err(format!(
            "write at least {}: a message is identified by a marker of that many bytes",
            marker::LENGTH
        ));
    }
    if size > MAX_MESSAGE {
        return Err("a message is at most 60MiB".to_owned());
    }
    Ok(size)
}

pub(super) fn receive_buffer(text: &str) -> Result<usize, String> {
    let size = values::size(text)?;
    if (1..=LARGEST_RECEIVE_BUFFER).contains(&size) {
        return Ok(size);
    }
    Err("write a size from 1 to 1GiB, as in 4KiB".to_owned())
}

/// Parses text to search for in messages. It must not be empty, since every message contains the empty text.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("write a text that is not empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(super) fn url(text: &str) -> Result<Target, String> {
    if !text.contains("://") && text.contains(['<', '=', '>']) && conditions(text).is_ok() {
        return Err(format!("this is a condition, not a URL: write --find-max='{text}'"));
    }
    text.parse()
}

pub(super) fn conditions(text: &str) -> Result<Conditions, String> {
    let each = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    each.map(str::parse).collect::<Result<_, _>>().map(Conditions)
}

/// Parses addresses of this machine.
pub(super) fn sources(list: &str) -> Result<Sources, String> {
    let sources: Sources = list.parse()?;
    sources.check_own()?;
    Ok(sources)
}

pub(super) fn header(text: &str) -> Result<(String, Template), String> {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    if !text.contains(':') || !is_token(name) {
        return Err("write 'NAME: VALUE', as in 'Authorization: Bearer x'".to_owned());
    }
    if name.eq_ignore_ascii_case("Sec-WebSocket-Protocol") {
        return Err("use --subprotocol, so that the response can be checked".to_owned());
    }
    if let Some(own) = OWN_FIELDS.iter().find(|own| name.eq_ignore_ascii_case(own)) {
        return Err(format!("{own} is part of the handshake itself and cannot be set"));
    }
    Ok((name.to_owned(), Template::plain(&field_value(value.trim())?)?))
}

pub(super) fn origin(text: &str) -> Result<String, String> {
    field_value(text)
}

fn field_value(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err("a header must not contain line breaks or other control characters".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn subprotocol(text: &str) -> Result<String, String> {
    let name = text.trim();
    if is_token(name) {
        return Ok(name.to_owned());
    }
    Err("a subprotocol is letters, digits and -._~!#$%&'*+^`|, as in throng.v1".to_owned())
}

/// Returns true for a token as defined in RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_of_token)
}
