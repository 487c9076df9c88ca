//! How a long run went: events a second and memory, against the size of the log.

use super::figures::{per_second, rss_bytes};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The first line of the file.
pub(super) const HEADER: &str = "events,events_per_second,rss_bytes";
/// Where the first row stands; the next ones stand a quarter further each, until 1 % of the run is reached.
const FIRST: u64 = 1000;

/// Writes rows while a run goes on: densely at its beginning, then one every 1 %.
#[derive(Debug)]
pub(crate) struct Curve {
    events: u64,
    next: AtomicU64,
    rows: Mutex<Rows>,
}

#[derive(Debug)]
struct Rows {
    file: File,
    last: (u64, Instant),
    failed: Option<std::io::Error>,
}

impl Curve {
    /// Begins a file for a run of so many events.
    pub(crate) fn create(path: &Path, events: u64) -> Result<Self, String> {
        let begin = || {
            let mut file = File::create(path)?;
            writeln!(file, "{HEADER}")?;
            Ok(file)
        };
        let file = begin().map_err(|e: std::io::Error| format!("{}: {e}", path.display()))?;
        let rows = Mutex::new(Rows { file, last: (0, Instant::now()), failed: None });
        Ok(Self { events, next: AtomicU64::new(FIRST.min(events)), rows })
    }

    /// So many events are done. Costs one load when no row is due.
    pub(crate) fn reached(&self, done: u64) {
        if done < self.next.load(Ordering::Relaxed) {
            return;
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if done < self.next.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let (before, at) = rows.last;
        let rate = per_second(done.saturating_sub(before), now - at);
        rows.last = (done, now);
        let written = writeln!(rows.file, "{done},{rate:.0},{}", rss_bytes());
        if let Err(error) = written {
            rows.failed.get_or_insert(error);
        }
        self.next.store(after(done, self.events), Ordering::Relaxed);
    }

    /// Ends the file.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.failed.take().map_or(Ok(()), |error| Err(format!("the curve could not be written: {error}")))
    }
}

/// Where the next row stands. Answers come in bursts, so no row follows another within half a percent.
fn after(done: u64, events: u64) -> u64 {
    if done >= events {
        return u64::MAX;
    }
    let percent = (events / 100).max(1);
    let dense = done.saturating_add((done / 4).max(1));
    let even = (done.saturating_add(percent / 2) / percent).saturating_add(1).saturating_mul(percent);
    if dense < percent / 2 { dense } else { even.min(events) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_every_percent_and_the_last_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("curve.csv");
        let curve = Curve::create(&path, 1_000_000).unwrap();
        (1..=1_000_000).for_each(|done| curve.reached(done));
        curve.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(HEADER));
        let at: Vec<u64> = lines.map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
        assert!(at.windows(2).all(|w| w[0] < w[1]));
        assert!((1..=100).all(|percent| at.contains(&(percent * 10_000))), "{at:?}");
        assert_eq!((at.first(), at.last()), (Some(&1000), Some(&1_000_000)));
        assert!(at.len() < 130, "{}", at.len());
    }

    #[test]
    fn after_a_burst_the_next_row_keeps_its_distance() {
        assert_eq!(after(19_990, 1_000_000), 30_000);
        assert_eq!(after(20_000, 1_000_000), 30_000);
        assert_eq!(after(20_010, 1_000_000), 30_000);
        assert_eq!(after(999_000, 1_000_000), 1_000_000);
        assert_eq!(after(1_000_000, 1_000_000), u64::MAX);
    }

    #[test]
    fn a_run_shorter_than_a_row_has_one_at_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("curve.csv");
        let curve = Curve::create(&path, 10).unwrap();
        for done in [3, 7, 10, 10] {
            curve.reached(done);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
