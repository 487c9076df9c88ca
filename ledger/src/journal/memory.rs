//! A journal in memory, with faults on demand: for tests of whatever stands on a journal.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proof::merkle::{Frontier, leaf_hash};
use proof::{Hash, LeafIndex, TreeSize};

use super::{
    AppendError, CommittedFrame, Damage, DamageKind, Frame, FrameVisitor, Journal, JournalReader, LeafVisitor,
    OpenError, ReadError,
};
use crate::durable::IoError;

/// What plays the disk: it outlives the journals opened on it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<State>>,
}

/// Whether a frame whose append failed is there after the next open: both happen to real disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// The answer was lost, the frame was not.
    Yes,
    /// The frame was lost.
    No,
}

/// The writer.
#[derive(Debug)]
pub struct MemoryJournal {
    store: MemoryStore,
    epoch: u64,
    size: TreeSize,
    is_poisoned: bool,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<Arc<Stored>>,
    /// What readers see: without a frame whose append failed, until the next open has found it.
    committed: TreeSize,
    /// The number of the latest open: writers of earlier ones are fenced.
    epoch: u64,
    /// Appends that reached the store, over all writers.
    appends: u64,
    fault: Option<(u64, Persisted)>,
}

#[derive(Debug)]
struct Stored {
    start: TreeSize,
    leaves: Vec<Vec<u8>>,
    root: Hash,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets append number `append` fail, counted from zero over the store's whole life.
    pub fn fail_at(&self, append: u64, persisted: Persisted) {
        self.lock().fault = Some((append, persisted));
    }

    /// Opens the journal, fencing every earlier writer, and calls `visit` for each leaf.
    pub fn open(&self, visit: &mut LeafVisitor<'_>) -> Result<(MemoryJournal, Frontier), OpenError> {
        let (epoch, frames) = {
            let mut state = self.lock();
            state.epoch += 1;
            state.committed = state.frames.last().map_or(TreeSize::ZERO, |frame| frame.committed().end());
            (state.epoch, state.frames.clone())
        };
        let mut frontier = Frontier::new();
        for frame in &frames {
            for leaf in &frame.leaves {
                frontier.push(leaf_hash(leaf));
            }
            if frontier.root() != frame.root {
                let kind = DamageKind::Root { expected: frame.root, got: frontier.root() };
                return Err(frame.damage(kind).into());
            }
            for (index, leaf) in frame.committed().leaves_from(frame.start.next_index()) {
                visit(index, leaf).map_err(|error| OpenError::Visit { index, error })?;
            }
        }
        let size = frontier.size();
        let journal = MemoryJournal { store: self.clone(), epoch, size, is_poisoned: false };
        Ok((journal, frontier))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn committed(&self) -> CommittedFrame<'_> {
        let leaves = self.leaves.iter().map(Vec::as_slice).collect();
        CommittedFrame { start: self.start, leaves, root: self.root }
    }

    fn damage(&self, kind: DamageKind) -> Damage {
        let index = self.start.next_index();
        Damage { file: "memory".into(), offset: 0, index, kind }
    }
}

impl Journal for MemoryJournal {
    fn size(&self) -> TreeSize {
        self.size
    }

    fn append(&mut self, frame: &Frame<'_>) -> Result<TreeSize, AppendError> {
        if self.is_poisoned {
            return Err(AppendError::Poisoned);
        }
        let mut state = self.store.lock();
        if state.epoch != self.epoch {
            return Err(AppendError::Fenced);
        }
        if frame.start != self.size {
            return Err(AppendError::UnexpectedSize { expected: self.size, got: frame.start });
        }
        frame.check()?;
        let number = state.appends;
        state.appends += 1;
        let fault = state.fault.take_if(|(at, _)| *at == number);
        if !matches!(fault, Some((_, Persisted::No))) {
            let leaves = frame.leaves.to_vec();
            state.frames.push(Arc::new(Stored { start: frame.start, leaves, root: frame.root }));
        }
        if fault.is_some() {
            self.is_poisoned = true;
            let error = io::Error::other("injected fault");
            return Err(AppendError::OutcomeUnknown(IoError::at("sync", Path::new("memory"))(error)));
        }
        self.size = frame.end();
        state.committed = self.size;
        Ok(self.size)
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.store.clone())
    }
}

impl JournalReader for MemoryStore {
    fn size(&self) -> TreeSize {
        self.lock().committed
    }

    fn read(&self, from: LeafIndex, visit: &mut FrameVisitor<'_>) -> Result<(), ReadError> {
        let frames: Vec<_> = {
            let state = self.lock();
            let is_seen =
                |frame: &&Arc<Stored>| frame.committed().end().contains(from) && frame.start < state.committed;
            state.frames.iter().filter(is_seen).cloned().collect()
        };
        for frame in frames {
            if visit(&frame.committed()).is_break() {
                break;
            }
        }
        Ok(())
    }
}
