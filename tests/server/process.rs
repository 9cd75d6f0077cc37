//! The process: its command line, its log, its end, and its file limit.

use crate::support::{CLOSE, FIN, PATIENCE, Raw, Server, close, get, handshake, text, throng, wait};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the program to its end.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = throng();
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
    for signal in ["TERM", "INT", "HUP"] {
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
fn the_second_hangup_of_a_terminal_that_is_closed_ends_nothing_at_once() {
    let mut server = Server::start(&["--shutdown-timeout", "5m", "--close-timeout", "5m"]);
    let mut raw = server.open("/echo");
    server.signal("HUP");
    assert_eq!(raw.frame().close().0, 1001);
    server.signal("HUP");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(128 + 2));
}

#[test]
fn a_hangup_that_was_ignored_at_start_is_ignored() {
    let mut command = Command::new("nohup");
    command.args([env!("CARGO_BIN_EXE_throng"), "serve", "--listen", "127.0.0.1:0"]);
    let mut server = Server::launch(command, 1);
    let mut member = server.ws("/chat");
    server.signal("HUP");
    server.assert_well();
    server.signal("TERM");
    assert_eq!(member.closed_with().0, 1001);
    assert_eq!(server.wait().code(), Some(0));
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
        ("host", ""),
        ("allow-origin", ""),
        ("echo", "on"),
        ("echo-suffix", ""),
        ("formats", "json,lines,html,raw"),
        ("max-connections", "0"),
        ("max-per-address", "0"),
        ("max-handshakes", "1000"),
        ("max-memory", "0"),
        ("max-request-line", "8KiB"),
        ("max-head", "16KiB"),
        ("max-headers", "100"),
        ("head-timeout", "10s"),
        ("keep-alive-timeout", "2s"),
        ("keep-alive-requests", "100"),
        ("max-message", "64KiB"),
        ("max-echo-message", "64KiB"),
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
        ("byte-rate", "128KiB"),
        ("byte-burst", "256KiB"),
        ("fan-out-rate", "128MiB"),
        ("room-rate", "1MiB"),
        ("history", "100"),
        ("history-bytes", "256KiB"),
        ("history-total", "256MiB"),
        ("history-age", "168h"),
        ("max-rooms", "100000"),
        ("max-rooms-joined", "32"),
        ("presence-limit", "100"),
        ("coalesce", "5ms"),
        ("shutdown-timeout", "5s"),
        ("log-format", "text"),
    ];
    for (flag, default) in table {
        let start = help.find(&format!("--{flag} <")).unwrap_or_else(|| panic!("no --{flag}:\n{help}"));
        let rest = &help[start + 2..];
        let is_flag =
            |at: &usize| rest[at + 1..].split_whitespace().nth(1).is_some_and(|next| next.starts_with('<'));
        let next = rest.match_indices(" --").map(|(at, _)| at).find(is_flag);
        let entry = &rest[..next.unwrap_or(rest.len())];
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
fn a_wrong_value_is_reported_in_one_sentence_that_names_the_setting() {
    let table = [
        ("--max-message", "THRONG_MAX_MESSAGE", "much"),
        ("--head-timeout", "THRONG_HEAD_TIMEOUT", "soon"),
        ("--listen", "THRONG_LISTEN", "nowhere"),
        ("--allow-origin", "THRONG_ALLOW_ORIGIN", "example.test"),
        ("--rate", "THRONG_RATE", "-1"),
        ("--slow", "THRONG_SLOW", "wait"),
        ("--log-format", "THRONG_LOG_FORMAT", "xml"),
    ];
    for (flag, variable, value) in table {
        let argument = format!("{flag}={value}");
        let by_flag = run(&["serve", &argument], &[]);
        let by_variable = run(&["serve"], &[(variable, value)]);
        for (output, named, other) in [(by_flag, flag, variable), (by_variable, variable, flag)] {
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(told.starts_with(&format!("error: invalid value '{value}' for {named}: ")), "{told}");
            assert!(!told.contains(other), "{told}");
            let sentences: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
            assert!(sentences.len() <= 2 && !told.contains("panicked"), "{told}");
        }
    }
    assert_eq!(run(&["serve", "--nonsense"], &[]).status.code(), Some(2));
}

#[test]
fn all_errors_in_the_settings_are_reported_at_once() {
    let arguments = [
        "--listen=8080",
        "--max-head=1",
        "--static-dir=/no/such/folder",
        "--pause-above=1KiB",
        "--resume-below=1MiB",
    ];
    let output = run(&arguments, &[("THRONG_RATE", "fast"), ("THRONG_ALLOW_ORIGIN", "https://a.test/chat")]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in [
        "for --listen: a port needs an address: write 127.0.0.1:8080",
        "for --max-head: write 0, or from 200 to 1MiB",
        "for --static-dir: cannot open the directory",
        "--resume-below 1MiB is more than --pause-above 1KiB",
        "for THRONG_RATE: write a number",
        "for THRONG_ALLOW_ORIGIN: an origin has no path",
    ] {
        assert!(
            told.lines().any(|line| line.starts_with("error: ") && line.contains(part)),
            "{part}:\n{told}"
        );
    }
    assert_eq!(told.matches("error: ").count(), 6, "{told}");
}

#[test]
fn a_folder_without_a_page_is_refused() {
    let folder = std::env::temp_dir().join(format!("throng-empty-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = run(&["--static-dir", folder.to_str().unwrap()], &[]);
    std::fs::remove_dir(&folder).unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("for --static-dir: the directory has no index.html"), "{told}");
}

#[test]
fn a_mistyped_flag_or_command_is_answered_with_a_suggestion() {
    for (arguments, meant) in [
        (&["--listen", "127.0.0.1:0", "sevre"][..], "'serve'"),
        (&["--port", "8080"], "use --listen"),
        (&["-p", "8080"], "use --listen"),
        (&["--host", "0.0.0.0"], "--listen *:8080"),
        (&["serve", "--pause-abov", "1"], "'--pause-above'"),
    ] {
        let output = run(arguments, &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(meant), "{arguments:?}: {told}");
    }
}

#[test]
fn variables_may_be_empty_and_lists_in_them_may_have_blanks() {
    let mut command = throng();
    command.env("THRONG_LISTEN", " 127.0.0.1:0 ,\n127.0.0.1:0, \r\n").env("THRONG_RATE", "5\r");
    for name in ["STATIC_DIR", "ALLOW_ORIGIN", "HOST", "PING_AFTER", "MAX_CONNECTIONS", "SLOW", "VERBOSE"] {
        command.env(format!("THRONG_{name}"), "");
    }
    let server = Server::launch(command, 2);
    server.assert_well();
    assert!(!server.log().contains("connected"), "THRONG_VERBOSE is empty");
}

#[test]
fn a_variable_sets_the_level_of_the_log() {
    let mut command = throng();
    command.args(["--listen", "127.0.0.1:0"]).env("THRONG_VERBOSE", "1");
    let server = Server::launch(command, 1);
    server.get("/healthz");
    server.wait_for_log("connected from 127.0.0.1:");
}

#[test]
fn variables_that_are_no_settings_are_warned_of_but_those_of_a_kubernetes_service() {
    let mut command = throng();
    command.args(["--listen", "127.0.0.1:0"]);
    command.env("THRONG_MAX_QUEU", "1MiB").env("THRONG_BANANA", "1");
    for (name, value) in [
        ("THRONG_PORT", "tcp://10.43.7.1:8080"),
        ("THRONG_PORT_8080_TCP", "tcp://10.43.7.1:8080"),
        ("THRONG_PORT_8080_TCP_ADDR", "10.43.7.1"),
        ("THRONG_PORT_8080_TCP_PORT", "8080"),
        ("THRONG_PORT_8080_TCP_PROTO", "tcp"),
        ("THRONG_PORT_8081_UDP", "udp://10.43.7.1:8081"),
        ("THRONG_SERVICE_HOST", "10.43.7.1"),
        ("THRONG_SERVICE_PORT", "8080"),
        ("THRONG_SERVICE_PORT_WS", "8080"),
    ] {
        command.env(name, value);
    }
    let server = Server::launch(command, 1);
    let line = server.wait_for_log("THRONG_MAX_QUEU is not a setting");
    assert!(line.contains("did you mean THRONG_MAX_QUEUE?"), "{line}");
    server.wait_for_log("THRONG_BANANA is not a setting");
    assert_eq!(server.log().matches("THRONG_").count(), 3, "{}", server.log());
}

#[test]
fn a_limit_that_follows_another_is_logged() {
    let server = Server::start(&["--pause-above", "16KiB"]);
    server.wait_for_log("--pause-above 16KiB: --resume-below is 16KiB to match");
}

#[test]
fn a_variable_sets_what_its_flag_sets_and_the_flag_wins() {
    for (flags, suffix) in [(&[][..], " by variable"), (&["--echo-suffix", " by flag"][..], " by flag")] {
        let mut command = throng();
        command.env("THRONG_LISTEN", "127.0.0.1:0,127.0.0.1:0").env("THRONG_ECHO_SUFFIX", " by variable");
        command.args(flags);
        let server = Server::launch(command, 2);
        let mut client = server.ws("/echo");
        client.say("set");
        assert_eq!(client.text(), format!("set{suffix}"));
    }
}

#[test]
fn a_failed_start_is_reported_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let table: [(&[&str], &str); 2] = [
        (&["--listen", &address], &address),
        (&["--listen", "127.0.0.1:0", "--max-connections", "900000000"], "--max-connections"),
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
fn under_a_small_file_limit_every_connection_is_served_or_refused_with_503() {
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
    assert!(!server.log().contains("cannot accept connections"), "some are kept back to refuse with");
    drop(kept);
    assert_serves_again(&server);
}

#[test]
fn refusals_are_logged_by_cause_with_totals_at_the_end() {
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
    let total = server.wait_for_log("totals: ");
    assert!(
        total.ends_with("connections refused with 503: 3 (--max-connections), messages refused: 1 (--rate)"),
        "{total}"
    );
}

#[test]
fn without_descriptors_connections_are_refused_until_some_are_free() {
    let server = Server::start(&[]);
    // Taken away while it runs, so that it has promised more than it can hold.
    let pid = server.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--nofile=40:40"]).status().unwrap().success());
    let mut waiting: Vec<Raw> = (0..40).map(|_| server.send(handshake("/echo"))).collect();
    // Nobody has left yet, so all descriptors are in use sooner or later.
    let line = server.wait_for_log("cannot accept connections on 127.0.0.1:");
    assert!(line.contains("ulimit -n") && line.contains("--max-connections"), "{line}");
    // One after the other: a refused connection is closed, which frees a descriptor for the next refusal.
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
    server.wait_for_log("accepting connections on 127.0.0.1:");
}

#[test]
fn descriptors_of_all_listeners_are_left_for_them() {
    // As many listeners as the rest of the limit of files has connections.
    let listen = (1..=40).map(|last| format!("127.0.0.{last}:0")).collect::<Vec<_>>().join(",");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" serve --listen \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_throng")).arg(listen);
    let server = Server::launch(command, 40);
    let mut kept: Vec<Raw> = (0..100).map(|_| server.send(handshake("/echo"))).collect();
    let served = kept.iter_mut().map(Raw::reply).filter(|reply| reply.status == 101).count();
    server.wait_for_log(&format!("at most {served} connections"));
    assert!(!server.log().contains("cannot accept connections"), "{}", server.log());
}

fn assert_serves_again(server: &Server) {
    let deadline = Instant::now() + PATIENCE;
    while server.send(handshake("/echo")).reply().status != 101 {
        assert!(Instant::now() < deadline, "places that were left are not given to others");
    }
    server.assert_well();
}
