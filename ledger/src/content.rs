//! Bodies beside the log.
//!
//! An event carries only a salted commitment; salt and body are one file under `DIR/content`:
//!
//! ```text
//! content/<first 2 hex digits>/<the commitment's sha256>   =   salt (32 bytes) ‖ body
//! ```
//!
//! The name is the SHA-256 of the file's own bytes, so a file proves itself. Erasing unlinks it,
//! and the salt is gone with the body; that it was erased is an event in the log, not a fact here.
//! A body whose event was never committed is an orphan; [`sweep()`] removes those. [`report()`] lists what may be erased.
//! How much the store may hold, and how much one principal may bring in a day, can be bounded.

mod blob;
mod named;
mod report;
mod stream;
mod sweep;
mod usage;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proof::{Commitment, Hash, Salt};

pub use blob::BlobStore;
pub use report::{Erasable, Report, Tally, report};
pub use stream::BodyReader;
pub use sweep::{ORPHAN_AGE, Sweep, SweepError, Sweeper, Swept, sweep};
pub use usage::DAILY_BYTES;

use crate::disk::Disk;
use crate::durable::{self, IoError, Mode, Staging};
use crate::width::on_disk;
use usage::Usage;

/// Bytes of one public blob, and the most that is ever read as a body; what a command may bring is less, see the
/// domain's limits.
pub const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes that must stay free on the file system: bodies never take the room that the journal
/// needs, which is a few segments.
pub const MIN_FREE_BYTES: u64 = 256 * 1024 * 1024;

const SALT_BYTES: usize = 32;

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct ContentStore {
    root: PathBuf,
    staging: Staging,
    usage: Arc<Usage>,
}

/// A body that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// What the event says about it.
    pub commitment: &'a Commitment,
    /// The salt of the commitment.
    pub salt: &'a Salt,
    /// The body itself.
    pub bytes: &'a [u8],
}

/// Why content was not stored or not read.
#[derive(Debug)]
pub enum ContentError {
    /// The operating system failed.
    Io(IoError),
    /// Salt and body are not what the commitment commits to.
    DoesNotOpen {
        /// The commitment.
        sha256: Hash,
    },
    /// A body that is too long.
    TooLarge {
        /// Its length.
        got: u64,
    },
    /// The file system is nearly full.
    NoRoom {
        /// The bytes that are free.
        free: u64,
    },
    /// The store would hold more than it may.
    OverQuota {
        /// What it may hold.
        quota: u64,
        /// What it holds.
        used: u64,
        /// What was to come.
        wanted: u64,
    },
    /// Somebody would bring more than they may in a day.
    OverAllowance {
        /// What they may bring.
        daily: u64,
        /// What they have brought today.
        spent: u64,
        /// What was to come.
        wanted: u64,
        /// Until the day is over.
        seconds_left: u64,
    },
    /// A stored file is not what was written.
    Damaged {
        /// The file.
        file: PathBuf,
    },
}

impl ContentError {
    /// Whether the disk is (nearly) full, and nothing else is wrong.
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::NoRoom { .. } => true,
            Self::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
            Self::DoesNotOpen { .. }
            | Self::TooLarge { .. }
            | Self::OverQuota { .. }
            | Self::OverAllowance { .. }
            | Self::Damaged { .. } => false,
        }
    }
}

impl ContentStore {
    /// Opens the store under `data_dir`.
    pub fn open(data_dir: &Path, staging: Staging) -> Result<Self, ContentError> {
        let root = data_dir.join("content");
        staging.ensure_dir(&root, Mode::Private)?;
        Ok(Self { root, staging, usage: Arc::default() })
    }

    /// Stores one body durably. Storing it again changes nothing.
    pub fn put(&self, commitment: &Commitment, salt: &Salt, bytes: &[u8]) -> Result<(), ContentError> {
        self.put_many(&[Body { commitment, salt, bytes }])
    }

