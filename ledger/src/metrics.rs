//! What the ledger counts about itself while it works: how much waits, how long a commit takes, what was refused.
//!
//! Counting never waits: atomics, and histograms of fixed size. Nothing here is a fact of the log, and nothing that
//! decides reads it. How it looks to a scraper is the edge's business.

mod histogram;

pub use histogram::{Histogram, Reading};

use crate::handle::{Done, SubmitError};
use domain::command::RejectionKind;
use proof::index::TreeSize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why commands left no events, each with the name it is shown under.
const REFUSALS: [&str; 12] = [
    "malformed",
    "unauthenticated",
    "forbidden",
    "not_found",
    "conflict",
    "repeated",
    "unavailable",
    "overloaded",
    "clock",
    "no_room",
    "damaged",
    "stopped",
];

/// The counters of one ledger.
#[derive(Debug)]
pub struct Metrics {
    since: Instant,
    /// Commands that wait: queued, or in the commit under way.
    waiting: AtomicU64,
    commits: AtomicU64,
    events: AtomicU64,
    /// When the last commit was, in nanoseconds after `since`.
    last_commit: AtomicU64,
    batch: Histogram,
    append: Histogram,
    latency: Histogram,
    refused: [AtomicU64; REFUSALS.len()],
    snapshots: AtomicU64,
    snapshot_size: AtomicU64,
    snapshot_bytes: AtomicU64,
    snapshot_time: Histogram,
    scrubbed: AtomicU64,
    mended: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            waiting: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            events: AtomicU64::new(0),
            last_commit: AtomicU64::new(0),
            batch: Histogram::default(),
            append: Histogram::default(),
            latency: Histogram::default(),
            refused: Default::default(),
            snapshots: AtomicU64::new(0),
            snapshot_size: AtomicU64::new(0),
            snapshot_bytes: AtomicU64::new(0),
            snapshot_time: Histogram::default(),
            scrubbed: AtomicU64::new(0),
            mended: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Commands that wait: queued, or in the commit under way.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Commits since the ledger was opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Events committed since the ledger was opened.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// How long ago the last commit was, or the opening when there was none yet.
    pub fn head_age(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_nanos(self.last_commit.load(Ordering::Relaxed)))
    }

    /// Events of a commit.
    pub fn batch(&self) -> Reading {
        self.batch.read()
    }

    /// Nanoseconds that the journal took for a commit: the write and its sync.
    pub fn append(&self) -> Reading {
        self.append.read()
    }

    /// Nanoseconds from when a command was queued until its events were committed.
    pub fn latency(&self) -> Reading {
        self.latency.read()
    }

    /// How many commands left no events, by why.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Snapshots taken since the ledger was opened.
    pub fn snapshots(&self) -> u64 {
        self.snapshots.load(Ordering::Relaxed)
    }

    /// The size of the log in the last snapshot: a restart replays what came after.
    pub fn snapshot_size(&self) -> u64 {
        self.snapshot_size.load(Ordering::Relaxed)
    }

    /// Bytes of the last snapshot that was taken.
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes.load(Ordering::Relaxed)
    }

    /// Nanoseconds that a snapshot took.
    pub fn snapshot_time(&self) -> Reading {
        self.snapshot_time.read()
    }

    /// The ledger was opened from a snapshot of this size.
    pub(crate) fn opened_from(&self, size: TreeSize) {
        self.snapshot_size.store(size.get(), Ordering::Relaxed);
    }

    /// So many events are on stable storage; the journal took so long.
    pub(crate) fn committed(&self, events: usize, took: Duration) {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
        self.batch.add(events);
        self.append.record(took);
        let now = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_commit.store(now, Ordering::Relaxed);
    }

    /// A snapshot is on stable storage.
    pub(crate) fn kept(&self, size: TreeSize, bytes: u64, took: Duration) {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        self.snapshot_size.store(size.get(), Ordering::Relaxed);
        self.snapshot_bytes.store(bytes, Ordering::Relaxed);
        self.snapshot_time.record(took);
    }

    /// Bundles that were read again since the start.
    pub fn bundles_scrubbed(&self) -> u64 {
        self.scrubbed.load(Ordering::Relaxed)
    }

    /// Files of the site that were wrong and have been made again.
    pub fn files_mended(&self) -> u64 {
        self.mended.load(Ordering::Relaxed)
    }

    pub(crate) fn scrubbed(&self) {
        self.scrubbed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn mended(&self) {
        self.mended.fetch_add(1, Ordering::Relaxed);
    }

    /// A command left no events.
    pub(crate) fn refuse(&self, error: &SubmitError) {
        let name = match error {
            SubmitError::Rejected(no) => match no.kind {
                RejectionKind::Malformed => "malformed",
                RejectionKind::Unauthenticated => "unauthenticated",
                RejectionKind::Forbidden => "forbidden",
                RejectionKind::NotFound => "not_found",
                RejectionKind::Conflict => "conflict",
                RejectionKind::Exists(_) | RejectionKind::Duplicate(_) => "repeated",
                RejectionKind::Unavailable => "unavailable",
            },
            SubmitError::Overloaded => "overloaded",
            SubmitError::Clock(_) => "clock",
            SubmitError::NoRoom(_) => "no_room",
            SubmitError::Damaged(_) => "damaged",
            SubmitError::Stopped(_) => "stopped",
        };
        if let Some((_, count)) = REFUSALS.iter().zip(&self.refused).find(|(known, _)| **known == name) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A command begins to wait.
    pub(crate) fn wait(self: &Arc<Self>) -> (Reply, oneshot::Receiver<Result<Done, SubmitError>>) {
        let (sender, answer) = oneshot::channel();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        (Reply { sender, waiting: Waiting { metrics: self.clone(), since: Instant::now() } }, answer)
    }
}

/// The sequencer's end of a command that waits. Dropped without an answer it counts as waiting no more.
pub(crate) struct Reply {
    sender: oneshot::Sender<Result<Done, SubmitError>>,
    waiting: Waiting,
}

struct Waiting {
    metrics: Arc<Metrics>,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.metrics.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reply {
    /// Answers. Whoever asked may have gone away; that changes nothing.
    pub(crate) fn send(self, outcome: Result<Done, SubmitError>) {
        match &outcome {
            Ok(_) => self.waiting.metrics.latency.record(self.waiting.since.elapsed()),
            Err(error) => self.waiting.metrics.refuse(error),
        }
        drop(self.waiting);
        let _ = self.sender.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::command::Rejection;

    #[test]
    fn every_refusal_is_counted_under_a_name_of_its_own() {
        let metrics = Metrics::default();
        let errors = [
            SubmitError::Rejected(Rejection::malformed("no".into())),
            SubmitError::Overloaded,
            SubmitError::NoRoom("full".into()),
            SubmitError::NoRoom("full".into()),
            SubmitError::Stopped("gone".into()),
        ];
        for error in &errors {
            metrics.refuse(error);
        }
        let seen: Vec<_> = metrics.refused().filter(|(_, count)| *count > 0).collect();
        assert_eq!(seen, [("malformed", 1), ("overloaded", 1), ("no_room", 2), ("stopped", 1)]);
    }

    #[test]
    fn what_waits_is_counted_until_it_is_answered_or_dropped() {
        let metrics = Arc::new(Metrics::default());
        let (first, answer) = metrics.wait();
        let (second, _gone) = metrics.wait();
        assert_eq!(metrics.waiting(), 2);
        first.send(Err(SubmitError::Overloaded));
        assert!(matches!(answer.blocking_recv(), Ok(Err(SubmitError::Overloaded))));
        assert_eq!(metrics.waiting(), 1);
        drop(second);
        assert_eq!((metrics.waiting(), metrics.latency().count()), (0, 0));
    }
}
