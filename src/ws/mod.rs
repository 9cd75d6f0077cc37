//! The WebSocket protocol (RFC 6455), without I/O and without a clock.
//!
//! Works on bytes in memory: the caller reads, writes and measures time, in a blocking program, an event loop or an
//! async runtime. It does both ends, sends and receives, compresses (RFC 7692), and allows nothing that is against the
//! protocol to be sent.
//!
//! To use it alone, without the server and its dependencies: `throng = { …, default-features = false }`.
//!
//! # The order of calls
//!
//! 1. Each thread has one [`Codec`] for all its connections.
//! 2. The opening handshake: a server passes what it reads to [`Accepting`](handshake::Accepting), a client to
//!    [`Connecting`](handshake::Connecting), until a [`Connection`] is returned. What is left of the input are its first
//!    frames.
//! 3. [`Connection::receive`] is called until it returns `None`, then the output is written, then more is read. Pings,
//!    close frames and errors of the peer are already answered in the output. [`Connection::send`] may be called at any
//!    time.
//! 4. [`Connection::close`] starts the closing handshake. When [`Connection::state`] is [`State::Closed`] and the output
//!    is written, **the server closes the TCP connection**; the client waits for it, for a limited time (§7.1.1). If the
//!    stream ends early, [`Connection::receive_end`] records it.
//!
//! A server that echoes messages, with `stream` as any [`Read`](std::io::Read) and [`Write`](std::io::Write):
//!
//! ```
//! use std::io::{self, Read, Write};
//! use throng::ws::handshake::{Accepting, Answer};
//! use throng::ws::{Codec, Config, Connection, Event, State};
//!
//! fn serve(stream: &mut (impl Read + Write), codec: &mut Codec) -> io::Result<()> {
//!     let mut accepting = Accepting::new(&Config::default());
//!     let mut connection: Option<Connection> = None;
//!     let mut buffer = vec![0; 64 << 10];
//!     loop {
//!         let len = stream.read(&mut buffer)?;
//!         // A new `input` for each read: it borrows the buffer until all of it is handled.
//!         let mut input = &mut buffer[..len];
//!         if connection.is_none() {
//!             match accepting.receive(&mut input, |_request| Ok(Answer::new())) {
//!                 Ok(opened) => connection = opened,
//!                 Err(rejected) => return stream.write_all(rejected.output()),
//!             }
//!         }
//!         let Some(connection) = &mut connection else {
//!             if len == 0 { return Ok(()) } else { continue }
//!         };
//!         while let Some(event) = connection.receive(&mut input, codec).unwrap_or_default() {
//!             if let Event::Message(message) = event {
//!                 let _closed = connection.send(&message, codec);
//!             }
//!         }
//!         stream.write_all(connection.output())?;
//!         connection.wrote(connection.output().len());
//!         if len == 0 || matches!(connection.state(), State::Closed(_)) {
//!             return Ok(());
//!         }
//!     }
//! }
//! # struct Peer(io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for Peer { fn read(&mut self, to: &mut [u8]) -> io::Result<usize> { self.0.read(to) } }
//! # impl Write for Peer {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.1.write(bytes) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
//! #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\0\0\0\0Hi";
//! # let mut peer = Peer(io::Cursor::new(request.to_vec()), Vec::new());
//! # serve(&mut peer, &mut Codec::new()).unwrap();
//! # assert!(peer.1.ends_with(b"\r\n\r\n\x81\x02Hi"));
//! ```
//!
//! A client's request and first message:
//!
//! ```
//! use throng::ws::deflate::Params;
//! use throng::ws::handshake::{ClientRequest, Connecting};
//! use throng::ws::{Codec, Config};
//!
//! let mut codec = Codec::new();
//! let mut request = ClientRequest::new("127.0.0.1:8080", "/chat/lobby");
//! request.deflate = &[Params::BROWSERS_OFFER];
//! let mut connecting = Connecting::new(&request, &Config::default(), &mut codec)?;
//! // Write `connecting.output()` to the socket, then pass what is read:
//! # let mut response = *b"HTTP/1.1 100 Continue\r\n\r\n";
//! let mut input = &mut response[..];
//! if let Some((mut connection, _opened)) = connecting.receive(&mut input)? {
//!     connection.send(&"Hello".into(), &mut codec)?;
//!     // Write `connection.output()`, then go on with `connection.receive(&mut input, &mut codec)`.
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! - [`handshake`]: the opening handshake of server and client
//! - [`head`]: the HTTP/1.1 request head and response at the start of a connection
//! - [`close`]: close codes, and the errors that a peer can cause
//! - [`deflate`]: compression and its negotiation
//!
//! For a server that sends one message to many connections and keeps their output itself, there are the receiving half
//! of a connection ([`protocol`]), messages encoded once for each form ([`encoder`]), and frames ([`frame`]).

pub mod close;
mod codec;
mod connection;
pub mod deflate;
pub mod encoder;
#[doc(hidden)]
pub mod extensions;
pub mod frame;
pub mod handshake;
pub mod head;
#[doc(hidden)]
pub mod mask;
mod output;
pub mod protocol;
mod random;
#[doc(hidden)]
pub mod utf8;

pub use close::{CloseCode, CloseFrame, Error};
pub use codec::Codec;
pub use connection::{ClosedBy, Config, Connection, SendError, State};
pub use encoder::{Encoder, Form};
pub use frame::Opcode;
pub use protocol::{Event, Message, Protocol, Role};
