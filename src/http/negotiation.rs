//! What a client has already, and in which encoding it wants the rest (RFC 9110 §12.5.3 and §13.1.2).

use crate::ws::head::Request;

/// Whether the client prefers gzip to no encoding.
pub(super) fn prefers_gzip(request: &Request<'_>) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for element in request.list("accept-encoding") {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let Some(weight) = weight(parameters) else { continue };
        match &*coding.trim_ascii_end().to_ascii_lowercase() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "identity" => identity = Some(weight),
            "*" => any = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.or(any).unwrap_or(0)
}

/// The weight of a `q` parameter in thousandths; 1000 if there is none, `None` if it is malformed.
fn weight(parameters: &str) -> Option<u16> {
    let Some((name, value)) = parameters.split_once('=') else {
        return parameters.trim_ascii().is_empty().then_some(1000);
    };
    let (whole, fraction) = value.trim_ascii().split_once('.').unwrap_or((value.trim_ascii(), ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !name.trim_ascii().eq_ignore_ascii_case("q") || !is_number {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" => (thousandths == 0).then_some(1000),
        _ => None,
    }
}

/// Whether the client has what this entity tag stands for.
pub(super) fn has_tag(request: &Request<'_>, tag: &str) -> bool {
    request.list("if-none-match").any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::head::Limits;

    fn with_field<T>(name: &str, value: &str, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n");
        Request::parse(head.as_bytes(), &Limits { request_line: 0, head: 0, fields: 0 }, then).unwrap()
    }

    #[test]
    fn gzip_is_chosen_where_it_is_wanted_at_least_as_much_as_no_encoding() {
        for value in [
            "gzip",
            "GZIP",
            "x-gzip",
            "gzip, deflate, br, zstd",
            "br;q=1.0, gzip;q=0.001",
            "gzip ; q=0.5",
            "*",
            "gzip;q=1.000",
            "gzip;Q=1",
            "identity;q=0, *;q=0.1",
            "gzip;q=0.5, identity;q=0.5",
            "*;q=0, gzip",
            "gzip;q=1.",
            "deflate;q=x, gzip",
        ] {
            assert!(with_field("Accept-Encoding", value, prefers_gzip), "{value}");
        }
        for value in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "gzip;q=0.000",
            "x-gzip;q=0",
            "*;q=0",
            "gzip;q=0, *",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.0001",
            "gzip;q=-1",
            "gzip;q=",
            "gzip;q=a",
            "gzip;level=9",
            "gzipped",
            "gzip;q=0.5, identity",
            "gzip;q=0.5, *;q=0.6",
            "notgzip",
        ] {
            assert!(!with_field("Accept-Encoding", value, prefers_gzip), "{value}");
        }
    }

    #[test]
    fn a_tag_is_known_alone_in_a_list_and_as_a_weak_one() {
        for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(with_field("If-None-Match", value, |request| has_tag(request, "\"a\"")), "{value}");
        }
        for value in ["", "a", "\"a-gzip\"", "\"b\"", "\"\""] {
            assert!(!with_field("If-None-Match", value, |request| has_tag(request, "\"a\"")), "{value}");
        }
    }
}
