//! The format `lines`: how a line is read, and how each is written.
//!
//! Every message sent is one line. What members wrote has its control characters made blanks (all but the tab), so
//! nobody can forge another's line, or steer the terminal it is shown on.

use std::fmt::{self, Write};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    client::Clients,
    message::{Message, write_clock},
    refusal::quoted,
};

/// What can be typed, a line each.
pub(super) const HELP: [&str; 5] = [
    "/nick NAME  take another name",
    "/join ROOM  go to another room",
    "/who        see who is here",
    "/quit       leave; quit alone does as well",
    "//TEXT      say /TEXT",
];

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command<'a> {
    Say(&'a str),
    Nick(&'a str),
    Join(&'a str),
    Who,
    Help,
    Quit,
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    /// Reads a message, which may end in a line feed. `None`: a heartbeat.
    pub fn parse(message: &'a str) -> Option<Command<'a>> {
        let line = message.strip_suffix('\n').map_or(message, |line| line.strip_suffix('\r').unwrap_or(line));
        if line.trim().is_empty() {
            return None;
        }
        if line.trim_end() == "quit" {
            return Some(Command::Quit);
        }
        let Some(rest) = line.strip_prefix('/') else { return Some(Command::Say(line)) };
        if rest.starts_with('/') {
            return Some(Command::Say(rest));
        }
        let (command, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = argument.trim();
        Some(match command {
            "nick" => Command::Nick(argument),
            "join" => Command::Join(argument),
            "who" => Command::Who,
            "help" => Command::Help,
            "quit" => Command::Quit,
            _ => Command::Unknown(command),
        })
    }
}

/// One line to send.
pub(super) enum Line<'a> {
    Welcome {
        name: &'a str,
    },
    Message(&'a Message<'a>),
    Logout {
        time: Timestamp,
        name: &'a str,
    },
    Nick {
        name: &'a str,
        was: &'a str,
    },
    Who {
        room: &'a str,
        online: usize,
        listed: &'a [u32],
        clients: &'a Clients,
    },
    AlreadyIn {
        room: &'a str,
    },
    UnknownCommand(&'a str),
    /// A sentence, or a line of help.
    Notice(&'a dyn fmt::Display),
}

impl Line<'_> {
    /// Replaces what is in `out` by the line.
    pub fn write(&self, zone: &TimeZone, out: &mut String) {
        out.clear();
        self.compose(zone, &mut OneLine(out)).expect("writing to a String does not fail");
    }

    fn compose(&self, zone: &TimeZone, out: &mut OneLine<'_>) -> fmt::Result {
        match self {
            Line::Welcome { name } => write!(out, "Welcome {name} !"),
            Line::Message(message) => {
                write_clock(out.0, message.time, zone);
                write!(out, " {} say: {}", message.name, message.text)
            }
            Line::Logout { time, name } => {
                write_clock(out.0, *time, zone);
                write!(out, " {name} say: Logout")
            }
            Line::Nick { name, was } => write!(out, "{was} is now {name}"),
            Line::Who { room, online, listed, clients } => {
                write!(out, "{online} in {room}")?;
                for (index, &slot) in listed.iter().enumerate() {
                    let separator = if index == 0 { ": " } else { ", " };
                    write!(out, "{separator}{}", clients.present(slot).name)?;
                }
                match online - listed.len() {
                    more if more > 0 && !listed.is_empty() => write!(out, " and {more} more"),
                    _ => Ok(()),
                }
            }
            Line::AlreadyIn { room } => write!(out, "You are in {room} already."),
            Line::UnknownCommand(command) => {
                write!(out, "Unknown command /{}. /help lists the commands.", quoted(command))
            }
            Line::Notice(sentence) => write!(out, "{sentence}"),
        }
    }
}

/// Makes one line of whatever is written to it.
struct OneLine<'a>(&'a mut String);

impl Write for OneLine<'_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        while let Some(at) = text.find(breaks_lines) {
            self.0.push_str(&text[..at]);
            self.0.push(' ');
            let mut rest = text[at..].chars();
            rest.next();
            text = rest.as_str();
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn breaks_lines(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}
