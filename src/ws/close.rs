//! Close codes (RFC 6455 §7.4 and the IANA registry), and the errors that a peer can cause.

use std::borrow::Cow;
use std::fmt;

/// The status code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The connection has fulfilled its purpose.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// An endpoint is leaving: the server shuts down, or the peer no longer responds.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer violated the protocol.
    pub const PROTOCOL: CloseCode = CloseCode(1002);
    /// The peer sent a type of data that is not accepted: binary where text is required.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// The peer sent text that is not UTF-8, or damaged compressed data.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// The peer exceeded a limit other than message size, such as rate or time.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// The peer sent a message over the size limit.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// The server met an unexpected condition.
    pub const INTERNAL: CloseCode = CloseCode(1011);
    /// The server is full, or the peer reads too slowly.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// Returns true if the code is allowed in a close frame. 1004, 1005, 1006 and 1015 are reserved (§7.4.1).
    /// Below 3000 only codes in the IANA registry are allowed. Codes from 3000 are for libraries and
    /// applications.
    pub fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns true if a close frame with this code is sent before messages that are still queued. This holds
    /// for codes that report an error, since the queued messages would only delay the report, and for the one that
    /// a peer gets because it reads too slowly for them.
    pub fn overtakes(self) -> bool {
        matches!(
            self,
            CloseCode::PROTOCOL
                | CloseCode::INVALID_DATA
                | CloseCode::POLICY
                | CloseCode::TOO_BIG
                | CloseCode::INTERNAL
                | CloseCode::TRY_AGAIN_LATER
        )
    }
}

/// The content of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'b> {
    /// The close code.
    pub code: CloseCode,
    /// The reason as text, often empty.
    pub reason: Cow<'b, str>,
}

impl CloseFrame<'_> {
    /// Returns the content with its own memory, so that it can be kept.
    pub fn into_owned(self) -> CloseFrame<'static> {
        CloseFrame { code: self.code, reason: Cow::Owned(self.reason.into_owned()) }
    }
}

impl fmt::Display for CloseFrame<'_> {
    /// Writes the code and, if there is one, the reason with control characters escaped: `4001 ("session
    /// expired")`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.0)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " ({:?})", self.reason) }
    }
}

/// A violation of the protocol or of a size limit by the peer. The connection must be failed (§7.1.7): the
/// close frame has [`Error::close_code`] and the text of this error as reason. A [`Connection`](super::Connection)
/// sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A reserved bit is set that no negotiated extension defines (§5.2, RFC 7692 §6).
    ReservedBits,
    /// An opcode that the RFC does not define (§5.2).
    UnknownOpcode(u8),
    /// A control frame without FIN (§5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes (§5.5).
    ControlTooLong,
    /// A length that is not in its shortest form (§5.2).
    NonMinimalLength,
    /// A 64-bit length with the most significant bit set (§5.2).
    LengthTopBit,
    /// An unmasked frame from a client (§5.1).
    Unmasked,
    /// A masked frame from a server (§5.1).
    Masked,
    /// A continuation frame without an unfinished message (§5.4).
    UnexpectedContinuation,
    /// The start of a message while another is unfinished (§5.4).
    MessageInsideMessage,
    /// Text that is not UTF-8 (§8.1), including the reason in a close frame (§5.5.1).
    InvalidUtf8,
    /// A compressed message that cannot be inflated (RFC 7692 §7.2.2).
    BadCompression,
    /// A compressed message that refers to bytes before its first, although it was agreed that none does (RFC 7692
    /// §7.1.1).
    LostContext,
    /// A close frame with a payload of one byte (§5.5.1).
    HalfCloseCode,
    /// A code that is not allowed in a close frame (§7.4).
    InvalidCloseCode(u16),
    /// A message over the size limit, detected at a frame header before its payload is kept, or while
    /// inflating.
    TooBig {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl Error {
    /// Returns the close code that reports the error.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Error::ReservedBits
            | Error::UnknownOpcode(_)
            | Error::FragmentedControl
            | Error::ControlTooLong
            | Error::NonMinimalLength
            | Error::LengthTopBit
            | Error::Unmasked
            | Error::Masked
            | Error::UnexpectedContinuation
            | Error::MessageInsideMessage
            | Error::HalfCloseCode
            | Error::InvalidCloseCode(_) => CloseCode::PROTOCOL,
            Error::InvalidUtf8 | Error::BadCompression | Error::LostContext => CloseCode::INVALID_DATA,
            Error::TooBig { .. } => CloseCode::TOO_BIG,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ReservedBits => f.write_str("a reserved bit is set"),
            Error::UnknownOpcode(opcode) => write!(f, "unknown opcode {opcode:#x}"),
            Error::FragmentedControl => f.write_str("a control frame is fragmented"),
            Error::ControlTooLong => f.write_str("a control frame has more than 125 bytes"),
            Error::NonMinimalLength => f.write_str("a length is not in its shortest form"),
            Error::LengthTopBit => f.write_str("the top bit of a length is set"),
            Error::Unmasked => f.write_str("a client sent an unmasked frame"),
            Error::Masked => f.write_str("a server sent a masked frame"),
            Error::UnexpectedContinuation => f.write_str("a continuation frame without a message"),
            Error::MessageInsideMessage => f.write_str("a new message before the last one was finished"),
            Error::InvalidUtf8 => f.write_str("a text is not UTF-8"),
            Error::BadCompression => f.write_str("a compressed message is damaged"),
            Error::LostContext => f.write_str(
                "a compressed message refers to an earlier one, despite the agreed client_no_context_takeover",
            ),
            Error::HalfCloseCode => f.write_str("a close frame has a payload of one byte"),
            Error::InvalidCloseCode(code) => write!(f, "close code {code} is not allowed"),
            Error::TooBig { limit } => write!(f, "a message has more than {limit} bytes"),
        }
    }
}

