//! The process: its command line, its log, its end, and its file limit.

use crate::support::{CLOSE, FIN, PATIENCE, Raw, Server, close, get, handshake, text, wait};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the program to its end.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.args(arguments).envs(environment.iter().copied());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Little enough is written that it fits the pipes.
    wait(&mut child);
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_signal_closes_every_connection_with_1001_and_ends_the_process_well() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut chat = server.ws("/chat");
        let mut echo = server.ws("/echo");
        let mut kept = server.send(get("/healthz"));
        assert_eq!(kept.reply().status, 200);
        echo.say("x");
        assert_eq!(echo.text(), "x");
        server.signal(signal);
        assert_eq!(chat.closed_with().0, 1001);
        assert_eq!(echo.closed_with().0, 1001);
        kept.assert_ends();
        drop(kept);
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut server = Server::start(&["--shutdown-timeout", "5m", "--close-timeout", "5m"]);
    // This one never answers the close.
    let mut raw = server.open("/echo");
    server.signal("TERM");
    assert_eq!(raw.frame().close().0, 1001);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(128 + 15));
}

#[test]
fn connections_that_do_not_end_in_time_are_cut_off() {
    let mut server = Server::start(&["--shutdown-timeout", "200ms", "--close-timeout", "5m"]);
    let mut raw = server.open("/echo");
    server.signal("TERM");
    assert_eq!(raw.frame().close().0, 1001);
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for_log("1 connections did not end in time");
}

#[test]
fn help_names_every_setting_with_its_variable_and_default() {
    let output = run(&["serve", "--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    let table = [
        ("listen", "127.0.0.1:8080"),
        ("static-dir", ""),
        ("allow-origin", ""),
        ("echo-suffix", ""),
        ("max-connections", "0"),
        ("max-per-address", "0"),
        ("max-handshakes", "1000"),
        ("max-request-line", "8KiB"),
        ("max-head", "16KiB"),
        ("max-headers", "100"),
        ("head-timeout", "10s"),
        ("keep-alive-timeout", "2s"),
        ("keep-alive-requests", "100"),
        ("max-message", "64KiB"),
        ("max-echo-message", "16MiB"),
        ("max-text", "16KiB"),
        ("max-room-name", "64"),
        ("max-name", "32"),
        ("message-timeout", "60s"),
        ("ping-after", "25s"),
        ("pong-timeout", "20s"),
        ("close-timeout", "5s"),
        ("slow", "close"),
        ("max-queue", "1MiB"),
        ("high-water", "256KiB"),
        ("high-water-timeout", "10s"),
        ("stall-timeout", "20s"),
        ("pause-above", "256KiB"),
        ("resume-below", "64KiB"),
        ("rate", "50"),
        ("burst", "100"),
        ("history", "100"),
        ("history-bytes", "256KiB"),
        ("history-total", "256MiB"),
        ("history-age", "168h"),
        ("max-rooms", "100000"),
        ("max-rooms-joined", "32"),
        ("presence-limit", "100"),
        ("coalesce", "5ms"),
        ("shutdown-timeout", "5s"),
    ];
    for (flag, default) in table {
        let start = help.find(&format!("--{flag} ")).unwrap_or_else(|| panic!("no --{flag}:\n{help}"));
        let rest = &help[start + 2..];
        let entry = &rest[..rest.find(" --").unwrap_or(rest.len())];
        let words = entry.split_whitespace().collect::<Vec<_>>().join(" ");
        let variable = format!("[env: THRONG_{}", flag.replace('-', "_").to_uppercase());
        assert!(words.contains(&variable), "{variable} is not in {words}");
        if !default.is_empty() {
            assert!(words.contains(&format!("[default: {default}]")), "{default} is not in {words}");
        }
    }
    let bare = run(&["--help"], &[]);
    assert_eq!(bare.status.code(), Some(0));
    assert!(String::from_utf8(bare.stdout).unwrap().contains("THRONG_LISTEN"));
    assert!(String::from_utf8(run(&["--version"], &[]).stdout).unwrap().starts_with("throng "));
}

#[test]
fn a_wrong_value_is_told_in_one_sentence_that_names_the_setting() {
    let table = [
        ("--max-message", "THRONG_MAX_MESSAGE", "much"),
        ("--head-timeout", "THRONG_HEAD_TIMEOUT", "soon"),
        ("--listen", "THRONG_LISTEN", "nowhere"),
        ("--allow-origin", "THRONG_ALLOW_ORIGIN", "example.test"),
        ("--rate", "THRONG_RATE", "-1"),
        ("--slow", "THRONG_SLOW", "wait"),
    ];
    for (flag, variable, value) in table {
        let argument = format!("{flag}={value}");
        for output in [run(&["serve", &argument], &[]), run(&["serve"], &[(variable, value)])] {
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(told.starts_with("error: ") && told.contains(flag), "{told}");
            let sentences: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
            assert!(sentences.len() <= 2 && !told.contains("panicked"), "{told}");
        }
    }
    assert_eq!(run(&["serve", "--nonsense"], &[]).status.code(), Some(2));
}

#[test]
fn a_variable_sets_what_its_flag_sets_and_the_flag_wins() {
    for (flags, suffix) in [(&[][..], " by variable"), (&["--echo-suffix", " by flag"][..], " by flag")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        command.env("THRONG_LISTEN", "127.0.0.1:0,127.0.0.1:0").env("THRONG_ECHO_SUFFIX", " by variable");
        command.args(flags);
        let server = Server::launch(command, 2);
        let mut client = server.ws("/echo");
        client.say("set");
        assert_eq!(client.text(), format!("set{suffix}"));
    }
}

#[test]
fn what_cannot_be_done_at_start_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let table: [(&[&str], &str); 3] = [
        (&["--listen", &address], &address),
        (&["--listen", "127.0.0.1:0", "--static-dir", "/no/such/folder"], "/no/such/folder"),
        (&["--listen", "127.0.0.1:0", "--max-connections", "4000000000"], "--max-connections"),
    ];
    for (arguments, named) in table {
        let output = run(arguments, &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(named) && told.lines().count() == 1 && !told.contains("panicked"), "{told}");
    }
}

