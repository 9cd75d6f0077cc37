//! The rows of a report as CSV (RFC 4180), for spreadsheets and plots.

use super::{Report, Row};

/// Formats a header with the units, and a line for each row. Fields that were not measured are empty.
pub(crate) fn csv(report: &Report) -> String {
    let mut text = "from_s,to_s,phase,open,failed,sent,received,p50_us,p99_us,max_us\r\n".to_owned();
    for Row { from, at, phase, open, failed, sent, received, p50, p99, max } in &report.rows {
        let phase = field(phase);
        let [p50, p99, max] =
            [p50, p99, max].map(|value| value.map_or(String::new(), |value| value.to_string()));
        text += &format!("{from},{at},{phase},{open},{failed},{sent},{received},{p50},{p99},{max}\r\n");
    }
    text
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn each_row_is_a_line_and_missing_values_are_empty() {
        let csv = csv(&sample::broadcast());
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(lines.len(), 1 + sample::broadcast().rows.len() + 1);
        assert_eq!(lines[1], "0,1,connecting,4321,3,0,0,,,");
        assert_eq!(lines[4], "2.4,3.4,measuring,9997,0,100,999700,1000.25,4000,10000");
        assert_eq!(lines.last(), Some(&""));
    }

    #[test]
    fn each_line_has_as_many_fields_as_the_header() {
        let csv = csv(&sample::broadcast());
        let fields: Vec<usize> = csv.trim_end().split("\r\n").map(|line| line.split(',').count()).collect();
        assert!(fields.windows(2).all(|pair| pair[0] == pair[1]), "{fields:?}");
    }

    #[test]
    fn a_field_with_a_comma_a_quote_or_a_line_break_is_quoted() {
        assert_eq!(field("warmup"), "warmup");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("a \"b\"\n"), "\"a \"\"b\"\"\n\"");
    }
}
