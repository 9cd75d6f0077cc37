//! What a person sees when a run has ended: at most 80 columns, and what must not be overlooked first.

use super::figures::{bytes, micros, percent, rate, short, thousands};
use super::{Client, Connections, Latency, Messages, Recovery, Report, Server};
use std::collections::BTreeMap;

/// Columns of a terminal that everybody has.
pub(super) const WIDTH: usize = 80;
/// Of the names of rows, in all sections.
const NAMES: usize = 13;
/// Of counts, right of a name.
const COUNTS: usize = 14;
/// Of other columns, at least.
const COLUMNS: usize = 9;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// The report as text. With `colour`, warnings and faults are told by colour too.
pub fn table(report: &Report, colour: bool) -> String {
    let mut table = Table { text: String::new(), colour };
    if !report.is_valid {
        table.line(
            "INVALID: the client could not keep up; the figures below are not the server's.",
            Some(RED),
        );
    }
    for warning in &report.warnings {
        table.paragraph("", &format!("warning: {warning}"), Some(YELLOW));
    }
    if !table.text.is_empty() {
        table.line("", None);
    }
    let interrupted = if report.interrupted { ", interrupted" } else { "" };
    let title = format!("{} on {}, {} s{interrupted}", report.scenario, report.url, short(report.seconds));
    table.paragraph("", &title, None);
    table.connections(&report.connections);
    if let Some(messages) = &report.messages {
        table.messages(messages);
    }
    if let Some(recovery) = &report.recovery {
        table.recovery(recovery);
    }
    table.latency(report);
    table.cost(report);
    table.text
}

struct Table {
    text: String,
    colour: bool,
}

impl Table {
    fn connections(&mut self, connections: &Connections) {
        self.heading("connections");
        let handshake = connections.handshake.as_ref().map_or(String::new(), |handshake| {
            format!("; handshake p50 {}, p99 {}", micros(handshake.p50), micros(handshake.p99))
        });
        self.count("wanted", connections.wanted, "", None);
        self.count("opened", connections.opened, &(rate(connections.per_second) + &handshake), None);
        self.causes("failed", &connections.failed);
        self.causes("lost", &connections.lost);
        self.count("open at end", connections.open_at_end, "", None);
    }

    fn recovery(&mut self, recovery: &Recovery) {
        let until = |latency: &Option<Latency>| {
            latency.as_ref().map_or(String::new(), |latency| {
                format!("half after {}, the last after {}", micros(latency.p50), micros(latency.max))
            })
        };
        self.heading("after the storm");
        self.count("cut off", recovery.members, "", None);
        self.count("back", recovery.back, &until(&recovery.until_back), None);
        self.count("served", recovery.served, &until(&recovery.until_served), None);
    }

    fn causes(&mut self, name: &str, causes: &BTreeMap<String, u64>) {
        let note: Vec<String> =
            causes.iter().map(|(cause, &count)| format!("{} × {cause}", thousands(count))).collect();
        self.fault(name, causes.values().sum(), &note.join(", "));
    }

    fn messages(&mut self, messages: &Messages) {
        self.heading("messages");
        let planned =
            messages.planned_rate.map_or(String::new(), |planned| format!(" of {} planned", rate(planned)));
        self.count("sent", messages.sent, &(rate(messages.sent_per_second) + &planned), None);
        self.count("expected", messages.expected, "", None);
        let received =
            format!("{}, {}/s", rate(messages.received_per_second), bytes(messages.bytes_per_second));
        self.count("received", messages.received, &received, None);
        let share = match messages.lost {
            0 => String::new(),
            lost => percent(lost as f64 / messages.expected as f64),
        };
        self.fault("lost", messages.lost, &share);
        self.fault("duplicated", messages.duplicated, "");
        self.fault("reordered", messages.reordered, "");
        self.fault("damaged", messages.damaged, "");
        if messages.strayed > 0 {
            self.fault("strayed", messages.strayed, "");
        }
    }

    fn latency(&mut self, report: &Report) {
        let figures = [
            ("  from due", &report.latency),
            ("  from sent", &report.latency_raw),
            ("  sent late", &report.client.lag),
        ];
        if figures.iter().all(|(_, figures)| figures.is_none()) {
            return;
        }
        let mut rows = vec![["latency", "p50", "p90", "p95", "p99", "p99.9", "max"].map(str::to_owned)];
        for (name, latency) in figures {
            let Some(Latency { p50, p90, p95, p99, p999, max, .. }) = latency else { continue };
            let [p50, p90, p95, p99, p999, max] = [p50, p90, p95, p99, p999, max].map(|&at| micros(at));
            rows.push([name.to_owned(), p50, p90, p95, p99, p999, max]);
        }
        self.grid(&rows);
    }

