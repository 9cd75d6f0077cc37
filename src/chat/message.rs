//! A message as every format sees it, whether it is being said or remembered.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

use super::token::Uid;

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Message<'a> {
    pub room: &'a str,
    /// Messages of a room are counted from 1.
    pub offset: u64,
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    pub uid: Uid,
    pub name: &'a str,
    pub text: &'a str,
    /// The speaker's own mark for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// Appends the time of day, `HH:MM:SS`.
pub(super) fn write_clock(out: &mut String, time: Timestamp, zone: &TimeZone) {
    let local = zone.to_datetime(time);
    let _infallible = write!(out, "{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second());
}
