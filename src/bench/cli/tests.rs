use super::*;
use crate::config::{self, Cli};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

const URL: &str = "ws://127.0.0.1:8080/chat";
const SCENARIOS: [&str; 6] = ["connect", "echo", "broadcast", "slow-readers", "churn", "storm"];

fn bench(words: &[&str]) -> Result<Bench, clap::Error> {
    match Cli::try_parse_from(words)?.into_command() {
        config::Command::Bench(bench) => Ok(*bench),
        other => panic!("{other:?}"),
    }
}

fn try_scenario(name: &str, flags: &[&str]) -> Result<Scenario, clap::Error> {
    match bench(&[&["throng", "bench", name, URL], flags].concat())?.command {
        Command::Run(scenario) => Ok(scenario.into_scenario()),
        Command::Compare(_) => panic!("nothing to run"),
    }
}

fn scenario(name: &str, flags: &[&str]) -> Scenario {
    try_scenario(name, flags).unwrap_or_else(|error| panic!("{name} {flags:?}: {error}"))
}

fn command(name: &str) -> clap::Command {
    let mut root = Cli::command();
    root.build();
    root.find_subcommand("bench").and_then(|bench| bench.find_subcommand(name)).expect(name).clone()
}

/// A scenario, one of its flags, accepted values, and rejected values with a part of the error text.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const CLIENTS: &[&str] = &["1", "50", "10k", "1.5M", "10M"];
const NO_CLIENTS: &[(&str, &str)] = &[
    ("0", "from 1"),
    ("-1", "10k"),
    ("1.5", "10k"),
    ("many", "10k"),
    ("10000001", "at most 10,000,000"),
    ("999999999", "at most 10,000,000"),
];
const RATES: &[&str] = &["0.001", "0.5", "100", "10k", "1.5M", "10M"];
const NO_RATES: &[(&str, &str)] = &[
    ("0", "at least 0.001"),
    ("0.0001", "at least 0.001"),
    ("-1", "10k"),
    ("nan", "10k"),
    ("inf", "10k"),
    ("1e9", "10k"),
    ("10000001", "at most 10M"),
];
const PERIODS: &[&str] = &["10", "0.5", "10s", "500ms", "1m30s"];
const NO_PERIODS: &[(&str, &str)] = &[
    ("0", "above 0"),
    ("0s", "above 0"),
    ("-1s", "500ms"),
    ("soon", "500ms"),
    ("400000h", "at most a year"),
];
const WAITS: &[&str] = &["0", "10", "10s", "500ms"];
const NO_WAITS: &[(&str, &str)] = &[("-1s", "500ms"), ("", "500ms"), ("400000h", "at most a year")];

