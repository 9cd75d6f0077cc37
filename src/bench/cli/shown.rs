//! The settings as a report shows them. Reports are shared, so everything that may hold a secret is shown as
//! `…`.

use super::super::summary::Settings;
use super::super::target;
use super::super::template::Template;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// Settings that do not affect figures.
const WITHOUT_EFFECT: [&str; 8] =
    ["json", "csv", "hdr", "html", "expect", "quiet", "allow_invalid", "server_pid"];

/// Returns the settings of a scenario by the name of their flag, and the command line that repeats the run.
/// `matches` are those of the whole program.
///
/// Values of header fields, text of --on-open and --message outside placeholders, names of subprotocols (some
/// clients send a token as one) and queries of URLs are hidden.
pub(crate) fn shown_settings(program: &Command, matches: &ArgMatches) -> (Settings, String) {
    let (mut command, mut matches) = (program, matches);
    let mut words = vec![command.get_name().to_owned()];
    while let Some((name, inner)) = matches.subcommand()
        && let Some(subcommand) = command.find_subcommand(name)
    {
        (command, matches) = (subcommand, inner);
        words.push(name.to_owned());
    }
    let mut settings = Settings::new();
    let mut written = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let Ok(Some(values)) = matches.try_get_raw(id) else { continue };
        let values: Vec<String> = values.map(|value| shown(id, &value.to_string_lossy())).collect();
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            let places = matches.indices_of(id).into_iter().flatten();
            written.extend(places.zip(&values).map(|(place, value)| (place, word(arg, value))));
        }
        if !arg.is_positional() && !WITHOUT_EFFECT.contains(&id) {
            settings.insert(id.replace('_', "-"), values.join(", "));
        }
    }
    written.sort();
    words.extend(written.into_iter().map(|(_, word)| word));
    (settings, words.join(" "))
}

fn shown(id: &str, value: &str) -> String {
    match id {
        "header" => format!("{}: …", value.split(':').next().unwrap_or_default()),
        "on_open" | "message" => Template::new(value).masked(),
        "subprotocol" => "…".to_owned(),
        "urls" => target::shown(value),
        _ => value.to_owned(),
    }
}

/// Formats a flag and its value for a command line.
fn word(arg: &Arg, value: &str) -> String {
    let Some(name) = arg.get_long() else { return quoted(value) };
    match value {
        _ if !arg.get_action().takes_values() => format!("--{name}"),
        "" => format!("--{name}"),
        _ if arg.is_require_equals_set() || value.len() > 1 && value.starts_with('-') => {
            format!("--{name}={}", quoted(value))
        }
        _ => format!("--{name} {}", quoted(value)),
    }
}

/// Quotes text for a shell if necessary.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
