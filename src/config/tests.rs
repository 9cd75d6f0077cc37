use super::cli::{Cli, Command, explain};
use super::flags::GROUPS;
use super::setting::variable;
use super::{Environment, Fault, Flags, Settings};
use crate::{chat, net};
use clap::{CommandFactory, Parser};
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

fn flags(arguments: &[&str]) -> Flags {
    let arguments = ["throng"].iter().chain(arguments);
    match Cli::try_parse_from(arguments).unwrap().into_command() {
        Command::Serve(flags) => *flags,
        other => panic!("{other:?}"),
    }
}

fn load(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let loaded = Settings::load(&flags(arguments), &Environment::new(variables));
    loaded.map_err(|faults| faults.iter().map(Fault::to_string).collect())
}

fn listen(settings: &Settings) -> Vec<&str> {
    settings.listen.iter().map(|endpoint| &*endpoint.name).collect()
}

#[test]
fn the_command_line_is_sound_and_serving_is_the_default() {
    Cli::command().debug_assert();
    let arguments = ["--listen", "[::1]:0", "-vv"];
    let bare = load(&arguments, &[]).unwrap();
    let named = load(&[&["serve"], &arguments[..]].concat(), &[]).unwrap();
    for settings in [bare, named] {
        assert_eq!((listen(&settings), settings.verbosity), (vec!["[::1]:0"], 2));
    }
}

#[test]
fn the_defaults_shown_are_those_of_the_library() {
    let settings = load(&[], &[]).unwrap();
    assert_eq!(format!("{:?}", settings.net), format!("{:?}", net::Limits::default()));
    let chat = chat::Settings { time_zone: TimeZone::UTC, ..settings.chat };
    assert_eq!(format!("{chat:?}"), format!("{:?}", chat::Settings::default()));
    assert_eq!((settings.notes, settings.warnings), (vec![], vec![]));
}

