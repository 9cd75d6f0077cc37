//! The documents against the program: settings, codes, frames, commands and links.

use crate::support::{Client, Raw, Server, throng};
use clap::CommandFactory;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use throng::config::Cli;

const PROTOCOL: &str = include_str!("../../PROTOCOL.md");
const OPERATING: &str = include_str!("../../OPERATING.md");
const README: &str = include_str!("../../README.md");
const DOCUMENTS: [(&str, &str); 7] = [
    ("README.md", README),
    ("PROTOCOL.md", PROTOCOL),
    ("OPERATING.md", OPERATING),
    ("LOADTESTING.md", include_str!("../../LOADTESTING.md")),
    ("CONTRIBUTING.md", include_str!("../../CONTRIBUTING.md")),
    ("CHANGELOG.md", include_str!("../../CHANGELOG.md")),
    ("benches/README.md", include_str!("../../benches/README.md")),
];

/// The lines under a heading, up to the next heading of the same level or of a higher one.
#[track_caller]
fn section<'d>(document: &'d str, heading: &str) -> Vec<&'d str> {
    let level = heading.find(' ').unwrap();
    let mut lines = lines_outside_code(document).skip_while(|(line, _)| *line != heading);
    assert!(lines.next().is_some(), "no heading {heading:?}");
    let is_higher = |line: &str| line.find(' ').is_some_and(|hashes| hashes <= level);
    lines
        .take_while(|(line, in_code)| *in_code || !line.starts_with('#') || !is_higher(line))
        .map(|(line, _)| line)
        .collect()
}

/// Every line, and whether it is part of a code block.
fn lines_outside_code(document: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut in_code = false;
    document.lines().map(move |line| {
        let is_fence = line.starts_with("```");
        in_code ^= is_fence;
        (line, in_code || is_fence)
    })
}

/// The lines of the code blocks in a language.
fn code<'d>(lines: &[&'d str], language: &str) -> Vec<&'d str> {
    let fence = format!("```{language}");
    let mut lines = lines.iter();
    let mut found = Vec::new();
    while lines.any(|line| *line == fence) {
        found.extend(lines.by_ref().take_while(|line| **line != "```"));
    }
    found
}

/// The cells of the rows of all tables, without the rows of headings.
fn rows<'d>(lines: &[&'d str]) -> Vec<Vec<&'d str>> {
    let is_rule = |line: &str| line.starts_with("|---");
    lines
        .iter()
        .enumerate()
        .filter(|(index, line)| {
            let is_heading = lines.get(index + 1).is_some_and(|next| is_rule(next));
            line.starts_with('|') && !is_rule(line) && !is_heading
        })
        .map(|(_, line)| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The parts of a text that are set as code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What a document and the help say of a setting: its default and its variable.
#[derive(Debug)]
struct Described {
    default: Option<String>,
    variable: Option<String>,
}

/// Flags of `throng serve --help`, without dashes.
fn settings_of_help() -> BTreeMap<String, Described> {
    let output = throng().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut entries: Vec<String> = Vec::new();
    for line in help.lines().skip_while(|line| *line != "Options:") {
        match line.trim_start().starts_with('-') && line.starts_with("  ") {
            true => entries.push(line.trim().to_owned()),
            false => {
                if let Some(entry) = entries.last_mut() {
                    *entry += " ";
                    *entry += line.trim();
                }
            }
        }
    }
    let field = |entry: &str, name: &str| {
        let (_, rest) = entry.split_once(&format!("[{name}: "))?;
        Some(rest.split_once(']').expect("a closing bracket").0.to_owned())
    };
    let settings = entries.iter().map(|entry| {
        let (_, flag) = entry.split_once("--").unwrap_or_else(|| panic!("no long flag: {entry}"));
        let flag = flag.split([' ', '.', '[', '=']).next().unwrap().to_owned();
        let variable = field(entry, "env").map(|text| text.split('=').next().unwrap().to_owned());
        (flag, Described { default: field(entry, "default"), variable })
    });
    settings.filter(|(flag, _)| flag != "help").collect()
}

#[test]
fn the_settings_tables_list_every_flag_with_its_default_and_no_other() {
    let mut shown = settings_of_help();
    for row in rows(&section(OPERATING, "## Settings")) {
        let Some(flag) = quoted(row[0]).find_map(|code| code.strip_prefix("--")) else {
            panic!("no flag in {row:?}")
        };
        let Some(Described { default, variable }) = shown.remove(flag) else {
            panic!("--{flag} is not in the help, or is listed twice")
        };
        assert_eq!(variable, Some(format!("THRONG_{}", flag.replace('-', "_").to_uppercase())));
        match quoted(row[1]).next() {
            Some(value) => assert_eq!(default.as_deref(), Some(value), "--{flag}"),
            // The table says in words what happens without the flag.
            None => assert!(default.is_none_or(|default| default == row[1]), "--{flag}: {}", row[1]),
        }
    }
    assert!(shown.is_empty(), "not in OPERATING.md: {shown:?}");
}

/// The text of all source files of the server.
fn source_of_server() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut source = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path == root.join("bench") => {}
                true => folders.push(path),
                false => source += &fs::read_to_string(path).unwrap(),
            }
        }
    }
    source
}

