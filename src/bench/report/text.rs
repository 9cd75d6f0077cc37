//! Text for terminals: replaces control characters, wraps lines, and detects the terminal's capabilities.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Width in columns if the terminal's width is unknown.
pub(crate) const WIDTH: usize = 80;
/// Minimum width of lines, in columns.
pub(crate) const MIN_WIDTH: usize = 40;

/// The capabilities of a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    pub width: usize,
    /// Number of lines; `None` for a file or a pipe.
    pub height: Option<usize>,
    pub colour: bool,
}

impl Terminal {
    /// Detects the capabilities of an output. `NO_COLOR` is respected. Without a terminal, lines have 80
    /// columns.
    pub fn of(output: &(impl IsTerminal + AsFd)) -> Terminal {
        let size = terminal_size::terminal_size_of(output);
        let width = size.map(|(width, _)| usize::from(width.0));
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal {
            width: width.map_or(WIDTH, |width| width.clamp(MIN_WIDTH, WIDTH)),
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

/// Replaces a character that must not be shown: control characters could control a terminal, and
/// bidirectional ones could reorder a line.
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

/// Replaces characters that must not be shown in text from a server or a file.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Wraps text at spaces, and inside a word only if the word is longer than a line. Returns at least one line.
/// The text is passed through [`clean`].
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

/// Shortens text to one line, with `…` in the last column. The text is passed through [`clean`].
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if length(&text) <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Returns the width of text in columns.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        let hostile = "a\u{1b}[2J\u{9b}1m\u{7}b\u{202e}c\u{2066}d\u{200f}\ne\u{0}";
        assert_eq!(clean(hostile), "a\u{fffd}[2J\u{fffd}1m\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd} e\u{fffd}");
        assert_eq!(clean("naïve 你好 🦀"), "naïve 你好 🦀");
    }

    #[test]
    fn shortened_text_takes_one_line_and_ends_in_an_ellipsis() {
        assert_eq!(cut("one\ntwo", 7), "one two");
        assert_eq!(cut("one two", 6), "one t…");
        assert_eq!(length(&cut("naïve 你好", 5)), 5);
    }

    #[test]
    fn lines_are_wrapped_at_words_and_long_words_are_split() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 1234567890", 4), ["a", "1234", "5678", "90"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("one\ntwo", 10), ["one two"]);
    }
}
