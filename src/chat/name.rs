//! What members and rooms may be called, and which member names are taken.
//!
//! A name is to look like no other, and to leave what is written around it alone. So it has no characters that are
//! invisible, that turn the writing direction or that break a line, and of white space only single blanks. The one
//! exception are the joiners that emoji are made of, where they follow a pictograph. Look-alike letters of different
//! scripts are not told apart.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

use rand::{Rng, RngExt, rngs::StdRng};

use super::settings::exceeds;

/// Names that begin so are given by the server; nobody can take one.
const GUEST: &str = "guest-";
/// Without those that are easily taken for one another.
const GUEST_ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GUEST_LENGTH: usize = 4;

/// What is wrong with a name, as the end of a sentence that begins with what it is the name of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Blank,
    LongerThanCharacters(usize),
    LongerThanBytes(usize),
    Unprintable,
    Spacing,
    Slash,
    Say,
    Guest,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Blank => f.write_str("must not be blank"),
            Fault::LongerThanCharacters(limit) => write!(f, "has at most {limit} characters"),
            Fault::LongerThanBytes(limit) => write!(f, "has at most {limit} bytes"),
            Fault::Unprintable => f.write_str("must not contain control, invisible or direction characters"),
            Fault::Spacing => {
                f.write_str("must not begin or end with white space, nor contain any but single blanks")
            }
            Fault::Slash => f.write_str("must not contain '/'"),
            Fault::Say => f.write_str("must not contain 'say:'"),
            Fault::Guest => write!(f, "must not begin with '{GUEST}': such names are given by the server"),
        }
    }
}

/// Checks a member's name that was [trimmed](str::trim).
pub(super) fn check_member(name: &str, max_characters: usize) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::Blank);
    }
    if exceeds(name.chars().count(), max_characters) {
        return Err(Fault::LongerThanCharacters(max_characters));
    }
    let mut previous = '\0';
    for c in name.chars() {
        let emoji_part = matches!(c, '\u{200D}' | '\u{FE0F}') && is_pictograph(previous);
        if is_control(c) || (is_invisible(c) && !emoji_part) {
            return Err(Fault::Unprintable);
        }
        if c.is_whitespace() && (c != ' ' || previous == ' ') {
            return Err(Fault::Spacing);
        }
        previous = c;
    }
    // A joiner joins two: at the end it would only hide.
    if previous == '\u{200D}' {
        return Err(Fault::Unprintable);
    }
    let folded = name.to_lowercase();
    if folded.starts_with(GUEST) {
        return Err(Fault::Guest);
    }
    // In `lines`, `HH:MM:SS NAME say: TEXT` shows where the name ends.
    if folded.contains("say:") {
        return Err(Fault::Say);
    }
    Ok(())
}

/// Checks a room's name.
pub(super) fn check_room(name: &str, max_bytes: usize) -> Result<(), Fault> {
    if name.trim().is_empty() {
        return Err(Fault::Blank);
    }
    if exceeds(name.len(), max_bytes) {
        return Err(Fault::LongerThanBytes(max_bytes));
    }
    if name.chars().any(is_control) {
        return Err(Fault::Unprintable);
    }
    if name.trim() != name {
        return Err(Fault::Spacing);
    }
    if name.contains('/') {
        return Err(Fault::Slash);
    }
    Ok(())
}

/// Characters that move the cursor, end the line or turn the direction of what follows.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Characters that show nothing, among them the joiners and selectors that shape others.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Arrows, symbols and emoji, and the selector that may stand between one and a joiner.
fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{27FF}' | '\u{2900}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}' | '\u{FE0F}')
}

/// The names of all present, whatever their case.
///
/// Kept are hashes under a secret key, 8 bytes a name. Two different names of one hash would be told apart too little,
/// not too much: the second is called taken, once in 2^64 / members.
pub(super) struct Names {
    key: [u64; 2],
    taken: HashSet<u64, BuildHasherDefault<DefaultHasher>>,
}

impl Names {
    pub fn new(rng: &mut StdRng) -> Names {
        Names { key: [rng.next_u64(), rng.next_u64()], taken: HashSet::default() }
    }

    /// Whether two names are the same but for their case.
    pub fn same(&self, one: &str, other: &str) -> bool {
        self.fold(one) == self.fold(other)
    }

    /// False: somebody has it.
    pub fn take(&mut self, name: &str) -> bool {
        let name = self.fold(name);
        self.taken.insert(name)
    }

    pub fn release(&mut self, name: &str) {
        let name = self.fold(name);
        self.taken.remove(&name);
    }

    /// Takes a name for somebody who has none: `guest-` and four characters, or more when those are crowded.
    pub fn take_guest(&mut self, rng: &mut StdRng) -> Box<str> {
        let mut attempts = 0;
        loop {
            let length = GUEST_LENGTH + attempts / 4;
            let mut name = String::with_capacity(GUEST.len() + length);
            name.push_str(GUEST);
            for _ in 0..length {
                name.push(char::from(GUEST_ALPHABET[rng.random_range(..GUEST_ALPHABET.len())]));
            }
            if self.take(&name) {
                return name.into_boxed_str();
            }
            attempts += 1;
        }
    }

    fn fold(&self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        for c in name.chars().flat_map(char::to_lowercase) {
            c.hash(&mut hasher);
        }
        hasher.finish()
    }
}