#[test]
fn the_log_table_quotes_lines_that_the_server_writes() {
    let source = source_of_server();
    let table = section(OPERATING, "## Log");
    for line in rows(&table).iter().flat_map(|row| quoted(row[0])) {
        // What varies is written in capitals, and what is left out as an ellipsis.
        let is_fixed = |word: &&str| word.chars().any(char::is_lowercase);
        let words: Vec<&str> = line.split_whitespace().collect();
        let stretches = words.split(|word| !is_fixed(word)).map(|words| words.join(" "));
        let stretches =
            stretches.map(|stretch| stretch.trim_matches([':', ';', '(', ')', ',', '…', ' ']).to_owned());
        for stretch in stretches.filter(|stretch| stretch.contains(' ')) {
            assert!(source.contains(&stretch), "{stretch:?} of {line:?} is not in the source");
        }
    }
}

#[test]
fn every_cause_that_the_log_counts_has_its_row() {
    let source = include_str!("../../src/net/shed.rs");
    let (_, body) = source.split_once("fn words(").unwrap();
    let (body, _) = body.split_once("\n    }\n").unwrap();
    let section = section(OPERATING, "## Log").join(" ");
    for cause in body.split("Cause::").skip(1) {
        let what = cause.split('"').nth(1).unwrap();
        assert!(section.contains(what), "{what:?} is not in OPERATING.md");
    }
}

#[test]
fn every_error_code_has_its_row_and_every_row_its_error_code() {
    let source = include_str!("../../src/chat/refusal.rs");
    let (_, body) = source.split_once("fn code(").unwrap();
    let (body, _) = body.split_once("\n    }\n").unwrap();
    let codes: BTreeSet<&str> = body.split('"').skip(1).step_by(2).collect();
    let table = section(PROTOCOL, "### Error codes");
    let documented: Vec<&str> = rows(&table).iter().flat_map(|row| quoted(row[0])).collect();
    assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), codes);
    assert_eq!(documented.len(), codes.len(), "a code is listed twice: {documented:?}");
}

#[test]
fn every_close_code_has_its_row_and_every_row_its_close_code() {
    let source = include_str!("../../src/ws/close.rs");
    let constants = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    let mut codes = BTreeSet::new();
    for constant in constants {
        let (name, value) = constant.split_once(": CloseCode = CloseCode(").unwrap();
        // For applications built on the library: the server has no such fault.
        if name != "INTERNAL" {
            codes.insert(value.trim_end_matches(");"));
        }
    }
    let table = section(PROTOCOL, "## Close codes");
    let documented: BTreeSet<&str> = rows(&table).iter().map(|row| row[0]).collect();
    assert_eq!(documented, codes);
}

/// The kinds of values at each place of an object: `history.text` → `{"string"}`.
type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn add_shape(shape: &mut Shape, place: &str, value: &Value) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            items.iter().for_each(|item| add_shape(shape, place, item));
            "array"
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                add_shape(shape, &place, value);
            }
            "object"
        }
    };
    shape.entry(place.to_owned()).or_default().insert(kind);
}

/// What all objects of each type have together.
#[derive(Default)]
struct Shapes(BTreeMap<String, Shape>);

impl Shapes {
    fn add(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_else(|| panic!("no type: {event}"));
        add_shape(self.0.entry(kind.to_owned()).or_default(), "", event);
    }
}

fn example(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A `json` client that remembers the shapes of all that it receives.
struct Observer<'s> {
    client: Client,
    shapes: &'s mut Shapes,
}

