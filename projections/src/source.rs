//! The log as a follower sees it.

use std::fmt;
use std::sync::Arc;

use domain::command::Command;
use domain::event::projection::ProjectionDigest;
use ledger::Ledger;
use proof::{LeafIndex, TreeSize};
use tokio::sync::watch;

/// What a follower needs of a ledger, and a test can give it without one.
pub trait Source: Send + 'static {
    /// How many leaves are committed; a doorbell that rings when there are more.
    fn committed(&self) -> watch::Receiver<TreeSize>;

    /// Committed leaves in order from `from` on: at least one if there is one, and at most `max`.
    fn read(&self, from: LeafIndex, max: usize) -> Result<Vec<Arc<Vec<u8>>>, SourceError>;

    /// Has the digests that the read models had at `position` recorded in the log. May block.
    fn attest(&self, position: TreeSize, projections: Vec<ProjectionDigest>) -> Result<(), SourceError>;
}

impl Source for Ledger {
    fn committed(&self) -> watch::Receiver<TreeSize> {
        self.watch()
    }

    fn read(&self, from: LeafIndex, max: usize) -> Result<Vec<Arc<Vec<u8>>>, SourceError> {
        Self::read(self, from, max).map_err(SourceError::new)
    }

    fn attest(&self, position: TreeSize, projections: Vec<ProjectionDigest>) -> Result<(), SourceError> {
        let command = Command::AttestProjections { position, projections };
        self.submit_blocking(command).map(drop).map_err(SourceError::new)
    }
}

/// Why the log could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError(String);

impl SourceError {
    /// In words.
    pub fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log: {}", self.0)
    }
}

impl std::error::Error for SourceError {}
