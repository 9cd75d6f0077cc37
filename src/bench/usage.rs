//! The resource usage of processes, from Linux's /proc.

use super::report::Machine;
use std::fs;
use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant};

/// CPU and memory of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub threads: Vec<Thread>,
    /// CPU seconds of all threads outside and inside the kernel, with a resolution of 10 ms.
    pub user: f64,
    pub system: f64,
    /// Current and peak memory in bytes (resident set).
    pub memory: u64,
    pub memory_peak: u64,
}

/// The CPU time of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub id: u32,
    /// How long it ran.
    pub cpu: Duration,
    /// How long it was ready while others ran.
    pub waited: Duration,
}

impl Usage {
    pub fn of(pid: u32) -> std::io::Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        let (user, system) = ticks().zip(ticks()).ok_or_else(|| unreadable("stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let memory = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
        };
        Ok(Usage {
            threads: threads(pid)?,
            user: user / TICKS_PER_SECOND,
            system: system / TICKS_PER_SECOND,
            memory: memory("VmRSS:").ok_or_else(|| unreadable("status"))?,
            memory_peak: memory("VmHWM:").ok_or_else(|| unreadable("status"))?,
        })
    }

    /// Returns the CPU time of all threads, in nanoseconds.
    pub fn cpu(&self) -> Duration {
        self.threads.iter().map(|thread| thread.cpu).sum()
    }

    /// Returns the thread that has used or waited for the most CPU time since `before`, with its times since
    /// then.
    pub fn busiest_thread_since(&self, before: &Usage) -> Option<Thread> {
        let since = |thread: &Thread| {
            let then = before.threads.iter().find(|other| other.id == thread.id);
            let (cpu, waited) = then.map_or_else(Default::default, |then| (then.cpu, then.waited));
            let (cpu, waited) = (thread.cpu.saturating_sub(cpu), thread.waited.saturating_sub(waited));
            Thread { id: thread.id, cpu, waited }
        };
        self.threads.iter().map(since).max_by_key(|thread| thread.cpu + thread.waited)
    }
}

/// `USER_HZ`, which is 100 on all Linux systems.
const TICKS_PER_SECOND: f64 = 100.0;

fn unreadable(name: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("/proc/PID/{name} has an unexpected format"))
}

fn threads(pid: u32) -> std::io::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        let text = match fs::read_to_string(task.path().join("schedstat")) {
            Ok(text) => text,
            // The thread has ended meanwhile.
            Err(_) if !task.path().exists() => continue,
            Err(error) => return Err(error),
        };
        let mut nanos = text.split(' ').map(|field| field.parse().map(Duration::from_nanos).ok());
        let (cpu, waited) = (nanos.next().flatten(), nanos.next().flatten());
        let id = task.file_name().to_str().and_then(|name| name.parse().ok());
        let (Some(id), Some(cpu), Some(waited)) = (id, cpu, waited) else {
            return Err(unreadable("task/TID/schedstat"));
        };
        threads.push(Thread { id, cpu, waited });
    }
    Ok(threads)
}

/// Returns how long a CPU quota has throttled the process's control group, if there is a quota.
pub(crate) fn throttled() -> Option<Duration> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let stat = fs::read_to_string(format!("/sys/fs/cgroup{group}/cpu.stat"))
        .or_else(|_| fs::read_to_string("/sys/fs/cgroup/cpu.stat"))
        .ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("throttled_usec "))?;
    line.trim().parse().ok().map(Duration::from_micros)
}

/// Returns the memory available without swapping, in bytes.
pub(crate) fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// Returns a description of this machine.
pub(crate) fn machine() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([':', ' ', '\t']).to_owned()
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    Machine {
        system: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        processor: after(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory.trim_end_matches(" kB").parse::<u64>().map_or(0, |kilobytes| kilobytes << 10),
    }
}

/// Measures the time to read the clock.
pub(crate) fn clock_cost() -> Duration {
    const ASKED: u32 = 10_000;
    let begin = Instant::now();
    for _ in 0..ASKED {
        std::hint::black_box(Instant::now());
    }
    begin.elapsed() / ASKED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_a_busy_thread_is_measured() {
        let before = Usage::of(std::process::id()).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(50) {
            std::hint::black_box(0);
        }
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.cpu() > before.cpu());
        assert!(after.busiest_thread_since(&before).is_some_and(|thread| thread.cpu > Duration::ZERO));
        assert!(after.memory > 0 && after.memory_peak >= after.memory);
    }

    #[test]
    fn a_missing_process_is_an_error() {
        assert!(Usage::of(u32::MAX).is_err());
    }
}
