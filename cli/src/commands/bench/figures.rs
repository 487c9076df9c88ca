//! What every figure stands beside: latencies, CPU time, memory, and how fast the disk is this very minute.

use ledger::metrics::Reading;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Syncs of the probe, before and after a run.
const PROBES: u32 = 500;

/// Percentiles in milliseconds, each at most 1/64 too high.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Latency {
    /// Of what a histogram of durations holds.
    pub(crate) fn of(reading: &Reading) -> Self {
        let at = |per_mille| milliseconds(Duration::from_nanos(reading.per_mille(per_mille)));
        let max = milliseconds(Duration::from_nanos(reading.max()));
        Self { p50: at(500), p90: at(900), p99: at(990), p999: at(999), max }
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p90, p99, p999, max } = self;
        // Deciding takes microseconds, committing milliseconds.
        let digits = if *p50 < 0.1 { 4 } else { 2 };
        write!(
            f,
            "p50 {p50:.digits$} · p90 {p90:.digits$} · p99 {p99:.digits$} · p99.9 {p999:.digits$} · max {max:.digits$} ms"
        )
    }
}

/// Milliseconds with their fraction.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How fast the disk syncs: the mean of a probe before and one after the run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Fsync {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Fsync {
    /// Probes the disk now.
    pub(crate) fn probe(dir: &Path) -> Result<Self, String> {
        let (p50, p99) = ledger::fsync_probe(dir, PROBES).map_err(|e| e.to_string())?;
        Ok(Self { p50: milliseconds(p50), p99: milliseconds(p99) })
    }

    /// The mean of this probe and one now.
    pub(crate) fn and_now(self, dir: &Path) -> Result<Self, String> {
        let now = Self::probe(dir)?;
        Ok(Self { p50: f64::midpoint(self.p50, now.p50), p99: f64::midpoint(self.p99, now.p99) })
    }
}

/// So many a second.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    // Counts of a run are far below 2^53.
    let (high, low) = (count >> 32, count & 0xffff_ffff);
    let part = |half: u64| f64::from(u32::try_from(half).unwrap_or(u32::MAX));
    (part(high) * 4_294_967_296.0 + part(low)) / elapsed.as_secs_f64().max(1e-9)
}

/// CPU time of this process so far, all threads: server and load generator together.
pub(crate) fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of /proc/self/stat, in ticks of 10 ms; the command name before them may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = rest.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

/// Resident memory of this process, in bytes.
pub(crate) fn rss_bytes() -> u64 {
    memory("self", "VmRSS:")
}

/// The most resident memory that this process has had, in bytes.
pub(crate) fn peak_rss_bytes() -> u64 {
    memory("self", "VmHWM:")
}

/// Resident memory of another process, in bytes.
pub(crate) fn rss_bytes_of(pid: u32) -> u64 {
    memory(&pid.to_string(), "VmRSS:")
}

fn memory(process: &str, row: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(row));
    line.and_then(|l| l.split_whitespace().next()).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}
