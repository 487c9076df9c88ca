//! Folding events into rows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::PoisonError;

use domain::event::{Event, EventData};
use domain::view::{self, Digest, Projection, RowChange, Rows};
use proof::{Leaf, LeafIndex, TreeSize, sha256};
use serde_json::Value;

use super::meta::Meta;
use super::{Store, keys, open};
use crate::error::{EventProblem, OpenError, ReadError, StepError};
use crate::guard::{Trouble, guarded};
use crate::source::Source;

/// The one who folds. There is one for each store.
pub struct Writer {
    store: Store,
    meta: Meta,
    /// Events folded since the last flush.
    unflushed: u64,
}

impl Writer {
    pub(super) fn new(store: Store, meta: Meta) -> Self {
        Self { store, meta, unflushed: 0 }
    }

    /// How many events are folded.
    pub fn position(&self) -> TreeSize {
        self.meta.position
    }

    /// The digests at [`position`](Self::position).
    pub fn digests(&self) -> Vec<domain::event::projection::ProjectionDigest> {
        self.meta.attested()
    }

    /// Events since the last `projection.attested` in the log, not counting those.
    pub(crate) fn unattested(&self) -> u64 {
        self.meta.unattested
    }

    pub(crate) fn unflushed(&self) -> u64 {
        self.unflushed
    }

    /// Folds the next events, at most `max`, as one batch.
    ///
    /// After an error the rows are as they were. After [`StepError::Damaged`] nothing but
    /// [`replace`](Self::replace) helps.
    pub fn step(&mut self, source: &dyn Source, max: usize) -> Result<Step, StepError> {
        let leaves = source.read(self.meta.position.next_index(), max).map_err(StepError::Source)?;
        if leaves.is_empty() {
            return Ok(Step::default());
        }
        let _steady = self.store.steady();
        let slot = self.store.shared.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = slot.as_ref().ok_or_else(|| StepError::Io("the files are closed".into()))?;
        let mut fold = Fold {
            meta: self.meta.clone(),
            step: Step::default(),
            pending: Pending { db, changed: BTreeMap::new(), trouble: RefCell::new(None) },
        };
        for leaf in &leaves {
            fold.event(leaf)?;
        }
        let (meta, step) = fold.write()?;
        let position = meta.position;
        self.meta = meta;
        self.unflushed = self.unflushed.saturating_add(step.events);
        self.store.shared.status.send_modify(|status| status.position = position);
        Ok(step)
    }

    /// Brings everything onto the disk.
    pub fn flush(&mut self) -> Result<(), StepError> {
        let slot = self.store.shared.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = slot.as_ref().ok_or_else(|| StepError::Io("the files are closed".into()))?;
        guarded(|| db.flush()).map_err(StepError::from)?;
        drop(slot);
        self.unflushed = 0;
        Ok(())
    }

    /// Opens the files again, after the disk has refused to write or read them. What was not brought onto the disk is to be
    /// folded once more.
    ///
    /// While this fails the store has no rows to show.
    pub fn reopen(&mut self, source: &dyn Source) -> Result<(), StepError> {
        let shared = &self.store.shared;
        let _steady = self.store.steady();
        let mut slot = shared.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = slot.take() {
            db.let_go();
        }
        let ready = open::again(&shared.dir, source)?;
        *slot = Some(ready.db);
        drop(slot);
        self.meta = ready.meta;
        self.unflushed = 0;
        shared.trouble.send_modify(|known| *known = None);
        let position = self.meta.position;
        shared.status.send_modify(|status| status.position = position);
        Ok(())
    }

    /// Puts the files aside and starts again with none. Gives where the old ones are now.
    pub fn replace(&mut self, why: &str) -> Result<PathBuf, OpenError> {
        let shared = &self.store.shared;
        let _steady = self.store.steady();
        let mut slot = shared.db.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(db) = slot.take() {
            db.abandon();
        }
        let (ready, kept_at) = open::replace(&shared.dir, self.meta.genesis, why.to_owned())?;
        *slot = Some(ready.db);
        drop(slot);
        self.meta = ready.meta;
        self.unflushed = 0;
        shared.trouble.send_modify(|known| *known = None);
        shared.status.send_modify(|status| {
            status.position = TreeSize::ZERO;
            status.replaced = status.replaced.saturating_add(1);
        });
        Ok(kept_at)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("store", &self.store).field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// What one batch held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Events; 0 when the source has no more.
    pub events: u64,
    /// Statements of digests among them.
    pub attestations: u64,
}

/// One batch in the making.
struct Fold<'a> {
    meta: Meta,
    step: Step,
    pending: Pending<'a>,
}

