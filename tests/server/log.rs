//! The log: its lines, and that the server never waits for it.

use crate::support::{PATIENCE, Raw, Server, clean, get, handshake, request, text, throng, wait};
use ::log::LevelFilter;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use throng::logging;

/// A server whose standard error is the test's to choose, and whose port is therefore known beforehand.
struct Blind {
    child: Child,
    address: SocketAddr,
}

impl Blind {
    fn start(mut command: Command, flags: &[&str], stderr: Stdio) -> Blind {
        // No other test uses this address, so that the port stays free.
        let address = TcpListener::bind("127.0.77.1:0").unwrap().local_addr().unwrap();
        command.args(["serve", "--listen", &address.to_string()]).args(flags);
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn().unwrap();
        let server = Blind { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn open(&self, target: &str) -> Raw {
        let mut raw = Raw::connect(self.address);
        raw.send(handshake(target));
        assert_eq!(raw.reply().status, 101);
        raw
    }

    /// Echoes this many messages, each of which is logged with `-vv`.
    fn echo(&self, messages: usize) {
        let mut raw = self.open("/echo");
        let message = text(&"m".repeat(300));
        for _ in 0..messages / 100 {
            raw.send(message.repeat(100));
            for _ in 0..100 {
                assert_eq!(raw.frame().payload.len(), 300);
            }
        }
    }

    /// Ends the server with a signal. A member receives the close frame, and the exit status is 0.
    fn end(mut self) {
        let mut member = self.open("/chat?format=raw");
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        assert_eq!(member.frame().close().0, 1001);
        drop(member);
        assert_eq!(wait(&mut self.child).code(), Some(0));
    }
}

impl Drop for Blind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that runs `throng` with standard error closed.
fn without_stderr() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&-", env!("CARGO_BIN_EXE_throng")]);
    clean(command)
}

/// A standard error that is full, and what reads it.
fn full(is_blocking: bool) -> (UnixStream, Stdio) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    loop {
        match writer.write(&[b'.'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    writer.set_nonblocking(!is_blocking).unwrap();
    (reader, OwnedFd::from(writer).into())
}

fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn dev_full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Reads lines until one holds this; returns those before it.
fn lines_until(lines: &mpsc::Receiver<String>, part: &str) -> Vec<String> {
    let mut before = Vec::new();
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {part:?} in the log"));
        if line.contains(part) {
            return before;
        }
        before.push(line);
    }
}

#[test]
fn the_server_never_waits_for_a_log_that_is_not_read_and_counts_dropped_lines() {
    let (reader, writer) = std::io::pipe().unwrap();
    let server = Blind::start(throng(), &["-vv"], writer.into());
    // More than the pipe and the queue hold.
    server.echo(20_000);
    let (line, lines) = mpsc::channel();
    let gather = thread::spawn(move || {
        for read in BufReader::new(reader).lines() {
            let _ = line.send(read.unwrap());
        }
    });
    let before = lines_until(&lines, " lines dropped, because standard error was blocked");
    assert!(before[0].contains("listening on http://"), "{}", before[0]);
    for line in before {
        assert!(line.starts_with("20") && !line.contains("\x1b"), "{line:?}");
    }
    // From then on nothing is missing.
    server.echo(100);
    for _ in 0..100 {
        lines_until(&lines, "text of 300 bytes");
    }
    server.end();
    lines_until(&lines, "shutting down");
    gather.join().unwrap();
}

#[test]
fn a_full_standard_error_affects_neither_members_nor_the_shutdown() {
    let (_blocking, blocking) = full(true);
    let (_nonblocking, nonblocking) = full(false);
    let table = [
        (throng(), blocking),
        (throng(), nonblocking),
        (throng(), broken()),
        (throng(), dev_full()),
        (without_stderr(), Stdio::null()),
    ];
    for (command, stderr) in table {
        let server = Blind::start(command, &["-vv"], stderr);
        server.echo(500);
        let mut member = server.open("/chat?format=raw");
        member.send(text("hello"));
        assert_eq!(member.frame().text(), "hello");
        server.end();
    }
}

#[test]
fn a_failed_start_keeps_its_exit_status_if_standard_error_cannot_be_written() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, status) in [(["--listen", &address], 1), (["--listen", "nowhere"], 2)] {
        let mut commands =
            vec![(throng(), broken()), (throng(), dev_full()), (without_stderr(), Stdio::null())];
        let (_reader, blocking) = full(true);
        if status == 1 {
            commands.push((throng(), blocking));
        }
        for (mut command, stderr) in commands {
            let mut child = command.args(arguments).stdin(Stdio::null()).stderr(stderr).spawn().unwrap();
            assert_eq!(wait(&mut child).code(), Some(status), "{command:?}");
        }
    }
}

#[test]
fn queued_lines_arrive_whole_when_reading_resumes() {
    let (mut reader, stderr) = full(false);
    let server = Blind::start(throng(), &[], stderr);
    server.echo(100);
    let (done, is_done) = mpsc::channel();
    let gather = thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).unwrap();
        done.send(()).unwrap();
        log
    });
    server.end();
    is_done.recv_timeout(PATIENCE).unwrap();
    let log = gather.join().unwrap();
    let log = log.trim_start_matches('.');
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains("listening on http://") && log.contains("shutting down"), "{log}");
}

