//! What the server and the driver itself have used so far.

use crate::Fault;
use std::fs;
use std::time::Duration;

/// CPU of a process: that of all its threads, to the nanosecond.
pub fn cpu_of(pid: u32) -> Result<Duration, Fault> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        total += text.split(' ').next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// User and system time of a process in ticks of 10 ms: coarse, but apart.
pub fn ticks_of(pid: u32) -> Result<[u64; 2], Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11);
    let mut next = || fields.next().ok_or("stat is too short")?.parse().map_err(Fault::from);
    Ok([next()?, next()?])
}

/// Memory of a process, in bytes.
pub fn rss_of(pid: u32) -> Result<u64, Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// CPU of the driver.
pub fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
