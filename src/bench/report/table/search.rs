//! The result of a search and its steps.

use super::super::figure::ABSENT;
use super::super::text::length;
use super::super::units::{micros, percent, rate, thousands};
use super::super::{Report, Search, Step};
use super::lines::{GREEN, Lines, MIN_NOTE, RED};

/// Writes the result of a search and its steps.
pub(super) fn write(lines: &mut Lines, search: &Search, report: &Report) {
    let colour = if search.highest.is_some() { GREEN } else { RED };
    lines.paragraph("", &search.headline(report), Some(colour));
    if search.highest.is_some() {
        lines.paragraph("", &search.ended, None);
    }
    lines.paragraph("", &format!("Conditions: {}.", search.conditions.join(", ")), None);
    let heads = ["load", "held", "p99", "loss", "sent", "opened"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for step in &search.steps {
        let Step { load, holds, sent_per_second, loss, p99, opened, .. } = step;
        let text = |value: Option<f64>, text: fn(f64) -> String| value.map_or(ABSENT.to_owned(), text);
        rows.push(vec![
            search.load_text(*load),
            if *holds { "yes" } else { "no" }.to_owned(),
            text(*p99, micros),
            text(*loss, percent),
            text(*sent_per_second, rate),
            thousands(*opened),
        ]);
    }
    let mut widths = widths(&rows);
    let used = |widths: &[usize]| widths.iter().map(|width| width + 2).sum::<usize>();
    while used(&widths) > lines.width() {
        widths.pop();
    }
    let has_room = used(&widths) + MIN_NOTE <= lines.width();
    lines.line("", None);
    let notes = std::iter::once(has_room.then_some("why not"));
    let notes = notes.chain(search.steps.iter().map(|step| step.why.as_deref()));
    for (row, note) in rows.iter().zip(notes) {
        let cells: String =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}  ")).collect();
        match note {
            Some(note) if has_room => lines.paragraph(&cells, note, None),
            Some(note) => {
                lines.line(&cells, None);
                lines.paragraph("    ", note, None);
            }
            None => lines.line(&cells, None),
        }
    }
    lines.line("", None);
    if search.highest.is_some() {
        lines.paragraph("", "The figures below are of the highest load that held.", None);
        lines.line("", None);
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns).map(|column| rows.iter().map(|row| length(&row[column])).max().unwrap_or_default()).collect()
}
