//! Random settings, most of them extremes: either the server refuses them in a sentence, or it serves, rests when nothing
//! happens, and ends by a signal.
//!
//! `RANDOM_SETTINGS` is the number of settings tried (200), `RANDOM_SEED` where they begin (0).

use crate::support::{CLOSE, FIN, PATIENCE, PING, Raw, Server, TEXT, frame, request, text, throng, wait};
use Kind::{Choice, Count, Positive, Size, SizeOrMost, Time};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Servers that are tried at the same time. They rest most of the time.
const SIDE_BY_SIDE: usize = 8;
const HANDSHAKE: &str = crate::support::HANDSHAKE;

#[derive(Clone, Copy)]
enum Kind {
    /// 0, or from the first to the second.
    Size(u64, u64),
    /// The same, where 0 stands for the second.
    SizeOrMost(u64, u64),
    /// 0, or from the first to the second.
    Count(u64, u64),
    /// From 1.
    Positive(u64),
    /// 0, or from the first to the second, in milliseconds.
    Time(u64, u64),
    Choice(&'static [&'static str]),
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const BILLION: u64 = 1_000_000_000;
const YEAR: u64 = 365 * 24 * 60 * 60 * 1000;

const SETTINGS: &[(&str, Kind)] = &[
    ("allow-origin", Choice(&["*", "null", "https://*.example.com", "https://a.test,https://b.test"])),
    ("host", Choice(&["throng.test", "elsewhere.test", "*.test, throng.test"])),
    ("static-dir", Choice(&[concat!(env!("CARGO_MANIFEST_DIR"), "/static")])),
    ("formats", Choice(&["json,lines,html,raw", "raw, json", "html json"])),
    ("echo-suffix", Choice(&["!", " and again"])),
    ("deflate", Choice(&["on", "off"])),
    ("deflate-contexts", Size(48 * KIB, TIB)),
    ("shutdown-timeout", Time(1, YEAR)),
    ("verbose", Choice(&["0", "1", "2"])),
    ("log-format", Choice(&["text", "json"])),
    ("max-connections", Count(1, 1000)),
    ("max-per-address", Count(1, BILLION)),
    ("max-handshakes", Count(1, BILLION)),
    ("max-memory", Size(1 << 20, 1 << 40)),
    ("ping-after", Time(10, YEAR)),
    ("pong-timeout", Time(10, YEAR)),
    ("close-timeout", Time(10, YEAR)),
    ("max-request-line", Size(20, 512 * KIB)),
    ("max-head", SizeOrMost(200, MIB)),
    ("max-headers", Count(5, BILLION)),
    ("head-timeout", Time(10, YEAR)),
    ("keep-alive-timeout", Time(10, YEAR)),
    ("keep-alive-requests", Count(1, BILLION)),
    ("max-message", SizeOrMost(1, 256 * MIB)),
    ("max-echo-message", SizeOrMost(1, 256 * MIB)),
    ("message-timeout", Time(10, YEAR)),
    ("rate", Count(1, 1_000_000)),
    ("burst", Positive(1_000_000)),
    ("byte-rate", Size(1, TIB)),
    ("byte-burst", Positive(TIB)),
    ("fan-out-rate", Size(1, TIB)),
    ("room-rate", Size(1, TIB)),
    ("slow", Choice(&["close", "drop"])),
    ("max-queue", Size(1, TIB)),
    ("high-water", Size(1, TIB)),
    ("high-water-timeout", Time(10, YEAR)),
    ("stall-timeout", Time(10, YEAR)),
    ("pause-above", Size(1, TIB)),
    ("resume-below", Size(1, TIB)),
    ("coalesce", Time(1, 1000)),
    ("max-text", Size(1, 128 * MIB)),
    ("max-room-name", Size(5, MIB)),
    ("max-name", Count(1, MIB)),
    ("max-rooms", Count(1, 100_000_000)),
    ("max-rooms-joined", Count(1, BILLION)),
    ("presence-limit", Count(1, BILLION)),
    ("history", Count(1, BILLION)),
    ("history-bytes", Size(1, TIB)),
    ("history-total", Size(1, TIB)),
    ("history-age", Time(10, YEAR)),
];

/// Of each the first must not be more than the second, unless the second is 0.
const ORDERED: &[(&str, &str)] = &[
    ("resume-below", "pause-above"),
    ("high-water", "max-queue"),
    ("max-request-line", "max-head"),
    ("max-text", "max-message"),
    ("history-bytes", "history-total"),
];

/// Values that no setting has.
const NONSENSE: &[&str] =
    &["-1", "nan", "inf", "1e9", "64KB", "99999999999999999999999", "\u{202e}0", "0x10"];

/// The settings of one server.
#[derive(Debug)]
struct Settings {
    given: Vec<Given>,
    /// Whether one of the values is none of its setting.
    is_nonsense: bool,
}

