//! Runs `throng bench`, and checks properties that all reports have.

use serde_json::Value;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine may be too busy for valid runs.
const VALID_TIMEOUT: Duration = Duration::from_secs(300);

/// The counts of messages in a report. Those that a test does not name must be 0.
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

/// A finished run.
#[derive(Debug)]
pub struct Run {
    pub arguments: String,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Null if no report was written.
    pub report: Value,
}

/// A run in progress.
pub struct Running {
    child: Child,
    arguments: String,
    report: PathBuf,
}

/// Returns the path of a file for this test only.
pub fn scratch(name: &str) -> PathBuf {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}-{name}", std::process::id()))
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    command.arg("bench").args(arguments).stdin(Stdio::null());
    command
}

/// Runs `throng bench` with these arguments only.
pub fn bench(arguments: &[&str]) -> Run {
    Run::of(arguments, command(arguments).output().unwrap(), Value::Null)
}

/// Like [`bench`], repeated while the machine is too busy for a valid run.
pub fn valid_bench(arguments: &[&str]) -> Run {
    first_valid(|| bench(arguments), |run| run.status != Some(4))
}

/// Runs a scenario and reads its report.
pub fn run(arguments: &[&str]) -> Run {
    let file = scratch("report.json");
    let output = command(arguments).arg("--json").arg(&file).output().unwrap();
    let run = Run::of(arguments, output, read_json(&file));
    assert!(!run.report.is_null(), "no report: {run}");
    run
}

/// Runs a scenario, repeatedly while the machine is too busy for a valid run.
pub fn valid_run(arguments: &[&str]) -> Run {
    first_valid(|| run(arguments), |run| run.report["is_valid"] == true)
}

/// Returns the first search that did not end because the machine was too busy.
pub fn valid_search(search: impl Fn() -> Run) -> Run {
    let is_limited =
        |run: &Run| run.at("search.ended").as_str().unwrap().contains("the load tester was the limit");
    first_valid(search, |run| !is_limited(run))
}

fn first_valid(run: impl Fn() -> Run, is_valid: impl Fn(&Run) -> bool) -> Run {
    let deadline = Instant::now() + VALID_TIMEOUT;
    loop {
        let run = run();
        if is_valid(&run) {
            return run;
        }
        assert!(Instant::now() < deadline, "never valid: {run}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// Starts a scenario that the test ends with a signal.
pub fn start(arguments: &[&str]) -> Running {
    let report = scratch("report.json");
    let mut command = command(arguments);
    command.arg("--json").arg(&report).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running { child: command.spawn().unwrap(), arguments: arguments.join(" "), report }
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

    /// Returns true if the run has not ended yet.
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

    /// Checks properties that every report and its exit status have.
    #[track_caller]
    fn assert_consistent(&self) {
        let report = &self.report;
        assert_eq!(report["schema"], 2, "{self}");
        let is_valid = report["is_valid"] == true;
        assert_eq!(is_valid, self.list("invalid").is_empty(), "{self}");
        let unmet =
            report["expectations"].as_array().unwrap().iter().any(|outcome| outcome["is_met"] == false);
        let found_nothing = report["search"].is_object() && report["search"]["highest"].is_null();
        let allows_invalid = self.arguments.contains("--allow-invalid");
        let status = match report["interrupted"].as_str() {
            Some("SIGINT") => 130,
            Some("SIGTERM") => 143,
            Some(other) => panic!("interrupted by {other}: {self}"),
            None if !is_valid && !allows_invalid => 4,
            None if found_nothing || unmet => 1,
            None => 0,
        };
        let could_not_write = self.status == Some(5);
        assert!(self.status == Some(status) || could_not_write, "expected status {status}: {self}");
        if report["messages"].is_object() && report["scenario"] != "storm" {
            let [planned, sent, unsent] = ["planned", "sent", "unsent"].map(|name| self.message_count(name));
            assert_eq!(planned, sent + unsent, "{self}");
            let [expected, received, lost] =
                ["expected", "received", "lost"].map(|name| self.message_count(name));
            assert_eq!(expected, received + lost, "{self}");
        }
    }

    /// Returns a value by its path, as in `messages.sent`.
    #[track_caller]
    pub fn at(&self, path: &str) -> &Value {
        let value = self.report.pointer(&format!("/{}", path.replace('.', "/")));
        value.unwrap_or_else(|| panic!("no {path} in {}", self.report))
    }

    #[track_caller]
    pub fn count(&self, path: &str) -> u64 {
        self.at(path).as_u64().unwrap_or_else(|| panic!("{path} is not a count: {self}"))
    }

    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_else(|| panic!("{path} is not a number: {self}"))
    }

    /// Returns the sum of a table of causes.
    #[track_caller]
    pub fn sum(&self, path: &str) -> u64 {
        let causes = self.at(path).as_object().unwrap_or_else(|| panic!("{path} is not a table: {self}"));
        causes.values().map(|count| count.as_u64().unwrap()).sum()
    }

    /// Returns a count of messages, or the sum of a count by cause.
    #[track_caller]
    pub fn message_count(&self, name: &str) -> u64 {
        match name {
            "unsent" => self.sum("messages.unsent"),
            _ => self.count(&format!("messages.{name}")),
        }
    }

    /// Asserts all counts of messages. Those that are not named must be 0.
    #[track_caller]
    pub fn assert_messages(&self, expected: &[(&str, u64)]) {
        for (name, _) in expected {
            assert!(COUNTS.contains(name), "{name} is not a count");
        }
        let of = |name| expected.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
        let expected: Vec<(&str, u64)> = COUNTS.iter().map(|name| (*name, of(*name))).collect();
        let seen: Vec<(&str, u64)> = COUNTS.iter().map(|name| (*name, self.message_count(name))).collect();
        assert_eq!(seen, expected, "{self}");
    }

    /// Returns the sentences in a list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.report[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Asserts that a sentence in a list contains one of these words.
    #[track_caller]
    pub fn assert_says(&self, name: &str, words: &[&str]) {
        let is_said = self.list(name).iter().any(|text| words.iter().any(|word| text.contains(word)));
        assert!(is_said, "none of {words:?} is in {name}: {self}");
    }

    /// Asserts that exactly one cause contains all these words, and its count.
    #[track_caller]
    pub fn assert_cause(&self, path: &str, words: &[&str], count: u64) {
        let causes = self.at(path).as_object().unwrap();
        let has_all = |cause: &&String| words.iter().all(|word| cause.contains(word));
        let named: Vec<&String> = causes.keys().filter(has_all).collect();
        assert!(
            named.len() == 1 && causes[named[0]] == count,
            "expected {words:?} {count} times in {path}: {self}"
        );
    }

    /// Returns samples and counts of messages that are not deliveries.
    pub fn others(&self) -> Vec<(&str, u64)> {
        let others = self.at("messages.other").as_array().unwrap().iter();
        others.map(|other| (other["sample"].as_str().unwrap(), other["count"].as_u64().unwrap())).collect()
    }

    /// Returns true if an expectation is met.
    #[track_caller]
    pub fn is_met(&self, text: &str) -> bool {
        let mut outcomes = self.report["expectations"].as_array().unwrap().iter();
        let outcome = outcomes.find(|outcome| outcome["text"] == text);
        let outcome = outcome.unwrap_or_else(|| panic!("{text} is not in the report: {self}"));
        let is_met = outcome["is_met"].as_bool().unwrap();
        assert_eq!(is_met, outcome["why"].is_null(), "{self}");
        is_met
    }

    pub fn steps(&self) -> &[Value] {
        self.at("search.steps").as_array().unwrap()
    }
}
