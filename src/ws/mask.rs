//! Masking of payloads (RFC 6455 §5.3): XOR with a repeated key of four bytes.

/// XORs `payload` with `key`. `offset` is the position of the first byte within its frame.
///
/// Masking and unmasking are the same operation. It works on eight bytes at a time, which the compiler turns
/// into vector instructions.
pub fn apply(key: [u8; 4], offset: usize, payload: &mut [u8]) {
    let [a, b, c, d] = rotated(key, offset);
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let masked = u64::from_ne_bytes(chunk.try_into().expect("chunks of eight bytes")) ^ wide;
        chunk.copy_from_slice(&masked.to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

fn rotated(mut key: [u8; 4], offset: usize) -> [u8; 4] {
    key.rotate_left(offset % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(key: [u8; 4], offset: usize, payload: &mut [u8]) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[(offset + i) % 4];
        }
    }

    #[test]
    fn result_equals_the_byte_wise_definition_at_every_length_alignment_and_offset() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let bytes: Vec<u8> = (0..96u8).map(|i| i.wrapping_mul(7)).collect();
        for start in 0..9 {
            for len in 0..80 {
                for offset in 0..9 {
                    let mut fast = bytes.clone();
                    let mut plain = bytes.clone();
                    apply(key, offset, &mut fast[start..start + len]);
                    oracle(key, offset, &mut plain[start..start + len]);
                    assert_eq!(fast, plain, "start {start} len {len} offset {offset}");
                }
            }
        }
    }

    #[test]
    fn masking_in_two_pieces_equals_masking_at_once() {
        let key = [1, 2, 3, 4];
        let whole: Vec<u8> = (0..50).collect();
        for cut in 0..=whole.len() {
            let mut pieces = whole.clone();
            let (head, tail) = pieces.split_at_mut(cut);
            apply(key, 0, head);
            apply(key, cut, tail);
            let mut expected = whole.clone();
            apply(key, 0, &mut expected);
            assert_eq!(pieces, expected);
        }
    }
}
