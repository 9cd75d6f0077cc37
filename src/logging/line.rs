//! An event as one line. Control characters, bidirectional controls and whatever else cannot be seen are escaped, so
//! that no event can forge a line, hide text or drive a terminal.

use super::Format;
use jiff::Timestamp;
use log::kv::{Key, Value, VisitSource};
use log::{Level, Record, kv};
use std::fmt::{self, Write as _};
use std::io::Write as _;

/// Longest message of a line, in bytes; the rest is cut.
const MAX_MESSAGE: usize = 4096;

/// How lines are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) is_coloured: bool,
}

impl Style {
    /// Appends the line of an event.
    pub(super) fn write(self, record: &Record<'_>, time: Timestamp, line: &mut Vec<u8>) {
        match self.format {
            Format::Text => self.write_text(record, time, line),
            Format::Json => write_json(record, time, line),
        }
        line.push(b'\n');
    }

    /// Appends the line that reports how many lines were dropped.
    pub(super) fn write_dropped(self, count: u64, line: &mut Vec<u8>) {
        let fields = [("dropped", count)];
        let message =
            format_args!("log: {count} lines dropped, because standard error was blocked or failing");
        let record = Record::builder().level(Level::Warn).key_values(&fields).args(message).build();
        self.write(&record, Timestamp::now(), line);
    }

    fn write_text(self, record: &Record<'_>, time: Timestamp, line: &mut Vec<u8>) {
        let level = record.level();
        let _ = match self.is_coloured {
            true => write!(line, "{time:.3} \x1b[{}m{level:<5}\x1b[0m ", colour(level)),
            false => write!(line, "{time:.3} {level:<5} "),
        };
        write_cut(line, record.args(), Escape::Text);
    }
}

fn colour(level: Level) -> u8 {
    match level {
        Level::Error => 31,
        Level::Warn => 33,
        Level::Info => 32,
        Level::Debug => 34,
        Level::Trace => 36,
    }
}

fn write_json(record: &Record<'_>, time: Timestamp, line: &mut Vec<u8>) {
    let level = record.level().as_str().to_ascii_lowercase();
    let _ = write!(line, "{{\"time\":\"{time:.3}\",\"level\":\"{level}\",\"message\":\"");
    write_cut(line, record.args(), Escape::Json);
    line.push(b'"');
    let _ = record.key_values().visit(&mut Fields(line));
    line.push(b'}');
}

/// Appends the fields of a record to a JSON object.
struct Fields<'l>(&'l mut Vec<u8>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.0.extend_from_slice(b",\"");
        write_cut(self.0, &key, Escape::Json);
        self.0.extend_from_slice(b"\":");
        match value.to_u64() {
            Some(number) => {
                let _ = write!(self.0, "{number}");
            }
            None => {
                self.0.push(b'"');
                write_cut(self.0, &value, Escape::Json);
                self.0.push(b'"');
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// As in Rust: `\n`, `\u{202e}`.
    Text,
    /// As in JSON: `\u000a`, `\u202e`.
    Json,
}

/// Appends what `text` shows, escaped, and cut at [`MAX_MESSAGE`].
fn write_cut(line: &mut Vec<u8>, text: &impl fmt::Display, escape: Escape) {
    let end = line.len() + MAX_MESSAGE;
    if write!(Printable { line, escape, end }, "{text}").is_err() {
        line.extend_from_slice("…".as_bytes());
    }
}

/// Escapes what is written to it; fails when the line is long enough.
struct Printable<'l> {
    line: &'l mut Vec<u8>,
    escape: Escape,
    end: usize,
}

impl fmt::Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if self.line.len() >= self.end {
            return Err(fmt::Error);
        }
        let is_json = self.escape == Escape::Json;
        let result = match c {
            '"' | '\\' if is_json => write!(self.line, "\\{c}"),
            c if is_printable(c) => {
                self.line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                Ok(())
            }
            c if is_json => {
                c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(self.line, "\\u{unit:04x}"))
            }
            c => write!(self.line, "{}", c.escape_default()),
        };
        result.map_err(|_| fmt::Error)
    }
}

