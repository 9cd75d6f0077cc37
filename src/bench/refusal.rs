//! Why a connection did not open, in a sentence that says what to do where that is known.

use crate::ws::handshake::{Refused, ResponseError};

/// Bytes of an answer that are shown.
const SHOWN: usize = 60;

/// Why a server's `answer` was not taken.
pub(crate) fn sentence(error: &ResponseError, answer: &[u8]) -> String {
    match error {
        ResponseError::Status(refused) => format!("the handshake was answered with {refused}"),
        ResponseError::Tls => "the server speaks TLS: use wss:// in place of ws://".to_owned(),
        ResponseError::Malformed => {
            format!("the answer to the handshake is not HTTP, it begins {}", start(answer))
        }
        error => format!("the handshake was answered badly: {error}"),
    }
}

/// What may help against a refusal. It is the same for all that are refused alike, so that it needs to be said only once.
pub(crate) fn advice(refused: &Refused) -> Option<&'static str> {
    let text = refused.text().unwrap_or_default().to_ascii_lowercase();
    // What Go, nginx and Apache answer, in this order.
    if ["https server", "https port", "ssl-enabled"].iter().any(|part| text.contains(part)) {
        return Some("the server speaks TLS: use wss:// in place of ws://");
    }
    match refused.status {
        200..=299 => Some("this is a web server's answer: is the path right?"),
        300..=399 => Some("use the URL that the server points to, redirects are not followed"),
        401 => Some("the server wants to know who connects: see --header"),
        403 => Some("the server does not let everybody in: see --header and --origin"),
        404 => Some("is the path right?"),
        429 => Some("the server limits how fast clients come: see --connect-rate"),
        502 | 504 => Some("a proxy answered that does not reach the server behind it"),
        _ => None,
    }
}

/// What it means that the server ended or reset a connection when this much of its answer had come. `is_tls` tells whether
/// the URL is `wss://`.
pub(crate) fn ended_early(is_tls: bool, answer: &[u8]) -> String {
    match (answer, is_tls) {
        ([], true) => "the server ended the connection and did not answer the handshake".to_owned(),
        ([], false) => {
            "the server ended the connection and did not answer the handshake: if it speaks TLS, use wss://"
                .to_owned()
        }
        _ => format!(
            "the server ended the connection within its answer to the handshake, which begins {}",
            start(answer)
        ),
    }
}

/// The first bytes of an answer, in quotation marks and printable.
fn start(answer: &[u8]) -> String {
    format!("\"{}\"", answer[..answer.len().min(SHOWN)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::handshake::ClientRequest;

    fn error(answer: &str) -> ResponseError {
        let request = ClientRequest {
            host: "h",
            target: "/",
            nonce: [0; 16],
            subprotocols: &[],
            deflate: None,
            fields: &[],
        };
        let error = request.check_response(answer.as_bytes()).expect_err(answer);
        if let ResponseError::Status(mut refused) = error {
            refused.push(&answer.as_bytes()[refused.head_len..]);
            return ResponseError::Status(refused);
        }
        error
    }

    #[test]
    fn what_came_in_place_of_an_answer_is_told() {
        for (answer, expected) in [
            (
                "SSH-2.0-OpenSSH_9\r\n",
                r#"the answer to the handshake is not HTTP, it begins "SSH-2.0-OpenSSH_9\r\n""#,
            ),
            ("\x15\x03\x01\x00\x02\x02\x16", "the server speaks TLS: use wss:// in place of ws://"),
            (
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\n",
                "the handshake was answered with status 401 Unauthorized (WWW-Authenticate: Bearer)",
            ),
            (
                "HTTP/1.1 101 \r\n\r\n",
                "the handshake was answered badly: the answer does not upgrade to WebSocket",
            ),
        ] {
            assert_eq!(sentence(&error(answer), answer.as_bytes()), expected);
        }
    }

    #[test]
    fn an_early_end_tells_how_far_the_answer_came() {
        assert!(ended_early(false, b"").ends_with("use wss://") && !ended_early(true, b"").contains("wss"));
        let text = ended_early(false, b"HTTP/1.1 101 Swi");
        assert!(text.ends_with(r#"which begins "HTTP/1.1 101 Swi""#), "{text}");
    }

    #[test]
    fn a_refusal_comes_with_what_may_help() {
        for (status, body, part) in [
            ("200 OK", "hello", Some("is the path right?")),
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
