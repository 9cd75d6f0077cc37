//! The signals that end the server.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::io;

/// Takes over SIGTERM, SIGINT and, unless the process was started with it ignored, as by `nohup`, SIGHUP.
pub(super) fn take_over() -> io::Result<Signals> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let hangup = (!is_ignored(&status, SIGHUP)).then_some(SIGHUP);
    Signals::new([SIGTERM, SIGINT].into_iter().chain(hangup))
}

/// Returns whether a signal that arrives during the shutdown ends the server at once. SIGHUP does not: when a terminal
/// is closed, both the kernel and the shell send it, and service managers may send it right after SIGTERM.
pub(super) fn is_urgent(signal: i32) -> bool {
    signal != SIGHUP
}

/// Returns whether a signal is ignored according to `/proc/PID/status`.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tthrong\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\nSigCgt:\t00\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT) && !is_ignored(status, SIGTERM));
        assert!(!is_ignored("", SIGHUP), "where it is not known");
    }
}
