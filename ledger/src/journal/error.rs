//! What can go wrong with a journal, one enum per operation.

use std::error::Error;
use std::fmt;

use proof::limits::MAX_LEAF_BYTES;
use proof::{LeafIndex, TreeSize};

use super::{Damage, MAX_FRAME_LEAF_BYTES, MAX_FRAME_LEAVES};
use crate::durable::IoError;
use crate::lock::LockError;

/// What a visitor of recovered leaves may object with.
pub type VisitError = Box<dyn Error + Send + Sync>;

/// Why a frame was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// The frame is for another size. Nothing was written.
    UnexpectedSize {
        /// The journal's size.
        expected: TreeSize,
        /// The frame's start.
        got: TreeSize,
    },
    /// The frame breaks a limit. Nothing was written.
    Refused(FrameError),
    /// There is no room for it, and none could be made. Nothing was written, and a later append
    /// may find room.
    NoRoom(IoError),
    /// A write or a sync failed: the frame may be there after the next open, or not.
    OutcomeUnknown(IoError),
    /// An earlier append has an unknown outcome: this writer has stopped. Nothing was written.
    Poisoned,
    /// Another writer has taken over. Nothing was written.
    Fenced,
}

/// How a frame breaks the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// No leaves, or too many.
    LeafCount {
        /// How many there were.
        got: usize,
    },
    /// A leaf without bytes, or with too many.
    LeafLength {
        /// The leaf.
        index: LeafIndex,
        /// Its length.
        got: usize,
    },
    /// A leaf with a zero byte in it.
    ZeroByte {
        /// The leaf.
        index: LeafIndex,
    },
    /// The leaves together are too long.
    TooLarge {
        /// Their length.
        got: usize,
    },
}

/// Why a journal could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// The operating system failed.
    Io(IoError),
    /// The bytes are not those that were written.
    Damage(Damage),
    /// The leaf was given up: it is to be had from the bundles of the site.
    Reclaimed {
        /// The first leaf that is kept.
        first: LeafIndex,
    },
}

/// Why a journal could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The operating system failed.
    Io(IoError),
    /// Somebody else has it open.
    Lock(LockError),
    /// The bytes are not those that were written.
    Damage(Damage),
    /// The leaves before `first` were given up, and no snapshot that reaches so far was brought.
    Reclaimed {
        /// The first leaf that is kept.
        first: LeafIndex,
        /// The size of the snapshot that was brought.
        resume: TreeSize,
    },
    /// The visitor objected to a leaf.
    Visit {
        /// The leaf.
        index: LeafIndex,
        /// What the visitor said.
        error: VisitError,
    },
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedSize { expected, got } => {
                write!(f, "expected a frame for size {expected}, got one for {got}")
            }
            Self::Refused(error) => write!(f, "the frame breaks a limit: {error}"),
            Self::NoRoom(error) => write!(f, "no room for the frame: {error}"),
            Self::OutcomeUnknown(error) => {
                write!(f, "the frame may or may not be committed: {error}")
            }
            Self::Poisoned => f.write_str("an earlier append has an unknown outcome"),
            Self::Fenced => f.write_str("another writer has taken over"),
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeafCount { got } => {
                write!(f, "expected 1 to {MAX_FRAME_LEAVES} leaves, got {got}")
            }
            Self::LeafLength { index, got } => {
                write!(f, "leaf {index}: expected 1 to {MAX_LEAF_BYTES} bytes, got {got}")
            }
            Self::ZeroByte { index } => write!(f, "leaf {index}: a zero byte is no text"),
            Self::TooLarge { got } => {
                write!(f, "expected at most {MAX_FRAME_LEAF_BYTES} bytes of leaves, got {got}")
            }
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Damage(damage) => damage.fmt(f),
            Self::Reclaimed { first } => write!(f, "the journal keeps leaves from {first} on only"),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Lock(error) => error.fmt(f),
            Self::Damage(damage) => damage.fmt(f),
            Self::Reclaimed { first, resume } => {
                write!(
                    f,
                    "the journal keeps leaves from {first} on only: expected a snapshot of at least that size, got {resume}"
                )
            }
            Self::Visit { index, error } => write!(f, "leaf {index} cannot be replayed: {error}"),
        }
    }
}

impl Error for AppendError {}
impl Error for FrameError {}
impl Error for ReadError {}
impl Error for OpenError {}

impl From<FrameError> for AppendError {
    fn from(error: FrameError) -> Self {
        Self::Refused(error)
    }
}

impl From<IoError> for ReadError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<Damage> for ReadError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<IoError> for OpenError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<LockError> for OpenError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<Damage> for OpenError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}
