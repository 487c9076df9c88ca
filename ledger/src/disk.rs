//! The disk: every operation that the ledger asks of a file system, so that another may be put in
//! the place of the real one.
//!
//! Journal, staging, site and content store go through a [`Disk`], and through nothing else: what
//! they promise can then be tested on one that loses, tears and refuses as real disks do, see
//! [`SimulatedDisk`]. Key files and the speed probe are on the real one, always; the lock of a data
//! folder is the disk's own matter.
//!
//! # What is assumed
//!
//! * A sector of 512 bytes is written whole or not at all; several of them in any order.
//! * A [`DiskFile::sync_data`] that succeeds has made the file's bytes and length durable. After one
//!   that failed nothing is known about what was written before it, and a second one says nothing
//!   about that either.
//! * A name is durable once its directory has been synced, together with all that was done in the
//!   directory before. A rename is atomic, and durable once the target's directory has been synced.

mod real;
mod simulated;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::durable::Mode;
use crate::lock::{DirLock, LockError};

pub use real::RealDisk;
pub use simulated::{Fault, Operation, SimulatedDisk};

/// A file system. Errors are the operating system's; who calls knows what was being done.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a file, open for reading and writing. It is an error if there is something of that name.
    fn create_new(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that is there.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// The length of a file that is there.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// Whether there is a directory of that name.
    fn is_dir(&self, path: &Path) -> bool;

    /// Moves a file, over another if there is one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Whoever has it open keeps its bytes.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes a directory. Its parent must be there.
    fn create_dir(&self, dir: &Path, mode: Mode) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// How many bytes are free for us, on the file system that has `dir`.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// The disk's own clock: the time since some moment that never changes.
    fn clock(&self) -> Duration;

    /// When a file was written last, or touched, by the disk's clock.
    fn modified(&self, path: &Path) -> io::Result<Duration>;

    /// Makes a file as young as one that was written just now. A crash may undo it.
    fn touch(&self, path: &Path) -> io::Result<()>;

    /// Locks a data folder, which is made if it does not exist. Does not wait.
    fn lock(&self, data_dir: &Path) -> Result<DirLock, LockError>;
}

/// A file that is open.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes at an offset, and returns how many bytes were taken.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer from an offset on.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Makes the file's bytes and its length durable.
    fn sync_data(&self) -> io::Result<()>;

    /// The same, and everything else about the file.
    fn sync_all(&self) -> io::Result<()>;

    /// How long it is.
    fn length(&self) -> io::Result<u64>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// Writes all of `bytes`, however many calls it takes.
pub(crate) fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes = bytes.get(written..).unwrap_or_default();
        offset = offset.saturating_add(crate::width::on_disk(written));
    }
    Ok(())
}