#[derive(Debug)]
struct Given {
    name: &'static str,
    text: String,
    /// Milliseconds of a time; 0 of a choice.
    value: u64,
    is_variable: bool,
}

impl Settings {
    fn random(rng: &mut StdRng) -> Settings {
        let mut settings = Settings { given: Vec::new(), is_nonsense: false };
        for (name, kind) in SETTINGS.iter().copied() {
            if !rng.random_ratio(1, 4) {
                continue;
            }
            let is_variable = name == "verbose" || rng.random();
            let is_nonsense = rng.random_ratio(1, 200) && !matches!(name, "echo-suffix" | "host");
            let (text, value) = if is_nonsense {
                (NONSENSE[rng.random_range(0..NONSENSE.len())].to_owned(), 0)
            } else {
                kind.random(rng)
            };
            settings.is_nonsense |= is_nonsense;
            settings.given.push(Given { name, text, value, is_variable });
        }
        settings
    }

    fn value(&self, name: &str) -> Option<u64> {
        self.given.iter().find(|given| given.name == name).map(|given| given.value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|given| given.name == name).map(|given| &*given.text)
    }

    fn is_contradiction(&self) -> bool {
        ORDERED.iter().any(|(low, high)| match (self.value(low), self.value(high)) {
            (Some(low), Some(high)) => high > 0 && low > high,
            _ => false,
        })
    }

    /// Whether the setting is not given, is off, or is at least that.
    fn allows(&self, name: &str, least: u64) -> bool {
        self.value(name).is_none_or(|value| value == 0 || value >= least)
    }

    /// Whether a request of a few lines and a message of a few bytes get through: no limit is small or soon.
    fn allows_a_visit(&self) -> bool {
        let sizes = [
            ("max-connections", 5),
            ("max-handshakes", 5),
            ("max-request-line", 100),
            ("max-head", 400),
            ("max-headers", 10),
            ("max-message", 200),
            ("max-echo-message", 50),
            ("max-text", 20),
            ("room-rate", 100_000),
            ("max-name", 10),
        ];
        let times = ["head-timeout", "pong-timeout", "message-timeout", "stall-timeout"];
        sizes.iter().all(|(name, least)| self.allows(name, *least))
            && times.iter().all(|name| self.allows(name, 30_000))
            && self.text("host") != Some("elsewhere.test")
    }

    fn command(&self) -> Command {
        let mut command = throng();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        for Given { name, text, is_variable, .. } in &self.given {
            if *is_variable {
                command.env(format!("THRONG_{}", name.replace('-', "_").to_uppercase()), text);
            } else {
                command.arg(format!("--{name}={text}"));
            }
        }
        command
    }
}

impl Kind {
    /// A value, and what it is as a number.
    fn random(self, rng: &mut StdRng) -> (String, u64) {
        let (least, most, zero) = match self {
            Size(least, most) | Count(least, most) | Time(least, most) => (least, most, 0),
            SizeOrMost(least, most) => (least, most, most),
            Positive(most) => (1, most, 1),
            Choice(texts) => return (texts[rng.random_range(0..texts.len())].to_owned(), 0),
        };
        let value = match rng.random_range(0..10) {
            0 | 1 => 0,
            2 | 3 => least,
            4 | 5 => most,
            6 => (least + 1).min(most),
            7 => most - 1,
            // Each order of magnitude is as likely as any other.
            _ => {
                let bits = rng.random_range(least.ilog2()..=most.ilog2());
                rng.random_range(1 << bits..2 << bits).clamp(least, most)
            }
        };
        let text = match self {
            Positive(_) => value.max(1).to_string(),
            Time(..) => format!("{value}ms"),
            _ => value.to_string(),
        };
        (text, if value == 0 { zero } else { value })
    }
}

#[test]
fn any_settings_are_refused_in_a_sentence_or_serve_and_rest_and_end() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let count: u64 = number("RANDOM_SETTINGS", 200);
    let seed: u64 = number("RANDOM_SEED", 0);
    let next = AtomicU64::new(0);
    let served = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let mut rng = StdRng::seed_from_u64(seed + index);
                    let settings = Settings::random(&mut rng);
                    let _on_failure = Shown(&settings, seed + index);
                    if settings.is_nonsense || settings.is_contradiction() {
                        assert_refused(&settings);
                    } else {
                        try_out(&settings, rng.random_ratio(1, 4));
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let served = served.into_inner();
    eprintln!("{served} of {count} settings were served with");
    assert!(served > count / 2, "most settings are to be good");
}

/// Says with which settings a test failed.
struct Shown<'s>(&'s Settings, u64);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("RANDOM_SEED={} RANDOM_SETTINGS=1: {:#?}", self.1, self.0);
        }
    }
}

