//! What members and rooms may be called, and when two names are the same.

use std::{borrow::Cow, fmt};

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use super::{
    characters::{self, MAX_MARKS, Unfit},
    settings::exceeds,
};

/// Names that begin so are given by the server; nobody can take one.
pub(super) const GUEST: &str = "guest-";

/// Bytes that a name may have for each character of its limit, since a character can be any number of bytes.
const BYTES_PER_CHARACTER: usize = 8;
/// A name longer than its limit by this factor is refused before it is normalized, which can only shorten it so far.
const MAX_SHRINKING: usize = 4;

/// What is wrong with a name, as the end of a sentence that begins with what it is the name of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Blank,
    LongerThanCharacters(usize),
    LongerThanBytes(usize),
    Unprintable,
    Marks,
    Slash,
    Dots,
    Say,
    Guest,
}

impl Fault {
    /// The rule that is broken, for programs.
    pub fn rule(self) -> &'static str {
        match self {
            Fault::Blank => "blank",
            Fault::LongerThanCharacters(_) => "characters",
            Fault::LongerThanBytes(_) => "bytes",
            Fault::Unprintable => "unprintable",
            Fault::Marks => "marks",
            Fault::Slash => "slash",
            Fault::Dots => "dots",
            Fault::Say => "say",
            Fault::Guest => "guest",
        }
    }

    /// The number that the rule sets.
    pub fn limit(self) -> Option<usize> {
        match self {
            Fault::LongerThanCharacters(limit) | Fault::LongerThanBytes(limit) => Some(limit),
            Fault::Marks => Some(MAX_MARKS),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Blank => f.write_str("must not be blank"),
            Fault::LongerThanCharacters(limit) => write!(f, "has at most {limit} characters"),
            Fault::LongerThanBytes(limit) => write!(f, "has at most {limit} bytes"),
            Fault::Unprintable => f.write_str("must not contain control, invisible or direction characters"),
            Fault::Marks => write!(f, "has at most {MAX_MARKS} combining marks on a character"),
            Fault::Slash => f.write_str("must not contain '/'"),
            Fault::Dots => f.write_str("must not be '.' or '..'"),
            Fault::Say => f.write_str("must not contain 'say:'"),
            Fault::Guest => write!(f, "must not begin with '{GUEST}': such names are given by the server"),
        }
    }
}

impl From<Unfit> for Fault {
    fn from(unfit: Unfit) -> Fault {
        match unfit {
            Unfit::Unprintable => Fault::Unprintable,
            Unfit::Marks => Fault::Marks,
        }
    }
}

/// A name that a member may have, if nobody else has it.
#[derive(Debug)]
pub(super) struct Name<'a> {
    pub shown: Cow<'a, str>,
    pub keys: Keys,
}

impl<'a> Name<'a> {
    /// Checks a name that somebody wishes to have, and brings it into the form in which it is shown.
    ///
    /// A limit of 0 characters is no limit.
    pub fn parse(wish: &'a str, max_characters: usize) -> Result<Name<'a>, Fault> {
        let max_bytes = max_bytes(max_characters);
        let shown = tidy(wish, max_bytes)?;
        if exceeds(characters::count(&shown), max_characters) {
            return Err(Fault::LongerThanCharacters(max_characters));
        }
        if exceeds(shown.len(), max_bytes) {
            return Err(Fault::LongerThanBytes(max_bytes));
        }
        characters::check(&shown)?;
        let keys = Keys::of(&shown);
        if keys.any(|key| key.starts_with(GUEST)) {
            return Err(Fault::Guest);
        }
        // In `lines`, `HH:MM:SS NAME say: TEXT` shows where the name ends.
        if keys.any(|key| key.contains("say:")) {
            return Err(Fault::Say);
        }
        Ok(Name { shown, keys })
    }
}

/// The bytes that a name of so many characters may have; 0 is no limit.
pub(super) fn max_bytes(max_characters: usize) -> usize {
    max_characters.saturating_mul(BYTES_PER_CHARACTER)
}

/// Checks a room's name, and brings it into the form by which rooms are told apart.
pub(super) fn room(name: &str, max_bytes: usize) -> Result<Cow<'_, str>, Fault> {
    let name = tidy(name, max_bytes)?;
    if exceeds(name.len(), max_bytes) {
        return Err(Fault::LongerThanBytes(max_bytes));
    }
    characters::check(&name)?;
    if name.contains('/') {
        return Err(Fault::Slash);
    }
    if matches!(&*name, "." | "..") {
        return Err(Fault::Dots);
    }
    Ok(name)
}

fn tidy(name: &str, max_bytes: usize) -> Result<Cow<'_, str>, Fault> {
    if exceeds(name.trim().len(), max_bytes.saturating_mul(MAX_SHRINKING)) {
        return Err(Fault::LongerThanBytes(max_bytes));
    }
    let name = characters::tidy(name);
    if name.is_empty() { Err(Fault::Blank) } else { Ok(name) }
}

/// What a name is compared by: two names are the same if they have a key in common.
///
/// The first key is the same for names that are the same to a reader: RFC 8266 in compatibility forms and spaces, with
/// full case folding in place of lower case, and of the result the skeleton of UTS 39, which is the same for characters
/// that look alike. The second key is that of the skeleton itself, since capital letters look like others than small
/// ones do: I like l, but i not.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Keys {
    read: String,
    seen: String,
}

impl Keys {
    pub fn of(name: &str) -> Keys {
        Keys { read: look(&fold(name)), seen: look(&fold(&look(name))) }
    }

    pub fn each(&self) -> [&str; 2] {
        [&self.read, &self.seen]
    }

    fn any(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.each().into_iter().any(holds)
    }
}

/// The skeleton of a name.
fn look(name: &str) -> String {
    // Nearly all names are ASCII, of which only '%' looks like characters that are not.
    if !name.is_ascii() || name.contains('%') {
        return skeleton(name).collect();
    }
    let mut look = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => look.push_str("''"),
            '0' => look.push('O'),
            '1' | 'I' | '|' => look.push('l'),
            '`' => look.push('\''),
            'm' => look.push_str("rn"),
            c => look.push(c),
        }
    }
    look
}

fn fold(name: &str) -> String {
    if name.is_ascii() && !name.contains("  ") {
        return name.trim().to_ascii_lowercase();
    }
    let folded = name.nfd().default_case_fold().nfkd().default_case_fold().nfkd();
    let mut key = String::with_capacity(name.len());
    for c in folded {
        match c {
            ' ' if key.is_empty() || key.ends_with(' ') => {}
            // The small letter of a Turkish İ has the dot that an i has anyway.
            '\u{307}' if key.ends_with(['i', 'j']) => {}
            c => key.push(c),
        }
    }
    key.truncate(key.trim_end().len());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_looks_and_folds_as_all_characters_do() {
        for c in (' '..='~').map(String::from) {
            assert_eq!(look(&c), skeleton(&c).collect::<String>(), "{c}");
            // A character beyond ASCII takes the long way.
            let (short, long) = (format!("a{c}b"), format!("a{c}b字"));
            assert_eq!(fold(&short) + "字", fold(&long), "{c}");
        }
    }
}
