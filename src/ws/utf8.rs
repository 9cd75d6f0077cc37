//! Incremental validation of UTF-8 (RFC 6455 §8.1). A text may be split anywhere, even inside a character.
//! Validation fails at the first byte that no continuation could make valid.

/// A text collected from pieces: its complete characters, and up to three bytes of an incomplete one.
#[derive(Default)]
pub struct Gathered {
    text: String,
    /// The first bytes of an incomplete character, a valid prefix so far.
    partial: [u8; 3],
    partial_len: u8,
}

/// The bytes are not UTF-8, whatever follows.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid;

impl Gathered {
    /// Appends the next piece of the text.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.partial_len > 0 {
            let Some((&next, rest)) = piece.split_first() else {
                return Ok(());
            };
            self.push_partial(next)?;
            piece = rest;
        }
        match std::str::from_utf8(piece) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_some() => return Err(Invalid),
            Err(error) => {
                let (complete, partial) = piece.split_at(error.valid_up_to());
                self.text.push_str(std::str::from_utf8(complete).map_err(|_| Invalid)?);
                self.partial[..partial.len()].copy_from_slice(partial);
                self.partial_len = partial.len() as u8;
            }
        }
        Ok(())
    }

    /// Returns the text, unless it ends inside a character.
    pub fn finish(self) -> Result<String, Invalid> {
        match self.partial_len {
            0 => Ok(self.text),
            _ => Err(Invalid),
        }
    }

    /// Returns the number of bytes collected so far.
    pub fn len(&self) -> usize {
        self.text.len() + usize::from(self.partial_len)
    }

    /// Returns true if no bytes were collected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push_partial(&mut self, next: u8) -> Result<(), Invalid> {
        let partial_len = usize::from(self.partial_len);
        let mut character = [0; 4];
        character[..partial_len].copy_from_slice(&self.partial[..partial_len]);
        character[partial_len] = next;
        match std::str::from_utf8(&character[..=partial_len]) {
            Ok(complete) => {
                self.text.push_str(complete);
                self.partial_len = 0;
            }
            Err(error) if error.error_len().is_some() => return Err(Invalid),
            Err(_) => {
                // Four bytes are either a character or invalid, so `next` is at most the third byte.
                self.partial[partial_len] = next;
                self.partial_len += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns how many bytes are accepted, one at a time, before one is rejected.
    fn accepted(bytes: &[u8]) -> usize {
        let mut gathered = Gathered::default();
        bytes.iter().position(|byte| gathered.push(&[*byte]).is_err()).unwrap_or(bytes.len())
    }

    #[test]
    fn validation_fails_at_the_first_invalid_byte() {
        // Autobahn 6.4: κόσμε, then a code point beyond U+10FFFF. F4 may start a character, F4 90 may not.
        let mut bytes = "κόσμε".as_bytes().to_vec();
        let valid = bytes.len();
        bytes.extend_from_slice(b"\xf4\x90\x80\x80edited");
        assert_eq!(accepted(&bytes), valid + 1);
        assert_eq!(accepted(b"ab\xff"), 2);
        assert_eq!(accepted(b"\xc0\xaf"), 0, "an overlong form");
        assert_eq!(accepted(b"\xed\xa0\x80"), 1, "a surrogate");
        assert_eq!(accepted(b"\xe0\x80"), 1, "an overlong form of three bytes");
    }

    #[test]
    fn a_text_that_ends_inside_a_character_is_invalid() {
        for cut in 1..4 {
            let mut gathered = Gathered::default();
            gathered.push(&"😀".as_bytes()[..cut]).unwrap();
            assert_eq!(gathered.len(), cut);
            assert_eq!(gathered.finish(), Err(Invalid));
        }
    }

    proptest! {
        #[test]
        fn any_text_split_anywhere_is_collected_unchanged(text in ".{0,40}", cuts in prop::collection::vec(0usize..160, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let mut gathered = Gathered::default();
            for piece in cuts.windows(2) {
                prop_assert_eq!(gathered.push(&text.as_bytes()[piece[0]..piece[1]]), Ok(()));
                prop_assert_eq!(gathered.len(), piece[1]);
            }
            prop_assert_eq!(gathered.finish().unwrap(), text);
        }

        #[test]
        fn any_bytes_are_rejected_where_the_standard_library_rejects_them(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe4), Just(0x80), Just(0xf0), Just(0x9f)], 0..24)) {
            let expected = (0..=bytes.len())
                .find(|end| std::str::from_utf8(&bytes[..*end]).is_err_and(|error| error.error_len().is_some()))
                .map_or(bytes.len(), |end| end - 1);
            prop_assert_eq!(accepted(&bytes), expected);
        }
    }
}
