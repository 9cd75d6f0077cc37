//! What is kept for all peers together stays within `--max-memory`, whatever it is kept of.

use crate::support::{BINARY, FIN, Raw, Server, frame, header};

const LIMIT_KIB: u64 = 32 << 10;
const FLAGS: [&str; 8] =
    ["--max-memory", "32MiB", "--max-echo-message", "4MiB", "--pause-above", "8MiB", "--deflate", "off"];

/// Waits until as many connections as hold more than the limit were closed, and looks at the process.
fn assert_sheds(server: &Server) {
    server.wait_for_log("--max-memory");
    // What one read takes on top, and what the allocator keeps.
    assert!(server.peak_kib() < 2 * LIMIT_KIB + (16 << 10), "{} KiB", server.peak_kib());
    server.assert_well();
}

#[test]
fn messages_being_gathered_are_kept_within_the_limit() {
    let server = Server::start(&FLAGS);
    let mut begun: Vec<Raw> = (0..40).map(|_| server.open("/echo")).collect();
    for raw in &mut begun {
        raw.try_send([&header(FIN | BINARY, 4 << 20)[..], &vec![0; 3 << 20]].concat());
    }
    assert_sheds(&server);
    let mut whole = server.open("/echo");
    whole.send(frame(FIN | BINARY, &[1; 3 << 20]));
    assert_eq!(whole.frame().payload.len(), 3 << 20);
}

#[test]
fn answers_that_nobody_reads_are_kept_within_the_limit_and_their_owners_are_told() {
    let server = Server::start(&FLAGS);
    let mut silent: Vec<Raw> = (0..40).map(|_| server.open_narrow("/echo")).collect();
    let message = frame(FIN | BINARY, &vec![7; 3 << 20]);
    for raw in &mut silent {
        raw.try_send(&message);
    }
    assert_sheds(&server);
    let mut reader = server.ws("/echo");
    reader.say("still here");
    assert_eq!(reader.text(), "still here");
}
