//! Close codes (RFC 6455 §7.4 and the IANA registry), and what can be wrong with what a peer sends.

use std::borrow::Cow;
use std::fmt;

/// A status code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// An endpoint goes away: the server shuts down, or the peer has fallen silent.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL: CloseCode = CloseCode(1002);
    /// A kind of data that is not taken here: binary where text is needed.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// Text that is not UTF-8, or compressed data that is damaged.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// A limit other than that of size: rate, time.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// A message over the size limit.
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// The server met a condition that it did not expect.
    pub const INTERNAL: CloseCode = CloseCode(1011);
    /// Try again later: full, or too slow a reader.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// Whether the code may stand in a close frame. 1004, 1005, 1006 and 1015 are reserved (§7.4.1); of the
    /// others under 3000 only those that the IANA registry knows; 3000 and up are for libraries and applications.
    pub fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether a close frame with this code goes before messages that still wait. It does where an end of the
    /// connection was found to be at fault, so that it hears of it soon: those messages would only keep it waiting.
    pub fn overtakes(self) -> bool {
        matches!(
            self,
            CloseCode::PROTOCOL
                | CloseCode::INVALID_DATA
                | CloseCode::POLICY
                | CloseCode::TOO_BIG
                | CloseCode::INTERNAL
        )
    }
}

/// What a close frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame<'b> {
    /// Why the connection ends.
    pub code: CloseCode,
    /// The same in words; often empty.
    pub reason: Cow<'b, str>,
}

impl fmt::Display for CloseFrame<'_> {
    /// The code, and the reason if there is one, printable: `4001 ("session expired")`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.0)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " ({:?})", self.reason) }
    }
}

/// What a peer did against the protocol or a limit of it. The connection is failed (§7.1.7): the
/// caller sends a close frame with [`Error::close_code`] and this error's text as reason, and ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A reserved bit is set that no extension agreed on gives a meaning to (§5.2, RFC 7692 §6).
    ReservedBits,
    /// An opcode that the RFC does not define (§5.2).
    UnknownOpcode(u8),
    /// A control frame without FIN (§5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (§5.5).
    ControlTooLong,
    /// A length not written in its shortest form (§5.2).
    NonMinimalLength,
    /// A 64-bit length with the most significant bit set (§5.2).
    LengthTopBit,
    /// A frame of a client without masking key (§5.1).
    Unmasked,
    /// A frame of a server with a masking key (§5.1).
    Masked,
    /// A continuation frame while no message is unfinished (§5.4).
    UnexpectedContinuation,
    /// A new message while another is unfinished (§5.4).
    MessageInsideMessage,
    /// Text that is not UTF-8 (§8.1), also the reason of a close frame (§5.5.1).
    InvalidUtf8,
    /// A compressed message that cannot be inflated (RFC 7692 §7.2.2).
    BadCompression,
    /// A close frame of one byte, which is no code (§5.5.1).
    HalfCloseCode,
    /// A code that must not stand in a close frame (§7.4).
    InvalidCloseCode(u16),
    /// A message of more bytes than the limit: told by a frame header before the bytes are taken, or while inflating.
    TooBig {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl Error {
    /// The close code that answers the error.
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
            Error::InvalidUtf8 | Error::BadCompression => CloseCode::INVALID_DATA,
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
            Error::ControlTooLong => f.write_str("a control frame is over 125 bytes"),
            Error::NonMinimalLength => f.write_str("a length is not in its shortest form"),
            Error::LengthTopBit => f.write_str("the top bit of a length is set"),
            Error::Unmasked => f.write_str("a frame of a client is not masked"),
            Error::Masked => f.write_str("a frame of a server is masked"),
            Error::UnexpectedContinuation => f.write_str("a continuation of no message"),
            Error::MessageInsideMessage => f.write_str("a new message inside an unfinished message"),
            Error::InvalidUtf8 => f.write_str("a text is not UTF-8"),
            Error::BadCompression => f.write_str("a compressed message is damaged"),
            Error::HalfCloseCode => f.write_str("a close frame of one byte"),
            Error::InvalidCloseCode(code) => write!(f, "close code {code} must not be sent"),
            Error::TooBig { limit } => write!(f, "a message is over {limit} bytes"),
        }
    }
}

impl std::error::Error for Error {}

/// Reads the payload of a close frame; an empty one is none (§5.5.1).
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
    fn codes_that_may_and_may_not_be_sent() {
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
    fn a_close_frame_is_shown_with_its_reason_and_nothing_that_a_terminal_would_obey() {
        let shown = |payload: &'static [u8]| decode(payload.into()).unwrap().unwrap().to_string();
        assert_eq!(shown(b"\x03\xe8"), "1000");
        assert_eq!(shown(b"\x0f\xa1gone"), r#"4001 ("gone")"#);
        assert_eq!(shown("\x0f\x60 Tschüß\x1b[2J".as_bytes()), r#"3936 (" Tschüß\u{1b}[2J")"#);
    }

    #[test]
    fn codes_that_overtake_and_those_that_do_not() {
        let overtaking: Vec<u16> = (0..=u16::MAX).filter(|code| CloseCode(*code).overtakes()).collect();
        assert_eq!(overtaking, [1002, 1007, 1008, 1009, 1011]);
    }

    #[test]
    fn an_error_fits_a_register_pair_and_a_close_frame() {
        assert!(size_of::<Error>() <= 16);
        let longest = Error::TooBig { limit: usize::MAX };
        assert!(longest.to_string().len() <= super::super::frame::MAX_CLOSE_REASON);
    }
}
