//! throng
#![forbid(unsafe_code)]
#![warn(missing_docs)]
pub mod chat;
pub mod config;
pub mod http;
pub mod net;
pub mod server;
pub mod ws;
