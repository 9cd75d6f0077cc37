//! Runs `throng bench`, and holds every report against what is true of all reports.

use serde_json::Value;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Held for writing by tests that measure time, so that no other run disturbs them.
static MACHINE: RwLock<()> = RwLock::new(());

/// A message's counts, in the report; those that a test does not name must be 0.
const COUNTS: [&str; 14] = [
    "planned",
    "sent",
    "unsent",
    "expected",
    "received",
    "lost",
    "duplicated",
    "reordered",
    "unknown",
    "damaged",
    "rewritten",
    "acknowledged",
    "strayed",
    "timed_out",
];

/// A run that has ended.
#[derive(Debug)]
pub struct Run {
    pub arguments: String,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Null if none was written.
    pub report: Value,
}

/// A run under way.
pub struct Running {
    child: Child,
    arguments: String,
    report: PathBuf,
    _machine: RwLockReadGuard<'static, ()>,
}

/// A file of this test's own.
pub fn scratch(name: &str) -> PathBuf {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}-{name}", std::process::id()))
}

/// Waits until no other test runs the load tester, and keeps it so.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.arg("bench").args(arguments).stdin(Stdio::null());
    command
}

/// Runs it with these arguments only.
pub fn bench(arguments: &[&str]) -> Run {
    let _machine = beside_others();
    Run::of(arguments, command(arguments).output().unwrap(), Value::Null)
}

/// Runs a scenario, and reads its report.
pub fn run(arguments: &[&str]) -> Run {
    let _machine = beside_others();
    run_alone(arguments)
}

/// The same for who holds [`alone`].
pub fn run_alone(arguments: &[&str]) -> Run {
    let file = scratch("report.json");
    let output = command(arguments).arg("--json").arg(&file).output().unwrap();
    let run = Run::of(arguments, output, read_json(&file));
    assert!(!run.report.is_null(), "no report: {run}");
    run
}

/// Runs a scenario again while the machine is so busy that the run is not valid.
pub fn valid_run(arguments: &[&str]) -> Run {
    let mut runs = (0..5).map(|_| run(arguments));
    let is_valid = |run: &Run| run.report["is_valid"] == true;
    runs.find(is_valid).unwrap_or_else(|| panic!("never valid: {}", run(arguments)))
}

/// Starts a scenario that a test ends by a signal.
pub fn start(arguments: &[&str]) -> Running {
    let machine = beside_others();
    let report = scratch("report.json");
    let mut command = command(arguments);
    command.arg("--json").arg(&report).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running { child: command.spawn().unwrap(), arguments: arguments.join(" "), report, _machine: machine }
}

fn read_json(file: &Path) -> Value {
    std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

impl Running {
    /// Sends a signal, `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn wait(self) -> Run {
        let output = self.child.wait_with_output().unwrap();
        let arguments: Vec<&str> = self.arguments.split(' ').collect();
        Run::of(&arguments, output, read_json(&self.report))
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Run { arguments, status, stdout, stderr, .. } = self;
        writeln!(f, "throng bench {arguments}\nstatus {status:?}\n{stdout}\n{stderr}")?;
        for part in ["invalid", "warnings", "connections", "messages", "expectations", "search"] {
            writeln!(f, "{part}: {}", self.report[part])?;
        }
        Ok(())
    }
}

impl Run {
    pub fn of(arguments: &[&str], output: Output, report: Value) -> Run {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let run = Run {
            arguments: arguments.join(" "),
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            report,
        };
        assert!(!run.stderr.contains("panicked") && run.status != Some(101), "{run}");
        if !run.report.is_null() {
            run.assert_consistent();
        }
        run
    }

