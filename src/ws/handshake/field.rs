//! Which header fields may be added to a handshake.

use std::fmt;

/// Fields that the handshake sets itself, or that would change how its messages are framed.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// Why something cannot be sent in a handshake. A line break in it would begin another header field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidField {
    /// The host or the target is empty, or has a character that is not allowed there.
    RequestLine,
    /// The name of this field is not a token (RFC 9110 §5.1).
    Name(String),
    /// The value of this field has a control character (RFC 9110 §5.5).
    Value(String),
    /// The handshake sets this field itself.
    Reserved(String),
    /// A subprotocol is not a token (RFC 6455 §4.1).
    Subprotocol(String),
    /// An offer of compression has a window that is not of 8 to 15 bits (RFC 7692 §7.1.2).
    WindowBits(u8),
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidField::RequestLine => {
                f.write_str("the host or the target has a character that is not allowed")
            }
            InvalidField::Name(name) => write!(f, "{name:?} is not the name of a header field"),
            InvalidField::Value(name) => {
                write!(f, "the value of the header field {name:?} has a control character")
            }
            InvalidField::Reserved(name) => write!(f, "the handshake sets the header field {name:?} itself"),
            InvalidField::Subprotocol(name) => write!(f, "{name:?} is not the name of a subprotocol"),
            InvalidField::WindowBits(bits) => write!(f, "a window has 8 to 15 bits, not {bits}"),
        }
    }
}

impl std::error::Error for InvalidField {}

/// Checks a field that an application adds.
pub(super) fn check(name: &str, value: &str) -> Result<(), InvalidField> {
    if !is_token(name) {
        return Err(InvalidField::Name(name.to_owned()));
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(InvalidField::Reserved(name.to_owned()));
    }
    let is_allowed = |character: char| character == '\t' || !character.is_control();
    if value.chars().all(is_allowed) { Ok(()) } else { Err(InvalidField::Value(name.to_owned())) }
}

/// Checks a host or a target, which may not contain white space.
pub(super) fn check_word(word: &str) -> Result<(), InvalidField> {
    let is_valid =
        !word.is_empty() && !word.contains(|character: char| character == ' ' || character.is_control());
    if is_valid { Ok(()) } else { Err(InvalidField::RequestLine) }
}

pub(super) fn check_subprotocol(name: &str) -> Result<(), InvalidField> {
    if is_token(name) { Ok(()) } else { Err(InvalidField::Subprotocol(name.to_owned())) }
}

/// Returns true for a token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
