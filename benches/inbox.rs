//! What it costs to hand work to the event loop from another thread: `cargo bench --bench inbox`.
//!
//! Prints how many values a second arrive if they are handed over as fast as possible, how many wake-ups that takes, and
//! the latency of single values to a loop that waits.

use mio::{Events, Poll, Token, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use throng::net::{Wake, inbox};

const VALUES: u64 = 2_000_000;
const SINGLE: usize = 20_000;

fn main() {
    let mut poll = Poll::new().expect("a poll");
    let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
    let wakes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&wakes);
    let wake: Wake = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        waker.wake().expect("the loop can be woken");
    });
    let (post, inbox) = inbox::<Instant>(wake);
    let mut events = Events::with_capacity(16);

    let flood = post.clone();
    let start = Instant::now();
    let sender = thread::spawn(move || {
        (0..VALUES).for_each(|_| flood.send(start).expect("the loop runs"));
    });
    let mut taken = 0;
    while taken < VALUES {
        let (values, is_full) = inbox.take(1024);
        taken += values.len() as u64;
        if !is_full && taken < VALUES {
            poll.poll(&mut events, None).expect("a poll");
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    sender.join().expect("the sender ends");
    println!(
        "{:.1} million values a second, {:.0} wake-ups a second",
        VALUES as f64 / seconds / 1e6,
        wakes.load(Ordering::Relaxed) as f64 / seconds
    );

    let sender = thread::spawn(move || {
        for _ in 0..SINGLE {
            post.send(Instant::now()).expect("the loop runs");
            thread::sleep(Duration::from_micros(50));
        }
    });
    let mut latencies = Vec::new();
    while latencies.len() < SINGLE {
        poll.poll(&mut events, None).expect("a poll");
        latencies.extend(inbox.take(1024).0.iter().map(Instant::elapsed));
    }
    sender.join().expect("the sender ends");
    latencies.sort();
    let [p50, p99] = [50, 99].map(|share| latencies[SINGLE * share / 100]);
    println!("latency of single values: p50 {p50:?}, p99 {p99:?}");
}
