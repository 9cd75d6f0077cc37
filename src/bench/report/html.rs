//! The report as one page that needs nothing beside it: it asks for nothing, and no script runs.

mod charts;
mod facts;
mod tables;

use super::chart::Sample;
use super::{Latency, Report, compare, figures};
use jiff::Timestamp;
use std::fmt::{self, Write};

const STYLE: &str = include_str!("report.css");

/// What most says what was done, in this order.
const FOREMOST: [&str; 15] = [
    "for",
    "connections",
    "rooms",
    "ramp",
    "senders",
    "rate",
    "depth",
    "size",
    "binary",
    "deflate",
    "stalled",
    "read-rate",
    "restless",
    "churn",
    "jitter",
];

/// A page of named reports: of one, or of several with their lines over one another and changes against the first.
pub fn page(reports: &[(String, Report)]) -> String {
    let (title, header, summary) = match reports {
        [(_, report)] => (format!("{} on {}", report.scenario, report.url), header(report), tiles(report)),
        _ => (format!("{} runs compared", reports.len()), headers(reports), tables::key_figures(reports)),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body style=\"--runs: {runs}\">\n\
         {caveats}{header}<main>\n{summary}{charts}<div class=\"tables\">\n{tables}</div>\n</main>\n</body>\n</html>\n",
        title = Escaped(&title),
        runs = reports.len(),
        caveats = caveats(reports),
        charts = charts::charts(reports),
        tables = tables::tables(reports),
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

/// The same with the flags of a command line set apart, which are not to be broken at their hyphens.
struct Sentence<'a>(&'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.0.split_inclusive(' ') {
            match word.trim_end_matches(|c: char| !c.is_alphanumeric()) {
                flag if flag.starts_with("--") => {
                    write!(
                        f,
                        "<code class=\"flag\">{}</code>{}",
                        Escaped(flag),
                        Escaped(&word[flag.len()..])
                    )?;
                }
                _ => write!(f, "{}", Escaped(word))?,
            }
        }
        Ok(())
    }
}

/// What to know before any figure.
fn caveats(reports: &[(String, Report)]) -> String {
    let mut items = String::new();
    for (at, (name, report)) in reports.iter().enumerate() {
        let whose = match reports.len() {
            1 => String::new(),
            _ => format!("{} <b>{}</b>: ", Sample(at), Escaped(name)),
        };
        for warning in compare::warnings(report) {
            items += &format!("<li>{whose}{}</li>\n", Sentence(&warning));
        }
    }
    for difference in compare::differences(reports) {
        let name = |(name, _): &(String, _)| format!("<span class=\"flag\">{}</span>", Escaped(name));
        let names: Vec<String> = difference.values.iter().map(name).collect();
        items += &format!("<li>The {} differ: {}.</li>\n", difference.what, names.join(", "));
    }
    items.extend(compare::mixed_plans(reports).map(|sentence| format!("<li>{sentence}</li>\n")));
    if items.is_empty() {
        return items;
    }
    let is_valid = reports.iter().all(|(_, report)| report.is_valid);
    let (class, title) = match (is_valid, reports.len()) {
        (true, _) => ("caveats", "Before you read this"),
        (false, 1) => ("caveats invalid", "Not valid"),
        (false, _) => ("caveats invalid", "Not all of this is valid"),
    };
    format!("<aside class=\"{class}\">\n<h2>{title}</h2>\n<ul>\n{items}</ul>\n</aside>\n")
}

fn header(report: &Report) -> String {
    let settings = FOREMOST.iter().filter_map(|&name| Some((name, report.settings.get(name)?.as_str())));
    let settings = settings.filter(|(_, value)| *value != "false");
    format!(
        "<header>\n<h1>{}{}</h1>\n<p><code>{}</code></p>\n{}<p class=\"note\">{}</p>\n</header>\n",
        Escaped(&report.scenario),
        state(report),
        Escaped(&report.url),
        with_values(settings),
        origin(report)
    )
}

/// The runs with what is their own.
fn headers(reports: &[(String, Report)]) -> String {
    let differences = compare::differences(reports);
    let own = |at: usize| {
        let all = differences.iter().filter(|difference| difference.what != "runs");
        let values = all.flat_map(|difference| &difference.values);
        values.filter_map(move |(name, values)| Some((name.as_str(), values[at].as_deref()?)))
    };
    let runs = reports.iter().enumerate().map(|(at, (name, report))| {
        format!(
            "<li>\n<p>{} <b>{}</b>{}{}</p>\n<p>{} on <code>{}</code></p>\n{}<p class=\"note\">{}</p>\n</li>\n",
            Sample(at),
            Escaped(name),
            state(report),
            faults(report).iter().map(|(name, count)| mark(&format!("{} {name}", figures::thousands(*count)))).collect::<String>(),
            Escaped(&report.scenario),
            Escaped(&report.url),
            with_values(own(at)),
            origin(report)
        )
    });
    let runs: String = runs.collect();
    format!(
        "<header>\n<h1>{} runs compared</h1>\n<ul class=\"runs\">\n{runs}</ul>\n</header>\n",
        reports.len()
    )
}