    fn cost(&mut self, report: &Report) {
        let head = ["cost", "CPU", "in kernel", "cores", "a delivery", "connecting", "connected"];
        let client = Cost::of_client(&report.client).row("  client", report.seconds);
        let mut rows = vec![head.map(str::to_owned), client];
        if let Some(server) = &report.server {
            rows.push(Cost::of_server(server).row("  server", report.seconds));
        }
        self.grid(&rows);
        let mut thread = |whose, ran, waited| {
            let (ran, waited) = (percent(ran), percent(waited));
            let text = format!("  {whose}: busiest thread ran {ran} of the time, waited for a core {waited}");
            self.line(&text, None);
        };
        thread("client", report.client.busiest_thread, report.client.waited);
        if let Some(server) = &report.server {
            thread("server", server.busiest_thread, server.waited);
            let [before, peak, after] = [server.memory_before, server.memory_peak, server.memory_after]
                .map(|size| bytes(size as f64));
            let memory =
                format!("  server: memory {before} at first, {peak} at its peak, {after} at the end");
            self.line(&memory, None);
        }
    }

    fn heading(&mut self, name: &str) {
        self.line("", None);
        self.line(name, None);
    }

    /// A count that should be none.
    fn fault(&mut self, name: &str, count: u64, note: &str) {
        self.count(name, count, note, (count > 0).then_some(RED));
    }

    fn count(&mut self, name: &str, count: u64, note: &str, colour: Option<&str>) {
        let start = format!("  {name:<NAMES$}{:>COUNTS$}  ", thousands(count));
        self.paragraph(&start, note, colour);
    }

    /// The first row is the heading. A column with nothing below its heading is left out.
    fn grid<const N: usize>(&mut self, rows: &[[String; N]]) {
        self.line("", None);
        let width = |text: &String| text.chars().count();
        let columns: Vec<(usize, usize)> = (1..N)
            .filter(|&column| rows.iter().skip(1).any(|row| !row[column].is_empty()))
            .map(|column| {
                (column, rows.iter().map(|row| width(&row[column]) + 2).max().unwrap_or(0).max(COLUMNS))
            })
            .collect();
        for row in rows {
            let mut line = format!("{:<NAMES$}", row[0]);
            for &(column, width) in &columns {
                line += &format!("{:>width$}", row[column]);
            }
            self.line(&line, None);
        }
    }

    /// Text after `start`, broken where a line is full and then indented as far as `start` goes.
    fn paragraph(&mut self, start: &str, text: &str, colour: Option<&str>) {
        let indent = start.chars().count();
        for (index, line) in wrap(text, WIDTH - indent).iter().enumerate() {
            let start = if index == 0 { start.to_owned() } else { " ".repeat(indent) };
            self.line(&(start + line), colour);
        }
    }

    fn line(&mut self, line: &str, colour: Option<&str>) {
        let line = line.trim_end();
        match colour.filter(|_| self.colour) {
            Some(colour) => self.text += &format!("{colour}{line}{PLAIN}\n"),
            None => self.text += &format!("{line}\n"),
        }
    }
}

/// What client and server both have.
struct Cost {
    user: f64,
    system: f64,
    per_delivery: Option<f64>,
    per_connection: Option<f64>,
    memory_per_connection: f64,
}

impl Cost {
    fn of_client(client: &Client) -> Cost {
        let Client { user, system, per_delivery, memory_per_connection, .. } = *client;
        Cost { user, system, per_delivery, per_connection: None, memory_per_connection }
    }

    fn of_server(server: &Server) -> Cost {
        let Server { user, system, per_delivery, per_connection, memory_per_connection, .. } = *server;
        Cost { user, system, per_delivery, per_connection: Some(per_connection), memory_per_connection }
    }

    fn row(&self, name: &str, seconds: f64) -> [String; 7] {
        let cpu = self.user + self.system;
        let share = |part: f64, whole: f64| (whole > 0.0).then_some(part / whole);
        let text = |figure: Option<f64>, text: fn(f64) -> String| figure.map_or(String::new(), text);
        [
            name.to_owned(),
            format!("{} s", short(cpu)),
            text(share(self.system, cpu), percent),
            text(share(cpu, seconds), short),
            text(self.per_delivery, micros),
            text(self.per_connection, micros),
            bytes(self.memory_per_connection),
        ]
    }
}

/// Breaks text at blanks, and within a word that is longer than a line. At least one line comes of it, and nothing that
/// a terminal would obey: reports and causes come from elsewhere.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(printable(c));
            used += 1;
        }
    }
    lines.push(line);
    lines
}

