//! The lines of a table: wrapped to the width of the terminal, and coloured.

use super::super::text::{Terminal, clean, length, wrap};
use super::NAMES;

/// Width of the column with counts, right of a name.
const COUNTS: usize = 12;
/// Minimum width of a note to the right of figures; narrower ones go on the next line.
pub(super) const MIN_NOTE: usize = 24;

pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const YELLOW: &str = "\x1b[33m";
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// Text for a terminal.
pub(super) struct Lines {
    pub text: String,
    pub terminal: Terminal,
}

impl Lines {
    pub fn new(terminal: Terminal) -> Lines {
        Lines { text: String::new(), terminal }
    }

    pub fn width(&self) -> usize {
        self.terminal.width
    }

    /// Writes a row of a section: a label, a figure and a note.
    pub fn row(&mut self, label: &str, text: &str, note: &str, colour: Option<&str>) {
        let width = NAMES.max(length(label) + 2) - 2;
        let counts = (NAMES + COUNTS - 2).saturating_sub(width);
        let start = format!("  {label:<width$}{text:>counts$}  ");
        if note.is_empty() || length(&start) + MIN_NOTE <= self.terminal.width {
            self.paragraph(&start, note, colour);
        } else {
            self.line(&start, colour);
            self.paragraph("    ", note, colour);
        }
    }

    /// Writes text after `start`. Lines are wrapped and indented to the width of `start`.
    pub fn paragraph(&mut self, start: &str, text: &str, colour: Option<&str>) {
        let indent = length(start);
        for (index, line) in wrap(text, self.terminal.width - indent).iter().enumerate() {
            let start = if index == 0 { start.to_owned() } else { " ".repeat(indent) };
            self.line(&(start + line), colour);
        }
    }

    pub fn line(&mut self, line: &str, colour: Option<&str>) {
        let line = clean(line.trim_end());
        match colour.filter(|_| self.terminal.colour && !line.is_empty()) {
            Some(colour) => self.text += &format!("{colour}{line}{PLAIN}\n"),
            None => self.text += &format!("{line}\n"),
        }
    }
}
