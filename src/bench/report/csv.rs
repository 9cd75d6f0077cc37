//! The rows of a report as CSV (RFC 4180), for spreadsheets and plots.

use super::{Report, Row};

/// A header that names the fields as JSON does, and a line for each second of the run.
pub fn csv(report: &Report) -> String {
    let mut text = "at,phase,open,failed,sent,received,p50,p99,max\r\n".to_owned();
    for Row { at, phase, open, failed, sent, received, p50, p99, max } in &report.rows {
        let phase = field(phase);
        text += &format!("{at},{phase},{open},{failed},{sent},{received},{p50},{p99},{max}\r\n");
    }
    text
}

fn field(text: &str) -> String {
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_line_a_second_under_a_header() {
        let lines = [
            "at,phase,open,failed,sent,received,p50,p99,max",
            "1,connecting,4321,3,0,0,0,0,0",
            "2.001,measuring,9997,0,100,999700,1000.25,4000,10000",
            "",
        ];
        assert_eq!(csv(&sample::broadcast()), lines.join("\r\n"));
    }

    #[test]
    fn the_header_names_the_fields_of_a_row_in_their_order() {
        let report = Report { rows: Vec::new(), ..sample::broadcast() };
        let json = serde_json::to_string(&Row::default()).expect("a row is plain data");
        let names: Vec<&str> = json.split('"').skip(1).step_by(2).filter(|name| !name.is_empty()).collect();
        assert_eq!(csv(&report).trim_end(), names.join(","));
    }

    #[test]
    fn a_field_with_a_comma_a_quote_or_a_line_break_is_quoted() {
        assert_eq!(field("warming up"), "warming up");
        assert_eq!(field("a,b"), "\"a,b\"");
        assert_eq!(field("a \"b\"\n"), "\"a \"\"b\"\"\n\"");
    }
}
