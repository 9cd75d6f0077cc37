//! The real network: TCP and TLS sockets in one `mio` poll, and a timer with a higher resolution than the
//! poll.

use super::super::time::{Nanos, Time};
use super::super::transport::Transport;
use super::{Dial, Network, Ready, Received, Wait};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Number of events taken from the system at a time: few, so that due events are not delayed.
const EVENTS: usize = 128;
const TIMER: Token = Token(usize::MAX);
/// Number of reads after a wait that request the kernel's timestamp: the first messages have waited for the
/// thread to wake up. Requesting the stamp costs a tenth of a read, and later reads are not late.
const STAMPED: u32 = 32;
/// A poll that took longer than this has slept.
const SLEPT: Nanos = Nanos::micros(30);
/// Events due within this time are waited for with the timer; before that, the poll's timeout in milliseconds
/// is used.
const TIMER_RANGE: Nanos = Nanos::micros(1_500);
/// Events due within this time are waited for without sleeping: waking up takes about as long.
const SPIN: Nanos = Nanos::micros(50);
/// The divisor that limits the time spent on waiting without sleeping to 1/100.
const SPIN_DIVISOR: u64 = 100;
/// Longest time to let arrivals accumulate.
const GATHER: Nanos = Nanos::micros(400);

/// The sockets of one thread.
pub(crate) struct Sockets {
    started: Instant,
    poll: Poll,
    events: Events,
    /// `epoll_wait` has a resolution of milliseconds. The timer wakes it in between.
    timer: TimerFd,
    /// The time for which the timer is set.
    armed: Time,
    /// Whether the kernel stamps arrivals.
    stamps: bool,
    /// Number of further reads that request the stamp.
    to_stamp: u32,
    /// Total time spent polling without sleeping.
    spun: Nanos,
    /// The time of day at the start of the run, as used in the kernel's stamps.
    epoch: Epoch,
}

/// The start of the run by the time-of-day clock. It is determined again after each wait, since that clock
/// can be set.
#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    since_1970: Duration,
    /// Whether the clock was set since the previous wait: later stamps may be based on either time.
    is_doubtful: bool,
}

/// Larger changes from one wait to the next mean that the clock was set, and not only adjusted.
const SET: Duration = Duration::from_millis(1);

/// Two reads of a clock further apart than this were interrupted.
const INTERRUPTED: Nanos = Nanos::new(5_000);

impl Epoch {
    /// Reads both clocks. The thread can be interrupted between the two, so the run's clock is read before and after.
    /// What is left of such a pause makes stamps later, and so no latency too low.
    fn after_wait(self, mut now: impl FnMut() -> Time) -> Epoch {
        let mut before = now();
        let (mut of_day, mut after);
        let mut attempts = 0;
        loop {
            of_day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            after = now();
            attempts += 1;
            if after.since(before) <= INTERRUPTED || attempts == 5 {
                break;
            }
            before = after;
        }
        let since_1970 = of_day.saturating_sub(Nanos::new(after.as_nanos()).into());
        Epoch { since_1970, is_doubtful: since_1970.abs_diff(self.since_1970) > SET }
    }

    /// Converts the kernel's stamp to a time, which is never after `now`.
    fn time(self, stamp: Option<Duration>, now: Time) -> Time {
        match stamp.and_then(|stamp| stamp.checked_sub(self.since_1970)).filter(|_| !self.is_doubtful) {
            Some(since_start) => now.min(Time::from_nanos(since_start.as_nanos() as u64)),
            None => now,
        }
    }
}

impl Sockets {
    /// Creates the sockets of a thread. `started` is the start of the run.
    pub fn new(started: Instant) -> io::Result<Sockets> {
        // By default the system may wake a thread up to 50 µs late, which is longer than most pauses.
        #[cfg(target_os = "linux")]
        let _is_only_less_exact = nix::sys::prctl::set_timerslack(1);
        let poll = Poll::new()?;
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let descriptor = timer.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), TIMER, Interest::READABLE)?;
        Ok(Sockets {
            started,
            poll,
            events: Events::with_capacity(EVENTS),
            timer,
            armed: Time::ZERO,
            stamps: false,
            to_stamp: 0,
            spun: Nanos::ZERO,
            epoch: Epoch::default(),
        })
    }

    /// Sets the timer. It need not be read, since readiness is edge-triggered.
    fn arm(&mut self, due: Time, left: Nanos) -> io::Result<()> {
        if self.armed != due {
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left.into()));
            self.timer.set(expiration, TimerSetTimeFlags::empty())?;
            self.armed = due;
        }
        Ok(())
    }
}

