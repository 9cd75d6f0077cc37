//! The WebSocket protocol (RFC 6455), without I/O and without a clock.
//!
//! Bytes go in, events and bytes come out; where the bytes come from and when is the caller's affair.
//!
//! - [`head`]: the HTTP/1.1 request head and response that a connection begins with
//! - [`handshake`]: the opening handshake, of the server and of the client
//! - [`frame`], [`mask`], [`utf8`]: the pieces of the wire format
//! - [`extensions`], [`deflate`]: the agreement on compression, and compression itself (RFC 7692)
//! - [`encoder`]: a message as a server sends it, in each of its wire forms
//! - [`close`]: close codes, and the one table that maps every protocol error to its code
//! - [`protocol`]: the receiving state machine, which puts the pieces together for one connection

pub mod close;
pub mod deflate;
pub mod encoder;
pub mod extensions;
pub mod frame;
pub mod handshake;
pub mod head;
pub mod mask;
pub mod protocol;
pub mod utf8;

pub use close::{CloseCode, CloseFrame, Error};
pub use encoder::{Encoder, Form};
pub use frame::Opcode;
pub use protocol::{Event, Message, Protocol, Role};
