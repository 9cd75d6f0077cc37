//! A listening socket, and what happens to it when accepting fails.

use super::super::listener;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// When accepting fails, it is tried again when a descriptor is freed, or after this.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// A listener that accepted again is not reported as failing before this has passed.
const REPORT_PAUSE: Duration = Duration::from_secs(10);

/// A listening socket.
pub(super) struct Listener {
    /// With the port that the system chose.
    address: SocketAddr,
    /// Connections may wait there.
    pub(super) is_ready: bool,
    paused_until: Option<Instant>,
    /// The log has reported that accepting fails, and not yet that it works again.
    is_failing: bool,
    /// When the log may next report a failure.
    report_after: Option<Instant>,
}

impl Listener {
    pub(super) fn new(address: SocketAddr) -> Listener {
        Listener { address, is_ready: false, paused_until: None, is_failing: false, report_after: None }
    }

    /// Whether there may be connections to accept now.
    pub(super) fn may_accept(&self) -> bool {
        self.is_ready && self.paused_until.is_none()
    }

    /// When accepting is to be tried again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.paused_until.filter(|_| self.is_ready)
    }

    /// Lets accepting be tried again at once.
    pub(super) fn resume(&mut self) {
        self.paused_until = None;
    }

    pub(super) fn resume_if_due(&mut self, now: Instant) {
        self.paused_until = self.paused_until.filter(|until| now < *until);
    }

    /// Pauses after an error, and reports it once.
    pub(super) fn fail(&mut self, error: &io::Error, now: Instant) {
        self.paused_until = Some(now + ACCEPT_PAUSE);
        let may_report = self.report_after.is_none_or(|after| after <= now);
        if may_report && !std::mem::replace(&mut self.is_failing, true) {
            let advice = listener::advice(error);
            log::warn!(
                address:% = self.address;
                "cannot accept connections on {}: {error}; {advice}new connections wait, with a retry every second",
                self.address
            );
        }
    }

    /// Notes that no connection is waiting, and reports the end of a failure.
    pub(super) fn recover(&mut self, now: Instant) {
        self.is_ready = false;
        if std::mem::take(&mut self.is_failing) {
            self.report_after = Some(now + REPORT_PAUSE);
            log::info!(address:% = self.address; "accepting connections on {} again", self.address);
        }
    }
}