const TABLE: &[Row] = &[
    ("connect", "connections", CLIENTS, NO_CLIENTS),
    ("connect", "duration", WAITS, NO_WAITS),
    ("connect", "messages", &[], &[("5", "connect sends no messages")]),
    ("echo", "duration", PERIODS, NO_PERIODS),
    (
        "echo",
        "messages",
        &["1", "10k"],
        &[("0", "from 1"), ("5G", "10k"), ("99999999999", "at most 4,294,967,295")],
    ),
    ("echo", "warmup", WAITS, NO_WAITS),
    ("echo", "warm-up", WAITS, NO_WAITS),
    ("echo", "drain-timeout", WAITS, NO_WAITS),
    ("echo", "connect-timeout", PERIODS, NO_PERIODS),
    ("echo", "connect-rate", RATES, NO_RATES),
    ("echo", "connect-concurrency", CLIENTS, NO_CLIENTS),
    ("echo", "settle", WAITS, NO_WAITS),
    ("echo", "joined-when", &["joined", " "], &[("", "not empty")]),
    ("echo", "threads", &["1", "1024"], &[("0", "from 1"), ("1025", "at most 1,024"), ("x", "10k")]),
    (
        "echo",
        "source-ip",
        &["127.0.0.1", "127.0.0.1,127.0.0.2", "127.0.0.16/28"],
        &[("192.0.2.7", "192.0.2.7 is not an address of this machine"), ("localhost", "write 10.0.0.5")],
    ),
    (
        "echo",
        "header",
        &["Cookie: session={client}", "Host: example.com", "X-Empty:", "x:{random:8}{room}"],
        &[
            ("Cookie", "write 'NAME: VALUE'"),
            (": x", "write 'NAME: VALUE'"),
            ("A B: x", "write 'NAME: VALUE'"),
            ("X: a\r\nY: b", "must not contain line breaks"),
            ("X: {id}", "belong to a --message"),
            ("X: {time}", "belong to a --message"),
            ("sec-websocket-key: x", "Sec-WebSocket-Key is part of the handshake"),
            ("Sec-WebSocket-Version: 8", "is part of the handshake"),
            ("Sec-WebSocket-Accept: x", "is part of the handshake"),
            ("Sec-WebSocket-Extensions: x", "is part of the handshake"),
            ("Upgrade: x", "is part of the handshake"),
            ("CONNECTION: close", "is part of the handshake"),
            ("Sec-WebSocket-Protocol: throng.v1", "use --subprotocol"),
        ],
    ),
    ("echo", "origin", &["https://example.com", "null"], &[("a\r\nb: c", "must not contain line breaks")]),
    (
        "echo",
        "subprotocol",
        &["throng.v1", "a, b", "a,b"],
        &[("", "throng.v1"), ("a,,b", "throng.v1"), ("a b", "throng.v1"), ("a\rb", "throng.v1")],
    ),
    ("echo", "cacert", &["ca.pem"], &[]),
    (
        "echo",
        "preset",
        &["throng", "raw", "websocket-shootout", "socket.io"],
        &[("phoenix", "possible values")],
    ),
    ("echo", "on-open", &["40", "join {room} {client} {random:4}"], &[("{id}", "belong to a --message")]),
    ("echo", "ignore", &["ack"], &[("", "not empty")]),
    ("echo", "rooms", CLIENTS, NO_CLIENTS),
    ("echo", "client-offset", &["0", "10k"], &[("-1", "10k"), ("99999999999", "at most 4,294,967,295")]),
    ("echo", "ping", PERIODS, NO_PERIODS),
    (
        "echo",
        "message",
        &["{id}", r#"{"text":"{id}","at":{time}}"#],
        &[("hello", "needs {id}"), ("", "needs {id}")],
    ),
    (
        "echo",
        "size",
        &["32", "64", "1.5KiB", "64k", "60MiB"],
        &[
            ("31", "at least 32: a message is identified by a marker"),
            ("0", "at least 32"),
            ("61MiB", "at most 60MiB"),
            ("64KB", "write 64KiB (65,536) or 64000"),
            ("big", "64KiB"),
        ],
    ),
    ("echo", "rate", RATES, NO_RATES),
    ("echo", "depth", CLIENTS, NO_CLIENTS),
    ("echo", "response-timeout", PERIODS, NO_PERIODS),
    ("broadcast", "rate", RATES, NO_RATES),
    ("broadcast", "senders", CLIENTS, NO_CLIENTS),
    ("slow-readers", "stalled-readers", CLIENTS, NO_CLIENTS),
    ("slow-readers", "read-rate", &["0", "1KiB"], &[("1KB", "ambiguous")]),
    (
        "slow-readers",
        "receive-buffer",
        &["1", "4KiB", "1GiB"],
        &[("0", "from 1 to 1GiB"), ("2GiB", "from 1 to 1GiB")],
    ),
    ("churn", "churners", CLIENTS, NO_CLIENTS),
    ("churn", "churn-rate", RATES, NO_RATES),
    ("storm", "jitter", WAITS, NO_WAITS),
    (
        "echo",
        "find-max",
        &["", "p99<1ms", "p99<10ms, loss=0"],
        &[("fast", "p99<50ms"), ("p99<10", "write a time"), ("speed<1ms", "there is no figure")],
    ),
    ("echo", "expect", &["p99<50ms", "loss=0"], &[("fast", "p99<50ms")]),
    ("echo", "server-pid", &["1"], &[("0", "not in"), ("-1", "invalid"), ("self", "invalid")]),
    ("echo", "json", &["-", "a.json"], &[]),
    ("echo", "csv", &["-", "a.csv"], &[]),
    ("echo", "hdr", &["-", "a.hdr"], &[]),
    ("echo", "html", &["-", "a.html"], &[]),
];

#[test]
fn each_flag_accepts_usual_notations_and_explains_errors() {
    for (name, flag, accepted, refused) in TABLE {
        for value in *accepted {
            let result = try_scenario(name, &[&format!("--{flag}={value}")]);
            assert!(result.is_ok(), "{name} --{flag}={value}: {}", result.unwrap_err());
        }
        for (value, part) in *refused {
            let error = try_scenario(name, &[&format!("--{flag}={value}")]).map(|_| ()).expect_err(value);
            assert!(error.to_string().contains(part), "{name} --{flag}={value}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }
}

#[test]
fn the_table_lists_every_flag_that_takes_a_value() {
    for name in SCENARIOS {
        for arg in command(name).get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(long) = arg.get_long() else { continue };
            assert!(TABLE.iter().any(|(_, flag, ..)| *flag == long), "--{long} of {name}");
        }
    }
}

#[test]
fn settings_have_defaults() {
    let Scenario { action, common, message } = scenario("echo", &[]);
    assert_eq!((common.connections, common.connect_concurrency, common.rooms), (50, 20, 1));
    let seconds = [common.duration, common.warmup, common.drain_timeout, common.connect_timeout]
        .map(|time| time.as_secs());
    assert_eq!(seconds, [10, 1, 3, 10]);
    assert!(common.connect_rate.is_none() && common.settle.is_none() && common.ping.is_none());
    assert!(!common.deflate && !common.allow_invalid && common.find_max.is_none());
    let message = message.unwrap();
    assert_eq!((message.size, message.binary, message.messages), (64, false, None));
    assert!(
        matches!(action, Action::Echo { depth: Some(1), rate: None, response_timeout } if response_timeout.as_secs() == 10)
    );
    let Action::SlowReaders { room, readers, read_rate, receive_buffer } =
        scenario("slow-readers", &[]).action
    else {
        panic!("another scenario")
    };
    assert_eq!((room.senders, room.rate), (10, 100.0));
    assert_eq!((readers, read_rate, receive_buffer), (100, 0, 4096));
    assert!(matches!(scenario("churn", &[]).action, Action::Churn { churners: 100, rate: 50.0, .. }));
    assert!(matches!(scenario("storm", &[]).action, Action::Storm { jitter: Duration::ZERO, .. }));
    assert!(scenario("connect", &[]).message.is_none());
}

#[test]
fn short_flags_equal_those_of_other_tools() {
    let given = scenario(
        "echo",
        &[
            "-c",
            "10k",
            "-d",
            "10",
            "-r",
            "1k",
            "-t",
            "2",
            "-H",
            "Cookie: a={client}",
            "-H",
            "Host: b",
            "-k",
            "-q",
        ],
    );
    assert_eq!((given.clients(), given.rate(), given.common.threads), (10_000, Some(1000.0), Some(2)));
    let names: Vec<&str> = given.common.header.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Cookie", "Host"]);
    assert!(given.common.insecure && given.common.reports.quiet);
    assert_eq!(given.common.duration, Duration::from_secs(10));
    assert_eq!(scenario("echo", &["-n", "10k"]).message.unwrap().messages, Some(10_000));
}

#[test]
fn subprotocols_may_be_given_in_one_flag_or_several() {
    let given = scenario("echo", &["--subprotocol", "a, b", "--subprotocol", "c"]);
    assert_eq!(given.common.subprotocol, ["a", "b", "c"]);
}

#[test]
fn a_closed_loop_has_one_message_in_flight_and_an_open_loop_any_number() {
    for (flags, expected) in [
        (&[][..], Some(1)),
        (&["--rate=5"], None),
        (&["--find-max"], None),
        (&["--depth=3"], Some(3)),
        (&["--rate=5", "--depth=3"], Some(3)),
    ] {
        let Action::Echo { depth, .. } = scenario("echo", flags).action else { panic!("another scenario") };
        assert_eq!(depth, expected, "{flags:?}");
    }
}

#[test]
fn the_load_of_a_scenario_can_be_changed() {
    for (name, flags, load) in [
        ("connect", &["-c", "7"][..], (7.0, "connections")),
        ("echo", &[], (1000.0, "rate")),
        ("echo", &["-r", "5"], (5.0, "rate")),
        ("broadcast", &[], (100.0, "rate")),
        ("slow-readers", &["-r", "5"], (5.0, "rate")),
        ("churn", &["-r", "5"], (5.0, "rate")),
        ("storm", &["-r", "5"], (5.0, "rate")),
    ] {
        let given = scenario(name, flags);
        assert_eq!((given.name(), given.load()), (name, load));
        assert_eq!(given.with_load(60.0).load().0, 60.0);
    }
    assert_eq!(scenario("connect", &[]).with_load(60.0).clients(), 60);
}

#[test]
fn slow_readers_and_churners_count_as_clients() {
    for (name, flags, clients) in [
        ("connect", &[][..], 50),
        ("broadcast", &["-c", "7"], 7),
        ("slow-readers", &["-c", "7", "--stalled-readers", "3"], 10),
        ("churn", &["-c", "7", "--churners", "5"], 12),
    ] {
        assert_eq!(scenario(name, flags).clients(), clients);
    }
}

#[test]
fn a_search_adds_default_conditions() {
    for (name, flag, expected) in [
        ("connect", "--find-max", "failed=0 disconnected=0"),
        ("connect", "--find-max=failed<1%", ""),
        ("connect", "--find-max=handshake-p99<1s", "handshake-p99<1s failed=0 disconnected=0"),
        ("echo", "--find-max", "p95<500ms loss=0 failed=0 disconnected=0 duplicated=0 damaged=0"),
        ("echo", "--find-max=p99<1ms", "p99<1ms failed=0 disconnected=0 duplicated=0 damaged=0"),
        (
            "storm",
            "--find-max=loss<50%, failed < 3,damaged>=0",
            "loss<50% failed < 3 damaged>=0 disconnected=0 duplicated=0",
        ),
    ] {
        let Ok(given) = try_scenario(name, &[flag]) else {
            assert!(expected.is_empty(), "{flag}");
            continue;
        };
        let Conditions(conditions) = given.common.find_max.unwrap();
        let texts: Vec<String> = conditions.iter().map(ToString::to_string).collect();
        assert_eq!(texts.join(" "), expected, "{name} {flag}");
    }
}

#[test]
fn conditions_without_an_equals_sign_are_recognised() {
    for condition in ["p99<1ms", "p99<1ms,loss=0"] {
        let error = bench(&["throng", "bench", "echo", "--find-max", condition, URL]).unwrap_err();
        assert!(error.to_string().contains(&format!("write --find-max='{condition}'")), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    let error = bench(&["throng", "bench", "echo", "x<y"]).unwrap_err();
    assert!(error.to_string().contains("ws://"), "{error}");
}

#[test]
fn flags_that_exclude_each_other_are_rejected() {
    let error = try_scenario("echo", &["-n", "5", "-d", "3"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
    for (flags, part) in [
        (&["--json", "-", "--csv", "-"][..], "--json and --csv cannot both go to standard output"),
        (&["--hdr", "a", "--html", "a"], "--hdr and --html cannot both write a"),
        (&["--rooms", "51"], "51 rooms need at least as many --connections"),
    ] {
        let given = bench(&[&["throng", "bench", "echo", URL], flags].concat()).unwrap();
        assert!(given.check().is_err_and(|fault| fault.contains(part)), "{part}");
    }
    for flags in [&["--json", "-", "--csv", "a", "--html", "b"][..], &["--rooms", "50"]] {
        assert_eq!(bench(&[&["throng", "bench", "echo", URL], flags].concat()).unwrap().check(), Ok(()));
    }
    assert!(scenario("echo", &["--hdr", "-"]).common.reports.take_stdout());
    assert!(!scenario("echo", &["--hdr", "a"]).common.reports.take_stdout());
}

/// Splits a shell command line with single quotes into words.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (place, part) in line.split('\'').enumerate() {
        let mut pieces = part.split(' ').map(str::to_owned);
        if place % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        words.last_mut().unwrap().push_str(&pieces.next().unwrap());
        words.extend(pieces);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Help texts with examples, and the minimum number of examples in each.
const EXAMPLES: [(&str, usize); 9] = [
    (help::BENCH, 4),
    (help::BENCH_LONG, 4),
    (help::COMPARE, 2),
    (help::CONNECT, 3),
    (help::ECHO, 3),
    (help::BROADCAST, 3),
    (help::SLOW_READERS, 3),
    (help::CHURN, 3),
    (help::STORM, 3),
];

#[test]
fn every_example_in_the_help_is_a_valid_command_line() {
    for (help, least) in EXAMPLES {
        let joined = help.replace(" \\\n", " ");
        let examples: Vec<&str> =
            joined.lines().map(str::trim).filter(|line| line.starts_with("throng ")).collect();
        assert!(examples.len() >= least, "{help}");
        for example in &examples {
            let parsed = bench(&words(example).iter().map(String::as_str).collect::<Vec<_>>());
            let parsed = parsed.unwrap_or_else(|error| panic!("{example}: {error}"));
            assert_eq!(parsed.check(), Ok(()), "{example}");
        }
        let is_of_search = |example: &&str| example.contains("--find-max=");
        assert!(help == help::COMPARE || examples.iter().any(is_of_search), "{help}");
        assert!(
            help == help::COMPARE || examples.iter().any(|example| example.contains("--expect")),
            "{help}"
        );
        assert!(help == help::COMPARE || help.contains("on Linux only"), "{help}");
    }
}

#[test]
fn examples_are_not_wrapped_at_80_columns() {
    for help in EXAMPLES.iter().flat_map(|(help, _)| help.lines()) {
        assert!(help.chars().count() <= 78, "{help}");
    }
    let mut command = command("slow-readers").term_width(80);
    let help = command.render_long_help().to_string();
    assert!(help.contains(help::SLOW_READERS), "{help}");
}

const VERBS: [&str; 32] = [
    "Accept",
    "Add",
    "Allow",
    "Broadcast",
    "Compare",
    "Connect",
    "Consider",
    "Divide",
    "Do",
    "Drop",
    "Fail",
    "Give",
    "Have",
    "Hold",
    "Let",
    "Make",
    "Measure",
    "Number",
    "Offer",
    "Open",
    "Print",
    "Put",
    "Read",
    "Return",
    "Search",
    "Send",
    "Spread",
    "Stop",
    "Trust",
    "Use",
    "Wait",
    "Write",
];

#[test]
fn every_description_of_a_flag_or_command_starts_with_a_verb() {
    for name in SCENARIOS.iter().chain(&["compare"]) {
        let command = command(name);
        let described = command.get_arguments().map(|arg| (arg.get_id().as_str(), arg.get_help()));
        for (id, text) in described.chain([(*name, command.get_about())]) {
            let text = text.unwrap_or_else(|| panic!("{name} {id} is not described")).to_string();
            let verb = text.split(' ').next().unwrap_or_default();
            assert!(VERBS.contains(&verb), "{name} {id}: {text}");
            assert!(!text.ends_with('.'), "{name} {id}: {text}");
        }
    }
}

#[test]
fn lines_of_the_help_are_short_and_make_sense_alone() {
    for name in SCENARIOS.iter().chain(&["compare"]) {
        let mut command = command(name);
        for help in [command.render_help(), command.render_long_help()] {
            let help = help.to_string();
            let longest = help.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(100), "{name}: {longest:?}");
            assert!(!help.contains("The same"), "{name}");
        }
    }
    for help in [help::BENCH, help::BENCH_LONG] {
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn the_help_of_bench_states_every_exit_status() {
    for help in [help::BENCH, help::BENCH_LONG] {
        for status in ["0", "1", "2", "3", "4", "5", "130, 143"] {
            assert!(help.lines().any(|line| line.starts_with(&format!("  {status}  "))), "{status}: {help}");
        }
    }
}

#[test]
fn flags_are_grouped() {
    for name in SCENARIOS {
        for arg in
            command(name).get_arguments().filter(|arg| arg.get_long().is_some_and(|long| long != "help"))
        {
            assert!(arg.is_hide_set() || arg.get_help_heading().is_some(), "{name} {}", arg.get_id());
        }
    }
}

fn settings(flags: &[&str]) -> (crate::bench::summary::Settings, String) {
    let words = [&["throng", "bench", "echo"], flags].concat();
    shown_settings(&Cli::command(), &Cli::command().try_get_matches_from(words).unwrap())
}

#[test]
fn the_settings_of_a_report_contain_no_secrets() {
    let (settings, line) = settings(&[
        "ws://h/a?token=hunter2",
        "-H",
        "Authorization: hunter2",
        "--header=Cookie:hunter2{client}",
        "--on-open",
        "login hunter2 {client}",
        "--subprotocol",
        "throng.v1, hunter2",
        "--message",
        r#"{"token":"hunter2","text":"{id}"}"#,
    ]);
    assert!(!format!("{settings:?}{line}").contains("hunter2"), "{line}");
    assert_eq!(
        line,
        "throng bench echo 'ws://h/a?…' --header 'Authorization: …' --header 'Cookie: …' --on-open '…{client}' \
         --subprotocol '…' --subprotocol '…' --message '…{id}…'"
    );
    assert_eq!(settings["header"], "Authorization: …, Cookie: …");
    assert_eq!(settings["message"], "…{id}…");
}

#[test]
fn the_command_line_of_a_report_repeats_the_run() {
    let (settings, line) =
        settings(&["-d", "3", URL, "--find-max=p99<1ms", "-q", "-c10k", "--json=it's.json", "-k"]);
    assert_eq!(
        line,
        format!(
            "throng bench echo --duration 3 {URL} --find-max='p99<1ms' --quiet --connections 10k --json \
             'it'\\''s.json' --insecure"
        )
    );
    assert!(bench(&["throng", "bench", "echo", "--duration", "3", URL, "--find-max=p99<1ms"]).is_ok());
    for (name, value) in [("connections", "10k"), ("duration", "3"), ("insecure", "true"), ("warmup", "1s")] {
        assert_eq!(settings.get(name).map(String::as_str), Some(value), "{name}");
    }
    for name in ["json", "quiet", "urls", "expect"] {
        assert!(!settings.contains_key(name), "{name}");
    }
    let (_, line) = self::settings(&[URL, "--find-max"]);
    assert_eq!(line, format!("throng bench echo {URL} --find-max"));
}
