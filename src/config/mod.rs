//! The command line and the settings of the server.
//!
//! A setting is defined once, in `flags`, and read from its flag, else from its environment variable, else from its
//! default. [`Settings::load`] reads all of them, checks each and then how they relate, and reports every fault with
//! the flag or the variable that it came from. What it returns cannot make the server fail by itself.

mod bounds;
mod cli;
mod environment;
mod fault;
mod flags;
mod listen;
mod setting;
mod settings;
mod values;

pub use cli::{Cli, Command, Flags, explain};
pub use environment::Environment;
pub use fault::Fault;
pub use settings::Settings;

#[cfg(test)]
mod tests;
