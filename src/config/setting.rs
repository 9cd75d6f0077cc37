//! What a setting is: its flag, its environment variable, its default, its help and how its value is read.

use clap::{Arg, ArgAction, builder::ValueParser};

/// The variable of `--max-queue` is this and `MAX_QUEUE`.
pub(super) const PREFIX: &str = "THRONG_";

/// A setting whose value is a `T`, or a list of them.
#[derive(Debug)]
pub(super) struct Setting<T> {
    /// The name of the flag without its dashes.
    pub name: &'static str,
    /// What the value is called in the help.
    pub value: &'static str,
    /// In the syntax of the flag; empty if the setting is off unless it is given.
    pub default: &'static str,
    pub form: Form,
    pub parse: fn(&str) -> Result<T, String>,
    pub help: &'static str,
}

/// How the text of a value is divided before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One value without white space around it.
    One,
    /// Values separated by commas or white space. The flag can be repeated.
    List,
    /// Any text, blanks included.
    Text,
}

/// The part of a [`Setting`] that does not depend on the type of its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub name: &'static str,
    pub form: Form,
    value: &'static str,
    default: &'static str,
    help: &'static str,
}

/// A setting of any type.
pub(super) trait Describe: Sync {
    fn about(&self) -> About;
}

impl<T> Describe for Setting<T> {
    fn about(&self) -> About {
        About { name: self.name, form: self.form, value: self.value, default: self.default, help: self.help }
    }
}

impl About {
    /// The flag for clap, which takes any text: the values are checked together with those of other sources.
    pub fn arg(&self, heading: &'static str) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name)
            .env(variable(self.name))
            .hide_env_values(true)
            .value_name(self.value)
            .value_parser(ValueParser::os_string())
            .allow_negative_numbers(true)
            .help(self.help)
            .help_heading(heading);
        let arg = match self.form {
            Form::List => arg.action(ArgAction::Append),
            Form::One | Form::Text => arg.action(ArgAction::Set),
        };
        if self.default.is_empty() { arg } else { arg.default_value(self.default) }
    }
}

/// The environment variable of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('-', "_").to_uppercase())
}
