//! The WebSocket protocol (RFC 6455), without I/O and without a clock.
//!
//! Works on bytes in memory: the caller does all reading, writing and timing.
//!
//! - [`head`]: the HTTP/1.1 request head and response at the start of a connection
//! - [`handshake`]: the opening handshake of server and client
//! - [`frame`], [`mask`], [`utf8`]: the parts of the wire format
//! - [`extensions`], [`deflate`]: negotiation of compression, and compression itself (RFC 7692)
//! - [`encoder`]: messages as a server sends them, in each wire form
//! - [`close`]: close codes, and the mapping from protocol errors to close codes
//! - [`protocol`]: the receiving state machine of one connection

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
