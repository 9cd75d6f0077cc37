//! Lines that wait to be written to standard error: any thread appends them, and one thread writes them.

use std::io::{ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Most lines that may wait.
const MAX_LINES: usize = 16 << 10;
/// Most bytes that may wait. As many again may be on their way to standard error.
const MAX_BYTES: usize = 2 << 20;
/// Buffers above this are given back after use, in bytes.
const KEPT_BUFFER: usize = 64 << 10;
/// After this, writing to a non-blocking standard error that was full is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// A bounded queue of lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Lines,
    /// Lines that did not fit, since lines were last taken to be written.
    dropped: u64,
    phase: Phase,
}

/// Whole lines.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Running,
    /// The process is about to end: what waits is written, and the thread ends.
    Finishing,
    Finished,
}

impl Queue {
    /// Appends the line that `write` produces, if there is room for it. Never waits for the output: the lock is
    /// held only to append a line and to take all lines.
    pub(super) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.lock().has_room(1) {
            return;
        }
        let mut line = Vec::with_capacity(128);
        write(&mut line);
        let mut state = self.lock();
        if state.has_room(line.len()) {
            state.waiting.bytes.extend_from_slice(&line);
            state.waiting.count += 1;
            if state.waiting.count == 1 {
                self.changed.notify_all();
            }
        }
    }

    /// Writes lines until [`Queue::finish`]. Where lines are missing it writes the line that `report` makes of their
    /// number.
    pub(super) fn write_to(&self, output: impl Write, report: impl Fn(u64, &mut Vec<u8>)) {
        let mut output = Output { inner: output, report, lost: 0, is_cut: false };
        let mut batch = Lines::default();
        loop {
            let dropped = self.take(&mut batch);
            if batch.count == 0 {
                break;
            }
            output.write(&batch, dropped);
        }
        self.lock().phase = Phase::Finished;
        self.changed.notify_all();
    }

    /// Has the thread write all remaining lines and end. Waits for that, but no longer than `timeout`.
    pub(super) fn finish(&self, timeout: Duration) {
        let mut state = self.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Finishing;
        }
        self.changed.notify_all();
        let is_unfinished = |state: &mut State| state.phase != Phase::Finished;
        drop(self.changed.wait_timeout_while(state, timeout, is_unfinished));
    }

    /// Takes what waits in exchange for the batch that was written, as soon as something does; nothing at the end.
    /// Returns how many lines are missing behind it.
    fn take(&self, batch: &mut Lines) -> u64 {
        batch.bytes.clear();
        batch.bytes.shrink_to(KEPT_BUFFER);
        batch.count = 0;
        let has_nothing = |state: &mut State| state.waiting.count == 0 && state.phase == Phase::Running;
        let mut state =
            self.changed.wait_while(self.lock(), has_nothing).unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.waiting, batch);
        std::mem::take(&mut state.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a line of `len` bytes fits; counts it as dropped if not.
    fn has_room(&mut self, len: usize) -> bool {
        let fits = self.waiting.count < MAX_LINES && self.waiting.bytes.len() + len <= MAX_BYTES;
        self.dropped += u64::from(!fits);
        fits
    }
}

/// Standard error, and what it did not take.
struct Output<W, R> {
    inner: W,
    report: R,
    /// Lines lost since the last report.
    lost: u64,
    /// The last write broke off within a line.
    is_cut: bool,
}

impl<W: Write, R: Fn(u64, &mut Vec<u8>)> Output<W, R> {
    /// Writes lines, behind which `dropped` lines are missing.
    fn write(&mut self, lines: &Lines, dropped: u64) {
        if !self.report_lost() {
            self.lost += lines.count as u64 + dropped;
            return;
        }
        let unwritten = &lines.bytes[self.write_bytes(&lines.bytes)..];
        self.lost = unwritten.iter().filter(|&&byte| byte == b'\n').count() as u64 + dropped;
        if unwritten.is_empty() {
            self.report_lost();
        }
    }

    /// Reports lost lines, if there are any; returns whether all are reported.
    fn report_lost(&mut self) -> bool {
        if self.lost > 0 {
            let mut line = Vec::new();
            (self.report)(self.lost, &mut line);
            if self.write_bytes(&line) < line.len() {
                return false;
            }
            self.lost = 0;
        }
        true
    }

    /// Returns how many bytes were written before an error.
    fn write_bytes(&mut self, bytes: &[u8]) -> usize {
        if self.is_cut && write_all(&mut self.inner, b"\n") == 0 {
            return 0;
        }
        let written = write_all(&mut self.inner, bytes);
        self.is_cut = written > 0 && bytes[written - 1] != b'\n';
        written
    }
}

