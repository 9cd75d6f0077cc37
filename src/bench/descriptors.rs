//! The number of connections that the file limit allows.
//!
//! The limit applies to a table of descriptors, which the threads of a process share. On Linux a thread can
//! have its own table (`CLONE_FILES`). Then the limit applies to each thread, and threads do not contend for
//! the table.

use std::io;
use std::thread::Builder;

/// Descriptors that the program opens temporarily: reports, certificates, name resolution, files in /proc.
const OF_PROGRAM: usize = 6;
/// Descriptors of each thread: poll, waker, timer.
const OF_THREAD: usize = 4;
/// Largest number of threads without --threads.
const MAX_THREADS: usize = 256;

/// The file limit of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileLimit {
    limit: usize,
    /// Descriptors that were already open, including inherited ones.
    open: usize,
    /// Whether each thread can have its own table.
    is_per_thread: bool,
}

impl FileLimit {
    /// Raises the limit as far as possible.
    pub fn raise() -> io::Result<FileLimit> {
        let limit = usize::try_from(rlimit::increase_nofile_limit(u64::MAX)?).unwrap_or(usize::MAX);
        // A container may forbid it, so a short-lived thread tries.
        let is_per_thread = Builder::new().spawn(take_own_table)?.join().unwrap_or(false);
        Ok(FileLimit { limit, open: open_below(limit), is_per_thread })
    }

    /// Returns the largest number of connections with this many threads or, without --threads, with any
    /// number of threads.
    pub fn most_connections(&self, threads: Option<usize>) -> usize {
        let threads = threads.unwrap_or(if self.is_per_thread { MAX_THREADS } else { 1 });
        self.with_threads(threads)
    }

    fn with_threads(&self, threads: usize) -> usize {
        let free = self.limit.saturating_sub(self.open).saturating_sub(OF_PROGRAM);
        if self.is_per_thread {
            return free.saturating_sub(OF_THREAD).saturating_mul(threads);
        }
        free.saturating_sub(threads.saturating_mul(OF_THREAD))
    }

    /// Returns the number of threads: `said` (--threads), otherwise `usual`, or another number if the limit
    /// requires it.
    pub fn threads(&self, connections: usize, said: Option<usize>, usual: usize) -> Result<usize, String> {
        let possible = self.most_connections(said);
        if connections > possible {
            return Err(self.fault(connections, possible, said));
        }
        let threads = match said {
            Some(threads) => threads,
            None if self.is_per_thread => usual.max(connections.div_ceil(self.with_threads(1).max(1))),
            // Fewer threads leave more descriptors to connections.
            None => (1..=usual).rev().find(|threads| self.with_threads(*threads) >= connections).unwrap_or(1),
        };
        Ok(threads)
    }

    fn fault(&self, connections: usize, possible: usize, said: Option<usize>) -> String {
        let FileLimit { limit, open, .. } = self;
        let own = OF_PROGRAM + OF_THREAD;
        if possible == 0 {
            return format!(
                "the file limit of {limit} leaves no descriptor for a connection: {open} are open already and the load \
                 tester needs {own} itself; raise it (ulimit -n)"
            );
        }
        let more = if self.is_per_thread && said.is_some() { ", or allow more --threads" } else { "" };
        format!(
            "{connections} connections are more than the {possible} that the file limit of {limit} allows; raise it \
             (ulimit -n){more}, or run several load testers"
        )
    }
}

/// Counts the open descriptors below the limit, or assumes the three standard ones if they cannot be listed.
/// Descriptors above the limit, inherited from a program with a higher limit, do not count.
fn open_below(limit: usize) -> usize {
    const STANDARD: usize = 3;
    let descriptors = open_descriptors().unwrap_or((0..STANDARD).collect());
    descriptors.iter().filter(|descriptor| **descriptor < limit).count()
}

fn open_descriptors() -> io::Result<Vec<usize>> {
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let mut descriptors: Vec<usize> =
        std::fs::read_dir("/proc/self/fd")?.flatten().filter_map(number).collect();
    // One of them was the descriptor of the directory itself.
    descriptors.retain(|descriptor| std::fs::read_link(format!("/proc/self/fd/{descriptor}")).is_ok());
    Ok(descriptors)
}

