//! throng: a WebSocket chat server for tens of thousands of connections on one thread, and a WebSocket load tester.
//!
//! This page describes the architecture. A message takes this path:
//!
//! ```text
//! socket → frames → messages → room → fan-out log → sockets
//! ```
//!
//! 1. The event loop ([`net::EventLoop`]) learns from the system that a socket is readable, and gives the connection a
//!    turn (`net/turns.rs`), in which it reads the socket into the only receive buffer that there is.
//! 2. The protocol ([`ws::Protocol`]) finds frames in the buffer and returns messages. A message that arrived whole is
//!    used in place; otherwise it is gathered over as many reads as it takes. Until the handshake is done
//!    ([`ws::head`], [`ws::handshake`]), a connection has no protocol.
//! 3. The application ([`server::Server`]) passes the message to the chat ([`chat::Hub`]), which decides who receives
//!    what, and encodes it once in each format that a member of the room uses.
//! 4. The encoded message is appended as a frame to the log of a group of connections (`net/fanout.rs`): the members of
//!    one room with the same format.
//! 5. After the turns, what a member has not received of the log is written to its socket: one `write` for everything
//!    that the room said in the meantime. What a socket does not accept waits in a queue of that connection, which
//!    shares the bytes. A large group is written to in slices of a millisecond, with a poll after each.
//!
//! Bytes are sent in the order in which they were enqueued, with two exceptions that overtake what is queued: pongs, of
//! which only the newest is kept, and close frames that report an error ([`ws::CloseCode::overtakes`]), which discard the
//! rest of the queue. After a close frame the server sends nothing more; it reads and discards what arrives until the
//! peer closes its side or `--close-timeout` is over. The server closes its side first.
//!
//! Each step hands its result to the next one and does not look back. Handlers only enqueue: they never write to a
//! socket, free a connection or call back.
//!
//! # Layers
//!
//! A layer uses only the layers above it in this table.
//!
//! | module | responsible for | uses | never |
//! |---|---|---|---|
//! | [`ws`] | the WebSocket protocol, both ends, without I/O and without a clock | httparse, sha1, base64, flate2, bytes | sockets, chat |
//! | [`net`] | the event loop: sockets, connections, queues, timeouts | `ws`, mio, slab | chat |
//! | [`http`] | the page and its assets | `ws` (request and response) | chat, mio |
//! | [`chat`] | rooms, members, presence, history, formats | serde_json, jiff | sockets, frames, clocks |
//! | [`server`] | connects the four above | all of them | |
//! | `bench` | the load tester: clients, workloads, audit, reports; behind the cargo feature `bench`, on by default | `ws`, mio, rustls | chat |
//! | [`logging`] | the log, written by a thread of its own | log, jiff | everything else |
//! | [`config`], [`manual`], `main` | the command line and the environment: one checked [`Settings`](config::Settings) | all of them | |
//!
//! Cargo features, both on by default: `serve` (the server and the command) and `bench` (the load tester, with `serve`).
//! Without them the crate is [`ws`], which needs five of the crates.
//!
//! A good order to read the source: [`ws::frame`], [`ws::protocol`], [`ws::deflate`], [`net`], `net/event_loop/`,
//! [`net::outbound`], [`chat`], [`server`].
//!
//! # What makes it small and fast
//!
//! - **An idle connection owns no buffer.** It is an entry in each of two slabs: one for its input, one for its output.
//!   It has memory of its own only while a message is incomplete or its socket does not accept everything.
//! - **Sockets are registered once**, edge-triggered, for reading and writing. A read that does not fill the buffer has
//!   emptied the socket, so no second read is needed to see `EAGAIN`.
//! - **A message to a room is encoded once** per format and compressed once ([`ws::deflate`]). Compressed messages do not
//!   refer to one another, so all members can inflate the same bytes, and no connection has a compressor. Each member
//!   costs one step in an array and one `write`: no copy, no allocation, no reference count.
//! - **Busy rooms share writes.** A room that was flushed within the last few milliseconds waits for more messages to send
//!   in the same `write`. A quiet room does not wait.
//! - **Timeouts are FIFO queues** ([`net::timers`]), because all timeouts of one kind have the same length.
//!
//! # What makes it safe
//!
//! Everything that one peer can make the server keep is limited in bytes and in time: heads, handshakes, messages, queues,
//! histories, rooms. Bytes queued for a peer because *others* talk are limited by closing the connection, or by dropping
//! messages and sending a notice of the gap ([`net::Slow`]). Bytes queued because of its *own* requests are limited by not
//! reading from it ([`net::Limits::pause_above`]). All that is kept for all peers together is on one account, and those
//! that hold the most are closed if it is too much ([`net::Limits::max_memory`]). No peer takes the loop's time from the
//! others: turns are measured, and who has taken more than its share has its next turn after everybody else; a tick
//! ends after some milliseconds of turns and of writes. Everything that a limit rejects is counted by cause ([`net::Cause`]).
//! The loop never waits for the log either: lines that do not fit its queue are dropped and counted ([`logging`]). Slots
//! are reused, but a [`net::ConnId`] carries a generation, so neither a stale event nor a late timer can affect a
//! new connection.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "serve")]
pub mod chat;
#[cfg(feature = "serve")]
pub mod config;
#[cfg(feature = "serve")]
pub mod http;
#[cfg(feature = "serve")]
pub mod logging;
#[cfg(feature = "serve")]
pub mod manual;
#[cfg(feature = "serve")]
pub mod net;
#[cfg(feature = "serve")]
mod rate;
#[cfg(feature = "serve")]
pub mod server;
#[cfg(feature = "serve")]
mod values;
pub mod ws;