/// In the environment of a process that is to panic.
const PANICS: &str = "PANICS_WITH_A_LOG";

#[test]
fn a_panic_is_an_event_of_the_log_and_ends_the_process_even_if_nobody_reads_it() {
    if std::env::var_os(PANICS).is_some() {
        let _log = logging::start(LevelFilter::Info, logging::Format::Json).unwrap();
        panic!("over\nboard \u{202e}");
    }
    let panicking = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "log::a_panic_is_an_event_of_the_log_and_ends_the_process_even_if_nobody_reads_it";
        command.args(["--exact", name, "--nocapture"]).env(PANICS, "1").env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let output = panicking().output().unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let line = log.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no event: {log}"));
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("panicked at tests/server/log.rs:"), "{message}");
    assert!(message.ends_with("over\nboard \u{202e}") && event["level"] == "error", "{event}");
    let (_reader, stderr) = full(true);
    let mut child = panicking().stderr(stderr).spawn().unwrap();
    assert!(!wait(&mut child).success());
}

#[test]
fn a_json_line_is_an_object_with_time_level_and_message() {
    let mut server = Server::start(&["--log-format", "json", "-vv"]);
    let mut raw = server.open("/echo?token=secret");
    raw.send(text("a \"quoted\"\n\u{202e}\u{1b}[31m line"));
    raw.frame();
    drop(raw);
    server.wait_for_log("disconnected");
    server.signal("TERM");
    server.wait();
    let log = server.log();
    for line in log.lines() {
        let event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 3600, "{line}");
        assert!(["warn", "info", "debug", "trace"].contains(&event["level"].as_str().unwrap()), "{line}");
        assert!(!event["message"].as_str().unwrap().is_empty(), "{line}");
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line}");
    }
    let said = server.wait_for_log("text of");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said["message"].as_str().unwrap().contains(r#"a \"quoted\"\n\u{202e}\u{1b}[31m line"#), "{said}");
    assert_eq!(said["connection"], 0);
    assert!(!log.contains("secret"), "a query may hold a secret: {log}");
}

#[test]
fn whatever_the_environment_contains_an_event_is_one_printable_line() {
    let name = "THRONG_\n\r\x1b[31m\u{9b}2J\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}X";
    for (format, expected) in [("text", r"THRONG_\n"), ("json", r"\u202e")] {
        let mut command = throng();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", format]).env(name, "1");
        let server = Server::launch(command, 1);
        let line = server.wait_for_log("is not a setting");
        assert!(line.contains(expected) && line.contains('X'), "{line:?}");
        let log = server.log();
        assert!(log.lines().all(|line| line.starts_with("20") || line.starts_with('{')), "{log:?}");
        let hidden = |c: char| c.is_control() && c != '\n' || name.contains(c) && !c.is_ascii();
        assert!(!log.contains(hidden), "{log:?}");
    }
}

#[test]
fn a_refused_request_is_logged_with_the_setting_that_refuses_it() {
    let server = Server::start(&["--max-request-line", "100", "--max-head", "500", "--max-headers", "5"]);
    let table = [
        (get(&format!("/{}", "x".repeat(200))), 414, "--max-request-line"),
        (request("GET", "/", &format!("X: {}\r\n", "x".repeat(500))), 431, "--max-head"),
        (request("GET", "/", &"X: y\r\n".repeat(9)), 431, "--max-headers"),
        ("\x16\x03\x01 TLS\r\n\r\n".to_owned(), 400, "without TLS"),
        (handshake("/echo").replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, "Sec-WebSocket-Key"),
    ];
    for (request, status, words) in table {
        server.send(request).reply().assert_refusal(status);
        let line = server.wait_for_log(words);
        assert!(line.contains("WARN  refused a ") && line.contains(&status.to_string()), "{line}");
    }
}

#[test]
fn a_peer_cannot_flood_the_log() {
    let start = Instant::now();
    let server = Server::start(&[]);
    for _ in 0..500 {
        assert_eq!(server.send("nonsense\r\n\r\n").reply().status, 400);
    }
    let count = |log: &str| -> (usize, usize) {
        let lines = log.lines().filter(|line| line.contains("malformed"));
        let counts = lines.map(|line| match line.split_once("since the last report: ") {
            Some((_, count)) => count.trim_end_matches(')').parse().unwrap(),
            None => 1,
        });
        counts.fold((0, 0), |(lines, refused), count: usize| (lines + 1, refused + count))
    };
    let deadline = Instant::now() + PATIENCE;
    while count(&server.log()).1 < 500 {
        assert!(Instant::now() < deadline, "not all are counted:\n{}", server.log());
        thread::sleep(Duration::from_millis(10));
    }
    let (lines, refused) = count(&server.log());
    assert_eq!(refused, 500);
    assert!(lines as u64 <= start.elapsed().as_secs() + 2, "{lines} lines:\n{}", server.log());
}