/// What a terminal shows for a character that it would obey.
pub(super) fn printable(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_broadcast_is_told_whole() {
        let expected = "\
broadcast on ws://127.0.0.1:8080/chat, 30 s

connections
  wanted               10,000
  opened                9,997  4,321/s; handshake p50 800 µs, p99 3.20 ms
  failed                    3  2 × connection refused, 1 × timed out
  lost                      2  2 × connection reset
  open at end           9,995

messages
  sent                  3,000  100/s of 100/s planned
  expected         29,991,000
  received         29,990,998  999,700/s, 120 MiB/s
  lost                      2  <0.01 %
  duplicated                0
  reordered                 1
  damaged                   0

latency            p50      p90      p95      p99    p99.9      max
  from due        1 ms     2 ms     3 ms     4 ms     8 ms    10 ms
  from sent     900 µs  1.80 ms  2.70 ms  3.60 ms  7.20 ms     9 ms
  sent late      12 µs    24 µs    36 µs    48 µs    96 µs   120 µs

cost               CPU  in kernel    cores  a delivery  connecting  connected
  client        12.3 s     66.7 %     0.41      412 ns               1.70 KiB
  server        20.1 s     85.1 %     0.67      670 ns     41.3 µs   2.10 KiB
  client: busiest thread ran 41 % of the time, waited for a core 1 %
  server: busiest thread ran 40 % of the time, waited for a core 1 %
  server: memory 4.10 MiB at first, 35.2 MiB at its peak, 29.9 MiB at the end
";
        assert_eq!(table(&sample::broadcast(), false), expected);
    }

    #[test]
    fn what_a_scenario_does_not_have_is_left_out() {
        let text = table(&sample::connect(), false);
        for absent in ["messages", "latency", "server", "a delivery", "connecting", "late"] {
            assert!(!text.contains(absent), "{absent} in\n{text}");
        }
        let report = Report { latency: None, ..sample::broadcast() };
        let text = table(&report, false);
        assert!(text.contains("from sent") && !text.contains("from due"), "{text}");
    }

    #[test]
    fn a_storm_is_told_by_how_everybody_came_back() {
        let report = Report { recovery: Some(sample::recovery()), ..sample::broadcast() };
        let expected = "
after the storm
  cut off               9,997
  back                  9,996  half after 50 ms, the last after 500 ms
  served                9,990  half after 70 ms, the last after 700 ms
";
        let text = table(&report, false);
        assert!(text.contains(expected), "{text}");
        assert!(!table(&sample::broadcast(), false).contains("storm"));
    }

    #[test]
    fn deliveries_that_strayed_are_told_if_there_are_any() {
        let mut report = sample::broadcast();
        assert!(!table(&report, false).contains("strayed"));
        if let Some(messages) = &mut report.messages {
            messages.strayed = 17;
        }
        assert!(table(&report, false).contains("\n  strayed                  17\n"));
    }

    #[test]
    fn the_first_line_says_that_a_run_is_invalid_and_warnings_follow() {
        let warnings = vec!["The client was busy for 98 % of the time.".to_owned(), "Another.".to_owned()];
        let report = Report { is_valid: false, interrupted: true, warnings, ..sample::broadcast() };
        let text = table(&report, false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("INVALID"));
        assert_eq!(
            lines[1..4],
            ["warning: The client was busy for 98 % of the time.", "warning: Another.", ""]
        );
        assert_eq!(lines[4], "broadcast on ws://127.0.0.1:8080/chat, 30 s, interrupted");
    }

    #[test]
    fn no_line_is_longer_than_80_columns() {
        let mut report = sample::broadcast();
        report.is_valid = false;
        report.url = format!("ws://127.0.0.1:8080/chat/{}", "room".repeat(40));
        report.warnings = vec!["These are words. ".repeat(20), "x".repeat(200)];
        report.connections.failed =
            (500..520).map(|status| (format!("HTTP status {status}"), 10_000)).collect();
        report.connections.wanted = 10_000_000;
        if let Some(server) = &mut report.server {
            server.memory_per_connection = 1_000.0 * 1024.0;
            server.per_connection = 999e3;
            server.user = 1e4;
        }
        let text = table(&report, false);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains("519"));
    }

    #[test]
    fn a_terminal_is_not_made_to_obey_what_a_server_said() {
        let mut report = sample::broadcast();
        report.connections.lost.insert("closed by the server: \u{1b}[2J\u{9b}1m".to_owned(), 1);
        let text = table(&report, false);
        assert!(text.contains("closed by the server: \u{fffd}[2J\u{fffd}1m"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{9b}']));
    }

    #[test]
    fn colour_marks_warnings_and_faults_and_nothing_else() {
        let warned = Report { warnings: vec!["Beware.".to_owned()], is_valid: false, ..sample::broadcast() };
        let coloured = table(&warned, true);
        let marked: Vec<&str> = coloured
            .lines()
            .filter(|line| line.contains('\x1b'))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let expected =
            ["\x1b[31mINVALID:", "\x1b[33mwarning:", "\x1b[31m", "\x1b[31m", "\x1b[31m", "\x1b[31m"];
        assert_eq!(marked, expected);
        assert!(!table(&sample::connect(), true).contains('\x1b'));
        let bare = [RED, YELLOW, PLAIN].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(bare, table(&warned, false));
    }
}
