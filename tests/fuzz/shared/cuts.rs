//! Reads that cut what is received.

/// Where reads cut what is received: the lengths of the first, the second and so on, which come round again.
pub struct Cuts<'i>(&'i [u8]);

impl<'i> Cuts<'i> {
    /// Takes them from the front of an input: a byte that counts them, up to 7, then a byte each. The rest is what is
    /// to be cut, or tells what is to be sent.
    pub fn split_from(input: &'i [u8]) -> (Cuts<'i>, &'i [u8]) {
        let (count, input) = input.split_first().unwrap_or((&0, &[]));
        let (lengths, rest) = input.split_at(usize::from(count % 8).min(input.len()));
        (Cuts(lengths), rest)
    }

    /// The reads. Without lengths there is one.
    pub fn pieces<'b>(&self, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let mut lengths = self.0.iter().cycle();
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let length = lengths.next().map_or(bytes.len(), |&length| length.max(1).into());
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }

    /// What `read` says first, other than that it needs more, if it is shown all that has come after each read.
    pub fn first_outcome<T, E>(
        &self,
        bytes: &[u8],
        mut read: impl FnMut(&[u8]) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let mut come = 0;
        for piece in self.pieces(bytes) {
            come += piece.len();
            if let Some(outcome) = read(&bytes[..come]).transpose() {
                return outcome.map(Some);
            }
        }
        Ok(None)
    }
}
