//! What is wrong with a value, and where the value came from.

use super::setting::variable;
use std::fmt;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Flag,
    Variable,
    Default,
}

/// A value as it was written: the name of its setting, its source and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub name: &'static str,
    pub source: Source,
    pub text: String,
}

impl Written {
    /// The flag or the variable that the value was given to.
    pub fn place(&self) -> String {
        match self.source {
            Source::Variable => variable(self.name),
            Source::Flag | Source::Default => format!("--{}", self.name),
        }
    }
}

impl fmt::Display for Written {
    /// As in `--max-queue 1MiB` or `THRONG_MAX_QUEUE=1MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.source == Source::Variable { '=' } else { ' ' };
        write!(f, "{}{separator}{}", self.place(), printable(&self.text))
    }
}

/// Why the settings cannot be used, as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Invalid { written: Written, advice: String },
    Contradiction { low: Written, high: Written },
}

impl Fault {
    /// A value that means nothing to its setting, and what to write.
    pub(super) fn invalid(written: Written, advice: String) -> Fault {
        Fault(Kind::Invalid { written, advice })
    }

    /// Two values of which the first must not be more than the second.
    pub(super) fn contradiction(low: Written, high: Written) -> Fault {
        Fault(Kind::Contradiction { low, high })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Invalid { written, advice } => {
                write!(f, "invalid value '{}' for {}: {advice}", printable(&written.text), written.place())
            }
            Kind::Contradiction { low, high } => {
                write!(f, "{low} is more than {high}: lower the first or raise the second")
            }
        }
    }
}

/// Without characters that a terminal would obey, and cut.
fn printable(text: &str) -> String {
    const SHOWN: usize = 100;
    let mut escaped = text.escape_debug();
    let mut shown: String = escaped.by_ref().take(SHOWN).collect();
    if escaped.next().is_some() {
        shown.push('…');
    }
    shown
}