impl Sockets {
    fn poll(&mut self, timeout: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        let began = self.now();
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        if self.now().since(began) > SLEPT {
            self.woke_up(STAMPED);
        }
        ready.extend(self.events.iter().filter(|event| event.token() != TIMER).map(|event| Ready {
            token: event.token().0,
            is_readable: event.is_readable(),
            is_writable: event.is_writable(),
            is_closed: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }

    /// Makes the next `reads` reads request the stamp.
    fn woke_up(&mut self, reads: u32) {
        if self.stamps {
            self.to_stamp = reads;
            self.epoch = self.epoch.after_wait(|| self.now());
        }
    }

    /// Polls without sleeping until there are events or something is due.
    fn spin(&mut self, due: Time, ready: &mut Vec<Ready>) -> io::Result<()> {
        let began = self.now();
        self.woke_up(STAMPED);
        while ready.is_empty() && self.now() < due {
            self.poll(Duration::ZERO, ready)?;
        }
        self.spun = self.spun + self.now().since(began);
        Ok(())
    }
}

impl Network for Sockets {
    type Stream = Transport;

    fn now(&self) -> Time {
        Time::from_nanos(self.started.elapsed().as_nanos() as u64)
    }

    fn connect(&mut self, dial: &Dial<'_>, token: usize) -> io::Result<Transport> {
        let mut stream = Transport::connect(dial.address, dial.source, dial.receive_buffer, dial.tls)?;
        if dial.is_stamped {
            stream.stamp_arrivals();
            self.stamps = true;
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(token), interest)?;
        Ok(stream)
    }

    fn is_connected(&self, stream: &Transport) -> io::Result<bool> {
        stream.connected()
    }

    fn read(&mut self, stream: &mut Transport, buffer: &mut [u8]) -> io::Result<Received> {
        let (len, stamp) = match self.to_stamp.checked_sub(1) {
            Some(left) => {
                self.to_stamp = left;
                stream.read_with_stamp(buffer)?
            }
            None => (stream.read(buffer)?, None),
        };
        let now = self.now();
        Ok(Received { len, arrived: self.epoch.time(stamp, now), now })
    }

    fn wait(&mut self, wait: Wait, ready: &mut Vec<Ready>) -> io::Result<()> {
        let timeout = match wait.due.map(|due| (due, due.since(self.now()))) {
            // A core that has slept for long wakes up late, so the last stretch is waited for separately.
            Some((_, left)) if left > TIMER_RANGE => {
                let rest = left.saturating_sub(TIMER_RANGE).get() / 1_000_000 + 1;
                wait.at_most.min(Nanos::millis(rest))
            }
            Some((due, left)) if !left.is_zero() => {
                let may_spin = self.spun.get() <= self.now().as_nanos() / SPIN_DIVISOR;
                if may_spin && left <= SPIN {
                    return self.spin(due, ready);
                }
                let ahead = if may_spin { SPIN } else { Nanos::ZERO };
                if wait.gathers && left <= GATHER {
                    std::thread::sleep(left.saturating_sub(ahead).into());
                    self.woke_up(u32::MAX);
                    return self.poll(Duration::ZERO, ready);
                }
                self.arm(due - ahead, left.saturating_sub(ahead))?;
                wait.at_most
            }
            Some(_) => Nanos::ZERO,
            None => wait.at_most,
        };
        let timeout = Duration::from_millis(timeout.get().div_ceil(1_000_000));
        self.poll(timeout, ready)
    }

    fn pause(&mut self, length: Nanos) {
        std::thread::sleep(length.into());
    }

    fn acknowledge_late(&self, stream: &Transport) {
        // Fails for a connection that has ended, which reading reports.
        let _ = stream.acknowledge_late();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_the_kernel_counts_unless_the_clock_was_set() {
        let millis = |millis| Time::ZERO + Nanos::millis(millis);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let epoch = Epoch { since_1970: now, is_doubtful: false };
        let stamp = |millis| Some(now + Duration::from_millis(millis));
        assert_eq!(epoch.time(stamp(7), millis(9)), millis(7));
        assert_eq!(epoch.time(stamp(11), millis(9)), millis(9), "a stamp is never in the future");
        assert_eq!(epoch.time(None, millis(9)), millis(9));
        assert_eq!(epoch.time(Some(Duration::ZERO), millis(9)), millis(9));
        let first = Epoch::default().after_wait(|| millis(1));
        assert!(first.is_doubtful, "the previous value was unknown");
        let set = Epoch { since_1970: first.since_1970 + Duration::from_secs(60), is_doubtful: false };
        let after = set.after_wait(|| millis(1));
        assert!(after.is_doubtful);
        assert_eq!(after.time(stamp(7), millis(9)), millis(9));
    }

    #[test]
    fn an_interruption_between_two_clocks_makes_no_stamp_earlier() {
        let millis = |millis| Time::ZERO + Nanos::millis(millis);
        for reads in [vec![1, 4, 4], vec![1, 4, 7, 10, 13, 16]] {
            let mut left = reads.iter().map(|&read| millis(read));
            let mut last = Time::ZERO;
            let epoch = Epoch::default().after_wait(|| {
                last = left.next().unwrap();
                last
            });
            let of_day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            assert!(epoch.since_1970 + Duration::from_nanos(last.as_nanos()) <= of_day);
            assert!(last >= millis(4), "the interrupted reads were used");
        }
    }
}
