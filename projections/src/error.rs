//! Why something could not be done. One type per operation.

use std::fmt;
use std::path::PathBuf;

use domain::event::EventError;
use proof::{LeafError, LeafIndex, TreeSize};

use crate::source::SourceError;

/// Why a store could not be opened, not even an empty one.
#[derive(Debug)]
pub enum OpenError {
    /// The log has no genesis, so a store could not say whose it is.
    EmptyLog,
    /// Another process has the store open.
    Locked(PathBuf),
    /// The directory cannot be made, renamed or read.
    Io(PathBuf, std::io::Error),
    /// sled cannot use the directory, for a reason that a rebuild would meet again.
    Store(PathBuf, String),
    /// The log could not be read.
    Source(SourceError),
    /// The log holds something that is no event.
    Event(EventProblem),
}

/// A leaf that cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventProblem {
    /// Which.
    pub index: LeafIndex,
    /// What is wrong with it.
    pub what: String,
}

/// Why the next events could not be folded.
#[derive(Debug)]
pub enum StepError {
    /// The store is damaged; a rebuild helps.
    Damaged(String),
    /// The disk refuses.
    Io(String),
    /// The log could not be read.
    Source(SourceError),
    /// The log holds something that is no event, or one of a later build.
    Event(EventProblem),
}

/// Why a question has no answer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The rows are being replaced; ask again in a moment.
    Rebuilding,
    /// The rows cannot be read. The follower knows, and rebuilds them.
    Damaged(String),
    /// No read model has this name.
    UnknownProjection(String),
}

/// Why a position was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitError {
    /// Not in time.
    TimedOut {
        /// How far the read models are.
        position: TreeSize,
    },
    /// Never: the follower stopped.
    Closed(Closed),
}

/// Why a follower follows no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// It was told to, or the ledger went away.
    Stopped,
    /// It could not go on.
    Failed(String),
}

/// Why a rebuild did not finish.
#[derive(Debug)]
pub enum RebuildError {
    /// No store could be opened.
    Open(OpenError),
    /// An event could not be folded.
    Step(StepError),
    /// A row could not be read back.
    Read(ReadError),
}

impl EventProblem {
    pub(crate) fn leaf(index: LeafIndex, error: &LeafError) -> Self {
        Self { index, what: error.to_string() }
    }

    pub(crate) fn event(index: LeafIndex, error: &EventError) -> Self {
        Self { index, what: error.to_string() }
    }
}

impl fmt::Display for EventProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.index, self.what)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyLog => f.write_str("the log has no genesis yet"),
            Self::Locked(dir) => {
                write!(f, "read models in `{}` are open in another process", dir.display())
            }
            Self::Io(dir, error) => write!(f, "read models in `{}`: {error}", dir.display()),
            Self::Store(dir, what) => write!(f, "read models in `{}`: {what}", dir.display()),
            Self::Source(error) => error.fmt(f),
            Self::Event(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) => write!(f, "read models are damaged: {what}"),
            Self::Io(what) => write!(f, "read models cannot be written: {what}"),
            Self::Source(error) => error.fmt(f),
            Self::Event(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebuilding => f.write_str("read models are being rebuilt"),
            Self::Damaged(what) => write!(f, "read models are damaged: {what}"),
            Self::UnknownProjection(name) => write!(f, "there is no read model `{name}`"),
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { position } => write!(f, "read models are at {position} still"),
            Self::Closed(Closed::Stopped) => f.write_str("read models are no longer fed"),
            Self::Closed(Closed::Failed(why)) => write!(f, "read models are no longer fed: {why}"),
        }
    }
}

impl fmt::Display for RebuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Step(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}
impl std::error::Error for StepError {}
impl std::error::Error for ReadError {}
impl std::error::Error for WaitError {}
impl std::error::Error for RebuildError {}

impl From<SourceError> for OpenError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<OpenError> for RebuildError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<StepError> for RebuildError {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<ReadError> for RebuildError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