#[test]
fn every_setting_has_one_name_and_a_default_that_can_be_read() {
    let mut names: Vec<&str> =
        GROUPS.iter().flat_map(|(_, settings)| settings.iter().map(|setting| setting.about().name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(variable("max-queue"), "THRONG_MAX_QUEUE");
}

#[test]
fn every_setting_is_read_from_its_flag_and_its_variable() {
    for (_, settings) in GROUPS {
        for name in settings.iter().map(|setting| setting.about().name) {
            // A path that is not ASCII is no value of any of them, but of the one that is any text.
            let wrong = "/\u{202e}";
            let by_flag = load(&[&format!("--{name}={wrong}")], &[]);
            let by_variable = load(&[], &[(&variable(name), wrong)]);
            if name == "echo-suffix" {
                assert!([by_flag, by_variable].iter().flatten().all(|read| read.server.echo_suffix == wrong));
                continue;
            }
            assert!(by_flag.unwrap_err()[0].contains(&format!("for --{name}: ")), "{name}");
            assert!(by_variable.unwrap_err()[0].contains(&format!("for {}: ", variable(name))), "{name}");
        }
    }
}

#[test]
fn all_faults_are_reported_each_with_its_source_value_and_advice() {
    let faults = load(
        &["--max-queue", "64KB", "--listen", "127.0.0.1:0,nowhere", "--slow=wait"],
        &[("THRONG_RATE", "-1"), ("THRONG_PING_AFTER", "soon"), ("THRONG_SLOW", "the flag wins")],
    )
    .unwrap_err();
    let expected = [
        "invalid value '64KB' for --max-queue: 64KB is ambiguous: write 64KiB (65,536) or 64000",
        "invalid value 'nowhere' for --listen: add a port, as in nowhere:8080",
        "invalid value 'wait' for --slow: write close or drop",
        "invalid value '-1' for THRONG_RATE: write a number as in 50, 10k or 1.5M",
        "invalid value 'soon' for THRONG_PING_AFTER: write a time as in 10 or 10s (seconds), 500ms, 2m or 1m30s",
    ];
    for sentence in expected {
        assert!(faults.iter().any(|fault| fault == sentence), "{sentence}: {faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn variables_are_read_as_people_and_files_write_them() {
    let empty = ["LISTEN", "STATIC_DIR", "ALLOW_ORIGIN", "PING_AFTER", "MAX_CONNECTIONS", "SLOW", "VERBOSE"];
    for blank in ["", " ", "\r", "\n", " \t\r\n"] {
        let variables: Vec<(String, &str)> =
            empty.iter().map(|name| (format!("THRONG_{name}"), blank)).collect();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, *value)).collect();
        let settings = load(&[], &variables).unwrap();
        assert_eq!(listen(&settings), ["127.0.0.1:8080"], "{blank:?}");
        assert_eq!(settings.net.ping_after, Duration::from_secs(25));
        assert!(settings.server.allowed_origins.is_empty() && settings.static_dir.is_none());
    }
    let settings = load(
        &[],
        &[
            ("THRONG_LISTEN", " 127.0.0.1:1, 127.0.0.1:2,\n[::1]:3,\r\n"),
            ("THRONG_MAX_QUEUE", "2MiB\r"),
            ("THRONG_SLOW", " drop "),
            ("THRONG_ECHO_SUFFIX", " said I \r\n"),
            ("THRONG_VERBOSE", "1"),
        ],
    )
    .unwrap();
    assert_eq!(listen(&settings), ["127.0.0.1:1", "127.0.0.1:2", "[::1]:3"]);
    assert_eq!((settings.net.max_queue, settings.net.slow), (2 << 20, net::Slow::Drop));
    assert_eq!((&*settings.server.echo_suffix, settings.verbosity), (" said I ", 1));
    assert!(load(&[], &[("THRONG_VERBOSE", "yes")]).unwrap_err()[0].contains("THRONG_VERBOSE: write 0, 1"));
    assert_eq!(load(&["-v"], &[("THRONG_VERBOSE", "2")]).unwrap().verbosity, 1);
    let list = load(&["--listen", "127.0.0.1:1, 127.0.0.1:2 ,", "--listen", "127.0.0.1:3"], &[]).unwrap();
    assert_eq!(listen(&list), ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
    assert!(load(&["--listen", ""], &[]).unwrap_err()[0].contains("--listen: write HOST:PORT"));
    assert!(load(&["--static-dir", ""], &[]).is_err());
}

#[test]
fn a_value_that_is_not_utf_8_is_explained() {
    let environment =
        Environment::new([("THRONG_LISTEN".into(), OsString::from_vec(b"caf\xe9:80".to_vec()))]);
    let faults = Settings::load(&flags(&[]), &environment).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].to_string(), "invalid value 'caf\u{fffd}:80' for THRONG_LISTEN: write it in UTF-8");
}

#[test]
fn limits_that_contradict_each_other_are_refused_with_both_names() {
    for (low, high) in [
        ("--resume-below", "--pause-above"),
        ("--high-water", "--max-queue"),
        ("--max-request-line", "--max-head"),
        ("--max-text", "--max-message"),
        ("--history-bytes", "--history-total"),
    ] {
        let faults = load(&[low, "2000", high, "1000"], &[]).unwrap_err();
        let sentence = format!("{low} 2000 is more than {high} 1000: lower the first or raise the second");
        assert_eq!(faults, [sentence]);
        let variable = variable(&high[2..]);
        let faults = load(&[low, "2000"], &[(&*variable, "1000")]).unwrap_err();
        assert!(faults[0].contains(&format!("{low} 2000 is more than {variable}=1000")), "{faults:?}");
        for fits in [[low, "1000", high, "1000"], [low, "2000", high, "0"], [low, "0", high, "1000"]] {
            assert!(load(&fits, &[]).is_ok(), "{fits:?}");
        }
    }
}

#[test]
fn the_default_of_a_limit_follows_one_that_is_given() {
    let settings = load(&["--pause-above", "16KiB"], &[]).unwrap();
    assert_eq!((settings.net.pause_above, settings.net.resume_below), (16 << 10, 16 << 10));
    assert_eq!(settings.notes, ["--pause-above 16KiB: --resume-below is 16KiB to match"]);
    let settings = load(&["--resume-below", "1MiB"], &[("THRONG_MAX_QUEUE", "1")]).unwrap();
    assert_eq!((settings.net.pause_above, settings.net.resume_below), (1 << 20, 1 << 20));
    assert_eq!((settings.net.max_queue, settings.net.high_water), (1, 1));
    assert_eq!(
        settings.notes,
        [
            "THRONG_MAX_QUEUE=1: --high-water is 1 to match",
            "--resume-below 1MiB: --pause-above is 1MiB to match"
        ]
    );
    let settings = load(&["--max-text", "1MiB", "--max-head", "1000", "--history-total", "1"], &[]).unwrap();
    assert_eq!(settings.chat.max_message, (1 << 20) + 1024);
    assert_eq!(settings.server.max_message, settings.chat.max_message);
    assert_eq!((settings.net.head.request_line, settings.chat.history_bytes), (1000, 1));
    assert_eq!(load(&["--max-message", "1"], &[]).unwrap().chat.max_text, 1);
}

#[test]
fn a_setting_that_does_nothing_is_noted() {
    for (arguments, named) in [
        (&["--rate", "0", "--burst", "5"][..], "--burst 5 has no effect with --rate 0"),
        (&["--deflate", "off", "--deflate-contexts", "1MiB"], "--deflate off"),
        (&["--echo", "off", "--echo-suffix", "!"], "--echo off"),
        (&["--echo", "off", "--formats", "json", "--max-echo-message", "1MiB"], "--echo off"),
        (&["--pause-above", "0", "--resume-below", "1"], "--pause-above 0"),
        (&["--high-water", "0", "--high-water-timeout", "1s"], "--high-water 0"),
        (&["--ping-after", "0", "--pong-timeout", "1s"], "--ping-after 0"),
        (&["--history", "0", "--history-bytes", "1KiB"], "--history 0"),
    ] {
        let notes = load(arguments, &[]).unwrap().notes;
        assert!(notes.len() == 1 && notes[0].contains(named), "{notes:?}");
    }
    assert!(load(&["--rate", "0"], &[]).unwrap().notes.is_empty());
}

#[test]
fn unknown_variables_are_warned_of() {
    let settings = load(&[], &[("THRONG_RESUME_BELLOW", "1"), ("THRONG_RATE", "1")]).unwrap();
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].contains("did you mean THRONG_RESUME_BELOW?"), "{:?}", settings.warnings);
}

#[test]
fn a_mistake_on_the_command_line_is_answered_with_what_was_probably_meant() {
    for (arguments, meant) in [
        (&["sevre"][..], "'serve'"),
        (&["--listen", "127.0.0.1:0", "sevre"], "'serve'"),
        (&["--port", "80"], "--listen"),
        (&["serve", "-p", "80"], "--listen"),
        (&["--bind=127.0.0.1:80"], "--listen"),
        (&["--max-queu", "80"], "--max-queue"),
    ] {
        let error = Cli::try_parse_from(["throng"].iter().chain(arguments)).unwrap_err();
        let sentence = explain(error).to_string();
        assert!(sentence.contains(meant), "{arguments:?}: {sentence}");
    }
}