    /// Stores several bodies durably, with their syncs together. All of them are checked before
    /// the first is written.
    pub fn put_many(&self, bodies: &[Body<'_>]) -> Result<(), ContentError> {
        self.write_many(bodies).map(|_| ())
    }

    /// The same in somebody's name, out of their allowance for the day. What lies there already costs nothing.
    pub fn put_many_for(&self, who: &str, bodies: &[Body<'_>]) -> Result<(), ContentError> {
        let mut total = 0_u64;
        for body in bodies {
            if !self.contains(&body.commitment.sha256)? {
                total = total.saturating_add(file_length(body.bytes));
            }
        }
        let charge = self.usage.charge(who, total, self.now())?;
        charge.spend(self.write_many(bodies)?);
        Ok(())
    }

    /// Gives how many bytes are new.
    fn write_many(&self, bodies: &[Body<'_>]) -> Result<u64, ContentError> {
        let mut total = 0_u64;
        for body in bodies {
            check_length(body.bytes)?;
            if !body.commitment.opens(body.salt, body.bytes) {
                return Err(ContentError::DoesNotOpen { sha256: body.commitment.sha256 });
            }
            total = total.saturating_add(on_disk(body.bytes.len()));
        }
        let reserved = self.reserve(bodies.iter().map(|body| (body.commitment.sha256, file_length(body.bytes))))?;
        let disk = &**self.staging.disk();
        check_room(disk, &self.root, total)?;
        let mut batch = self.staging.batch(Mode::Private);
        let mut new = 0_u64;
        for body in bodies {
            let path = self.path(&body.commitment.sha256);
            // One that is there already may be damaged: then this is its repair.
            if matches!(read_salted(disk, &path, body.commitment), Ok(Some(_))) {
                // It may be an orphan of an earlier attempt, and about to be swept: now it is wanted.
                disk.touch(&path).map_err(IoError::at("touch", &path))?;
                batch.keep(&path);
            } else {
                batch.add(&path, &[body.salt.as_bytes(), body.bytes])?;
                new = new.saturating_add(file_length(body.bytes));
            }
        }
        batch.commit()?;
        drop(reserved);
        Ok(new)
    }

    /// The salt and the body that a commitment is about, if they are (still) there. What is
    /// returned opens the commitment.
    pub fn get(&self, commitment: &Commitment) -> Result<Option<(Salt, Vec<u8>)>, ContentError> {
        read_salted(&**self.staging.disk(), &self.path(&commitment.sha256), commitment)
    }

    /// Whether a body is there, whatever its bytes.
    pub fn contains(&self, sha256: &Hash) -> Result<bool, ContentError> {
        Ok(self.length(sha256)?.is_some())
    }

    /// Bytes of a body's file, salt included, if it is there.
    pub fn length(&self, sha256: &Hash) -> Result<Option<u64>, ContentError> {
        let path = self.path(sha256);
        found(self.staging.disk().length(&path)).map_err(|error| IoError::at("look for", &path)(error).into())
    }

    /// When a body was stored, by the disk's clock, if it is there.
    fn modified(&self, sha256: &Hash) -> Result<Option<Duration>, ContentError> {
        let path = self.path(sha256);
        found(self.staging.disk().modified(&path)).map_err(|error| IoError::at("look at", &path)(error).into())
    }

    /// The disk's clock.
    fn now(&self) -> Duration {
        self.staging.disk().clock()
    }

    /// Erases a body and its salt for good. `false` if there was none.
    pub fn erase(&self, sha256: &Hash) -> Result<bool, ContentError> {
        self.strike(sha256, || Ok(durable::remove_on(&**self.staging.disk(), &self.path(sha256))?))
    }

    /// The commitments of everything that is stored.
    pub fn iter(&self) -> impl Iterator<Item = Result<Hash, ContentError>> {
        (0..=u8::MAX).flat_map(|shard| match self.shard(shard) {
            Ok(names) => names.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Those that begin with this byte, in order.
    fn shard(&self, shard: u8) -> Result<Vec<Hash>, ContentError> {
        let names = durable::list(&**self.staging.disk(), &self.root.join(format!("{shard:02x}")))?;
        // Anything else in there is not the store's.
        let ours = |name: &Hash| name.as_bytes().first() == Some(&shard);
        Ok(names.iter().filter_map(|name| name.parse().ok()).filter(ours).collect())
    }

    fn path(&self, sha256: &Hash) -> PathBuf {
        let name = sha256.to_string();
        let shard: String = name.chars().take(2).collect();
        self.root.join(shard).join(name)
    }
}

/// Bytes that a body takes with its salt.
fn file_length(bytes: &[u8]) -> u64 {
    on_disk(bytes.len()).saturating_add(on_disk(SALT_BYTES))
}

/// Nothing, where there is no such file.
fn found<T>(looked: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match looked {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a body is short enough to be stored.
fn check_length(bytes: &[u8]) -> Result<(), ContentError> {
    let got = on_disk(bytes.len());
    if got > MAX_BODY_BYTES { Err(ContentError::TooLarge { got }) } else { Ok(()) }
}

/// Whether there is room for so many bytes more.
fn check_room(disk: &dyn Disk, dir: &Path, bytes: u64) -> Result<(), ContentError> {
    let free = disk.free_bytes(dir).map_err(IoError::at("measure the file system of", dir))?;
    if free < MIN_FREE_BYTES.saturating_add(bytes) {
        return Err(ContentError::NoRoom { free });
    }
    Ok(())
}

fn read_salted(disk: &dyn Disk, path: &Path, commitment: &Commitment) -> Result<Option<(Salt, Vec<u8>)>, ContentError> {
    let expected = commitment.length.saturating_add(on_disk(SALT_BYTES));
    // Looked at before reading: the length of a damaged file may be anything.
    match disk.length(path) {
        Ok(length) if length == expected => {}
        Ok(_) => {
            return Err(ContentError::Damaged { file: path.to_path_buf() });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(IoError::at("look at", path)(error).into()),
    }
    let Some(mut bytes) = durable::read(disk, path)? else {
        return Ok(None);
    };
    let salt = bytes.first_chunk().copied().map(Salt::new);
    bytes.drain(..SALT_BYTES.min(bytes.len()));
    match salt.filter(|salt| commitment.opens(salt, &bytes)) {
        Some(salt) => Ok(Some((salt, bytes))),
        None => Err(ContentError::Damaged { file: path.to_path_buf() }),
    }
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::DoesNotOpen { sha256 } => {
                write!(f, "salt and body do not open commitment {sha256}")
            }
            Self::TooLarge { got } => {
                write!(f, "expected a body of at most {MAX_BODY_BYTES} bytes, got {got}")
            }
            Self::NoRoom { free } => {
                write!(f, "expected {MIN_FREE_BYTES} bytes to stay free, there are {free}")
            }
            Self::OverQuota { quota, used, wanted } => {
                write!(f, "the store may hold {quota} bytes, holds {used}, and {wanted} were to come")
            }
            Self::OverAllowance { daily, spent, wanted, .. } => {
                write!(f, "{daily} bytes a day are allowed, {spent} were brought today, and {wanted} were to come")
            }
            Self::Damaged { file } => {
                write!(f, "damage in `{}`: not what its name commits to", file.display())
            }
        }
    }
}

impl Error for ContentError {}

impl From<IoError> for ContentError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests;
