//! Whether a body follows a request head (RFC 9112 §6). A head that says so wrongly, or in two ways, is refused: a proxy
//! might read it in another way and take a part of the body for a request of somebody else (§11.2).

use super::request::values;
use httparse::Header;

/// Whether a body follows.
pub(super) fn has_body(minor_version: u8, fields: &[Header<'_>]) -> Result<bool, &'static str> {
    let mut lengths = values(fields, "content-length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err("The request has more than one Content-Length header");
    }
    let mut codings = values(fields, "transfer-encoding");
    let Some(coding) = codings.next() else {
        return length.map_or(Ok(false), |length| Ok(parse_length(length)? > 0));
    };
    if length.is_some() {
        return Err("The request has both a Content-Length and a Transfer-Encoding header");
    }
    if minor_version == 0 {
        return Err("HTTP/1.0 has no Transfer-Encoding");
    }
    match codings.next() {
        None if coding.eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err("Only the transfer coding 'chunked' is known here, and only once"),
    }
}

fn parse_length(value: &[u8]) -> Result<u64, &'static str> {
    // `parse` takes a sign, which the grammar does not have.
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or("The Content-Length header is not a number of bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(minor_version: u8, fields: &[(&str, &str)]) -> Result<bool, &'static str> {
        let fields: Vec<Header<'_>> =
            fields.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        has_body(minor_version, &fields)
    }

    #[test]
    fn a_body_follows_if_one_field_says_so() {
        assert_eq!(outcome(1, &[]), Ok(false));
        assert_eq!(outcome(1, &[("Content-Length", "0")]), Ok(false));
        assert_eq!(outcome(1, &[("content-length", "007")]), Ok(true));
        assert_eq!(outcome(0, &[("Content-Length", "18446744073709551615")]), Ok(true));
        assert_eq!(outcome(1, &[("Transfer-Encoding", "Chunked")]), Ok(true));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for length in [
            "",
            "-1",
            "+1",
            "1e3",
            "0x10",
            "1.0",
            "1 0",
            "5, 5",
            "5, 6",
            "5,",
            "18446744073709551616",
            "٣",
            "5;a",
        ] {
            assert!(outcome(1, &[("Content-Length", length)]).is_err(), "{length:?}");
        }
        assert!(outcome(1, &[("Content-Length", "5"), ("Content-Length", "5")]).is_err());
        assert!(outcome(1, &[("Content-Length", "0"), ("Transfer-Encoding", "chunked")]).is_err());
        assert!(outcome(1, &[("Transfer-Encoding", "chunked"), ("Content-Length", "0")]).is_err());
        assert!(outcome(0, &[("Transfer-Encoding", "chunked")]).is_err());
        for coding in [
            "",
            "gzip",
            "identity",
            "gzip, chunked",
            "chunked, gzip",
            "chunked, chunked",
            ", chunked",
            "chunked,",
            "chunked;a=b",
            "xchunked",
            "\"chunked\"",
            "\x0bchunked",
        ] {
            assert!(outcome(1, &[("Transfer-Encoding", coding)]).is_err(), "{coding:?}");
        }
        let twice = [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")];
        assert!(outcome(1, &twice).is_err());
    }
}
