//! Files that are there whole or not at all, whatever happens.
//!
//! Every file outside the journal is made the same way: written under a temporary name in one
//! staging directory, synced, renamed into place, and the directory that holds it synced. A crash
//! before the rename leaves a file in the staging directory, swept at the next start; a crash after
//! it, and before the directory's sync, leaves either the old or the new file.
//!
//! A failed sync is never retried on the same file: the caller starts again with a new one.
//!
//! A directory that is there need not be durable: whoever made it may have failed, or been killed,
//! before its parent was synced. So the parent of every directory that is written to is synced once
//! in each run.

use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Access, Disk, DiskFile, RealDisk, write_all_at};
use crate::width::{in_memory, on_disk};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The owner only: 0600, in directories of 0700.
    Private,
    /// Everybody: 0644, in directories of 0755.
    Public,
}

/// A failure of the operating system: what was being done, and to what.
#[derive(Debug)]
pub struct IoError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The staging directory, `DIR/tmp`, on the disk that has all of `DIR`. Clones share it.
#[derive(Clone, Debug)]
pub struct Staging {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    data_dir: PathBuf,
    dir: PathBuf,
    next: AtomicU64,
    /// Directories under `data_dir` that are durable themselves.
    known: Mutex<HashSet<PathBuf>>,
}

/// Files that go into place together: all synced before the first is renamed.
///
/// Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Batch {
    staging: Staging,
    mode: Mode,
    staged: Vec<Staged>,
    /// Directories to be synced, although nothing was put into them.
    kept: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Staged {
    file: Box<dyn DiskFile>,
    temporary: PathBuf,
    target: PathBuf,
}

/// Files that one batch keeps open at once; a larger one goes into place in several steps.
const MAX_BATCH_FILES: usize = 256;

/// Durable directories that are remembered; beyond it all are looked at again.
const MAX_KNOWN_DIRS: usize = 4096;

impl Mode {
    pub(crate) const fn file(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }

    pub(crate) const fn dir(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Public => 0o755,
        }
    }
}

impl Staging {
    /// Opens the staging directory under `data_dir` and removes what a crash left in it.
    ///
    /// Only the holder of the [`DirLock`](crate::lock::DirLock) may do so, and once.
    pub fn open(data_dir: &Path) -> Result<Self, IoError> {
        Self::open_on(Arc::new(RealDisk), data_dir)
    }

    /// [`open`](Self::open) on another disk.
    pub fn open_on(disk: Arc<dyn Disk>, data_dir: &Path) -> Result<Self, IoError> {
        let dir = data_dir.join("tmp");
        ensure_dir_on(&*disk, &dir, Mode::Private)?;
        for name in list(&*disk, &dir)? {
            let path = dir.join(name);
            disk.remove_file(&path).map_err(IoError::at("sweep", &path))?;
        }
        sync_dir_on(&*disk, data_dir)?;
        let shared =
            Shared { disk, data_dir: data_dir.to_path_buf(), dir, next: AtomicU64::default(), known: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.shared.disk
    }

    /// A batch of files of this mode.
    pub fn batch(&self, mode: Mode) -> Batch {
        Batch { staging: self.clone(), mode, staged: Vec::new(), kept: BTreeSet::new() }
    }

    /// Puts one file into place.
    pub fn write(&self, target: &Path, bytes: &[u8], mode: Mode) -> Result<(), IoError> {
        let mut batch = self.batch(mode);
        batch.add(target, &[bytes])?;
        batch.commit()
    }

    /// Makes sure that a directory is there, and durable with all its parents in the data folder.
    pub(crate) fn ensure_dir(&self, dir: &Path, mode: Mode) -> Result<(), IoError> {
        let Shared { disk, data_dir, .. } = &*self.shared;
        if dir == data_dir || !dir.starts_with(data_dir) {
            return ensure_dir_on(&**disk, dir, mode);
        }
        if self.known(|known| known.contains(dir)) {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(data_dir);
        self.ensure_dir(parent, mode)?;
        match disk.create_dir(dir, mode) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !disk.is_dir(dir) => {
                return Err(IoError::at("create directory", dir)(error));
            }
            _ => sync_dir_on(&**disk, parent)?,
        }
        self.known(|known| {
            if known.len() >= MAX_KNOWN_DIRS {
                known.clear();
            }
            known.insert(dir.to_path_buf());
        });
        Ok(())
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashSet<PathBuf>) -> T) -> T {
        look(&mut self.shared.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn create(&self, mode: Mode) -> Result<(PathBuf, Box<dyn DiskFile>), IoError> {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.dir.join(format!("{number}.tmp"));
        let file = self.shared.disk.create_new(&path, mode).map_err(IoError::at("create", &path))?;
        Ok((path, file))
    }
}

/// A file that is written from front to back.
struct Appended<'a> {
    file: &'a dyn DiskFile,
    at: u64,
}

impl Write for Appended<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at = self.at.saturating_add(on_disk(written));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Batch {
    /// Writes a file that consists of `parts`; nothing is seen at `target` yet.
    pub fn add(&mut self, target: &Path, parts: &[&[u8]]) -> Result<(), IoError> {
        if self.staged.len() >= MAX_BATCH_FILES {
            self.put_into_place()?;
        }
        let (temporary, file) = self.staging.create(self.mode)?;
        let mut offset = 0;
        let written = parts.iter().try_for_each(|part| {
            write_all_at(&*file, part, offset)?;
            offset = offset.saturating_add(on_disk(part.len()));
            Ok(())
        });
        let target = target.to_path_buf();
        self.staged.push(Staged { file, temporary: temporary.clone(), target });
        written.map_err(IoError::at("write", &temporary))
    }

