//! Reads settings from their sources and keeps what is wrong with them.

use super::cli::Flags;
use super::environment::Environment;
use super::fault::{Fault, Source, Written};
use super::setting::{Form, Setting, variable};
use std::ffi::OsStr;

/// The sources of the settings, and the faults and notes so far.
#[derive(Debug)]
pub(super) struct Values<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
    pub faults: Vec<Fault>,
    /// What the operator may want to know of settings that were changed or that do nothing.
    pub notes: Vec<String>,
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Value<T> {
    pub value: T,
    written: Written,
}

impl<T> Value<T> {
    fn is_default(&self) -> bool {
        self.written.source == Source::Default
    }

    /// The value, or 0 if none was given and the limit is off by default.
    pub fn unless_off_by_default(self, is_off: bool) -> T
    where
        T: Default,
    {
        if is_off && self.is_default() { T::default() } else { self.value }
    }

    /// Takes the value of `leader`, unless one was given.
    pub fn follow(&mut self, leader: &Value<T>)
    where
        T: Copy,
    {
        if self.is_default() {
            self.value = leader.value;
        }
    }
}

impl<'a> Values<'a> {
    pub fn new(flags: &'a Flags, environment: &'a Environment) -> Values<'a> {
        Values { flags, environment, faults: Vec::new(), notes: Vec::new() }
    }

    /// The value of a setting; its default if what is written cannot be used.
    pub fn read<T>(&mut self, setting: &Setting<T>) -> Value<T> {
        self.find(setting).unwrap_or_else(|| {
            let text = setting.default.to_owned();
            let written = Written { name: setting.name, source: Source::Default, text };
            let value = (setting.parse)(setting.default);
            Value { value: value.expect("a test reads all defaults"), written }
        })
    }

    /// The same where nothing else matters than the value.
    pub fn take<T>(&mut self, setting: &Setting<T>) -> T {
        self.read(setting).value
    }

    /// The value of a setting that has no default, if it is given.
    pub fn find<T>(&mut self, setting: &Setting<T>) -> Option<Value<T>> {
        let (source, texts) = self.written(setting)?;
        let written = Written { name: setting.name, source, text: texts.into_iter().next_back()? };
        match (setting.parse)(&written.text) {
            Ok(value) => Some(Value { value, written }),
            Err(advice) => {
                self.faults.push(Fault::invalid(written, advice));
                None
            }
        }
    }

    /// The values of a list.
    pub fn list<T>(&mut self, setting: &Setting<T>) -> Vec<T> {
        let given = self.written(setting);
        let (source, texts) = given.unwrap_or_else(|| (Source::Default, elements(setting.default)));
        let mut values = Vec::new();
        for text in texts {
            match (setting.parse)(&text) {
                Ok(value) => values.push(value),
                Err(advice) => {
                    let written = Written { name: setting.name, source, text };
                    self.faults.push(Fault::invalid(written, advice));
                }
            }
        }
        values
    }

    /// Requires that `low` is not more than `high`, where a `high` of 0 is no limit. Of two values that were given this
    /// is a fault; a default follows the other, by `margin` above if it has to rise.
    pub fn order(&mut self, low: &mut Value<usize>, high: &mut Value<usize>, margin: usize) {
        if high.value == 0 || low.value <= high.value {
            return;
        }
        let (follower, leader, value) = match (low.is_default(), high.is_default()) {
            (false, false) => {
                self.faults.push(Fault::contradiction(low.written.clone(), high.written.clone()));
                return;
            }
            (true, _) => (low, &*high, high.value),
            (false, true) => (high, &*low, low.value + margin),
        };
        follower.value = value;
        let shown = crate::values::shown_size(value);
        self.notes.push(format!("{}: {} is {shown} to match", leader.written, follower.written.place()));
    }

    /// Adds a fault: a value that means something, but not here.
    pub fn refuse<T>(&mut self, value: &Value<T>, advice: &str) {
        self.faults.push(Fault::invalid(value.written.clone(), advice.to_owned()));
    }

    /// Notes that a setting that was given does nothing, since another one is off.
    pub fn note_unused<T, U>(&mut self, unused: &Value<T>, because: &Value<U>) {
        if !unused.is_default() {
            self.notes.push(format!("{} has no effect with {}", unused.written, because.written));
        }
    }

    /// What is written for a setting, and where; `None` if nothing is.
    fn written<T>(&mut self, setting: &Setting<T>) -> Option<(Source, Vec<String>)> {
        let name = setting.name;
        let (source, raw) = match self.flags.find(name) {
            Some(values) => (Source::Flag, values.to_vec()),
            None => (Source::Variable, vec![self.environment.find(&variable(name))?.to_owned()]),
        };
        let mut texts = Vec::new();
        for value in raw {
            let text = match utf8(&value) {
                Ok(text) => text,
                Err(written) => {
                    let written = Written { name, source, text: written };
                    self.faults.push(Fault::invalid(written, "write it in UTF-8".to_owned()));
                    continue;
                }
            };
            match setting.form {
                Form::Text => texts.push(text.trim_end_matches(['\r', '\n']).to_owned()),
                Form::One => texts.push(text.trim().to_owned()),
                Form::List => texts.extend(elements(text)),
            }
        }
        let is_empty = texts.iter().all(String::is_empty);
        match source {
            // An empty variable is one that is not set.
            Source::Variable if is_empty => None,
            Source::Flag if texts.is_empty() && setting.form == Form::List => {
                Some((source, vec![String::new()]))
            }
            _ => Some((source, texts)),
        }
    }
}

/// The elements of a list, which may end in a comma.
fn elements(text: &str) -> Vec<String> {
    let elements = text.split(|c: char| c == ',' || c.is_whitespace());
    elements.filter(|element| !element.is_empty()).map(str::to_owned).collect()
}

/// The text, or what can be shown of it.
fn utf8(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| value.to_string_lossy().into_owned())
}