/// Writes until an error, and returns how much was written. Waits while the output is full, whether it blocks or not.
fn write_all(output: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// An output that takes as many bytes at each write as the test hands it, and fails for 0.
    struct Stepwise {
        steps: Receiver<usize>,
        written: SyncSender<Vec<u8>>,
    }

    impl Write for Stepwise {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.steps.recv().unwrap_or(usize::MAX) {
                0 => Err(io::ErrorKind::StorageFull.into()),
                1 => Err(io::ErrorKind::WouldBlock.into()),
                most => {
                    let len = bytes.len().min(most);
                    let _ = self.written.send(bytes[..len].to_vec());
                    Ok(len)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn report(count: u64, line: &mut Vec<u8>) {
        line.extend_from_slice(format!("lost {count}\n").as_bytes());
    }

    /// Runs a test with a queue whose output goes on when the test says so.
    fn with_queue(test: impl FnOnce(&Queue, SyncSender<usize>, Receiver<Vec<u8>>)) {
        let queue = Queue::default();
        let (step, steps) = sync_channel(0);
        let (written, taken) = sync_channel(1000);
        thread::scope(|scope| {
            scope.spawn(|| queue.write_to(Stepwise { steps, written }, report));
            test(&queue, step, taken);
            queue.finish(Duration::from_secs(10));
            assert_eq!(queue.lock().phase, Phase::Finished);
        });
    }

    fn add(queue: &Queue, line: &str) {
        queue.append(|buffer| buffer.extend_from_slice(line.as_bytes()));
    }

    #[test]
    fn all_lines_are_written_before_the_end() {
        with_queue(|queue, step, taken| {
            drop(step);
            add(queue, "one\n");
            add(queue, "two\n");
            queue.finish(Duration::from_secs(10));
            assert_eq!(taken.try_iter().flatten().collect::<Vec<u8>>(), b"one\ntwo\n");
        });
    }

    #[test]
    fn a_blocked_output_holds_up_nobody_and_what_does_not_fit_is_counted() {
        with_queue(|queue, step, taken| {
            add(queue, "first\n");
            // Whether or not the thread has taken the first line, so many do not fit.
            while queue.lock().waiting.count > 0 {
                thread::yield_now();
            }
            for _ in 0..MAX_LINES + 3 {
                add(queue, "x\n");
            }
            queue.finish(Duration::ZERO);
            assert_eq!(queue.lock().phase, Phase::Finishing, "the end does not wait for long");
            drop(step);
            queue.finish(Duration::from_secs(10));
            let written: Vec<u8> = taken.try_iter().flatten().collect();
            let text = String::from_utf8(written).unwrap();
            assert_eq!(text.matches("x\n").count(), MAX_LINES);
            assert!(text.starts_with("first\nx\n") && text.ends_with("x\nlost 3\n"));
        });
    }

    #[test]
    fn the_bytes_that_wait_are_limited_too() {
        let queue = Queue::default();
        let line = "y".repeat(MAX_BYTES / 4 + 1);
        for _ in 0..5 {
            add(&queue, &line);
        }
        let state = queue.lock();
        assert_eq!((state.waiting.count, state.dropped), (3, 2));
    }

    #[test]
    fn lines_that_fail_to_be_written_are_reported_once_one_is_written() {
        with_queue(|queue, step, taken| {
            add(queue, "one\n");
            step.send(0).unwrap();
            add(queue, "two\n");
            // The report of the lost line fails, too.
            step.send(0).unwrap();
            add(queue, "three\n");
            for _ in 0..2 {
                step.send(usize::MAX).unwrap();
            }
            queue.finish(Duration::from_secs(10));
            assert_eq!(taken.try_iter().flatten().collect::<Vec<u8>>(), b"lost 2\nthree\n");
        });
    }

    #[test]
    fn a_line_that_broke_off_is_ended_before_the_next() {
        with_queue(|queue, step, taken| {
            add(queue, "one and only\n");
            step.send(3).unwrap();
            step.send(0).unwrap();
            add(queue, "two\n");
            drop(step);
            queue.finish(Duration::from_secs(10));
            assert_eq!(taken.try_iter().flatten().collect::<Vec<u8>>(), b"one\nlost 1\ntwo\n");
        });
    }

    #[test]
    fn a_full_output_that_does_not_block_is_tried_again() {
        with_queue(|queue, step, taken| {
            add(queue, "one\n");
            step.send(1).unwrap();
            step.send(1).unwrap();
            drop(step);
            queue.finish(Duration::from_secs(10));
            assert_eq!(taken.try_iter().flatten().collect::<Vec<u8>>(), b"one\n");
        });
    }
}
