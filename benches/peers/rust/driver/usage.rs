//! What the server and the driver itself have used so far.

use crate::Fault;
use std::fs;
use std::time::Duration;

/// Time that all threads of a process had the CPU, and time that they waited for it, to the nanosecond.
pub fn cpu_and_wait_of(pid: u32) -> Result<[Duration; 2], Fault> {
    let mut total = [Duration::ZERO; 2];
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let mut fields = text.split(' ');
        for sum in &mut total {
            *sum += Duration::from_nanos(fields.next().ok_or("schedstat is too short")?.parse()?);
        }
    }
    Ok(total)
}

/// User and system time of a process in ticks of 10 ms: coarse, but apart.
pub fn ticks_of(pid: u32) -> Result<[u64; 2], Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11);
    let mut next = || fields.next().ok_or("stat is too short")?.parse().map_err(Fault::from);
    Ok([next()?, next()?])
}

/// The most that the process has had in memory, in bytes.
pub fn peak_of(pid: u32) -> Result<u64, Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// Memory of a process, in bytes.
pub fn rss_of(pid: u32) -> Result<u64, Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
