//! What can go wrong with the site.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use proof::merkle::ProofError;
use proof::tile::TileError;
use proof::{CheckpointError, Hash, LeafIndex, NoteError, TreeSize};

use crate::durable::IoError;
use crate::journal::ReadError;

/// Why the tree could not answer, or the site not be written.
#[derive(Debug)]
pub enum TreeError {
    /// The operating system failed.
    Io(IoError),
    /// The journal could not be read.
    Journal(ReadError),
    /// The tree has no such leaf.
    Missing {
        /// The leaf.
        index: LeafIndex,
    },
    /// The tree has no such subtree, or not completely.
    Incomplete {
        /// The subtree's height.
        level: u8,
        /// Its number among the subtrees of that height.
        index: u64,
    },
    /// A proof was asked for from a larger tree to a smaller one.
    Shrinking {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// A file of the site is missing, or does not have the hash that the tree has for it. Scrubbing
    /// makes it again, unless it is a bundle whose leaves the journal has given up and of which there
    /// is no spare copy.
    Damaged {
        /// The file.
        file: PathBuf,
    },
    /// The journal leads to another root than was said of it.
    Forked {
        /// The size of the tree.
        size: TreeSize,
        /// The root that was said.
        expected: Hash,
        /// The root of the journal's leaves.
        got: Hash,
    },
    /// A tile's address or bytes break the format.
    Tile(TileError),
    /// The checkpoint that was to be published is no signed note.
    Note(NoteError),
    /// The note that was to be published is no checkpoint.
    Checkpoint(CheckpointError),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::Missing { index } => write!(f, "no leaf {index}"),
            Self::Incomplete { level, index } => {
                write!(f, "no complete subtree {index} of height {level}")
            }
            Self::Shrinking { old, new } => {
                write!(f, "expected an old size of at most {new}, got {old}")
            }
            Self::Damaged { file } => {
                write!(f, "damage in `{}`: not what the tree has for it", file.display())
            }
            Self::Forked { size, expected, got } => {
                write!(f, "expected root {expected} at size {size}, the journal leads to {got}")
            }
            Self::Tile(error) => error.fmt(f),
            Self::Note(error) => write!(f, "cannot publish the checkpoint: {error}"),
            Self::Checkpoint(error) => write!(f, "cannot publish the checkpoint: {error}"),
        }
    }
}

impl Error for TreeError {}

impl From<IoError> for TreeError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for TreeError {
    fn from(error: ReadError) -> Self {
        Self::Journal(error)
    }
}

impl From<TileError> for TreeError {
    fn from(error: TileError) -> Self {
        Self::Tile(error)
    }
}

impl From<NoteError> for TreeError {
    fn from(error: NoteError) -> Self {
        Self::Note(error)
    }
}

impl From<CheckpointError> for TreeError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl From<ProofError<Self>> for TreeError {
    fn from(error: ProofError<Self>) -> Self {
        match error {
            ProofError::NoSuchLeaf { index, .. } => Self::Missing { index },
            ProofError::Shrinking { old, new } => Self::Shrinking { old, new },
            ProofError::Source(error) => error,
        }
    }
}
