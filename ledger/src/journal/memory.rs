//! A journal in memory, with faults on demand: for tests of whatever stands on a journal.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proof::merkle::{Frontier, empty_root, leaf_hash};
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
    /// The root before the first of them, once others were given up.
    root_before: Option<Hash>,
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
        self.resume(&Frontier::new(), visit)
    }

    /// Opens the journal from a snapshot's frontier on: frames before its size are not visited, and
    /// its root must be the one in the journal.
    pub fn resume(
        &self,
        resume: &Frontier,
        visit: &mut LeafVisitor<'_>,
    ) -> Result<(MemoryJournal, Frontier), OpenError> {
        let (epoch, frames, root_before) = {
            let mut state = self.lock();
            state.epoch += 1;
            state.committed = state.frames.last().map_or(TreeSize::ZERO, |frame| frame.end());
            (state.epoch, state.frames.clone(), state.root_before.unwrap_or_else(empty_root))
        };
        let first = frames.first().map(|frame| frame.start).unwrap_or_default();
        if first > resume.size() {
            return Err(OpenError::Reclaimed { first: first.next_index(), resume: resume.size() });
        }
        // The root that the journal has at the snapshot's size.
        let ends_there = frames.iter().find(|frame| frame.end() == resume.size()).map(|frame| frame.root);
        match ends_there.or((first == resume.size()).then_some(root_before)) {
            Some(root) if root == resume.root() => {}
            Some(expected) => return Err(damage(resume, DamageKind::Root { expected, got: resume.root() }).into()),
            None if frames.last().is_none_or(|last| last.end() < resume.size()) => {
                return Err(damage(resume, DamageKind::EndsShort { must_reach: resume.size() }).into());
            }
            None => {
                return Err(damage(resume, DamageKind::NotAFrameBoundary { resume: resume.size() }).into());
            }
        }
        let mut frontier = resume.clone();
        for frame in frames.iter().filter(|frame| frame.start >= resume.size()) {
            frame.replay(&mut frontier, visit)?;
        }
        let size = frontier.size();
        let journal = MemoryJournal { store: self.clone(), epoch, size, is_poisoned: false };
        Ok((journal, frontier))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn first(&self) -> LeafIndex {
        self.frames.first().map(|frame| frame.start.next_index()).unwrap_or_default()
    }
}

impl Stored {
    fn committed(&self) -> CommittedFrame<'_> {
        let leaves = self.leaves.iter().map(Vec::as_slice).collect();
        CommittedFrame { start: self.start, leaves, root: self.root }
    }

    fn end(&self) -> TreeSize {
        self.committed().end()
    }

    fn replay(&self, frontier: &mut Frontier, visit: &mut LeafVisitor<'_>) -> Result<(), OpenError> {
        let before = frontier.clone();
        for leaf in &self.leaves {
            frontier.push(leaf_hash(leaf));
        }
        if frontier.root() != self.root {
            return Err(damage(&before, DamageKind::Root { expected: self.root, got: frontier.root() }).into());
        }
        for (index, leaf) in self.committed().leaves_from(self.start.next_index()) {
            visit(index, leaf).map_err(|error| OpenError::Visit { index, error })?;
        }
        Ok(())
    }
}

fn damage(at: &Frontier, kind: DamageKind) -> Damage {
    Damage { file: "memory".into(), offset: 0, index: at.size().next_index(), kind }
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

    fn reclaim(&mut self, upto: TreeSize) -> Result<(), IoError> {
        let mut state = self.store.lock();
        if self.is_poisoned || state.epoch != self.epoch {
            return Ok(());
        }
        let upto = upto.min(state.committed);
        // The last frame stays.
        let before_last = state.frames.len().saturating_sub(1);
        let gone = state.frames.iter().take(before_last).take_while(|frame| frame.end() <= upto).count();
        let last = state.frames.drain(..gone).next_back();
        if let Some(last) = last {
            state.root_before = Some(last.root);
        }
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(self.store.clone())
    }
}

impl JournalReader for MemoryStore {
    fn size(&self) -> TreeSize {
        self.lock().committed
    }

    fn first(&self) -> LeafIndex {
        self.lock().first()
    }

    fn read(&self, from: LeafIndex, visit: &mut FrameVisitor<'_>) -> Result<(), ReadError> {
        let frames: Vec<_> = {
            let state = self.lock();
            if from < state.first() {
                return Err(ReadError::Reclaimed { first: state.first() });
            }
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
