//! Reads a site bundle by bundle on every core, and hands the bundles on in order.
//!
//! Workers take bundle numbers from a counter and check what can be checked of one entry by itself. They may run ahead
//! of the consumer by a bounded number of bundles, so memory does not grow with the log.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use proof::merkle::leaf_hash;
use proof::{Hash, LeafIndex, TreeSize};

use super::entry::{self, Checks, Entry};
use super::{beside, site};
use crate::report::Verdict;
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// Bundles that a worker may be ahead of the consumer, for each worker.
const AHEAD: u64 = 3;

/// A bundle, checked entry by entry.
pub(crate) struct Bundle {
    /// The entries that hold by themselves, up to the first that does not.
    pub(crate) entries: Vec<Entry>,
    /// What is wrong with that one, or with the bundle.
    pub(crate) broken: Option<Finding>,
    /// The level-0 tile over the bundle.
    pub(crate) tile: Result<Vec<Hash>, Finding>,
    /// What is wrong with the pieces beside them.
    pub(crate) beside: Vec<Finding>,
}

/// What the workers need to know.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) site: &'a dyn Source,
    pub(crate) size: TreeSize,
    /// Bundles before this one are left out.
    pub(crate) first_bundle: u64,
    pub(crate) checks: Checks<'a>,
    pub(crate) threads: usize,
}

/// Calls `consume` for each bundle in order, until it breaks off.
pub(crate) fn walk(task: Task<'_>, mut consume: impl FnMut(Bundle) -> ControlFlow<()>) {
    let bundles = site::bundles(task.size);
    let workers = u64::try_from(task.threads).unwrap_or(1).clamp(1, bundles.max(1));
    let next = AtomicU64::new(task.first_bundle);
    let window = Window::new(workers.saturating_mul(AHEAD), task.first_bundle);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let _closer = Closer(&window);
        for _ in 0..workers {
            let (sender, next, window) = (sender.clone(), &next, &window);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= bundles || !window.wait_for(index) || sender.send((index, read(task, index))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        for (index, bundle) in receiver {
            early.insert(index, bundle);
            while let Some(bundle) = early.remove(&window.consumed()) {
                if consume(bundle).is_break() {
                    return;
                }
                window.advance();
            }
        }
    });
}

fn read(task: Task<'_>, index: u64) -> Bundle {
    let tile = site::read_tile(task.site, 0, index, task.size);
    let mut beside = Vec::new();
    if let Ok(hashes) = &tile {
        beside.extend(beside::tiles(task.site, 0, index, task.size, hashes));
    }
    let piece = match site::read_bundle(task.site, index, task.size) {
        Ok(read) => read,
        Err(finding) => {
            return Bundle { entries: Vec::new(), broken: Some(finding), tile, beside };
        }
    };
    let (parts, cut_short) = entry::split(&piece.bytes);
    beside.extend(beside::bundles(task.site, index, task.size, &parts));
    let mut entries = Vec::with_capacity(parts.len());
    let first = site::first_leaf(0, index.saturating_mul(site::WIDTH)).get();
    for (at, part) in (first..).map(LeafIndex::new).zip(parts.iter().take(usize::from(piece.width))) {
        match entry::check(at, part, task.checks) {
            Ok(entry) => entries.push(entry),
            Err(finding) => {
                let broken = Some(proven(finding, part, tile.as_ref().ok(), entries.len()));
                return Bundle { entries, broken, tile, beside };
            }
        }
    }
    let broken = check_count(first, &parts, &piece, cut_short).err();
    Bundle { entries, broken, tile, beside }
}

/// An entry that cannot be judged by itself may still be proven to be another than the tile says.
fn proven(finding: Finding, entry: &[u8], tile: Option<&Vec<Hash>>, place: usize) -> Finding {
    let (Some(index), Some(expected)) = (finding.index, tile.and_then(|tile| tile.get(place))) else { return finding };
    let hash = leaf_hash(entry);
    if finding.verdict() == Verdict::Invalid || hash == *expected {
        return finding;
    }
    Finding::hash(index, Rule::TileHash, &format!("the leaf's hash ({})", finding.detail), expected, &hash)
}

/// A bundle holds as many entries as its address says.
fn check_count(first: u64, parts: &[&[u8]], piece: &site::Piece, cut_short: bool) -> Result<(), Finding> {
    let has = u64::try_from(parts.len()).unwrap_or(u64::MAX);
    let behind = LeafIndex::new(first.saturating_add(has.min(u64::from(piece.width))));
    if cut_short {
        return Err(Finding::at(behind, Rule::Bundle, "the bundle breaks off inside an entry"));
    }
    if has == u64::from(piece.holds) {
        return Ok(());
    }
    Err(Finding::at(behind, Rule::Bundle, format_args!("expected a bundle of {} entries, got {has}", piece.holds)))
}

/// How far the consumer is, for workers to wait on.
struct Window {
    ahead: u64,
    /// The bundle that is consumed next; `None` once nobody consumes any more.
    consumed: Mutex<Option<u64>>,
    moved: Condvar,
}

impl Window {
    const fn new(ahead: u64, first: u64) -> Self {
        Self { ahead, consumed: Mutex::new(Some(first)), moved: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.consumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bundle `index` is close enough; says whether it is still wanted.
    fn wait_for(&self, index: u64) -> bool {
        let far =
            |consumed: &mut Option<u64>| consumed.is_some_and(|consumed| index >= consumed.saturating_add(self.ahead));
        let consumed = self.moved.wait_while(self.lock(), far).unwrap_or_else(PoisonError::into_inner);
        consumed.is_some()
    }

    fn consumed(&self) -> u64 {
        self.lock().unwrap_or(u64::MAX)
    }

    fn advance(&self) {
        let mut consumed = self.lock();
        *consumed = consumed.map(|consumed| consumed.saturating_add(1));
        self.moved.notify_all();
    }

    fn close(&self) {
        *self.lock() = None;
        self.moved.notify_all();
    }
}

/// Lets the workers go when the consumer is done, however it ends.
struct Closer<'w>(&'w Window);

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