/// The rows with the batch's changes over them.
struct Pending<'a> {
    db: &'a sled::Db,
    /// Rows by their key in sled; nothing where one is deleted.
    changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// A fold cannot fail, so what went wrong under it waits here.
    trouble: RefCell<Option<Trouble>>,
}

/// The rows of one read model.
struct RowsOf<'a> {
    pending: &'a Pending<'a>,
    projection: Projection,
}

impl Fold<'_> {
    fn event(&mut self, leaf: &[u8]) -> Result<(), StepError> {
        let index = self.meta.position.next_index();
        let problem = StepError::Event;
        let leaf = Leaf::parse(leaf).map_err(|e| problem(EventProblem::leaf(index, &e)))?;
        let event = Event::parse(leaf.payload).map_err(|e| problem(EventProblem::event(index, &e)))?;
        self.check_place(index, &event)?;
        for (projection, at) in view::ALL.into_iter().zip(0..) {
            let changes = (projection.fold)(&RowsOf { pending: &self.pending, projection }, &event);
            for change in changes {
                self.change(projection, at, &change);
            }
        }
        if let Some(trouble) = self.pending.trouble.take() {
            return Err(trouble.into());
        }
        self.meta.position = index.size_after();
        self.meta.prev = sha256(leaf.payload);
        self.step.events += 1;
        if matches!(event.data, EventData::ProjectionAttested(_)) {
            self.step.attestations += 1;
            self.meta.unattested = 0;
        } else {
            self.meta.unattested = self.meta.unattested.saturating_add(1);
        }
        Ok(())
    }

    /// Whoever hands us leaves says where they are; the events say it too.
    fn check_place(&self, index: LeafIndex, event: &Event) -> Result<(), StepError> {
        let header = &event.header;
        let what = if header.seq != index {
            format!("`seq` is {}, expected {index}", header.seq)
        } else if header.prev != self.meta.prev {
            format!("`prev` is {}, expected {}", header.prev, self.meta.prev)
        } else {
            return Ok(());
        };
        Err(StepError::Event(EventProblem { index, what }))
    }

    fn change(&mut self, projection: Projection, at: usize, change: &RowChange) {
        let (key, row) = match change {
            RowChange::Put(key, row) => (key, Some(proof::canonical::value_to_vec(row))),
            RowChange::Delete(key) => (key, None),
        };
        let key = keys::row(projection.name, key);
        let before = self.pending.bytes(&key);
        let Some(kept) = self.meta.projections.get_mut(at) else {
            return;
        };
        kept.digest = Digest::resume(kept.digest).after(change).hash();
        if let Some(before) = before {
            kept.tally.remove(&key, &before);
        }
        if let Some(row) = &row {
            kept.tally.add(&key, row);
        }
        self.pending.changed.insert(key, row);
    }

    /// Writes rows and position: all of it or nothing.
    fn write(self) -> Result<(Meta, Step), StepError> {
        let Self { meta, step, pending } = self;
        let mut batch = sled::Batch::default();
        for (key, row) in pending.changed {
            match row {
                Some(row) => batch.insert(key, row),
                None => batch.remove(key),
            }
        }
        batch.insert(keys::META, meta.to_bytes().map_err(StepError::Io)?);
        guarded(|| pending.db.apply_batch(batch))?;
        Ok((meta, step))
    }
}

impl Pending<'_> {
    /// A row's bytes as they are after the changes so far.
    fn bytes(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(row) = self.changed.get(key) {
            return row.clone();
        }
        match guarded(|| self.db.get(key)) {
            Ok(row) => row.map(|row| row.to_vec()),
            Err(trouble) => {
                self.trouble.borrow_mut().get_or_insert(trouble);
                None
            }
        }
    }
}

impl Rows for RowsOf<'_> {
    fn row(&self, key: &str) -> Option<Value> {
        let bytes = self.pending.bytes(&keys::row(self.projection.name, key))?;
        match super::read::parse(&bytes) {
            Ok(row) => Some(row),
            Err(ReadError::Damaged(what)) => {
                self.pending.trouble.borrow_mut().get_or_insert(Trouble::Damaged(what));
                None
            }
            Err(ReadError::Rebuilding | ReadError::UnknownProjection(_)) => None,
        }
    }
}

impl From<Trouble> for StepError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damaged(what) => Self::Damaged(what),
            Trouble::Locked | Trouble::Io(_) => Self::Io(trouble.to_string()),
        }
    }
}
