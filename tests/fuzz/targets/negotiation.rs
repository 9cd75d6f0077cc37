//! An arbitrary offer of extensions is answered by the rules, and an arbitrary answer to it is held to them.
#![no_main]

use throng_fuzz::{answer_offers, read_answer, records};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut records = records(input);
    let [offers, answer] = [(); 2].map(|()| records.next().unwrap_or_default());
    answer_offers(offers);
    read_answer(offers, answer);
});
