//! What one client may send and cause, over sockets.

use crate::support::{CLOSE, FIN, Raw, Server, TEXT, frame, text};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The frames up to one that holds this, or up to a close frame, read at so many bytes a second.
fn read_slowly(raw: &mut Raw, bytes_per_second: usize, last: &str) -> Result<usize, u16> {
    let (start, mut bytes) = (Instant::now(), 0);
    loop {
        let frame = raw.frame();
        if frame.first == FIN | CLOSE {
            return Err(frame.close().0);
        }
        bytes += frame.payload.len();
        if frame.text().contains(last) {
            return Ok(bytes);
        }
        let due = start + Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Says as much as `--rate` permits, and reads all that comes.
fn speak(mut raw: Raw, length: usize, is_over: &AtomicBool) {
    let mut reader = raw.stream.try_clone().unwrap();
    let drain = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while reader.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    let message = text(&json!({"type": "say", "text": "x".repeat(length)}).to_string());
    while !is_over.load(Ordering::Relaxed) && raw.stream.write_all(&message).is_ok() {
        thread::sleep(Duration::from_millis(20));
    }
    // Ends the other thread, too.
    let _ = raw.stream.shutdown(Shutdown::Both);
    drain.join().unwrap();
}

/// What becomes of a member that reads at this rate while others say as much as they may.
fn outcome(flags: &[&str], bytes_per_second: usize) -> Result<usize, u16> {
    let narrow = [
        "--high-water",
        "128KiB",
        "--high-water-timeout",
        "1s",
        "--max-queue",
        "256KiB",
        "--ping-after",
        "0",
    ];
    let server = Server::start(&[&narrow, flags].concat());
    let mut reader = server.open_narrow("/chat/den?name=reader");
    let is_over = Arc::new(AtomicBool::new(false));
    let speakers: Vec<_> = (0..8)
        .map(|n| {
            let (raw, is_over) = (server.open(&format!("/chat/den?name=speaker{n}")), Arc::clone(&is_over));
            thread::spawn(move || speak(raw, 10_000, &is_over))
        })
        .collect();
    let reading = thread::spawn(move || read_slowly(&mut reader, bytes_per_second, "the end"));
    thread::sleep(Duration::from_secs(5));
    is_over.store(true, Ordering::Relaxed);
    speakers.into_iter().for_each(|speaker| speaker.join().unwrap());
    let mut last = server.ws("/chat/den?name=last");
    last.say(r#"{"type":"say","text":"the end"}"#);
    // The room may be over its limit for a moment.
    while last.json()["text"] != "the end" {
        thread::sleep(Duration::from_millis(100));
        last.say(r#"{"type":"say","text":"the end"}"#);
    }
    let outcome = reading.join().unwrap();
    server.assert_well();
    outcome
}

#[test]
fn a_member_that_reads_at_the_rate_of_its_room_is_not_closed_however_many_speak() {
    const RATE: usize = 256 << 10;
    let heard = outcome(&["--room-rate", "256KiB"], RATE).expect("the reader is not closed");
    assert!(heard > RATE, "{heard} bytes were said");
    // So many would close it if the room had no limit.
    let unlimited = ["--room-rate", "0", "--byte-rate", "0", "--fan-out-rate", "0"];
    assert_eq!(outcome(&unlimited, RATE), Err(1013));
}

#[test]
fn bytes_over_the_rate_are_refused_with_their_rule_and_counted() {
    let server = Server::start(&["--byte-rate", "1KiB", "--byte-burst", "2KiB"]);
    let mut ann = server.ws("/chat/den?name=ann");
    ann.json_of("joined");
    let request = json!({"type": "say", "text": "x".repeat(1500), "id": "7"}).to_string();
    ann.say(&request);
    assert_eq!(ann.json_of("message")["offset"], 1);
    ann.say(&request);
    assert_eq!(ann.json_of("message")["offset"], 2);
    ann.say(&request);
    let error = ann.json();
    let expected = ("rate_limited", "bytes", 1024, "7");
    assert_eq!(
        (&error["code"], &error["rule"], &error["limit"], &error["id"]),
        (&json!(expected.0), &json!(expected.1), &json!(expected.2), &json!(expected.3))
    );
    server.wait_for_log("messages refused: 1 (--byte-rate)");
    // A relay cannot report an error.
    let mut raw = server.open("/chat/den?format=raw");
    for _ in 0..3 {
        raw.send(text(&"x".repeat(1500)));
    }
    let closed = std::iter::repeat_with(|| raw.frame()).find(|frame| frame.first == FIN | CLOSE).unwrap();
    assert_eq!(closed.close(), (1008, "Too many bytes: the limit is 1024 a second"));
    server.wait_for_log("connections closed: 1 (more than --rate");
}

#[test]
fn echo_is_limited_by_the_bytes_that_are_echoed() {
    let server = Server::start(&["--fan-out-rate", "100KiB"]);
    let mut raw = server.open("/echo");
    for _ in 0..4 {
        raw.send(frame(FIN | TEXT, &[b'x'; 50_000]));
    }
    let lengths: Vec<usize> = std::iter::repeat_with(|| raw.frame())
        .take_while(|frame| frame.first == FIN | TEXT)
        .map(|frame| frame.payload.len())
        .collect();
    assert_eq!(lengths, [50_000; 3], "what exceeds the limit is a debt");
    server.wait_for_log("connections closed: 1 (more than --rate");
    // Without a limit on messages there is none on bytes.
    let server = Server::start(&["--rate", "0"]);
    let mut raw = server.open("/echo");
    for _ in 0..3000 {
        raw.send(frame(FIN | TEXT, &[b'x'; 60_000]));
        assert_eq!(raw.frame().payload.len(), 60_000);
    }
}

#[test]
fn requests_are_charged_by_what_they_cause() {
    let server = Server::start(&["--rate", "1", "--burst", "100"]);
    let mut ann = server.ws("/chat/den?name=ann");
    for n in 0..40 {
        ann.say(&json!({"type": "say", "text": format!("{n} {}", "x".repeat(1500))}).to_string());
        ann.json_of("message");
    }
    let mut bob = server.ws("/chat/den?name=bob");
    bob.json_of("joined");
    // Each repeats 60 kB, which costs as much as 16 messages.
    let answers: Vec<Value> = (0..20)
        .map(|_| {
            bob.say(r#"{"type":"join","room":"den"}"#);
            bob.json()
        })
        .collect();
    let joined = answers.iter().take_while(|answer| answer["type"] == "joined").count();
    assert!((5..=9).contains(&joined), "{joined} answers");
    assert_eq!(answers[19]["code"], "rate_limited");
    assert_eq!(answers[19]["limit"], 1);
}
