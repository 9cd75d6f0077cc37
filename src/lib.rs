//! throng: a WebSocket chat and broadcast server for very many connections on one thread, and a load tester.
//!
//! This page is the architecture. It follows a byte:
//!
//! ```text
//! socket → frames → messages → room → outbound queues → socket
//! ```
//!
//! 1. The loop ([`net::EventLoop`]) is told by the system that a socket has something, and reads it into its one
//!    receive buffer.
//! 2. The protocol ([`ws::Protocol`]) finds frames there and hands out messages: where they lie if they lie whole,
//!    else gathered from however many reads they came in. Until a connection has spoken HTTP
//!    ([`ws::head`], [`ws::handshake`]) it has no protocol.
//! 3. The application ([`server::Server`]) is handed the message and asks the chat ([`chat::Hub`]), which decides who
//!    hears what and writes it once in each format that somebody in the room wants.
//! 4. What the room says is appended to the batch of one group of connections ([`net::Outbound`]), as a frame.
//! 5. When everything that was ready has been handled, each member of the group is written to, straight from the
//!    batch: one `write` for all that the room said meanwhile. Only what a socket refuses is queued for that
//!    connection alone.
//!
//! Bytes leave in the order in which they were enqueued, but for two kinds of frame that go before what a socket has
//! refused: a pong, of which there is one however many pings came, and a close frame that tells of a fault
//! ([`ws::CloseCode::overtakes`]), for which the rest is dropped. After a close frame nothing is sent, and what comes
//! is read and dropped until the peer ends its side or its time is over; this side ends first.
//!
//! Each step hands its result to the next and does not look back. Handlers only enqueue: nothing is written, freed or
//! called back inside one.
//!
//! # Layers
//!
//! | module | owns | may use | never |
//! |---|---|---|---|
//! | [`ws`] | the protocol, of both ends, without I/O and clock | httparse, sha1, base64, flate2, bytes | sockets, chat |
//! | [`net`] | the loop: sockets, connections, queues, timeouts | `ws`, mio, slab | chat |
//! | [`http`] | the page and its assets | `ws` (request and response) | chat, mio |
//! | [`chat`] | rooms, members, presence, history, formats | serde_json, jiff | sockets, frames, clocks |
//! | [`server`] | the joint of the four above | all | |
//! | `bench` | the load tester: clients, workloads, audit, reports; behind the cargo feature `bench`, on by default | `ws`, mio, rustls | chat |
//! | [`config`], [`manual`], `main` | the command line | all | |
//!
//! To read it: [`ws::frame`], [`ws::protocol`], [`ws::deflate`], [`net`], `net/event_loop/`, [`net::outbound`], [`chat`],
//! [`server`].
//!
//! # What makes it small and fast
//!
//! - **An idle connection owns no buffer.** It is a slab entry for what it is owed and one for what it has sent; bytes
//!   of its own exist only while a message is unfinished or a socket refuses.
//! - **Interest is registered once**, edge-triggered, for both directions. A read that fills less than the buffer has
//!   emptied the socket, so there is no second read to be told `EAGAIN`. What a connection may have read in one
//!   tick is limited; the rest is taken in the next.
//! - **A broadcast is encoded once** a format, and compressed once ([`ws::deflate`]): no message refers to another, so
//!   that what one member can inflate, all can, and no connection has a compressor. A member costs a walk over an array in accept order, one
//!   `write`, and nothing else: no copy, no allocation, no reference count.
//! - **A room that was just flushed waits a few milliseconds** for more to say in the same `write`, and leaves time for
//!   others if it takes long to write to; a quiet one does not wait at all.
//! - **Timeouts are FIFOs** ([`net::timers`]), since those of one kind are equally long.
//!
//! # What makes it safe
//!
//! Everything that a peer can make the server keep has a limit, in bytes and in time: heads, handshakes, messages,
//! queues, histories, rooms. What waits for a peer because *others* talk is limited by closing it, or by leaving
//! out what rooms say and telling it of the gap ([`net::Slow`]); what waits because it asks *itself* is limited by
//! not reading from it ([`net::Limits::pause_above`]). What is not carried is counted by cause ([`net::Cause`]). A
//! slot's number is used again, but a [`net::ConnId`] carries a generation, so that neither a stale event nor a
//! late timer meets a new connection.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "bench")]
pub mod bench;
pub mod chat;
pub mod config;
pub mod http;
pub mod manual;
pub mod net;
pub mod server;
mod values;
pub mod ws;
