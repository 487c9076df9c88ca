//! Why there is no backup, or no restored folder.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use proof::{Hash, LeafIndex, TreeSize};

use crate::durable::IoError;
use crate::keys::KeyFileError;
use crate::lock::LockError;
use crate::site::TreeError;

/// Why a backup was not made, or not restored.
#[derive(Debug)]
pub enum BackupError {
    /// The operating system failed.
    Io(IoError),
    /// Somebody else is at work on the target.
    Lock(LockError),
    /// A key file cannot be used.
    Key(KeyFileError),
    /// There is nothing published to be copied.
    NoLog {
        /// Where.
        folder: PathBuf,
    },
    /// The target is no place for it.
    Target {
        /// The folder.
        folder: PathBuf,
        /// Why.
        problem: String,
    },
    /// A file that everything else hangs on is not what the log has for it.
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The source is damaged, so a folder made from it would not hold the whole log.
    Incomplete {
        /// The files.
        damaged: Vec<PathBuf>,
    },
    /// An event cannot be read, though it is as it was written.
    Event {
        /// Which.
        index: LeafIndex,
        /// Why.
        problem: String,
    },
    /// The copy is another log's.
    OtherLog {
        /// The log's name.
        expected: String,
        /// The other's.
        got: String,
    },
    /// The copy has more events than the log.
    Longer {
        /// Events of the copy.
        copy: TreeSize,
        /// Events of the log.
        log: TreeSize,
    },
    /// Copy and log were the same up to some event, and then were not.
    Forked {
        /// Where the other head is from.
        head: PathBuf,
        /// The size of that head.
        size: TreeSize,
        /// Its root.
        expected: Hash,
        /// The root of the events here.
        got: Hash,
    },
    /// What was said to be a checkpoint of this log is none.
    NotAHead {
        /// Where it is from.
        head: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The world has seen events that the backup does not have.
    Older {
        /// Events of the backup.
        size: TreeSize,
        /// Events that the newest known checkpoint signs for.
        known: TreeSize,
        /// Where that checkpoint is from.
        head: PathBuf,
    },
    /// A key is not the one that the genesis names.
    OtherKey {
        /// Which key.
        role: &'static str,
        /// The public key in the genesis.
        named: String,
        /// That of the file.
        found: String,
    },
    /// The ledger in the new folder does not open, or did not log the decision.
    Ledger(String),
}

impl BackupError {
    /// Whether the answer is no, rather than that something could not be done.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Incomplete { .. }
            | Self::OtherLog { .. }
            | Self::Longer { .. }
            | Self::Forked { .. }
            | Self::NotAHead { .. }
            | Self::Older { .. }
            | Self::OtherKey { .. }
            | Self::Target { .. } => true,
            Self::Io(_) | Self::Lock(_) | Self::Key(_) | Self::NoLog { .. } | Self::Event { .. } | Self::Ledger(_) => {
                false
            }
        }
    }

    pub(super) fn from_tree(error: TreeError) -> Self {
        match error {
            TreeError::Io(error) => Self::Io(error),
            TreeError::Damaged { file } => Self::Damaged { file, problem: "not what the log has for it".into() },
            error => Self::Ledger(error.to_string()),
        }
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Lock(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::NoLog { folder } => write!(f, "no published log in `{}`: no `public/checkpoint`", folder.display()),
            Self::Target { folder, problem } => write!(f, "`{}` {problem}", folder.display()),
            Self::Damaged { file, problem } => write!(f, "damage in `{}`: {problem}", file.display()),
            Self::Incomplete { damaged } => {
                f.write_str("the copy is damaged, and the log cannot be had from it whole:")?;
                damaged.iter().try_for_each(|file| write!(f, "\n  {}", file.display()))
            }
            Self::Event { index, problem } => write!(f, "event {index} cannot be read: {problem}"),
            Self::OtherLog { expected, got } => {
                write!(f, "the backup is of another log: expected `{expected}`, it is of `{got}`")
            }
            Self::Longer { copy, log } => write!(
                f,
                "the log is shorter than the backup: it has {log} events, the backup {copy}; the backup stays as it is"
            ),
            Self::Forked { head, size, expected, got } => write!(
                f,
                "another history: `{}` has root {expected} at {size} events, here it is {got}",
                head.display()
            ),
            Self::NotAHead { head, problem } => {
                write!(f, "`{}` is no checkpoint of this log: {problem}", head.display())
            }
            Self::Older { size, known, head } => write!(
                f,
                "the backup is older than what the world has seen: it has {size} events, `{}` signs for {known}. {} events \
                 would be lost, and others hold proof of them. Look for a newer backup; if there is none, \
                 `--accept-loss WHY --root FILE` goes on without them and logs that",
                head.display(),
                known.get().saturating_sub(size.get())
            ),
            Self::OtherKey { role, named, found } => {
                write!(f, "the {role} key is `{found}`, the genesis names `{named}`")
            }
            Self::Ledger(problem) => f.write_str(problem),
        }
    }
}

impl Error for BackupError {}

impl From<IoError> for BackupError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

impl From<LockError> for BackupError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<KeyFileError> for BackupError {
    fn from(error: KeyFileError) -> Self {
        Self::Key(error)
    }
}

impl From<TreeError> for BackupError {
    fn from(error: TreeError) -> Self {
        Self::from_tree(error)
    }
}