fn assert_refused(settings: &Settings) {
    let mut child =
        settings.command().stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait(&mut child);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).expect("the sentence is UTF-8");
    assert_eq!(output.status.code(), Some(2), "{said}");
    let faults: Vec<&str> = said.lines().take_while(|line| !line.is_empty()).collect();
    assert!(!faults.is_empty(), "{said}");
    for fault in faults {
        let is_named = settings.given.iter().any(|given| {
            let place = match given.is_variable {
                true => format!("THRONG_{}", given.name.replace('-', "_").to_uppercase()),
                false => format!("--{}", given.name),
            };
            fault.contains(&place)
        });
        assert!(fault.starts_with("error: ") && is_named, "{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Starts a server, talks to it, lets it rest and ends it.
fn try_out(settings: &Settings, with_a_stalled_peer: bool) {
    let mut server = Server::launch(settings.command(), 1);
    let must_work = settings.allows_a_visit();
    let echo = visit_echo(&server, settings, must_work);
    let member = visit_chat(&server, must_work);
    assert_rests(&server);
    if with_a_stalled_peer {
        let stalled = stall(&server);
        assert_rests(&server);
        drop(stalled);
    }
    server.signal("TERM");
    drop((echo, member));
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// An opening handshake. `None` if it was refused, in a way that a limit explains.
fn open(server: &Server, target: &str, must_work: bool) -> Option<Raw> {
    let mut raw = server.connect();
    raw.try_send(request("GET", target, HANDSHAKE));
    match raw.try_reply() {
        Some(reply) if reply.status == 101 => return Some(raw),
        Some(reply) => {
            assert!(matches!(reply.status, 403 | 408 | 414 | 421 | 429 | 431 | 503), "{reply:?}");
            reply.assert_refusal(reply.status);
            assert!(!must_work, "{reply:?}");
        }
        // Dropped as the oldest of the unfinished handshakes, or since there was no place to say so.
        None => assert!(!must_work, "the handshake had no answer"),
    }
    None
}

fn visit_echo(server: &Server, settings: &Settings, must_work: bool) -> Option<Raw> {
    let mut raw = open(server, "/echo", must_work)?;
    raw.try_send(text("hello"));
    match answer(&mut raw, |_| true) {
        Some(echoed) => {
            assert_eq!(echoed, format!("hello{}", settings.text("echo-suffix").unwrap_or_default()));
            Some(raw)
        }
        None => {
            assert!(!must_work, "no echo came");
            None
        }
    }
}

fn visit_chat(server: &Server, must_work: bool) -> Option<Raw> {
    let mut raw = open(server, "/chat?name=ann", must_work)?;
    raw.try_send(text(r#"{"type":"say","text":"hello"}"#));
    let is_answer = |text: &str| text.contains(r#""type":"message""#) || text.contains(r#""type":"error""#);
    match answer(&mut raw, is_answer) {
        Some(answer) => {
            let is_said = answer.contains(r#""text":"hello""#) && answer.contains(r#""type":"message""#);
            assert!(is_said || !must_work, "{answer}");
            Some(raw)
        }
        None => {
            assert!(!must_work, "nothing was heard");
            None
        }
    }
}

/// The first text that is an answer. `None` if the connection was closed, in a way that a limit explains.
fn answer(raw: &mut Raw, is_answer: impl Fn(&str) -> bool) -> Option<String> {
    while let Some(next) = raw.try_frame() {
        match next.first & 0x0f {
            PING => {
                raw.try_send(frame(FIN | crate::support::PONG, &next.payload));
            }
            CLOSE => {
                let (code, reason) = next.close();
                assert!(matches!(code, 1001 | 1008 | 1009 | 1013) && !reason.is_empty(), "{code} {reason:?}");
                return None;
            }
            TEXT => {
                let text = next.text();
                if is_answer(text) {
                    return Some(text.to_owned());
                }
            }
            _ => panic!("{next:?}"),
        }
    }
    None
}

/// A peer that asks for echoes and reads none, until the server reads no more from it.
fn stall(server: &Server) -> Option<Raw> {
    let mut raw = Raw::narrow(server.address());
    raw.try_send(request("GET", "/echo", HANDSHAKE));
    raw.try_reply().filter(|reply| reply.status == 101)?;
    raw.stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let message = frame(FIN | TEXT, &[b'a'; 4000]);
    let _is_stalled = (0..2_000).all(|_| raw.try_send(&message));
    Some(raw)
}

/// Waits until the server uses next to no CPU time while nothing happens.
fn assert_rests(server: &Server) {
    const REST: Duration = Duration::from_millis(100);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = server.cpu_time();
        thread::sleep(REST);
        if server.cpu_time() - before < REST / 10 {
            return;
        }
        assert!(Instant::now() < deadline, "it is busy with nothing:\n{}", server.log());
    }
}
