//! A message as every format sees it, whether it is being said or remembered.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

use super::{
    size::{Size, digits},
    token::Uid,
};

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

impl Message<'_> {
    /// The size of the whole message, given that of its text.
    pub fn size(&self, text: Size) -> Size {
        const JSON: usize = concat!(
            r#"{"type":"message","room":"","offset":,"time":"2026-11-21T01:23:45.678Z","#,
            r#""uid":"0123456789abcdef","name":"","text":""}"#
        )
        .len();
        const HTML: usize = concat!(
            r#"<div class="message"><time datetime="2026-11-21T01:23:45.678Z">01:23:45</time> "#,
            r#"<b class="name"></b> <span class="text"></span></div>"#
        )
        .len();
        let name = Size::of(self.name);
        let id = self.id.map_or(0, |id| r#","id":"""#.len() + Size::of(id).json);
        Size {
            json: JSON + Size::of(self.room).json + digits(self.offset) + name.json + text.json + id,
            html: HTML + name.html + text.html,
        }
    }

    /// The bytes of the message as a line.
    pub fn line_length(&self) -> usize {
        "01:23:45  say: ".len() + self.name.len() + self.text.len()
    }
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// Appends the time of day, `HH:MM:SS`.
pub(super) fn write_clock(out: &mut String, time: Timestamp, zone: &TimeZone) {
    let local = zone.to_datetime(time);
    let _infallible = write!(out, "{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second());
}