#[test]
fn several_addresses_of_both_families_lead_to_the_same_rooms() {
    let server = Server::start_on(&["127.0.0.1:0", "[::1]:0"], &[]);
    assert!(server.addresses[0].is_ipv4() && server.addresses[1].is_ipv6(), "{:?}", server.addresses);
    let mut members = server.addresses.iter().map(|&address| {
        let mut raw = Raw::connect(address);
        raw.send(handshake("/chat?format=raw"));
        assert_eq!(raw.reply().status, 101);
        raw
    });
    let (mut one, mut other) = (members.next().unwrap(), members.next().unwrap());
    one.send(text("across"));
    assert_eq!(other.frame().text(), "across");
    // An own page of an IPv6 address is of the same origin.
    let host = server.addresses[1];
    let mut raw = Raw::connect(host);
    let head = handshake("/chat").replace("throng.test", &host.to_string());
    raw.send(head.replace("\r\n\r\n", &format!("\r\nOrigin: http://{host}\r\n\r\n")));
    assert_eq!(raw.reply().status, 101);
}

#[test]
fn one_v_logs_connections_and_two_log_messages_quoted_and_cut() {
    let quiet = Server::start(&[]);
    let talkative = Server::start(&["-v"]);
    let chatty = Server::start(&["-vv"]);
    let long = format!("\"quoted\"\nforged {}", "字".repeat(300));
    for server in [&quiet, &talkative, &chatty] {
        let mut raw = server.open("/echo");
        raw.send([text(&long), close(1000, "")].concat());
        assert_eq!(raw.frame().text(), long);
        assert_eq!(raw.frame().first, FIN | CLOSE);
        raw.assert_ends();
    }
    for server in [&talkative, &chatty] {
        server.wait_for_log("connected from 127.0.0.1:");
        server.wait_for_log("/echo");
        server.wait_for_log("disconnected");
    }
    let line = chatty.wait_for_log("forged");
    assert!(line.contains(r#"\"quoted\"\nforged "#), "{line}");
    let logged = 200 - "\"quoted\"\nforged ".chars().count();
    assert_eq!(line.chars().filter(|&c| c == '字').count(), logged, "{line}");
    assert!(!talkative.log().contains("forged"));
    assert!(!quiet.log().contains("connected"), "{}", quiet.log());
}

#[test]
fn under_a_small_file_limit_everybody_is_served_or_told_that_there_is_no_place() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" serve --listen 127.0.0.1:0"]);
    command.arg(env!("CARGO_BIN_EXE_throng"));
    let server = Server::launch(command, 1);
    let mut kept: Vec<Raw> = (0..100).map(|_| server.send(handshake("/echo"))).collect();
    let served = kept.iter_mut().filter_map(|raw| match raw.reply().status {
        101 => Some(()),
        503 => None,
        status => panic!("status {status}"),
    });
    let served = served.count();
    assert!(served >= 20, "only {served} are served");
    server.wait_for_log(&format!("at most {served} connections"));
    assert!(!server.log().contains("no descriptors are left"), "some are kept back to refuse with");
    drop(kept);
    assert_serves_again(&server);
}

