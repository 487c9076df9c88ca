//! Backups: copies of a log that prove themselves, and the way back from one.
//!
//! A backup is laid out like a data folder without journal: the static site in `public/`, which holds every leaf, and
//! the bodies in `content/`. So whatever reads and verifies a site does so with a backup, too.
//!
//! [`back_up`] needs no lock on the data folder: it takes the published checkpoint, which names everything that is to be
//! copied, and everything it names stays. What is copied is checked on the way, from the checkpoint's root down, so that
//! damage never goes over good data; the backup's own checkpoint is replaced last. [`restore()`] copies a backup
//! in the very same way into a new data folder, and puts a journal into it that begins near the end.

mod bodies;
mod copy;
mod edge;
mod error;
mod place;
mod restore;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proof::{Hash, TreeSize};

pub use error::BackupError;
pub use restore::{Acceptance, Known, RestoreOptions, Restored, restore};

use crate::disk::{Disk, RealDisk};
use crate::durable::{self, Mode, Staging};
use copy::Copying;
use tree::StoredTree;

/// What a backup may hold beside what is copied into it.
const ENTRIES: [&str; 7] = ["content", "keys", "lock", "lost+found", "public", "tmp", SETTINGS];
/// How the log is published, which whoever opens the folder must know: a log that publishes only what witnesses have
/// cosigned must not begin to publish more because it was restored.
const SETTINGS: &str = "witnesses.json";

/// How a backup is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackupOptions {
    /// The secret keys go along.
    pub with_keys: bool,
    /// What is there already is read and compared, too; otherwise a file of the right length is believed to be right.
    pub all: bool,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events that have been looked at.
    pub done: u64,
    /// Of so many.
    pub of: u64,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The log's name.
    pub origin: String,
    /// Events that were there before.
    pub from: TreeSize,
    /// Events that are there now, if the copy is [complete](Self::complete).
    pub size: TreeSize,
    /// The root of the tree of those.
    pub root: Hash,
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of the files are bodies.
    pub bodies: u64,
    /// Bodies that were removed, because an event says that they are erased.
    pub erased: u64,
    /// Files of the source that are not what the log has for them. None of them was copied.
    pub damaged: BTreeSet<PathBuf>,
    /// Bodies that committed events name and that the source does not have. One that was erased a moment ago is named in
    /// an event that the next backup sees.
    pub missing: BTreeSet<PathBuf>,
    /// Whether everything is there that the checkpoint needs. If not, the checkpoint of the target is the one it had.
    pub complete: bool,
}

impl Copied {
    /// Whether nothing was found wrong.
    pub fn is_clean(&self) -> bool {
        self.complete && self.damaged.is_empty() && self.missing.is_empty()
    }
}

/// Makes `backup` a copy of the log in `data`, as far as it is published, or brings it up to date.
///
/// The server may run meanwhile. After an error, or a crash at any moment, the backup is what it was before, and perhaps
/// some files more; the next run goes on from there.
///
/// # Errors
/// If the backup is of another log, or of another or a longer history of the same; if the source has no log; and if the
/// operating system fails. Damage in the source is no error, but reported.
pub fn back_up(
    data: &Path,
    backup: &Path,
    options: BackupOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, BackupError> {
    let tree = StoredTree::open(data)?;
    place::check_target(backup, &ENTRIES)?;
    place::check_apart(data, backup)?;
    let _lock = RealDisk.lock(backup)?;
    // Nothing was written before the lock was had, so somebody else may have been faster.
    place::check_target(backup, &ENTRIES)?;
    let staging = Staging::open(backup)?;
    let copying = Copying::new(&tree, backup, &staging, options.all)?;
    // From here on it is known to be a backup of this log, or empty.
    if options.with_keys {
        copy_keys(&data.join("keys"), backup, &staging)?;
    }
    copy_settings(data, backup, &staging)?;
    copying.run(progress)
}

/// Copies what is remembered of how the log is published, if there is anything.
fn copy_settings(from: &Path, to: &Path, staging: &Staging) -> Result<(), BackupError> {
    let target = to.join(SETTINGS);
    match durable::read(&RealDisk, &from.join(SETTINGS))? {
        Some(bytes) if durable::read(&RealDisk, &target)?.as_ref() != Some(&bytes) => {
            Ok(staging.write(&target, &bytes, Mode::Private)?)
        }
        _ => Ok(()),
    }
}

/// Copies key files, those that make a folder a ledger's last.
fn copy_keys(from: &Path, target: &Path, staging: &Staging) -> Result<u64, BackupError> {
    let mut names = durable::list(&RealDisk, from)?;
    names.sort_by_key(|name| name == "checkpoint.key");
    let mut copied = 0;
    for name in names {
        let (file, target) = (from.join(&name), target.join("keys").join(&name));
        if !file.is_file() {
            continue;
        }
        let Some(bytes) = durable::read(&RealDisk, &file)? else { continue };
        if durable::read(&RealDisk, &target)?.as_deref() != Some(&bytes) {
            staging.write(&target, &bytes, Mode::Private)?;
            copied += 1;
        }
    }
    Ok(copied)
}
