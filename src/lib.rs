//! throng
#![forbid(unsafe_code)]
#![warn(missing_docs)]
pub mod net;
pub mod ws;