/// Whether a character shows, and shows where it stands.
fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // Invisible letters and marks, which the standard library takes for printable.
        '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{e0100}'..='\u{e01ef}' => false,
        // A string's second character is escaped if it cannot be printed, but not for being a combining mark.
        c => {
            let mut pair = [b' '; 5];
            let len = c.encode_utf8(&mut pair[1..]).len();
            let pair = std::str::from_utf8(&pair[..1 + len]).unwrap_or_default();
            pair.escape_debug().nth(1) == Some(c)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, message: &str, fields: &[(&str, &str)]) -> String {
        let style = Style { format, is_coloured: false };
        let mut line = Vec::new();
        let text = format_args!("{message}");
        let record = Record::builder().level(Level::Warn).key_values(&fields).args(text).build();
        style.write(&record, Timestamp::UNIX_EPOCH, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_of_text_has_time_level_and_message() {
        assert_eq!(line(Format::Text, "ready", &[]), "1970-01-01T00:00:00.000Z WARN  ready\n");
        let style = Style { format: Format::Text, is_coloured: true };
        let mut coloured = Vec::new();
        style.write(&Record::builder().level(Level::Error).build(), Timestamp::UNIX_EPOCH, &mut coloured);
        assert_eq!(coloured, b"1970-01-01T00:00:00.000Z \x1b[31mERROR\x1b[0m \n");
    }

    #[test]
    fn what_cannot_be_seen_is_escaped_and_what_people_write_is_not() {
        let hidden = [
            "\0",
            "\t",
            "\n",
            "\r",
            "\x1b",
            "\x7f",
            "\u{80}",
            "\u{85}",
            "\u{9b}",
            "\u{9f}",
            "\u{2028}",
            "\u{2029}",
            "\u{202a}",
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200e}",
            "\u{200f}",
            "\u{61c}",
            "\u{200b}",
            "\u{200d}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            "\u{180e}",
            "\u{fff9}",
            "\u{e0041}",
            "\u{e007f}",
            "\u{fe0f}",
            "\u{34f}",
            "\u{3164}",
            "\u{2800}",
            "\u{a0}",
            "\u{e000}",
            "\u{fdd0}",
        ];
        for text in hidden {
            let message = format!("a{text}b");
            let (shown, json) = (line(Format::Text, &message, &[]), line(Format::Json, &message, &[]));
            assert!(shown.contains("WARN  a\\") && shown.ends_with("b\n"), "{shown:?}");
            for line in [shown, json] {
                assert!(!line[..line.len() - 1].contains(text), "{line:?}");
                assert!(line[..line.len() - 1].chars().all(is_printable), "{line:?}");
            }
        }
        for text in ["Zoë", "e\u{301}", "नमस्ते", "你好，世界", "👍🏽", "“quoted” – → …", "\"\\\""]
        {
            assert!(line(Format::Text, text, &[]).contains(&format!("WARN  {text}\n")), "{text}");
        }
    }

    #[test]
    fn a_json_line_gives_back_the_message_and_the_fields_as_they_were() {
        let message = "a \"quoted\" \\ \n\u{1b}[31m \u{202e} \u{e0041} 👍 你好";
        let line = line(Format::Json, message, &[("path", "/no/such\nfolder")]);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(value["level"], "warn");
        assert_eq!(value["message"], message);
        assert_eq!(value["path"], "/no/such\nfolder");
        let mut dropped = Vec::new();
        Style { format: Format::Json, is_coloured: false }.write_dropped(12, &mut dropped);
        let value: serde_json::Value = serde_json::from_slice(&dropped).unwrap();
        assert_eq!(value["dropped"], 12);
    }

    #[test]
    fn a_long_message_is_cut() {
        for format in [Format::Text, Format::Json] {
            let line = line(format, &"\u{202e}".repeat(100_000), &[]);
            assert!(line.len() < MAX_MESSAGE + 200 && line.contains('…'), "{}", line.len());
        }
    }
}