fn with_values<'a>(settings: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let settings: Vec<String> = settings
        .map(|(name, value)| format!("<span>{}</span> <b>{}</b>", Escaped(name), Escaped(value)))
        .collect();
    match settings.is_empty() {
        true => String::new(),
        false => format!("<p class=\"settings\">{}</p>\n", settings.join(", ")),
    }
}

/// Since when, for how long and by what the figures were measured.
fn origin(report: &Report) -> String {
    let started = match report.started.parse::<Timestamp>() {
        Ok(time) => time.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
        Err(_) => report.started.clone(),
    };
    let measured = figures::micros(report.seconds * 1e6).replace(' ', "&nbsp;");
    format!("{}; measured for {measured} by throng {}", Escaped(&started), Escaped(&report.throng))
}

/// Marks that the figures of a run are not to be trusted.
fn state(report: &Report) -> String {
    let states = [(!report.is_valid, "not valid"), (report.interrupted, "interrupted")];
    states.iter().filter(|(is_so, _)| *is_so).map(|(_, state)| mark(state)).collect()
}

fn mark(text: &str) -> String {
    format!(" <span class=\"mark\">{text}</span>")
}

/// What went wrong, and how often.
fn faults(report: &Report) -> Vec<(&'static str, u64)> {
    let connections = &report.connections;
    let mut faults = vec![
        ("connections failed", compare::total(&connections.failed)),
        ("connections lost", compare::total(&connections.lost)),
    ];
    if let Some(messages) = &report.messages {
        faults.extend([
            ("deliveries lost", messages.lost),
            ("duplicated", messages.duplicated),
            ("reordered", messages.reordered),
            ("damaged", messages.damaged),
            ("strayed", messages.strayed),
        ]);
    }
    if let Some(recovery) = &report.recovery {
        faults.push(("never back", recovery.members.saturating_sub(recovery.back)));
        faults.push(("never served", recovery.members.saturating_sub(recovery.served)));
    }
    faults.retain(|(_, count)| *count > 0);
    faults
}

/// The figures that most readers came for, and what went wrong.
fn tiles(report: &Report) -> String {
    let mut tiles = Vec::new();
    let mut tile = |name: &str, value: String| tiles.push(("", name.to_owned(), value));
    if let Some(recovery) = &report.recovery {
        for (name, count, latency) in [
            ("back", recovery.back, &recovery.until_back),
            ("served", recovery.served, &recovery.until_served),
        ] {
            tile(&format!("{name} of {}", figures::thousands(recovery.members)), figures::thousands(count));
            if let Some(Latency { p50, max, .. }) = latency {
                tile(&format!("half {name} after"), figures::micros(*p50));
                tile(&format!("last {name} after"), figures::micros(*max));
            }
        }
    }
    let (whose, latency) = match (&report.latency, &report.latency_raw) {
        (Some(due), _) => ("latency", Some(due)),
        (None, Some(sent)) => ("latency since sent", Some(sent)),
        (None, None) => ("handshake", report.connections.handshake.as_ref()),
    };
    if let Some(Latency { p50, p99, max, .. }) = latency {
        for (name, value) in [("p50", p50), ("p99", p99), ("max", max)] {
            tile(&format!("{whose} {name}"), figures::micros(*value));
        }
    }
    match &report.messages {
        Some(messages) => {
            tile("deliveries", figures::rate(messages.received_per_second));
            let name = format!("received of {}", figures::thousands(messages.expected));
            tile(&name, figures::thousands(messages.received));
        }
        None => tile("connections opened", figures::rate(report.connections.per_second)),
    }
    let name = format!("connections of {}", figures::thousands(report.connections.wanted));
    tile(&name, figures::thousands(report.connections.opened));
    if let Some(server) = &report.server {
        if let Some(micros) = server.per_delivery {
            tile("server CPU a delivery", figures::micros(micros));
        } else {
            tile("server CPU a connection", figures::micros(server.per_connection));
            tile("server memory a connection", figures::bytes(server.memory_per_connection));
        }
    }
    for (name, count) in faults(report) {
        tiles.push((" class=\"bad\"", name.to_owned(), figures::thousands(count)));
    }
    let tiles = tiles
        .iter()
        .map(|(class, name, value)| format!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>\n"));
    format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.collect::<String>())
}

#[cfg(test)]
mod tests;
