//! Cost and benefit of compressing chat messages: `cargo bench --bench deflate`.
//!
//! The messages are lines of LICENSE-APACHE, a text that does not change, in the json format. Times are the
//! minimum of several rounds. Memory is RSS growth per object, over many objects that were used once.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::hint::black_box;
use std::time::Instant;

const TEXT: &str = include_str!("../LICENSE-APACHE");
const ROUNDS: usize = 7;
const SIZES: [usize; 8] = [64, 128, 192, 256, 400, 1024, 4096, 16384];
const TAIL: usize = 4;

fn main() {
    table(
        "compressed size in percent of the message; with takeover a message may refer to earlier ones",
        percent_left,
    );
    table("µs to compress a message", micros);
    println!(
        "memory of a compressor {:.0} KB, of an inflater {:.0} KB",
        compressor() / 1e3,
        inflater() / 1e3
    );
}

fn table(title: &str, cell: impl Fn(u32, usize, bool) -> f64) {
    println!("{title}");
    println!("level {}   256 with takeover", SIZES.map(|size| format!("{size:7}")).concat());
    for level in 1..=9 {
        let cells = SIZES.map(|size| format!("{:7.1}", cell(level, size, false))).concat();
        println!("{level:5} {cells} {:19.1}", cell(level, 256, true));
    }
    println!();
}

/// Returns messages of `size` bytes.
fn messages(size: usize) -> Vec<String> {
    let lines: Vec<&str> = TEXT.lines().map(str::trim).filter(|line| line.len() > 20).collect();
    (0..200)
        .map(|number| {
            let head = format!(
                r#"{{"type":"message","room":"lobby","offset":{},"time":"2026-11-21T03:{:02}:{:02}.{:03}Z","uid":"fRxuQgjypDJ3mCn{}","name":"guest-4qw{}","text":""#,
                4000 + number,
                number % 60,
                number * 7 % 60,
                number * 37 % 1000,
                number % 9,
                number % 9,
            );
            let mut message = if size < 200 { head[..size.min(40)].to_owned() } else { head };
            for line in lines.iter().cycle().skip(number * 3) {
                message += line;
                if message.len() >= size {
                    break;
                }
            }
            let mut end = size - 2;
            while !message.is_char_boundary(end) {
                end -= 1;
            }
            message.truncate(end);
            message + r#""}"#
        })
        .collect()
}

fn compress_all(messages: &[String], level: u32, takeover: bool) -> usize {
    let mut state = Compress::new(Compression::new(level), false);
    let mut compressed = Vec::with_capacity(1 << 16);
    let mut sum = 0;
    for message in messages {
        if !takeover {
            state.reset();
        }
        compressed.clear();
        state.compress_vec(message.as_bytes(), &mut compressed, FlushCompress::Sync).expect("it compresses");
        sum += black_box(&compressed).len() - TAIL;
    }
    sum
}

fn percent_left(level: u32, size: usize, takeover: bool) -> f64 {
    let messages = messages(size);
    let before: usize = messages.iter().map(String::len).sum();
    100.0 * compress_all(&messages, level, takeover) as f64 / before as f64
}

fn micros(level: u32, size: usize, takeover: bool) -> f64 {
    let messages = messages(size);
    let round = || {
        let started = Instant::now();
        compress_all(&messages, level, takeover);
        started.elapsed().as_secs_f64() * 1e6 / messages.len() as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn compressor() -> f64 {
    memory(|| {
        let mut state = Compress::new(Compression::new(2), false);
        state
            .compress_vec(TEXT.as_bytes(), &mut Vec::with_capacity(1 << 16), FlushCompress::Sync)
            .expect("it compresses");
        state
    })
}

fn inflater() -> f64 {
    let mut compressed = Vec::with_capacity(1 << 16);
    Compress::new(Compression::new(2), false)
        .compress_vec(TEXT.as_bytes(), &mut compressed, FlushCompress::Sync)
        .expect("it compresses");
    memory(|| {
        let mut state = Decompress::new(false);
        state
            .decompress_vec(&compressed, &mut Vec::with_capacity(1 << 16), FlushDecompress::Sync)
            .expect("it inflates");
        state
    })
}

/// Returns the memory of one object, in bytes.
fn memory<T>(make: impl Fn() -> T) -> f64 {
    const MANY: usize = 300;
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
    };
    let before = resident();
    let made: Vec<T> = (0..MANY).map(|_| make()).collect();
    (resident() - before) as f64 / black_box(&made).len() as f64
}
