//! Explains why a connection did not open and, where known, what to do.

use crate::ws::handshake::{Refused, ResponseError};

/// Number of bytes shown of a response.
const SHOWN: usize = 60;

/// Explains why the client rejected a server's response.
pub(crate) fn sentence(error: &ResponseError, answer: &[u8]) -> String {
    match error {
        ResponseError::Status(refused) => format!("the server answered the handshake with {refused}"),
        ResponseError::Tls => "the server expects TLS: use wss:// instead of ws://".to_owned(),
        ResponseError::Malformed => {
            format!("the response to the handshake is not HTTP; it starts with {}", start(answer))
        }
        error => format!("the handshake failed: {error}"),
    }
}

/// Returns advice about a refusal. It is the same for all refusals of one kind, so that it is printed once.
pub(crate) fn advice(refused: &Refused) -> Option<&'static str> {
    let text = refused.text().unwrap_or_default().to_ascii_lowercase();
    // Texts of Go, nginx and Apache, in this order.
    if ["https server", "https port", "ssl-enabled"].iter().any(|part| text.contains(part)) {
        return Some("the server expects TLS: use wss:// instead of ws://");
    }
    match refused.status {
        200..=299 => Some("this is the response of a web server: check the path"),
        300..=399 => Some("redirects are not followed: use the URL that the server names"),
        401 => Some("the server requires authentication: see --header"),
        403 => Some("the server denies access: see --header and --origin"),
        404 => Some("check the path"),
        429 => Some("the server limits how fast clients connect: see --connect-rate"),
        502 | 504 => Some("a proxy could not reach the server behind it"),
        _ => None,
    }
}

/// Explains that the server closed or reset a connection after this much of its response. `is_tls` is true
/// for a `wss://` URL.
pub(crate) fn ended_early(is_tls: bool, answer: &[u8]) -> String {
    match (answer, is_tls) {
        ([], true) => "the server closed the connection without answering the handshake".to_owned(),
        ([], false) => {
            "the server closed the connection without answering the handshake: if it expects TLS, use wss://"
                .to_owned()
        }
        _ => format!(
            "the server closed the connection within its response to the handshake, which starts with {}",
            start(answer)
        ),
    }
}

/// Returns the first bytes of a response in quotes, with special characters escaped.
fn start(answer: &[u8]) -> String {
    format!("\"{}\"", answer[..answer.len().min(SHOWN)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::handshake::{ClientRequest, Connecting};
    use crate::ws::{Codec, Config};

    fn error(answer: &str) -> ResponseError {
        let request = ClientRequest::new("h", "/");
        let mut connecting = Connecting::new(&request, &Config::default(), &mut Codec::new()).unwrap();
        let mut answer = answer.as_bytes().to_vec();
        let mut input = &mut answer[..];
        match connecting.receive(&mut input) {
            Err(ResponseError::Status(mut refused)) => {
                refused.push(input);
                ResponseError::Status(refused)
            }
            Err(error) => error,
            Ok(_) => panic!("the response is accepted"),
        }
    }

    #[test]
    fn unexpected_responses_are_explained() {
        for (answer, expected) in [
            (
                "SSH-2.0-OpenSSH_9\r\n",
                r#"the response to the handshake is not HTTP; it starts with "SSH-2.0-OpenSSH_9\r\n""#,
            ),
            ("\x15\x03\x01\x00\x02\x02\x16", "the server expects TLS: use wss:// instead of ws://"),
            (
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\n",
                "the server answered the handshake with status 401 Unauthorized (WWW-Authenticate: Bearer)",
            ),
            ("HTTP/1.1 101 \r\n\r\n", "the handshake failed: the response does not upgrade to WebSocket"),
        ] {
            assert_eq!(sentence(&error(answer), answer.as_bytes()), expected);
        }
    }

    #[test]
    fn a_connection_closed_early_is_explained_with_the_partial_response() {
        assert!(ended_early(false, b"").ends_with("use wss://") && !ended_early(true, b"").contains("wss"));
        let text = ended_early(false, b"HTTP/1.1 101 Swi");
        assert!(text.ends_with(r#"which starts with "HTTP/1.1 101 Swi""#), "{text}");
    }

    #[test]
    fn refusals_come_with_advice() {
        for (status, body, part) in [
            ("200 OK", "hello", Some("check the path")),
            ("302 Found", "", Some("redirects are not followed")),
            ("401 Unauthorized", "", Some("--header")),
            ("403 Forbidden", "", Some("--origin")),
            ("400 Bad Request", "Client sent an HTTP request to an HTTPS server.", Some("wss://")),
            (
                "400 Bad Request",
                "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
                Some("wss://"),
            ),
            ("400 Bad Request", "no room", None),
            ("503 Service Unavailable", "", None),
        ] {
            let ResponseError::Status(refused) = error(&format!("HTTP/1.1 {status}\r\n\r\n{body}")) else {
                panic!("{status} is no refusal")
            };
            let advice = advice(&refused);
            assert_eq!(advice.is_some(), part.is_some(), "{status} {body}: {advice:?}");
            assert!(advice.unwrap_or_default().contains(part.unwrap_or_default()), "{advice:?}");
        }
    }
}