#[test]
fn what_is_refused_is_logged_by_cause_and_counted_in_all() {
    let mut server = Server::start(&["--max-connections", "1", "--rate", "1", "--burst", "1"]);
    let mut member = server.ws("/?name=ann");
    assert_eq!(member.text(), "Welcome ann !");
    for _ in 0..3 {
        server.get("/").assert_refusal(503);
    }
    for expected in [" ann say: ", "Too fast"] {
        member.say("hello");
        assert!(member.text().contains(expected));
    }
    server.wait_for_log("messages refused: 1 (--rate)");
    // However many lines tell of them, none is lost, though nothing else happens.
    let told = || -> u32 {
        let log = server.log();
        let counts = log.lines().filter_map(|line| line.split_once("connections refused with 503: "));
        counts.map(|(_, count)| count.split(' ').next().unwrap().parse::<u32>().unwrap()).sum()
    };
    let deadline = Instant::now() + PATIENCE;
    while told() < 3 {
        assert!(Instant::now() < deadline, "{} of 3 are told", told());
        thread::sleep(Duration::from_millis(10));
    }
    server.signal("TERM");
    member.closed_with();
    assert_eq!(server.wait().code(), Some(0));
    let total = server.wait_for_log("shed in all: ");
    assert!(
        total.ends_with("connections refused with 503: 3 (--max-connections), messages refused: 1 (--rate)"),
        "{total}"
    );
}

#[test]
fn without_descriptors_the_server_refuses_and_goes_on_when_some_are_freed() {
    let server = Server::start(&[]);
    // Taken away while it runs, so that it has promised more than it can hold.
    let pid = server.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--nofile=40:40"]).status().unwrap().success());
    let mut waiting: Vec<Raw> = (0..40).map(|_| server.send(handshake("/echo"))).collect();
    // Nobody has left yet, so all descriptors are in use sooner or later.
    server.wait_for_log("no descriptors are left");
    // One after the other: who is refused leaves, and makes room for the next to be told.
    let (mut open, mut refused) = (Vec::new(), 0);
    for mut raw in waiting.drain(..) {
        match raw.reply().status {
            101 => open.push(raw),
            503 => refused += 1,
            status => panic!("status {status}"),
        }
    }
    assert!(open.len() >= 20, "only {} are served", open.len());
    assert_eq!(open.len() + refused, 40);
    for raw in &mut open {
        raw.send(text("all of them"));
    }
    for raw in &mut open {
        assert_eq!(raw.frame().text(), "all of them");
    }
    drop(open);
    assert_serves_again(&server);
}

fn assert_serves_again(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while server.send(handshake("/echo")).reply().status != 101 {
        assert!(Instant::now() < deadline, "places that were left are not given to others");
    }
    server.assert_well();
}
