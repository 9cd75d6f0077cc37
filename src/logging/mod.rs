//! The log on standard error. Logging never blocks: lines go to a bounded queue, from which a thread writes
//! them. Lines that do not fit, because nobody reads standard error, are dropped and counted, and the log reports
//! their number.
//!
//! One event is one printable line, whatever a peer or the environment put into it.

mod line;
mod queue;

use jiff::Timestamp;
use log::{LevelFilter, Log, Metadata, Record};
use queue::Queue;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long the end of the process may wait for lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// The name of the thread that writes.
const THREAD: &str = "log";

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// Time, level and message.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// The running log. When it is dropped, it waits a short time for the lines logged so far to be written.
#[derive(Debug)]
pub struct Logging {
    queue: Arc<Queue>,
}

/// Starts logging what this crate reports at `level` and above, panics included.
pub fn start(level: LevelFilter, format: Format) -> io::Result<Logging> {
    let stderr = io::stderr();
    let style = line::Style {
        format,
        is_coloured: format == Format::Text
            && wants_colour(stderr.is_terminal(), std::env::var_os("NO_COLOR"), std::env::var_os("TERM")),
    };
    // A descriptor of its own: a blocked write must not hold the lock that `eprintln!` takes.
    let output = File::from(stderr.as_fd().try_clone_to_owned()?);
    let queue = Arc::new(Queue::default());
    let source = Arc::clone(&queue);
    thread::Builder::new()
        .name(THREAD.to_owned())
        .spawn(move || source.write_to(output, |dropped, line| style.write_dropped(dropped, line)))?;
    log::set_boxed_logger(Box::new(Logger { queue: Arc::clone(&queue), style })).map_err(io::Error::other)?;
    log::set_max_level(level);
    log_panics();
    Ok(Logging { queue })
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.queue.finish(FLUSH_TIMEOUT);
    }
}

struct Logger {
    queue: Arc<Queue>,
    style: line::Style,
}

impl Log for Logger {
    /// Dependencies do not write to this log.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.queue.append(|line| self.style.write(record, Timestamp::now(), line));
        }
    }

    fn flush(&self) {}
}

/// Sends panics to the log. Written to standard error directly, one would hang there if nobody reads it.
fn log_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let thread = thread::current();
        if thread.name() == Some(THREAD) {
            return print(panic);
        }
        let message = panic.payload_as_str().unwrap_or("no message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!("thread {:?} panicked at {location}: {message}", thread.name().unwrap_or_default());
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            backtrace.to_string().lines().for_each(|line| log::error!("{line}"));
        }
    }));
}

/// Colours are for terminals that show them and people who want them (<https://no-color.org>).
fn wants_colour(is_terminal: bool, no_color: Option<OsString>, term: Option<OsString>) -> bool {
    is_terminal
        && no_color.is_none_or(|value| value.is_empty())
        && term.is_some_and(|term| term != OsStr::new("dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_no_color_is_set() {
        let value = |text: &str| Some(OsString::from(text));
        assert!(wants_colour(true, None, value("xterm")));
        assert!(wants_colour(true, value(""), value("xterm")), "an empty NO_COLOR is unset");
        assert!(!wants_colour(true, value("1"), value("xterm")));
        assert!(!wants_colour(true, None, value("dumb")));
        assert!(!wants_colour(true, None, None));
        assert!(!wants_colour(false, None, value("xterm")));
    }
}
