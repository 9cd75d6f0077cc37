//! The HTTP/1.1 head that a connection begins with (RFC 9112): finding its end, reading a request,
//! writing a response.

mod framing;
mod request;
mod response;
mod scan;
mod target;

pub use request::Request;
pub use response::{Body, Response};
pub use scan::HeadScan;

use std::fmt;

/// Limits on a request head; 0 turns one off. By default 8 KiB, 16 KiB and 100 fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the request line, in bytes.
    pub request_line: usize,
    /// Of the whole head with its last empty line, in bytes.
    pub head: usize,
    /// Of the number of header fields.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { request_line: 8 << 10, head: 16 << 10, fields: 100 }
    }
}

/// Why a head is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// Not HTTP/1.x, or malformed in the way named.
    Malformed(&'static str),
    /// The request line is over the limit, in bytes.
    RequestLineTooLong(usize),
    /// The head is over the limit, in bytes.
    HeadTooLong(usize),
    /// More header fields than the limit.
    TooManyFields(usize),
}

impl HeadError {
    /// The status that answers the error; the connection ends with it.
    pub fn response(&self) -> Response {
        match self {
            HeadError::Malformed(why) => Response::text(400, format_args!("{why}.")),
            HeadError::RequestLineTooLong(limit) => {
                Response::text(414, format_args!("The request line is over {limit} bytes."))
            }
            HeadError::HeadTooLong(limit) => {
                Response::text(431, format_args!("The request head is over {limit} bytes."))
            }
            HeadError::TooManyFields(limit) => {
                Response::text(431, format_args!("The request head has over {limit} header fields."))
            }
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.response().line().trim_end_matches('.'))
    }
}

impl std::error::Error for HeadError {}
