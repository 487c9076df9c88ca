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
//! A body whose event was never committed is an orphan; [`ContentStore::iter`] lists what there is. Nothing sweeps
//! orphans yet.

mod blob;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use proof::{Commitment, Hash, Salt};

pub use blob::BlobStore;

use crate::disk::Disk;
use crate::durable::{self, IoError, Mode, Staging};
use crate::width::on_disk;

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
            Self::DoesNotOpen { .. } | Self::TooLarge { .. } | Self::Damaged { .. } => false,
        }
    }
}

impl ContentStore {
    /// Opens the store under `data_dir`.
    pub fn open(data_dir: &Path, staging: Staging) -> Result<Self, ContentError> {
        let root = data_dir.join("content");
        staging.ensure_dir(&root, Mode::Private)?;
        Ok(Self { root, staging })
    }

    /// Stores one body durably. Storing it again changes nothing.
    pub fn put(&self, commitment: &Commitment, salt: &Salt, bytes: &[u8]) -> Result<(), ContentError> {
        self.put_many(&[Body { commitment, salt, bytes }])
    }

    /// Stores several bodies durably, with their syncs together. All of them are checked before
    /// the first is written.
    pub fn put_many(&self, bodies: &[Body<'_>]) -> Result<(), ContentError> {
        let mut total = 0_u64;
        for body in bodies {
            check_length(body.bytes)?;
            if !body.commitment.opens(body.salt, body.bytes) {
                return Err(ContentError::DoesNotOpen { sha256: body.commitment.sha256 });
            }
            total = total.saturating_add(on_disk(body.bytes.len()));
        }
        let disk = &**self.staging.disk();
        check_room(disk, &self.root, total)?;
        let mut batch = self.staging.batch(Mode::Private);
        for body in bodies {
            let path = self.path(&body.commitment.sha256);
            // One that is there already may be damaged: then this is its repair.
            if matches!(read_salted(disk, &path, body.commitment), Ok(Some(_))) {
                batch.keep(&path);
            } else {
                batch.add(&path, &[body.salt.as_bytes(), body.bytes])?;
            }
        }
        Ok(batch.commit()?)
    }

    /// The salt and the body that a commitment is about, if they are (still) there. What is
    /// returned opens the commitment.
    pub fn get(&self, commitment: &Commitment) -> Result<Option<(Salt, Vec<u8>)>, ContentError> {
        read_salted(&**self.staging.disk(), &self.path(&commitment.sha256), commitment)
    }

    /// Whether a body is there, whatever its bytes.
    pub fn contains(&self, sha256: &Hash) -> Result<bool, ContentError> {
        let path = self.path(sha256);
        match self.staging.disk().length(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(IoError::at("look for", &path)(error).into()),
        }
    }

    /// Erases a body and its salt for good. `false` if there was none.
    pub fn erase(&self, sha256: &Hash) -> Result<bool, ContentError> {
        Ok(durable::remove_on(&**self.staging.disk(), &self.path(sha256))?)
    }

    /// The commitments of everything that is stored.
    pub fn iter(&self) -> impl Iterator<Item = Result<Hash, ContentError>> {
        (0..=u8::MAX).flat_map(|shard| {
            match durable::list(&**self.staging.disk(), &self.root.join(format!("{shard:02x}"))) {
                Ok(names) => names.iter().filter_map(|name| name.parse().ok()).map(Ok).collect(),
                Err(error) => vec![Err(error.into())],
            }
        })
    }

    fn path(&self, sha256: &Hash) -> PathBuf {
        let name = sha256.to_string();
        let shard: String = name.chars().take(2).collect();
        self.root.join(shard).join(name)
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
