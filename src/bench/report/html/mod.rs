//! The report as a self-contained HTML page without scripts.

mod chart;
mod charts;
mod tables;

use super::figure::{FIGURES, Place, Shape, Value};
use super::text::visible;
use super::verdict::Verdict;
use super::{Report, compare, units};
use chart::Sample;
use jiff::Timestamp;
use std::fmt::{self, Write};

const STYLE: &str = include_str!("report.css");

/// Returns a page for one report, or for several named reports with shared charts and changes relative to the
/// first.
pub(crate) fn page(reports: &[(String, Report)]) -> String {
    let (title, head) = match reports {
        [(_, report)] => (format!("{} on {}", report.scenario, report.url), head(report)),
        _ => (format!("{} runs compared", reports.len()), heads(reports)),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body style=\"--runs: {runs}\">\n\
         {head}{charts}<div class=\"tables\">\n{tables}</div>\n</main>\n</body>\n</html>\n",
        title = Escaped(&title),
        runs = reports.len(),
        charts = charts::charts(reports),
        tables = tables::tables(reports),
    )
}

/// Escapes external text for HTML and replaces control characters.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match visible(c) {
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

/// Escapes text and marks flags in it, which must not be broken at their hyphens.
struct Sentence<'a>(&'a str);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.0.split_inclusive(' ') {
            match word.trim_end_matches(|c: char| !c.is_alphanumeric()) {
                flag if is_flag(flag) => {
                    let rest = &word[flag.len()..];
                    write!(f, "<code class=\"flag\">{}</code>{}", Escaped(flag), Escaped(rest))?;
                }
                _ => write!(f, "{}", Escaped(word))?,
            }
        }
        Ok(())
    }
}

fn is_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_alphabetic()))
}

/// Returns the part above the charts for one report. The verdict comes first.
fn head(report: &Report) -> String {
    let Verdict { is_good, text } = Verdict::of(report);
    let class = if is_good { "good" } else { "bad" };
    let command = if report.command.is_empty() {
        String::new()
    } else {
        format!(
            "<pre class=\"command\" tabindex=\"0\" aria-label=\"command line\"><code>{}</code></pre>\n",
            Sentence(&report.command)
        )
    };
    format!(
        "<header>\n<h1>{}</h1>\n<p><code>{}</code></p>\n<p class=\"verdict {class}\">{}</p>\n{command}\
         <p class=\"note\">{}</p>\n</header>\n{}<main>\n{}{}{}",
        Escaped(&report.scenario),
        Escaped(&report.url),
        Sentence(&text),
        origin(report),
        caveats(std::slice::from_ref(&(String::new(), report.clone()))),
        search(report),
        expectations(report),
        tiles(report),
    )
}

/// Returns the part above the charts for several reports.
fn heads(reports: &[(String, Report)]) -> String {
    let differences = compare::differences(reports);
    let own = |at: usize| {
        let values = differences.iter().flat_map(|difference| &difference.values);
        let values = values.filter_map(move |(name, values)| Some((name, values[at].as_deref()?)));
        let is_shown_elsewhere = |name: &str| ["scenario", "URL", "version"].contains(&name);
        let values = values.filter(|(name, _)| !is_shown_elsewhere(name));
        let values: Vec<String> =
            values.map(|(name, value)| format!("{} <b>{}</b>", Escaped(name), Escaped(value))).collect();
        if values.is_empty() {
            String::new()
        } else {
            format!("<p class=\"note own\">{}</p>\n", values.join(", "))
        }
    };
    let runs = reports.iter().enumerate().map(|(at, (name, report))| {
        let faults: String = faults(report).into_iter().map(|(name, text)| mark(&format!("{text} {name}"))).collect();
        format!(
            "<li>\n<p>{} <b>{}</b>{}{faults}</p>\n<p>{} on <code>{}</code></p>\n{}<p class=\"note\">{}</p>\n</li>\n",
            Sample(at),
            Escaped(name),
            state(report),
            Escaped(&report.scenario),
            Escaped(&report.url),
            own(at),
            origin(report)
        )
    });
    let note = compare::notes(reports).map(|note| format!("<p>{}</p>\n", Escaped(&note)));
    format!(
        "<header>\n<h1>{} runs compared</h1>\n{}<ul class=\"runs\">\n{}</ul>\n</header>\n{}<main>\n{}",
        reports.len(),
        note.unwrap_or_default(),
        runs.collect::<String>(),
        caveats(reports),
        tables::key_figures(reports)
    )
}