    /// The same for a file too long to be held in memory: `write` writes it, through a buffer.
    pub fn add_with(
        &mut self,
        target: &Path,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), IoError> {
        self.add(target, &[])?;
        let Some(staged) = self.staged.last() else { return Ok(()) };
        let mut out = io::BufWriter::with_capacity(64 * 1024, Appended { file: &*staged.file, at: 0 });
        let written = write(&mut out).and_then(|()| out.flush());
        written.map_err(IoError::at("write", &staged.temporary))
    }

    /// Notes a file that is in place already, as it should be. Its bytes were synced before it was put
    /// there; that its name was, too, is not certain.
    pub fn keep(&mut self, target: &Path) {
        self.kept.extend(target.parent().map(Path::to_path_buf));
    }

    /// Puts every file into place. After an error some may be there, each of them whole.
    pub fn commit(mut self) -> Result<(), IoError> {
        self.put_into_place()
    }

    fn put_into_place(&mut self) -> Result<(), IoError> {
        for staged in &self.staged {
            staged.file.sync_data().map_err(IoError::at("sync", &staged.temporary))?;
        }
        let disk = &self.staging.shared.disk;
        let mut dirs = std::mem::take(&mut self.kept);
        for dir in &dirs {
            self.staging.ensure_dir(dir, self.mode)?;
        }
        for staged in &self.staged {
            if let Some(parent) = staged.target.parent()
                && dirs.insert(parent.to_path_buf())
            {
                self.staging.ensure_dir(parent, self.mode)?;
            }
            disk.rename(&staged.temporary, &staged.target).map_err(IoError::at("rename into place", &staged.target))?;
        }
        self.staged.clear();
        dirs.iter().try_for_each(|dir| sync_dir_on(&**disk, dir))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for staged in &self.staged {
            // What cannot be removed now is swept at the next start.
            let _ = self.staging.shared.disk.remove_file(&staged.temporary);
        }
    }
}

/// Makes a directory and its parents on the real disk, each of them durable before anything is put into it.
pub fn ensure_dir(dir: &Path, mode: Mode) -> Result<(), IoError> {
    ensure_dir_on(&RealDisk, dir, mode)
}

/// Makes the names in a directory on the real disk durable.
pub fn sync_dir(dir: &Path) -> Result<(), IoError> {
    sync_dir_on(&RealDisk, dir)
}

/// Makes a directory and its parents, each of them durable before anything is put into it.
pub(crate) fn ensure_dir_on(disk: &dyn Disk, dir: &Path, mode: Mode) -> Result<(), IoError> {
    if disk.is_dir(dir) {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        ensure_dir_on(disk, parent, mode)?;
        // It may have been there already, made by an attempt that ended before the sync.
        sync_name(disk, parent)?;
    }
    match disk.create_dir(dir, mode) {
        Ok(()) => sync_name(disk, dir),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(IoError::at("create directory", dir)(error)),
    }
}

/// Makes a directory's own name durable. A parent that we may not look into is not of our making.
fn sync_name(disk: &dyn Disk, dir: &Path) -> Result<(), IoError> {
    let parent = match dir.parent() {
        None => return Ok(()),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    match sync_dir_on(disk, parent) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir_on(disk: &dyn Disk, dir: &Path) -> Result<(), IoError> {
    disk.sync_dir(dir).map_err(IoError::at("sync directory", dir))
}

/// Removes a file durably. `false` if there was none.
pub(crate) fn remove_on(disk: &dyn Disk, path: &Path) -> Result<bool, IoError> {
    match disk.remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), |dir| sync_dir_on(disk, dir)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(IoError::at("remove", path)(error)),
    }
}

/// A file's bytes, or `None` if there is no such file.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, IoError> {
    let mut bytes = Vec::new();
    match read_into(disk, path, u64::MAX, &mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first `limit` bytes of a file, or all of it if it is shorter.
pub(crate) fn read_into(disk: &dyn Disk, path: &Path, limit: u64, bytes: &mut Vec<u8>) -> Result<(), IoError> {
    bytes.clear();
    let file = disk.open(path, Access::Read).map_err(IoError::at("open", path))?;
    let length = file.length().map_err(IoError::at("look at", path))?;
    bytes.resize(in_memory(length.min(limit)), 0);
    file.read_exact_at(bytes, 0).map_err(IoError::at("read", path))
}

/// The names in a directory, in order; none if there is no such directory.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, IoError> {
    match disk.list(dir) {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(IoError::at("list", dir)(error)),
    }
}

impl IoError {
    /// Adds to an [`io::Error`] what was being done, and to what.
    pub fn at<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self { doing, path: path.to_path_buf(), source }
    }

    /// The kind of failure.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// What it happened to.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: {}", self.doing, self.path.display(), self.source)
    }
}

impl Error for IoError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests;
