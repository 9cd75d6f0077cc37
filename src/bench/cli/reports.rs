//! The flags that say where reports go.

use super::super::report::expect::Expectation;
use super::help;
use clap::Args;
use std::path::{Path, PathBuf};

/// Outputs in addition to the table, and expectations.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = help::OUTPUT)]
pub(crate) struct Reports {
    /// Fail with status 1 unless this holds, as in 'p99<50ms'; can be repeated
    ///
    /// Write a figure, one of <, <=, =, >= and >, and a value, as in 'service-time-p99<5ms', 'loss=0' or
    /// 'loss<0.1%'. A figure that the run did not measure fails too. Use any wrong name to list all figures.
    #[arg(long, value_name = "EXPECTATION")]
    pub expect: Vec<Expectation>,
    /// Write the report as JSON to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a row for each second as CSV to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the histograms as an HdrHistogram log to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<PathBuf>,
    /// Write the report as an HTML page to this file; - is standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print neither progress nor the table
    #[arg(short, long)]
    pub quiet: bool,
}

impl Reports {
    /// Returns each output file with its flag.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let Reports { json, csv, hdr, html, .. } = self;
        let files = [("--json", json), ("--csv", csv), ("--hdr", hdr), ("--html", html)];
        files.into_iter().filter_map(|(flag, file)| Some((flag, file.as_deref()?)))
    }

    /// Returns true if an output goes to standard output, which nothing else may then use.
    pub fn take_stdout(&self) -> bool {
        self.files().any(|(_, file)| file == Path::new("-"))
    }

    /// Refuses to write two outputs to one file.
    pub fn check(&self) -> Result<(), String> {
        let files: Vec<_> = self.files().collect();
        for (place, (flag, file)) in files.iter().enumerate() {
            if let Some((other, _)) = files[..place].iter().find(|(_, before)| before == file) {
                return Err(if *file == Path::new("-") {
                    format!("{other} and {flag} cannot both go to standard output")
                } else {
                    format!("{other} and {flag} cannot both write {}", file.display())
                });
            }
        }
        Ok(())
    }
}