impl Observer<'_> {
    #[track_caller]
    fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.client.json();
            self.shapes.add(&event);
            if event["type"] == kind {
                return event;
            }
        }
    }

    fn ask(&mut self, request: Value) {
        self.client.say(&request.to_string());
    }
}

/// Has the server send every kind of event, with all fields that it may have.
fn observe_all(shapes: &mut Shapes) {
    let server = Server::start(&[]);
    {
        let mut ada = Observer { client: server.ws("/chat/lobby"), shapes };
        ada.until("joined");
        ada.ask(json!({"type": "say", "text": "hi", "id": "m1"}));
        ada.until("message");
        let mut bob = server.ws("/chat/lobby");
        assert_eq!(bob.json_of("joined")["history"][0]["text"], "hi");
        ada.until("join");
        for (request, answer) in [
            (json!({"type": "join", "room": "lobby"}), "joined"),
            (json!({"type": "nick", "name": "Ada"}), "nick"),
            (json!({"type": "who"}), "who"),
            (json!({"type": "ping"}), "pong"),
            (json!({"type": "say", "text": "x".repeat(16_385), "id": "m2"}), "error"),
        ] {
            ada.ask(request);
            ada.until(answer);
        }
        drop(bob);
        ada.until("leave");
        // More than one `joined` holds.
        for _ in 0..5 {
            ada.ask(json!({"type": "say", "text": "x".repeat(16_000)}));
        }
        ada.ask(json!({"type": "join", "room": "lobby"}));
        assert_eq!(ada.until("joined")["more"], true);
        ada.ask(json!({"type": "leave"}));
        ada.until("left");
    }
    let server = Server::start(&["--presence-limit", "0"]);
    let mut ada = Observer { client: server.ws("/chat/lobby"), shapes };
    ada.until("joined");
    let _bob = server.ws("/chat/lobby");
    ada.until("online");

    let limits = ["--max-queue", "64KiB", "--high-water", "64KiB", "--max-text", "64KiB", "--rate", "0"];
    let server = Server::start(&[&["--slow", "drop"], &limits[..]].concat());
    let narrow = Raw::narrow(server.address()).stream;
    let slow = Client::over(narrow, &server.host(), "/chat/lobby", &[]).0;
    let mut talker = server.ws("/chat/lobby");
    let text = "x".repeat(60_000);
    // More than the sockets and the queue hold.
    for _ in 0..200 {
        talker.say(&json!({"type": "say", "text": text}).to_string());
        talker.json_of("message");
    }
    Observer { client: slow, shapes }.until("gap");
}

#[test]
fn the_events_have_the_fields_that_their_examples_show() {
    let mut documented = Shapes::default();
    for line in code(&section(PROTOCOL, "### Events"), "json") {
        documented.add(&example(line));
    }
    let mut observed = Shapes::default();
    observe_all(&mut observed);
    assert_eq!(documented.0, observed.0, "left: the examples; right: what the server sends");
}

#[test]
fn every_type_of_event_and_request_of_the_source_has_an_example() {
    let events = include_str!("../../src/chat/json.rs");
    let (_, variants) = events.split_once("enum Event<'a> {\n").unwrap();
    let (variants, _) = variants.split_once("\n}\n").unwrap();
    let events = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let events = events.filter(|line| line.starts_with(char::is_uppercase));
    let events = events.map(|line| line.split([' ', '(', ',']).next().unwrap().to_lowercase());

    let requests = include_str!("../../src/chat/request.rs");
    let (_, arms) = requests.split_once("match &*kind {\n").unwrap();
    let (arms, _) = arms.split_once("Refusal::UnknownType").unwrap();
    let requests = arms.lines().filter_map(|line| line.trim().strip_prefix('"'));
    let requests = requests.map(|line| line.split('"').next().unwrap().to_owned());

    for (heading, types) in
        [("### Events", events.collect::<BTreeSet<_>>()), ("### Requests", requests.collect::<BTreeSet<_>>())]
    {
        let examples = code(&section(PROTOCOL, heading), "json");
        let examples = examples.into_iter().map(example);
        let documented: BTreeSet<String> =
            examples.filter_map(|example| example["type"].as_str().map(str::to_owned)).collect();
        assert_eq!(documented, types, "{heading}");
    }
}

