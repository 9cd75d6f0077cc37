//! The format `html`: fragments to append to a page, with everything members wrote escaped.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;

use super::message::{Message, write_clock};

/// Replaces what is in `out` by the fragment of a message.
pub(super) fn write_message(message: &Message<'_>, zone: &TimeZone, out: &mut String) {
    out.clear();
    let _infallible = write!(out, "<div class=\"message\"><time datetime=\"{:.3}\">", message.time);
    write_clock(out, message.time, zone);
    out.push_str("</time> <b class=\"name\">");
    escape(message.name, out);
    out.push_str("</b> <span class=\"text\">");
    escape(message.text, out);
    out.push_str("</span></div>");
}

/// Replaces what is in `out` by the fragment of a notice to one member.
pub(super) fn write_notice(sentence: &impl fmt::Display, out: &mut String) {
    out.clear();
    out.push_str("<div class=\"notice\">");
    escape(&sentence.to_string(), out);
    out.push_str("</div>");
}

fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}