    /// What is true of every report, and of the status beside it.
    #[track_caller]
    fn assert_consistent(&self) {
        let report = &self.report;
        assert_eq!(report["schema"], 2, "{self}");
        let is_valid = report["is_valid"] == true;
        assert_eq!(is_valid, self.list("invalid").is_empty(), "{self}");
        let unmet =
            report["expectations"].as_array().unwrap().iter().any(|outcome| outcome["is_met"] == false);
        let found_nothing = report["search"].is_object() && report["search"]["highest"].is_null();
        let does_not_mind = self.arguments.contains("--allow-invalid");
        let status = match report["interrupted"].as_str() {
            Some("SIGINT") => 130,
            Some("SIGTERM") => 143,
            Some(other) => panic!("interrupted by {other}: {self}"),
            None if found_nothing => 1,
            None if !is_valid && !does_not_mind => 4,
            None if unmet => 1,
            None => 0,
        };
        let could_not_write = self.status == Some(5);
        assert!(self.status == Some(status) || could_not_write, "{status} is the status of: {self}");
        if report["messages"].is_object() && report["scenario"] != "storm" {
            let [planned, sent, unsent] = ["planned", "sent", "unsent"].map(|name| self.message_count(name));
            assert_eq!(planned, sent + unsent, "{self}");
            let [expected, received, lost] =
                ["expected", "received", "lost"].map(|name| self.message_count(name));
            assert_eq!(expected, received + lost, "{self}");
        }
    }

    /// A value by its path, as in `messages.sent`.
    #[track_caller]
    pub fn at(&self, path: &str) -> &Value {
        let value = self.report.pointer(&format!("/{}", path.replace('.', "/")));
        value.unwrap_or_else(|| panic!("no {path} in {}", self.report))
    }

    #[track_caller]
    pub fn count(&self, path: &str) -> u64 {
        self.at(path).as_u64().unwrap_or_else(|| panic!("{path} is no count: {self}"))
    }

    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_else(|| panic!("{path} is no number: {self}"))
    }

    /// All counts of a table of causes.
    #[track_caller]
    pub fn sum(&self, path: &str) -> u64 {
        let causes = self.at(path).as_object().unwrap_or_else(|| panic!("{path} is no table: {self}"));
        causes.values().map(|count| count.as_u64().unwrap()).sum()
    }

    /// A count of the messages, or the sum of one that is told by cause.
    #[track_caller]
    pub fn message_count(&self, name: &str) -> u64 {
        match name {
            "unsent" => self.sum("messages.unsent"),
            _ => self.count(&format!("messages.{name}")),
        }
    }

    /// Asserts all counts of messages; those that are not named are 0.
    #[track_caller]
    pub fn assert_messages(&self, expected: &[(&str, u64)]) {
        for (name, _) in expected {
            assert!(COUNTS.contains(name), "{name} is no count");
        }
        let of = |name| expected.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
        let expected: Vec<(&str, u64)> = COUNTS.iter().map(|name| (*name, of(*name))).collect();
        let seen: Vec<(&str, u64)> = COUNTS.iter().map(|name| (*name, self.message_count(name))).collect();
        assert_eq!(seen, expected, "{self}");
    }

    /// Sentences under a name.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.report[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Asserts that a sentence under a name has one of these words.
    #[track_caller]
    pub fn assert_says(&self, name: &str, words: &[&str]) {
        let is_said = self.list(name).iter().any(|text| words.iter().any(|word| text.contains(word)));
        assert!(is_said, "none of {words:?} is in {name}: {self}");
    }

    /// Asserts that there is one cause with this count, whose name has all these words.
    #[track_caller]
    pub fn assert_cause(&self, path: &str, words: &[&str], count: u64) {
        let causes = self.at(path).as_object().unwrap();
        let has_all = |cause: &&String| words.iter().all(|word| cause.contains(word));
        let named: Vec<&String> = causes.keys().filter(has_all).collect();
        assert!(
            named.len() == 1 && causes[named[0]] == count,
            "{words:?} is not {count} times in {path}: {self}"
        );
    }

    /// Samples and counts of the frames that are no delivery.
    pub fn others(&self) -> Vec<(&str, u64)> {
        let others = self.at("messages.other").as_array().unwrap().iter();
        others.map(|other| (other["sample"].as_str().unwrap(), other["count"].as_u64().unwrap())).collect()
    }

    /// Whether an expectation is met.
    #[track_caller]
    pub fn is_met(&self, text: &str) -> bool {
        let mut outcomes = self.report["expectations"].as_array().unwrap().iter();
        let outcome = outcomes.find(|outcome| outcome["text"] == text);
        let outcome = outcome.unwrap_or_else(|| panic!("{text} is not judged: {self}"));
        let is_met = outcome["is_met"].as_bool().unwrap();
        assert_eq!(is_met, outcome["why"].is_null(), "{self}");
        is_met
    }

    pub fn steps(&self) -> &[Value] {
        self.at("search.steps").as_array().unwrap()
    }
}