/// Returns the list of caveats.
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
    let differences = compare::differences(reports).into_iter().map(|difference| difference.sentence());
    for sentence in differences.chain(compare::mixed_plans(reports)) {
        items += &format!("<li>{}</li>\n", Sentence(&sentence));
    }
    if items.is_empty() {
        return items;
    }
    let is_valid = reports.iter().all(|(_, report)| report.is_valid);
    let (class, title) = match (is_valid, reports.len()) {
        (true, _) => ("caveats", "Caveats"),
        (false, 1) => ("caveats invalid", "Not valid"),
        (false, _) => ("caveats invalid", "Not all runs are valid"),
    };
    format!("<aside class=\"{class}\">\n<h2>{title}</h2>\n<ul>\n{items}</ul>\n</aside>\n")
}

/// Returns the result of a search: its headline, its steps, and charts of their measurements by load.
fn search(report: &Report) -> String {
    let Some(search) = &report.search else { return String::new() };
    let highest = match search.highest {
        Some(_) => format!(
            "<p>{}</p>\n<p class=\"note\">The other figures on this page are of the highest load that held.</p>\n",
            Escaped(&search.ended)
        ),
        None => String::new(),
    };
    let conditions = Escaped(&search.conditions.join(", ")).to_string();
    format!(
        "<section class=\"search\">\n<h2>{}</h2>\n{highest}<p class=\"note\">Conditions: {conditions}.</p>\n\
         {}<div class=\"charts\">\n{}</div>\n</section>\n",
        Escaped(&search.headline(report)),
        tables::steps(search),
        charts::search(search),
    )
}

fn expectations(report: &Report) -> String {
    let items = report.expectations.iter().map(|outcome| {
        let (class, word) = if outcome.is_met { ("good", "met") } else { ("bad", "not met") };
        let why = outcome.why.as_deref().filter(|_| !outcome.is_met).unwrap_or(&outcome.text);
        let text = if outcome.is_met { &outcome.text } else { why };
        format!("<li><span class=\"{class}\">{word}</span> {}</li>\n", Escaped(text))
    });
    let items: String = items.collect();
    if items.is_empty() {
        items
    } else {
        format!("<section>\n<h2>Expectations</h2>\n<ul class=\"expectations\">\n{items}</ul>\n</section>\n")
    }
}

/// Returns when, for how long and by which version the figures were measured.
fn origin(report: &Report) -> String {
    let started = match report.started.parse::<Timestamp>() {
        Ok(time) => time.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
        Err(_) => report.started.clone(),
    };
    let measured = units::micros(report.seconds * 1e6).replace(' ', "&nbsp;");
    format!("{}; measured for {measured} by throng {}", Escaped(&started), Escaped(&report.throng))
}

/// Returns the marks of a run that is invalid or incomplete.
fn state(report: &Report) -> String {
    let states = [(!report.is_valid, "not valid"), (report.interrupted.is_some(), "interrupted")];
    states.iter().filter(|(is_so, _)| *is_so).map(|(_, state)| mark(state)).collect()
}

fn mark(text: &str) -> String {
    format!(" <span class=\"mark\">{}</span>", Escaped(text))
}

/// Returns the faults of a run and their numbers.
fn faults(report: &Report) -> Vec<(String, String)> {
    let values = FIGURES.iter().map(|figure| (figure, figure.of(report)));
    let faulty = values.filter(|(figure, value)| figure.is_faulty(value));
    faulty.map(|(figure, value)| (figure.full_label(report), figure.text(&value))).collect()
}

/// Returns the tiles of the key figures and of faults.
fn tiles(report: &Report) -> String {
    let shape = Shape::of(report);
    let mut figures: Vec<_> = FIGURES.iter().filter(|figure| figure.is_at(Place::Key(shape))).collect();
    figures.sort_by_key(|figure| figure.section != shape.section());
    let figures = figures.into_iter().map(|figure| (figure, figure.of(report)));
    let present = figures.filter(|(_, value)| !matches!(value, Value::Absent(_)));
    let keys: String =
        present.map(|(figure, value)| tile("", &figure.full_label(report), &figure.text(&value))).collect();
    let faults: String =
        faults(report).iter().map(|(name, text)| tile(" class=\"bad\"", name, text)).collect();
    let faults = if faults.is_empty() {
        faults
    } else {
        format!("<dl class=\"tiles faults\" aria-label=\"Faults\">\n{faults}</dl>\n")
    };
    format!("<dl class=\"tiles\" aria-label=\"Key figures\">\n{keys}</dl>\n{faults}")
}

fn tile(class: &str, name: &str, value: &str) -> String {
    format!("<div{class}><dt>{}</dt><dd>{}</dd></div>\n", Escaped(name), Escaped(value))
}

#[cfg(test)]
mod tests;
