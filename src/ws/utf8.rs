//! UTF-8 checked as it arrives (RFC 6455 §8.1): a message may be cut anywhere, also inside a character, and
//! fails at the first byte that no continuation could make valid.

/// Text gathered from pieces: the characters that are complete, and up to three bytes of one that is not.
#[derive(Debug, Default)]
pub struct Gathered {
    text: String,
    /// The first bytes of a character whose rest has yet to come; each prefix of it is valid so far.
    begun: [u8; 3],
    begun_len: u8,
}

/// The bytes are not UTF-8, whatever may follow.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid;

impl Gathered {
    /// Takes the next piece of the text.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.begun_len > 0 {
            let Some((&next, rest)) = piece.split_first() else {
                return Ok(());
            };
            self.push_begun(next)?;
            piece = rest;
        }
        match std::str::from_utf8(piece) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_some() => return Err(Invalid),
            Err(error) => {
                let (complete, begun) = piece.split_at(error.valid_up_to());
                self.text.push_str(std::str::from_utf8(complete).map_err(|_| Invalid)?);
                self.begun[..begun.len()].copy_from_slice(begun);
                self.begun_len = begun.len() as u8;
            }
        }
        Ok(())
    }

    /// The text, if it does not end inside a character.
    pub fn finish(self) -> Result<String, Invalid> {
        match self.begun_len {
            0 => Ok(self.text),
            _ => Err(Invalid),
        }
    }

    /// Bytes taken so far.
    pub fn len(&self) -> usize {
        self.text.len() + usize::from(self.begun_len)
    }

    /// Whether nothing has been taken yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push_begun(&mut self, next: u8) -> Result<(), Invalid> {
        let begun_len = usize::from(self.begun_len);
        let mut character = [0; 4];
        character[..begun_len].copy_from_slice(&self.begun[..begun_len]);
        character[begun_len] = next;
        match std::str::from_utf8(&character[..=begun_len]) {
            Ok(complete) => {
                self.text.push_str(complete);
                self.begun_len = 0;
            }
            Err(error) if error.error_len().is_some() => return Err(Invalid),
            Err(_) => {
                // Four bytes are a character or invalid, so there is room for a third at most.
                self.begun[begun_len] = next;
                self.begun_len += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many bytes can be taken, one at a time, before one is refused.
    fn accepted(bytes: &[u8]) -> usize {
        let mut gathered = Gathered::default();
        bytes.iter().position(|byte| gathered.push(&[*byte]).is_err()).unwrap_or(bytes.len())
    }

    #[test]
    fn fails_at_the_byte_that_makes_it_invalid() {
        // Autobahn 6.4: κόσμε, then a code point past U+10FFFF; F4 may begin a character, F4 90 may not.
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
        fn any_cut_of_any_text_gathers_to_the_text(text in ".{0,40}", cuts in prop::collection::vec(0usize..160, 0..6)) {
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
        fn any_bytes_are_refused_exactly_where_std_refuses_them(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe4), Just(0x80), Just(0xf0), Just(0x9f)], 0..24)) {
            let expected = (0..=bytes.len())
                .find(|end| std::str::from_utf8(&bytes[..*end]).is_err_and(|error| error.error_len().is_some()))
                .map_or(bytes.len(), |end| end - 1);
            prop_assert_eq!(accepted(&bytes), expected);
        }
    }
}
