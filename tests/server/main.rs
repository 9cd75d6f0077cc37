//! Both ends of the protocol, and `throng serve` over real sockets.

#[path = "../support/mod.rs"]
mod support;

mod back_to_back;
mod budgets;
mod chat;
mod deflate;
mod documents;
mod echo;
mod handshake;
mod http;
mod listening;
mod log;
mod memory;
mod origins;
mod process;
mod random_settings;
mod slow;
mod strictness;
mod time;