/// Gives the calling thread its own table with a copy of all open descriptors. Returns false if that is not
/// possible.
pub(crate) fn take_own_table() -> bool {
    #[cfg(target_os = "linux")]
    return nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: usize = OF_PROGRAM + OF_THREAD;
    /// Each thread has room for a thousand connections.
    const EACH: FileLimit = FileLimit { limit: 1_000 + 3 + OWN, open: 3, is_per_thread: true };
    /// All threads together, if there is one, have room for a thousand connections.
    const ALL: FileLimit = FileLimit { is_per_thread: false, ..EACH };

    #[test]
    fn the_number_of_threads_follows_from_the_limit() {
        for (connections, threads) in [(1, 2), (2_000, 2), (2_001, 3), (256_000, 256)] {
            assert_eq!(EACH.threads(connections, None, 2), Ok(threads), "{connections}");
        }
        assert_eq!(EACH.threads(3_000, Some(3), 2), Ok(3));
        assert_eq!(ALL.threads(500, None, 2), Ok(2));
        assert_eq!(ALL.threads(1_000, None, 2), Ok(1), "the second would take the place of a connection");
        assert_eq!(ALL.threads(1_000 - 4 * OF_THREAD, Some(5), 2), Ok(5));
    }

    #[test]
    fn too_many_connections_for_the_limit_are_an_error() {
        for (limit, connections, said, why) in [
            (
                EACH,
                3_001,
                Some(3),
                "the 3000 that the file limit of 1013 allows; raise it (ulimit -n), or allow more",
            ),
            (
                EACH,
                256_001,
                None,
                "the 256000 that the file limit of 1013 allows; raise it (ulimit -n), or run",
            ),
            (ALL, 1_001, None, "the 1000 that the file limit of 1013 allows; raise it (ulimit -n), or run"),
            (ALL, 1_000, Some(2), "the 996 that"),
        ] {
            let fault = limit.threads(connections, said, 1).unwrap_err();
            assert!(fault.contains(why), "{fault}");
        }
    }

    #[test]
    fn the_smallest_limits_give_an_error_and_no_panic() {
        for is_per_thread in [true, false] {
            for limit in 0..=80 {
                for open in [0, 3, 20, 200] {
                    let small = FileLimit { limit, open, is_per_thread };
                    let most = small.most_connections(None);
                    assert!(most == 0 || small.threads(1, None, 4).is_ok_and(|threads| threads > 0));
                    let fault = small.threads(most + 1, None, 4).unwrap_err();
                    assert_eq!(fault.contains("leaves no descriptor"), most == 0, "{fault}");
                }
            }
        }
        let fault = FileLimit { limit: 10, open: 3, is_per_thread: true }.threads(1, None, 1).unwrap_err();
        assert!(fault.contains("3 are open already") && fault.contains("needs 10 itself"), "{fault}");
    }

    #[test]
    fn the_largest_limit_does_not_overflow() {
        for is_per_thread in [true, false] {
            let unlimited = FileLimit { limit: usize::MAX, open: 3, is_per_thread };
            assert!(unlimited.threads(1 << 40, None, 2).is_ok());
            unlimited.most_connections(Some(usize::MAX));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn open_descriptors_are_counted() {
        use std::os::fd::AsRawFd;
        let file = std::fs::File::open("/dev/null").unwrap();
        let own = file.as_raw_fd() as usize;
        assert!(open_descriptors().unwrap().contains(&own));
        assert!(open_below(own + 1) >= 1 && open_below(0) == 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_with_their_own_tables_use_the_same_numbers() {
        use std::collections::BTreeSet;
        use std::os::fd::AsRawFd;
        use std::sync::Barrier;
        let all_have_opened = Barrier::new(2);
        let open_some = || {
            assert!(take_own_table());
            let files: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
            all_have_opened.wait();
            files.iter().map(AsRawFd::as_raw_fd).collect::<BTreeSet<_>>()
        };
        let [one, other] = std::thread::scope(|scope| {
            [scope.spawn(open_some), scope.spawn(open_some)].map(|thread| thread.join().unwrap())
        });
        assert!(!one.is_disjoint(&other));
    }
}