impl std::error::Error for Error {}

/// Decodes the payload of a close frame. An empty payload has no code (§5.5.1).
pub(super) fn decode(payload: Cow<'_, [u8]>) -> Result<Option<CloseFrame<'_>>, Error> {
    let code = match *payload {
        [] => return Ok(None),
        [_] => return Err(Error::HalfCloseCode),
        [high, low, ..] => CloseCode(u16::from_be_bytes([high, low])),
    };
    if !code.may_be_sent() {
        return Err(Error::InvalidCloseCode(code.0));
    }
    let reason = match payload {
        Cow::Borrowed(bytes) => std::str::from_utf8(&bytes[2..]).map(Cow::Borrowed),
        Cow::Owned(bytes) => std::str::from_utf8(&bytes[2..]).map(|text| Cow::Owned(text.into())),
    };
    let reason = reason.map_err(|_| Error::InvalidUtf8)?;
    Ok(Some(CloseFrame { code, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_the_registry_and_application_codes_may_be_sent() {
        let valid =
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
        let invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];
        for code in valid {
            assert!(CloseCode(code).may_be_sent(), "{code}");
        }
        for code in invalid {
            assert!(!CloseCode(code).may_be_sent(), "{code}");
        }
    }

    #[test]
    fn a_close_frame_is_shown_with_control_characters_escaped() {
        let shown = |payload: &'static [u8]| decode(payload.into()).unwrap().unwrap().to_string();
        assert_eq!(shown(b"\x03\xe8"), "1000");
        assert_eq!(shown(b"\x0f\xa1gone"), r#"4001 ("gone")"#);
        assert_eq!(shown("\x0f\x60 Tschüß\x1b[2J".as_bytes()), r#"3936 (" Tschüß\u{1b}[2J")"#);
    }

    #[test]
    fn only_codes_that_report_errors_overtake_messages() {
        let overtaking: Vec<u16> = (0..=u16::MAX).filter(|code| CloseCode(*code).overtakes()).collect();
        assert_eq!(overtaking, [1002, 1007, 1008, 1009, 1011, 1013]);
    }

    #[test]
    fn an_error_fits_in_two_registers_and_its_text_in_a_close_frame() {
        assert!(size_of::<Error>() <= 16);
        let longest = Error::TooBig { limit: usize::MAX };
        for error in [longest, Error::LostContext] {
            assert!(error.to_string().len() <= super::super::frame::MAX_CLOSE_REASON, "{error}");
        }
    }
}
