//! Stored rows against a second fold of the log, in memory.

use std::collections::BTreeMap;

use domain::event::Event;
use domain::event::projection::ProjectionDigest;
use domain::view::{self, Folded};
use proof::{Leaf, TreeSize};

use crate::error::{EventProblem, ReadError, RebuildError, StepError};
use crate::rebuild::Progress;
use crate::source::Source;
use crate::store::Store;

/// Leaves that are read at a time.
const READ_EVENTS: usize = 2048;
/// Differences that are told in full; all are counted.
const TOLD_MAX: usize = 100;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanReport {
    /// The position at which rows were compared.
    pub position: TreeSize,
    /// Rows that were compared.
    pub rows: u64,
    /// How many rows differ.
    pub different: u64,
    /// The first of them.
    pub told: Vec<Difference>,
    /// What the digests should be at that position.
    pub projections: Vec<ProjectionDigest>,
}

/// A row that is not what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose row.
    pub projection: &'static str,
    /// Which row.
    pub key: String,
    /// What is stored, as JSON; nothing if it is missing.
    pub stored: Option<String>,
    /// What it should be, as JSON; nothing if it should not be there.
    pub folded: Option<String>,
}

impl ScanReport {
    /// Whether every row is what the log says.
    pub fn is_clean(&self) -> bool {
        self.different == 0
    }

    fn tell(&mut self, difference: Difference) {
        self.different = self.different.saturating_add(1);
        if self.told.len() < TOLD_MAX {
            self.told.push(difference);
        }
    }
}

/// Compares every stored row with a fresh fold of the log.
///
/// A follower may be running: it is held up only while rows are compared. The fold is kept in
/// memory, which takes about as much as the rows themselves.
pub fn scan_check(
    store: &Store,
    source: &dyn Source,
    mut progress: impl FnMut(Progress),
) -> Result<ScanReport, RebuildError> {
    let mut folded = view::ALL.map(Folded::new);
    let mut at = TreeSize::ZERO;
    fold_to(&mut folded, &mut at, store.position(), source, &mut progress)?;
    // The follower may have gone on meanwhile; from here on it does not.
    let _steady = store.steady();
    let position = store.position();
    if position < at {
        return Err(RebuildError::Read(ReadError::Rebuilding));
    }
    fold_to(&mut folded, &mut at, position, source, &mut progress)?;
    compare(store, &folded, at)
}

fn fold_to(
    folded: &mut [Folded],
    at: &mut TreeSize,
    to: TreeSize,
    source: &dyn Source,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), StepError> {
    while *at < to {
        let left = usize::try_from(to.get().saturating_sub(at.get())).unwrap_or(READ_EVENTS);
        let leaves = source.read(at.next_index(), left.min(READ_EVENTS)).map_err(StepError::Source)?;
        if leaves.is_empty() {
            let what = "the log ends before the rows do".to_owned();
            return Err(StepError::Event(EventProblem { index: at.next_index(), what }));
        }
        for leaf in &leaves {
            let index = at.next_index();
            let leaf = Leaf::parse(leaf).map_err(|e| StepError::Event(EventProblem::leaf(index, &e)))?;
            let event = Event::parse(leaf.payload).map_err(|e| StepError::Event(EventProblem::event(index, &e)))?;
            for one in folded.iter_mut() {
                one.apply(&event);
            }
            *at = index.size_after();
        }
        progress(Progress { done: *at, of: to });
    }
    Ok(())
}

fn compare(store: &Store, folded: &[Folded], at: TreeSize) -> Result<ScanReport, RebuildError> {
    let projections = folded.iter().map(Folded::attested).collect();
    let mut report = ScanReport { position: at, rows: 0, different: 0, told: Vec::new(), projections };
    for (projection, one) in view::ALL.iter().zip(folded) {
        let name = projection.name;
        let mut missing: BTreeMap<&str, Vec<u8>> =
            one.rows().iter().map(|(key, row)| (key.as_str(), proof::canonical::value_to_vec(row))).collect();
        store.every_row(name, |key, stored| {
            report.rows = report.rows.saturating_add(1);
            let folded = missing.remove(key);
            if folded.as_deref() != Some(stored) {
                let folded = folded.as_deref().map(text);
                let (key, stored) = (key.to_owned(), Some(text(stored)));
                report.tell(Difference { projection: name, key, stored, folded });
            }
        })?;
        for (key, row) in missing {
            report.rows = report.rows.saturating_add(1);
            let (key, folded) = (key.to_owned(), Some(text(&row)));
            report.tell(Difference { projection: name, key, stored: None, folded });
        }
    }
    Ok(report)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
