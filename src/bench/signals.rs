//! Signals that end a run.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Set by the first SIGINT or SIGTERM, which ends the run with a report. The second ends the program.
pub(crate) struct Interrupt {
    is_set: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    pub fn on_signals() -> io::Result<Interrupt> {
        let interrupt = Interrupt { is_set: Arc::default(), signal: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&interrupt.is_set))?;
            flag::register(signal, Arc::clone(&interrupt.is_set))?;
            flag::register_usize(signal, Arc::clone(&interrupt.signal), signal as usize)?;
        }
        Ok(interrupt)
    }

    pub fn is_set(&self) -> &AtomicBool {
        &self.is_set
    }

    /// Returns the number of the signal received, or 0.
    pub fn signal(&self) -> i32 {
        self.signal.load(Relaxed) as i32
    }

    pub fn number(&self) -> &AtomicUsize {
        &self.signal
    }
}
