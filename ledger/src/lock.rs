//! One process at a time: an exclusive lock on a data directory.
//!
//! The lock is the kernel's (`flock` on `DIR/lock`), so it ends with its holder however that
//! ends, and a file left behind means nothing. What the file says serves people only.
//!
//! Another [`Disk`](crate::disk::Disk) has locks of its own kind, see [`Disk::lock`](crate::disk::Disk::lock).

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::durable::{IoError, Mode, ensure_dir};

/// An exclusive lock on a data directory, held until dropped.
#[derive(Debug)]
pub struct DirLock {
    path: PathBuf,
    /// Dropping it is what releases the lock.
    _held: Box<dyn fmt::Debug + Send + Sync>,
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// When the process started, in clock ticks since the machine did: with the pid, that names a
    /// process, where the pid alone may be another's by now.
    pub started_ticks: u64,
}

/// Why a directory could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// The operating system failed.
    Io(IoError),
    /// Somebody else has it.
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who, unless they had not written it down yet.
        by: Option<Holder>,
    },
}

impl DirLock {
    /// Locks `data_dir`, which is made if it does not exist. Does not wait.
    pub fn acquire(data_dir: &Path) -> Result<Self, LockError> {
        ensure_dir(data_dir, Mode::Private)?;
        let path = data_dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(IoError::at("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let by = Holder::read(&mut file);
                return Err(LockError::Held { path, by });
            }
            Err(errno) => return Err(IoError::at("lock", &path)(errno.into()).into()),
        }
        let text = format!("{}\n", Holder::this_process());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(IoError::at("write", &path))?;
        Ok(Self::held_by(path, Box::new(file)))
    }

    /// A lock that is released when `held` is dropped.
    pub(crate) fn held_by(path: PathBuf, held: Box<dyn fmt::Debug + Send + Sync>) -> Self {
        Self { path, _held: held }
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Holder {
    /// This process.
    pub fn this_process() -> Self {
        Self { pid: std::process::id(), started_ticks: started_ticks().unwrap_or(0) }
    }

    fn read(file: &mut File) -> Option<Self> {
        let mut text = String::new();
        // A holder's line is short; anything longer was not written by one.
        file.take(64).read_to_string(&mut text).ok()?;
        let (pid, started) = text.strip_prefix("pid ")?.trim_end().split_once(" started ")?;
        Some(Self { pid: pid.parse().ok()?, started_ticks: started.parse().ok()? })
    }
}

/// The 22nd field of `/proc/self/stat`. The second, the program's name, may hold spaces and
/// brackets, so fields are counted from its closing bracket.
fn started_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} started {}", self.pid, self.started_ticks)
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Held { path, by: Some(holder) } => {
                write!(f, "`{}` is held by process {}", path.display(), holder.pid)
            }
            Self::Held { path, by: None } => {
                write!(f, "`{}` is held by another process", path.display())
            }
        }
    }
}

impl Error for LockError {}

impl From<IoError> for LockError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_first_holder_and_a_dropped_one_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::acquire(dir.path()).unwrap();
        let Err(LockError::Held { by, .. }) = DirLock::acquire(dir.path()) else {
            panic!("locked twice");
        };
        assert_eq!(by, Some(Holder::this_process()));
        assert_ne!(by.unwrap().started_ticks, 0);
        drop(lock);
        DirLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn what_an_earlier_holder_left_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("lock"), "pid 4000000000 started 12345678901234567890\n").unwrap();
        let lock = DirLock::acquire(dir.path()).unwrap();
        let text = fs::read_to_string(lock.path()).unwrap();
        assert_eq!(text, format!("{}\n", Holder::this_process()));
    }
}
