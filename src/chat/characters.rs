//! What characters are: which of them can be seen, and which may stand in the name of a member or a room.
//!
//! A name must show all that it holds, or two names that look the same could differ. It may therefore hold letters,
//! digits, punctuation, symbols and single spaces, the combining marks that belong to them, and emoji. Characters that
//! show nothing are refused, except where writing needs them: joiners in the scripts that are written with them
//! (RFC 5892, appendix A.1 and A.2), and joiners, variation selectors and tags in the sequences that Unicode lists as
//! emoji.

use std::borrow::Cow;

use unicode_joining_type::{JoiningType, get_joining_type};
use unicode_normalization::{
    UnicodeNormalization,
    char::{canonical_combining_class, is_combining_mark},
};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

/// Combining marks on one character. Scripts in use need up to four, as Hebrew with vowel points and accents does.
pub(super) const MAX_MARKS: usize = 4;

const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
const ZERO_WIDTH_JOINER: char = '\u{200D}';
const EMOJI_SELECTOR: char = '\u{FE0F}';
/// The canonical combining class of a virama, which ties letters together in the scripts of India and its neighbours.
const VIRAMA: u8 = 9;

/// Why a name cannot hold its characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unfit {
    /// One of them controls, or shows nothing, or is none that Unicode has assigned.
    Unprintable,
    /// A combining mark stands on nothing, or on a character with too many.
    Marks,
}

/// Returns a name in the form in which it is shown: normalized to NFC, without white space at its ends, and with one
/// ASCII space in place of any other white space in a row.
///
/// Doing it again changes nothing.
pub(super) fn tidy(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.is_ascii() && !name.contains("  ") {
        return Cow::Borrowed(name);
    }
    let mut tidied = String::with_capacity(name.len());
    for c in name.nfc() {
        match is_space(c) {
            true if tidied.ends_with(' ') => {}
            true => tidied.push(' '),
            false => tidied.push(c),
        }
    }
    Cow::Owned(tidied)
}

/// Counts characters as people do: a letter with its marks is one, and so is an emoji of several parts.
pub(super) fn count(name: &str) -> usize {
    if name.is_ascii() { name.len() } else { name.graphemes(true).count() }
}

/// Checks the characters of a name that has been [tidied](tidy).
pub(super) fn check(name: &str) -> Result<(), Unfit> {
    if name.is_ascii() {
        return if name.contains(|c: char| c.is_ascii_control()) { Err(Unfit::Unprintable) } else { Ok(()) };
    }
    let characters: Vec<char> = name.chars().collect();
    let mut start = 0;
    for cluster in name.graphemes(true) {
        let end = start + cluster.chars().count();
        let is_fit = is_emoji(cluster) || (start..end).all(|index| is_fit(&characters, index));
        if !is_fit {
            return Err(Unfit::Unprintable);
        }
        start = end;
    }
    check_marks(name)
}

/// Whether somebody who reads this character sees something of it.
pub(super) fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_graphic();
    }
    !is_blank(c)
        && match c.general_category() {
            // Of what later versions of Unicode may add, only this is known to show nothing.
            GeneralCategory::Unassigned => {
                !matches!(u32::from(c), 0x2065 | 0xFFF0..=0xFFF8 | 0xFDD0..=0xFDEF | 0xE0000..=0xE0FFF)
                    && u32::from(c) & 0xFFFE != 0xFFFE
            }
            category => !is_unseen(category) && !is_mark(category),
        }
}

/// Whether Unicode lists this as an emoji, perhaps without variation selectors that belong to it.
fn is_emoji(cluster: &str) -> bool {
    emojis::get(cluster).is_some_and(|listed| {
        let mut listed = listed.as_str().chars();
        let is_next = |c| listed.find(|next| *next != EMOJI_SELECTOR || c == EMOJI_SELECTOR) == Some(c);
        cluster.chars().all(is_next) && listed.all(|rest| rest == EMOJI_SELECTOR)
    })
}

fn is_fit(characters: &[char], index: usize) -> bool {
    let c = characters[index];
    if c == ' ' {
        return true;
    }
    match c.general_category() {
        GeneralCategory::Format => is_needed_joiner(&characters[..index], c, &characters[index + 1..]),
        GeneralCategory::Unassigned | GeneralCategory::PrivateUse => false,
        category => !is_unseen(category) && !is_blank(c),
    }
}

/// Whether a joiner stands where its script needs it.
///
/// RFC 5892 has it after a virama and, to keep letters apart, between letters that would be joined. Bengali, Kannada and
/// Sinhala also write one between a letter and the virama on it.
fn is_needed_joiner(before: &[char], joiner: char, after: &[char]) -> bool {
    let is_virama = |c: &&char| canonical_combining_class(**c) == VIRAMA;
    if before.last().filter(is_virama).is_some() {
        return matches!(joiner, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER);
    }
    match joiner {
        ZERO_WIDTH_JOINER => {
            let is_letter = |c: &char| c.general_category() == GeneralCategory::OtherLetter;
            before.last().is_some_and(is_letter) && after.first().filter(is_virama).is_some()
        }
        ZERO_WIDTH_NON_JOINER => {
            let joins = |side: &mut dyn Iterator<Item = &char>, one_sided: JoiningType| {
                side.map(|c| get_joining_type(*c))
                    .find(|joining| *joining != JoiningType::Transparent)
                    .is_some_and(|joining| joining == JoiningType::DualJoining || joining == one_sided)
            };
            joins(&mut before.iter().rev(), JoiningType::LeftJoining)
                && joins(&mut after.iter(), JoiningType::RightJoining)
        }
        _ => false,
    }
}

fn check_marks(name: &str) -> Result<(), Unfit> {
    let mut marks = None;
    for c in name.nfd() {
        if is_combining_mark(c) {
            marks = marks.map(|marks| marks + 1).filter(|marks| *marks <= MAX_MARKS);
            if marks.is_none() {
                return Err(Unfit::Marks);
            }
        } else if c == ' ' {
            marks = None;
        } else if c.general_category() != GeneralCategory::Format {
            marks = Some(0);
        }
    }
    Ok(())
}

fn is_space(c: char) -> bool {
    c == ' ' || !c.is_ascii() && c.general_category() == GeneralCategory::SpaceSeparator
}

/// Whether no character of this category shows anything by itself.
fn is_unseen(category: GeneralCategory) -> bool {
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::SpaceSeparator
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

fn is_mark(category: GeneralCategory) -> bool {
    matches!(
        category,
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark | GeneralCategory::SpacingMark
    )
}

/// Letters, marks and symbols that show nothing all the same: fillers, selectors and blank signs.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2800}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{13441}' | '\u{13442}' | '\u{16FE4}'
        | '\u{1D159}' | '\u{E0100}'..='\u{E01EF}')
}
