//! Output of reports, to the terminal and to files.

use super::Failure;
use super::cli::{Compare, Reports};
use super::report::text::Terminal;
use super::report::{Report, SCHEMA, compare, csv, hdr, html, table};
use super::session::Finished;
use std::collections::HashSet;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The outputs of a run. They are opened before the run, so that an error is reported before time is spent on
/// measuring.
pub(crate) struct Outputs {
    json: Option<Output>,
    csv: Option<Output>,
    hdr: Option<Output>,
    html: Option<Output>,
    table: Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Stdout,
    /// Standard output is used for a machine-readable report.
    Stderr,
    Hidden,
}

enum Output {
    Stdout,
    File(PathBuf, File),
}

impl Outputs {
    pub fn open(reports: &Reports) -> Result<Outputs, Failure> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
        Ok(Outputs {
            json: open(&reports.json)?,
            csv: open(&reports.csv)?,
            hdr: open(&reports.hdr)?,
            html: open(&reports.html)?,
            table: match (reports.quiet, reports.take_stdout()) {
                (true, _) => Table::Hidden,
                (false, true) => Table::Stderr,
                (false, false) => Table::Stdout,
            },
        })
    }

    /// Writes a report to all outputs. A failure of one output does not affect the others.
    pub fn write(self, finished: &Finished) -> Result<(), Failure> {
        let Finished { report, started, outcome, .. } = finished;
        let mut failures = Vec::new();
        let mut write = |output: Option<Output>, text: Result<String, String>| {
            let Some(output) = output else { return };
            let written = text.and_then(|text| output.write(&text));
            failures.extend(written.err());
        };
        let json = || serde_json::to_string_pretty(report).map(|text| text + "\n");
        if self.json.is_some() {
            write(self.json, json().map_err(|error| error.to_string()));
        }
        if self.csv.is_some() {
            write(self.csv, Ok(csv::csv(report)));
        }
        if self.hdr.is_some() {
            let recorder = &outcome.messages;
            let mut histograms = vec![(hdr::SERVICE_TIME, recorder.service_time.histogram())];
            if report.latency.is_some() {
                histograms.insert(0, (hdr::LATENCY, recorder.latency.histogram()));
            }
            let window = &outcome.window;
            let window = std::time::Duration::from_nanos(window.start.as_nanos())
                ..std::time::Duration::from_nanos(window.end.as_nanos());
            write(self.hdr, hdr::log(*started, window, &histograms).map_err(|error| format!("{error:?}")));
        }
        if self.html.is_some() {
            write(self.html, Ok(html::page(&[(report.scenario.clone(), report.clone())])));
        }
        let printed = match self.table {
            Table::Stdout => print(&table::table(report, Terminal::of(&io::stdout()))),
            Table::Stderr => {
                print_line(table::table(report, Terminal::of(&io::stderr())).trim_end());
                Ok(())
            }
            Table::Hidden => {
                if let Some(search) = report.search.as_ref().filter(|search| search.highest.is_none()) {
                    print_error(&search.ended);
                }
                for outcome in report.expectations.iter().filter(|outcome| !outcome.is_met) {
                    print_error(outcome.why.as_deref().unwrap_or(&outcome.text));
                }
                report.invalid.iter().for_each(|why| print_error(format!("not valid: {why}")));
                Ok(())
            }
        };
        failures.extend(printed.err());
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Failure::Output(failures.join("; "))),
        }
    }
}

impl Output {
    fn open(path: &Path) -> Result<Output, Failure> {
        if path == Path::new("-") {
            return Ok(Output::Stdout);
        }
        match File::create(path) {
            Ok(file) => Ok(Output::File(path.to_owned(), file)),
            Err(error) => Err(Failure::Output(format!("cannot write {}: {error}", path.display()))),
        }
    }

    fn write(self, text: &str) -> Result<(), String> {
        match self {
            Output::Stdout => print(text),
            Output::File(path, mut file) => file
                .write_all(text.as_bytes())
                .map_err(|error| format!("cannot write {}: {error}", path.display())),
        }
    }
}

/// Compares reports written as JSON.
pub(crate) fn compare(options: &Compare) -> Result<(), Failure> {
    let page = options.html.as_deref().map(Output::open).transpose()?;
    let stem = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stems: HashSet<String> = options.files.iter().map(|file| stem(file)).collect();
    let are_distinct = stems.len() == options.files.len();
    let name = |file: &Path| if are_distinct { stem(file) } else { file.display().to_string() };
    let mut reports = Vec::new();
    for file in &options.files {
        reports.push((name(file), read(file)?));
    }
    let is_page_on_stdout = matches!(page, Some(Output::Stdout));
    if !is_page_on_stdout {
        print(&compare::table(&reports, Terminal::of(&io::stdout()))).map_err(Failure::Output)?;
    }
    match page {
        Some(page) => page.write(&html::page(&reports)).map_err(Failure::Output),
        None => Ok(()),
    }
}

fn read(file: &Path) -> Result<Report, Failure> {
    let wrong = |why: &dyn Display| Failure::Usage(format!("cannot read {}: {why}", file.display()));
    let text = std::fs::read(file).map_err(|error| wrong(&error))?;
    let value: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| wrong(&format!("it is not a report of throng bench: {error}")))?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            return Err(wrong(&format!("its schema is {schema}, and this program reads {SCHEMA}")));
        }
        None => return Err(wrong(&"it is not a report of throng bench")),
    }
    serde_json::from_value(value)
        .map_err(|error| wrong(&format!("it is not a report of throng bench: {error}")))
}

/// Prints to standard output. A closed pipe is not an error.
fn print(text: &str) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Prints a line to standard error. Errors are ignored.
pub(crate) fn print_line(line: &str) {
    let _nobody_reads = writeln!(io::stderr(), "{line}");
}

/// Prints an error message.
pub(crate) fn print_error(what: impl Display) {
    print_line(&format!("throng bench: {what}"));
}