#[test]
fn the_server_does_what_each_example_of_a_request_asks() {
    let server = Server::start(&[]);
    let mut client = server.ws("/chat/lobby");
    client.json_of("joined");
    for line in code(&section(PROTOCOL, "### Requests"), "json") {
        let request = example(line);
        let answer = match request["type"].as_str() {
            None | Some("say") => "message",
            Some("join") => "joined",
            Some("leave") => "left",
            Some("ping") => "pong",
            Some(kind) => kind,
        };
        client.say(line);
        let heard = client.json();
        assert_eq!(heard["type"], answer, "{line} was answered by {heard}");
        for field in ["text", "room", "name", "id"] {
            if let Some(value) = request.get(field) {
                assert_eq!(heard[field], *value, "{line} was answered by {heard}");
            }
        }
    }
}

#[test]
fn members_of_lines_and_html_see_what_the_examples_show() {
    // Times and the server's names differ.
    let masked = |text: &str| {
        let text = text.replace("guest-4qwn", "Bob");
        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>()
    };
    let server = Server::start(&[]);
    let mut lines = server.ws("/chat?format=lines&name=Bob");
    let mut seen = vec![lines.text()];
    lines.say("hi");
    seen.push(lines.text());
    let mut html = server.ws("/chat?format=html&name=Html");
    html.text();
    lines.text();
    lines.say("/nick Ada");
    seen.push(lines.text());
    lines.say("1 < 2");
    lines.text();
    lines.say("quit");
    seen.insert(2, lines.text().replace("Ada", "Bob"));
    let documented = code(&section(PROTOCOL, "## Format lines"), "text");
    let documented: Vec<String> = documented.into_iter().map(masked).collect();
    let seen: Vec<String> = seen.iter().map(|line| masked(line)).collect();
    assert_eq!(documented[..4], seen);

    let [message, notice] = code(&section(PROTOCOL, "## Format html"), "html")[..] else {
        panic!("two examples")
    };
    assert_eq!(masked(&html.text()), masked(message));
    html.say(&"x".repeat(16_385));
    assert_eq!(html.text(), notice);
}

#[test]
fn the_commands_of_lines_are_those_that_help_lists() {
    let server = Server::start(&[]);
    let mut member = server.ws("/chat?format=lines");
    member.text();
    let table = section(PROTOCOL, "## Format lines");
    let commands: Vec<String> = rows(&table)
        .iter()
        .filter_map(|row| quoted(row[0]).next())
        .map(|command| command.to_owned())
        .collect();
    member.say("/help");
    for command in commands.iter().filter(|command| *command != "/help") {
        let line = member.text();
        assert!(line.starts_with(command.as_str()), "{command} is not what {line:?} explains");
    }
}

/// The commands of the `sh` blocks, as a shell would split them.
fn commands(document: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = document.lines().collect();
    let text = code(&lines, "sh").join("\n").replace("\\\n", " ").replace("$(pidof throng)", "1");
    let mut commands = Vec::new();
    for line in text.lines() {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        for c in line.chars() {
            match (quote, c) {
                (None, '#') if word.is_none() => break,
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (Some(open), _) if c == open => quote = None,
                (None, ' ') => words.extend(word.take()),
                _ => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        commands.push(words);
    }
    commands
}

#[test]
fn the_command_lines_in_the_documents_are_ones_that_throng_takes() {
    let mut count = 0;
    for (document, text) in DOCUMENTS {
        for command in
            commands(text).iter().filter(|words| words.first().is_some_and(|word| word == "throng"))
        {
            if let Err(error) = Cli::command().try_get_matches_from(command) {
                panic!("{document}: {command:?}: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 15, "only {count} commands were found");
}

/// How GitHub names a heading in an address.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchors: BTreeMap<&str, BTreeSet<String>> = DOCUMENTS
        .into_iter()
        .map(|(name, text)| {
            let headings =
                lines_outside_code(text).filter(|(line, in_code)| !in_code && line.starts_with('#'));
            (name, headings.map(|(line, _)| anchor(line.trim_start_matches('#'))).collect())
        })
        .collect();
    for (name, text) in DOCUMENTS {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, at)| (file, Some(at)));
            let folder = Path::new(name).parent().unwrap();
            let target = if file.is_empty() { name.into() } else { folder.join(file) };
            assert!(root.join(&target).is_file(), "{name}: there is no {link}");
            if let Some(heading) = heading {
                let known = &anchors[target.to_str().unwrap()];
                assert!(known.contains(heading), "{name}: {link} is none of {known:?}");
            }
        }
    }
}

#[test]
fn the_readme_is_read_in_five_minutes() {
    assert!(README.lines().count() <= 150);
}
