//! The report as one page that needs nothing beside it: it asks for nothing, and no script runs.

mod facts;

use super::chart::{Chart, Line, Phase, Quantity, Sample};
use super::{Latency, Report, Row, compare, figures};
use facts::Fact;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

const STYLE: &str = include_str!("report.css");

/// A page of named reports: of one, or of several with their lines over one another and changes against the first.
pub fn page(reports: &[(String, Report)]) -> String {
    let title = match reports {
        [(_, report)] => format!("{} on {}", report.scenario, report.url),
        _ => format!("{} runs compared", reports.len()),
    };
    let summary = match reports {
        [(_, report)] => tiles(report),
        _ => comparison(reports),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {caveats}{header}<main>\n{summary}{charts}<div class=\"tables\">\n{tables}</div>\n</main>\n</body>\n</html>\n",
        title = Escaped(&title),
        caveats = caveats(reports),
        header = header(reports),
        charts = charts(reports),
        tables = tables(reports),
    )
}

/// Text that comes from outside, made harmless for HTML.
pub(super) struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;"),
                '<' => f.write_str("&lt;"),
                '>' => f.write_str("&gt;"),
                '"' => f.write_str("&quot;"),
                '\'' => f.write_str("&#39;"),
                c => f.write_char(c),
            }?;
        }
        Ok(())
    }
}

fn caveats(reports: &[(String, Report)]) -> String {
    let caveats = compare::caveats(reports);
    if caveats.is_empty() {
        return String::new();
    }
    let is_valid = reports.iter().all(|(_, report)| report.is_valid);
    let (class, title) = match (is_valid, reports.len()) {
        (true, _) => ("caveats", "Before you read this"),
        (false, 1) => ("caveats invalid", "Not valid"),
        (false, _) => ("caveats invalid", "Not all of this is valid"),
    };
    let items: String = caveats.iter().map(|caveat| format!("<li>{}</li>\n", Escaped(caveat))).collect();
    format!("<aside class=\"{class}\">\n<h2>{title}</h2>\n<ul>\n{items}</ul>\n</aside>\n")
}

fn header(reports: &[(String, Report)]) -> String {
    let [(_, report)] = reports else {
        let runs: String = reports
            .iter()
            .enumerate()
            .map(|(at, (name, report))| {
                format!("<li>{} <b>{}</b> {}</li>\n", Sample(at), Escaped(name), origin(report))
            })
            .collect();
        return format!(
            "<header>\n<h1>{} runs compared</h1>\n<ul class=\"runs\">\n{runs}</ul>\n</header>\n",
            reports.len()
        );
    };
    format!("<header>\n<h1>{}</h1>\n<p>{}</p>\n</header>\n", Escaped(&report.scenario), origin(report))
}

/// Whose figures these are, and since when.
fn origin(report: &Report) -> String {
    let started = match report.started.parse::<Timestamp>() {
        Ok(time) => time.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
        Err(_) => report.started.clone(),
    };
    let measured = figures::micros(report.seconds * 1e6);
    format!(
        "<code>{}</code> <span>{} on {}; measured for {measured} by throng {}</span>",
        Escaped(&report.url),
        Escaped(&report.scenario),
        Escaped(&started),
        Escaped(&report.throng)
    )
}

/// The figures that most readers came for.
fn tiles(report: &Report) -> String {
    let connections = &report.connections;
    let mut tiles = Vec::new();
    let (whose, latency) = match (&report.latency, &report.latency_raw) {
        (Some(due), _) => ("latency", Some(due)),
        (None, Some(sent)) => ("latency since sent", Some(sent)),
        (None, None) => ("handshake", connections.handshake.as_ref()),
    };
    if let Some(latency) = latency {
        for (name, value) in [("p50", latency.p50), ("p99", latency.p99), ("max", latency.max)] {
            tiles.push((format!("{whose} {name}"), figures::micros(value), false));
        }
    }
    let mut tile = |name: &str, value, is_bad| tiles.push((name.to_owned(), value, is_bad));
    match &report.messages {
        Some(messages) => {
            tile("deliveries", figures::rate(messages.received_per_second), false);
            let name = format!("lost of {}", figures::thousands(messages.expected));
            tile(&name, figures::thousands(messages.lost), messages.lost > 0);
        }
        None => tile("connections opened", figures::rate(connections.per_second), false),
    }
    let name = format!("connections of {}", figures::thousands(connections.wanted));
    tile(&name, figures::thousands(connections.opened), connections.opened < connections.wanted);
    let messages = report.messages.as_ref();
    let faults = [
        ("connections lost", compare::total(&connections.lost)),
        ("duplicated", messages.map_or(0, |messages| messages.duplicated)),
        ("reordered", messages.map_or(0, |messages| messages.reordered)),
        ("damaged", messages.map_or(0, |messages| messages.damaged)),
    ];
    for (name, count) in faults.into_iter().filter(|(_, count)| *count > 0) {
        tile(name, figures::thousands(count), true);
    }
    if let Some(micros) = report.server.as_ref().and_then(|server| server.per_delivery) {
        tile("server CPU a delivery", figures::micros(micros), false);
    }
    let tiles = tiles.iter().map(|(name, value, is_bad)| {
        let class = if *is_bad { " class=\"bad\"" } else { "" };
        format!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>\n")
    });
    format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.collect::<String>())
}

