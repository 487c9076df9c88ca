//! How fast this disk syncs: the figure printed beside every other one, because disks differ
//! tenfold.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::disk::{Disk, DiskFile, RealDisk, write_all_at};
use crate::durable::{IoError, Mode};

/// Bytes of one write.
const WRITE_BYTES: usize = 4096;

/// The median and the 99th percentile of `n` times a 4 KiB write and `fdatasync` into a file that
/// has been filled with zeros, which is what a single append to the journal costs at least.
pub fn fsync_probe(dir: &Path, n: u32) -> Result<(Duration, Duration), IoError> {
    let path = dir.join(format!("fsync-probe-{}.tmp", std::process::id()));
    let measured = measure(&path, n.max(1)).map_err(IoError::at("measure", &path));
    let removed = fs::remove_file(&path).map_err(IoError::at("remove", &path));
    let mut times = measured?;
    removed?;
    times.sort_unstable();
    Ok((percentile(&times, 50), percentile(&times, 99)))
}

fn measure(path: &Path, n: u32) -> io::Result<Vec<Duration>> {
    let file = RealDisk.create_new(path, Mode::Private)?;
    let file: &dyn DiskFile = &*file;
    let bytes = [b'x'; WRITE_BYTES];
    let total = crate::width::on_disk(WRITE_BYTES).saturating_mul(u64::from(n));
    crate::journal::segment::fill(file, 0, total, &AtomicBool::new(false))?;
    let mut times = Vec::new();
    let mut at = 0;
    while at < total {
        let start = Instant::now();
        write_all_at(file, &bytes, at)?;
        file.sync_data()?;
        times.push(start.elapsed());
        at = at.saturating_add(crate::width::on_disk(WRITE_BYTES));
    }
    Ok(times)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len().saturating_sub(1)).saturating_mul(percent) / 100;
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (p50, p99) = fsync_probe(dir.path(), 20).unwrap();
        assert!(p50 > Duration::ZERO && p50 <= p99);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
