//! From what is stored to the state: the newest snapshot that holds, and every event behind it through the same `apply`
//! that a running ledger uses. Without a snapshot, from the first event on.

use super::OpenError;
use crate::closed::ClosedIndex;
use crate::durable::Staging;
use crate::journal::VisitError;
use crate::journal::segment;
use crate::site::{TreeError, stored_bundle};
use crate::snapshot::Snapshots;
use crate::width::in_memory;
use domain::event::Event;
use domain::state::State;
use proof::hash::sha256;
use proof::index::{LeafIndex, TreeSize};
use proof::key::PublicKey;
use proof::leaf::Leaf;
use proof::merkle::{Frontier, leaf_hash};
use proof::tile::TILE_WIDTH;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is over leaves the memory in pieces of so many names while a long log is replayed.
const GENERATION: usize = 65_536;

/// The fold, as far as it has come.
pub(super) struct Replay {
    data_dir: PathBuf,
    staging: Staging,
    pub(super) state: State,
    pub(super) index: ClosedIndex,
    /// The tree that the state belongs to, before the journal is read.
    pub(super) frontier: Frontier,
    /// Snapshots that could not be used, and why.
    pub(super) discarded: Vec<String>,
}

impl Replay {
    /// Starts from the newest snapshot that holds.
    pub(super) fn start(data_dir: &Path, staging: &Staging, snapshots: &Snapshots) -> Result<Self, OpenError> {
        let mut replay = Self {
            data_dir: data_dir.to_owned(),
            staging: staging.clone(),
            state: State::new(),
            index: ClosedIndex::default(),
            frontier: Frontier::new(),
            discarded: Vec::new(),
        };
        let first = segment::first_kept(&**staging.disk(), data_dir).map_err(OpenError::Journal)?;
        for size in snapshots.sizes()? {
            // What the journal has given up since then, it cannot add.
            if first.is_some_and(|first| size.get() < first.get()) {
                break;
            }
            match snapshots.read(size) {
                Ok(found) => {
                    (replay.state, replay.index, replay.frontier) = (found.state, found.index, found.frontier);
                    return Ok(replay);
                }
                Err(problem) => replay.discarded.push(format!("the snapshot at {size} is not usable: {problem}")),
            }
        }
        if let Some(first) = first {
            replay.fold_bundles(first)?;
        }
        Ok(replay)
    }

    /// Folds the leaves before `first` from the site's bundles. That they are the right ones is judged by the root that
    /// the journal has there.
    fn fold_bundles(&mut self, first: LeafIndex) -> Result<(), OpenError> {
        while self.frontier.size().get() < first.get() {
            let number = self.frontier.size().get() / u64::from(TILE_WIDTH);
            let index = self.frontier.size().next_index();
            let missing = || OpenError::Site(TreeError::Missing { index });
            let leaves = stored_bundle(&**self.staging.disk(), &self.data_dir, number)
                .map_err(OpenError::Site)?
                .ok_or_else(missing)?;
            let wanted = in_memory(first.get() - index.get());
            for (leaf, index) in leaves.iter().take(wanted).zip(index.get()..).map(|(l, i)| (l, LeafIndex::new(i))) {
                self.frontier.push(leaf_hash(leaf));
                self.event(leaf, None).map_err(|error| OpenError::Bundle { index, error })?;
            }
        }
        Ok(())
    }

    /// Folds one leaf. With a signer, its signature is checked first.
    pub(super) fn event(&mut self, leaf: &[u8], signer: Option<&PublicKey>) -> Result<(), VisitError> {
        let leaf = Leaf::parse(leaf)?;
        if let Some(signer) = signer {
            leaf.verify(signer)?;
        }
        let event = Event::parse(leaf.payload)?;
        self.state.apply(&event, sha256(leaf.payload))?;
        if self.state.recently_closed() >= GENERATION {
            let leaving = self.state.retire();
            let label = self.state.size().get();
            match self.index.extended(&self.data_dir, &self.staging, label, &leaving) {
                Ok(extended) => {
                    self.index = extended;
                    self.state.archived(Arc::new(self.index.clone()));
                }
                // They stay in memory, where they are found as well, and go along with the next.
                Err(error) => tracing::warn!(%error, "what is over stays in memory"),
            }
        }
        Ok(())
    }

    /// The size of the snapshot that this began with.
    pub(super) fn began_at(&self) -> TreeSize {
        self.frontier.size()
    }
}