/// The key figures, and their changes against the first.
fn comparison(reports: &[(String, Report)]) -> String {
    let Some(((first, baseline), others)) = reports.split_first() else { return String::new() };
    let mut columns = vec![first.as_str()];
    for (name, _) in others {
        columns.extend([name.as_str(), "change"]);
    }
    let rows = compare::FIGURES.iter().map(|&(name, of, text)| {
        let before = of(baseline);
        let mut cells = vec![before.map(text)];
        for (_, report) in others {
            let after = of(report);
            cells.push(after.map(text));
            cells.push(before.zip(after).map(|(before, after)| figures::change(before, after)));
        }
        (name.to_owned(), cells)
    });
    table("Key figures", &columns, rows)
}

fn charts(reports: &[(String, Report)]) -> String {
    let first = reports.first().map(|(_, report)| report.rows.as_slice()).unwrap_or_default();
    let phases = phases(first);
    let over_time = |title: &'static str, y, of: fn(&Row, f64) -> Option<f64>| {
        let lines = reports.iter().map(|(name, report)| {
            let name = if reports.len() == 1 { title } else { name.as_str() };
            let mut before = 0.0;
            let point = |row: &Row| (row.at, of(row, row.at - std::mem::replace(&mut before, row.at)));
            Line { name: name.to_owned(), points: report.rows.iter().map(point).collect() }
        });
        Chart { title, x: Quantity::Seconds, y, phases: &phases, lines: lines.collect() }
    };
    // The last row may be too short for a rate.
    let received = over_time("Deliveries a second", Quantity::Count, |row, seconds| {
        (seconds > 0.2).then(|| row.received as f64 / seconds)
    });
    let sent = over_time("Sent a second", Quantity::Count, |row, seconds| {
        (seconds > 0.2).then(|| row.sent as f64 / seconds)
    });
    let open = over_time("Open connections", Quantity::Count, |row, _| Some(row.open as f64));
    let p99 = over_time("p99 of each second", Quantity::Micros, |row, _| (row.p99 > 0.0).then_some(row.p99));
    let mut charts = latencies(reports).to_string();
    if !phases.is_empty() {
        charts += &legend_of(&phases, reports);
    }
    let has_messages = reports.iter().any(|(_, report)| report.messages.is_some());
    let shown = if has_messages { vec![received, sent, p99, open] } else { vec![p99, open] };
    charts += "<div class=\"charts\">\n";
    charts.extend(shown.iter().map(Chart::to_string));
    charts + "</div>\n"
}

/// The distribution: as it was due and as it was sent, or one line for each of several reports.
fn latencies(reports: &[(String, Report)]) -> Chart<'static> {
    let line = |name: &str, latency: Option<&Latency>| {
        let points = latency.map(|latency| {
            // The greatest of a thousand stands where the last of a thousand does.
            let last = 1.0 - 1.0 / latency.count.max(1) as f64;
            latency.curve.iter().map(|&(share, micros)| (share.min(last), Some(micros))).collect()
        });
        Line { name: name.to_owned(), points: points.unwrap_or_default() }
    };
    let has_messages = reports.iter().any(|(_, report)| compare::latency(report).is_some());
    let (title, lines) = match reports {
        [(_, report)] if has_messages => {
            let due = line("since due (corrected)", report.latency.as_ref());
            let sent = line("since sent (raw)", report.latency_raw.as_ref());
            ("Latency by percentile", vec![due, sent])
        }
        _ if has_messages => {
            let lines = reports.iter().map(|(name, report)| line(name, compare::latency(report)));
            ("Latency by percentile", lines.collect())
        }
        _ => {
            let lines =
                reports.iter().map(|(name, report)| line(name, report.connections.handshake.as_ref()));
            ("Handshake by percentile", lines.collect())
        }
    };
    Chart { title, x: Quantity::Share, y: Quantity::Micros, phases: &[], lines }
}

