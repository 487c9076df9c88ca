//! How many frames a second the journal commits on this disk.
//!
//! `cargo run --release -p countersign-ledger --example append [DIR]`

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign_ledger::journal::segment::{Options, SegmentJournal};
use countersign_ledger::journal::{Frame, Journal};
use countersign_ledger::probe::fsync_probe;
use proof::merkle::{Frontier, leaf_hash};

const LEAF_BYTES: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "target/append-example".into());
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir)?;
    let (p50, p99) = fsync_probe(dir, 2000)?;
    println!("raw 4 KiB fdatasync: p50 {p50:?}, p99 {p99:?}");
    for (batch, frames) in [(1, 20_000), (64, 5_000)] {
        append(dir, batch, frames)?;
    }
    Ok(())
}

fn append(parent: &Path, batch: usize, frames: u32) -> Result<(), Box<dyn Error>> {
    let dir = parent.join(format!("batch-{batch}"));
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let started = Instant::now();
    let opened = SegmentJournal::open(&dir, &Options::new("append.example"), &mut |_, _| Ok(()))?;
    let (mut journal, mut frontier) = (opened.journal, opened.frontier);
    let opened_in = started.elapsed();
    let mut latencies = Vec::new();
    let started = Instant::now();
    for _ in 0..frames {
        let leaves = vec![vec![b'x'; LEAF_BYTES]; batch];
        let start = frontier.size();
        for leaf in &leaves {
            frontier.push(leaf_hash(leaf));
        }
        let frame = Frame { start, leaves: &leaves, root: frontier.root() };
        let before = Instant::now();
        journal.append(&frame)?;
        latencies.push(before.elapsed());
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    let at = |per_mille: usize| latencies.get(latencies.len() * per_mille / 1000).copied();
    let rate = f64::from(frames) / took.as_secs_f64();
    println!(
        "batch {batch}: {rate:.0} frames/s, {:.0} leaves/s; open {opened_in:?}; append p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        rate * f64::from(u32::try_from(batch)?),
        at(500).unwrap_or_default(),
        at(990).unwrap_or_default(),
        at(999).unwrap_or_default(),
        latencies.last().copied().unwrap_or_default(),
    );
    drop(journal);
    reopen(&dir, &frontier)
}

fn reopen(dir: &Path, expected: &Frontier) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut leaves = 0_u64;
    let opened = SegmentJournal::open(dir, &Options::new("append.example"), &mut |_, _| {
        leaves += 1;
        Ok(())
    })?;
    let took: Duration = started.elapsed();
    println!("  reopened with {leaves} leaves in {took:?}");
    if opened.frontier == *expected { Ok(()) } else { Err("another tree".into()) }
}
