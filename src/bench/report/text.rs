//! Text for terminals: removes control characters, breaks lines at words, and finds out what a terminal can show.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Columns if nothing is known of the terminal.
pub(crate) const WIDTH: usize = 80;
/// Lines have room for at least this many columns.
pub(crate) const LEAST_WIDTH: usize = 40;

/// What a terminal can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    pub width: usize,
    /// Lines; `None` for a file or a pipe, which has no end.
    pub height: Option<usize>,
    pub colour: bool,
}

impl Terminal {
    /// Asks the output. `NO_COLOR` is respected. Without a terminal, lines have 80 columns.
    pub fn of(output: &(impl IsTerminal + AsFd)) -> Terminal {
        let size = terminal_size::terminal_size_of(output);
        let width = size.map(|(width, _)| usize::from(width.0));
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal {
            width: width.map_or(WIDTH, |width| width.clamp(LEAST_WIDTH, WIDTH)),
            height: size.map(|(_, height)| usize::from(height.0)),
            colour: output.is_terminal() && !wants_none,
        }
    }
}

impl Default for Terminal {
    fn default() -> Terminal {
        Terminal { width: WIDTH, height: None, colour: false }
    }
}

/// Replaces a character that must not be shown: control characters could command a terminal, and those of bidirectional
/// text could reorder a line.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Text from a server or a file without characters that must not be shown.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Breaks text at blanks, and within a word only if it is longer than a line. Returns at least one line; each is [`clean`].
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        let length = length(word);
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += 1;
        }
    }
    lines.push(line);
    lines
}

/// Text on one line: cut where the line is full, with `…` in the last column. It is [`clean`].
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if length(&text) <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Columns that text takes.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        let hostile = "a\u{1b}[2J\u{9b}1m\u{7}b\u{202e}c\u{2066}d\u{200f}\ne\u{0}";
        assert_eq!(clean(hostile), "a\u{fffd}[2J\u{fffd}1m\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd} e\u{fffd}");
        assert_eq!(clean("naïve 你好 🦀"), "naïve 你好 🦀");
    }

    #[test]
    fn what_is_cut_takes_one_line_and_shows_that_it_was_cut() {
        assert_eq!(cut("one\ntwo", 7), "one two");
        assert_eq!(cut("one two", 6), "one t…");
        assert_eq!(length(&cut("naïve 你好", 5)), 5);
    }

    #[test]
    fn lines_are_broken_at_words_and_long_words_where_they_must() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 1234567890", 4), ["a", "1234", "5678", "90"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("one\ntwo", 10), ["one two"]);
    }
}