fn phases(rows: &[Row]) -> Vec<Phase> {
    let mut from = 0.0;
    let phase = |rows: &[Row]| {
        let to = rows.last()?.at;
        Some(Phase { name: rows.last()?.phase.clone(), from: std::mem::replace(&mut from, to), to })
    };
    rows.chunk_by(|one, next| one.phase == next.phase).filter_map(phase).collect()
}

fn legend_of(phases: &[Phase], reports: &[(String, Report)]) -> String {
    let until: Vec<String> =
        phases.iter().map(|phase| format!("{} until {:.0} s", phase.name, phase.to)).collect();
    let whose = match reports {
        [(first, _), _, ..] => format!(" of {first}"),
        _ => String::new(),
    };
    let text = format!("Phases{whose}: {}.", until.join(", "));
    format!("<p class=\"note\">{} All but measuring are shaded.</p>\n", Escaped(&text))
}

fn tables(reports: &[(String, Report)]) -> String {
    let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
    let rows = |facts: &'static [Fact]| {
        facts.iter().map(move |(name, of)| {
            ((*name).to_owned(), reports.iter().map(|(_, report)| of(report)).collect())
        })
    };
    let by_cause = |what: &'static str, of: fn(&Report) -> &BTreeMap<String, u64>| {
        let maps: Vec<_> = reports.iter().map(|(_, report)| of(report).clone()).collect();
        compare::side_by_side(&maps).into_iter().map(move |(cause, counts)| {
            (
                format!("{what}: {cause}"),
                counts.into_iter().map(|count| count.map(figures::thousands)).collect(),
            )
        })
    };
    let of_text = |of: fn(&Report) -> BTreeMap<String, String>| {
        compare::side_by_side(&reports.iter().map(|(_, report)| of(report)).collect::<Vec<_>>()).into_iter()
    };
    let connections = rows(facts::CONNECTIONS)
        .chain(by_cause("failed", |report| &report.connections.failed))
        .chain(by_cause("lost", |report| &report.connections.lost));
    let mut tables = table("Connections", &names, connections);
    tables += &table("Messages", &names, rows(facts::MESSAGES));
    tables += &latency_tables(reports, &names);
    tables += &table("Cost of the server", &names, rows(facts::SERVER));
    tables += &table("Cost of the client", &names, rows(facts::CLIENT));
    tables += &table("Settings", &names, of_text(|report| report.settings.clone()));
    tables + &table("Machine of the client", &names, of_text(compare::machine))
}

/// One table of all kinds of latency for one report; for several a table for each kind.
fn latency_tables(reports: &[(String, Report)], names: &[&str]) -> String {
    if let [(_, report)] = reports {
        let present = facts::LATENCIES.iter().filter_map(|(name, of)| Some((*name, of(report)?)));
        let (kinds, latencies): (Vec<&str>, Vec<_>) =
            present.map(|(name, latency)| (name, Some(latency))).unzip();
        return table("Latencies", &kinds, latency_rows(latencies));
    }
    let kinds = facts::LATENCIES.iter().map(|(name, of)| {
        let latencies = reports.iter().map(|(_, report)| of(report)).collect();
        table(&format!("Latency: {name}"), names, latency_rows(latencies))
    });
    kinds.collect()
}

fn latency_rows(latencies: Vec<Option<&Latency>>) -> impl Iterator<Item = (String, Vec<Option<String>>)> {
    facts::LATENCY.iter().map(move |(name, of)| {
        ((*name).to_owned(), latencies.iter().map(|latency| latency.map(of)).collect())
    })
}

/// A table without the rows that are empty, or nothing if all are.
fn table(title: &str, columns: &[&str], rows: impl Iterator<Item = (String, Vec<Option<String>>)>) -> String {
    let mut body = String::new();
    for (name, cells) in rows.filter(|(_, cells)| cells.iter().any(Option::is_some)) {
        body += &format!("<tr><th scope=\"row\">{}</th>", Escaped(&name));
        for cell in cells {
            body += &format!("<td>{}</td>", Escaped(cell.as_deref().unwrap_or("–")));
        }
        body += "</tr>\n";
    }
    if body.is_empty() {
        return body;
    }
    let columns: String =
        columns.iter().map(|name| format!("<th scope=\"col\">{}</th>", Escaped(name))).collect();
    format!(
        "<section>\n<h2>{title}</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\">\n\
         <table>\n<thead><tr><td></td>{columns}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n</section>\n"
    )
}

#[cfg(test)]
mod tests;
