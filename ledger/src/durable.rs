//! Files that are there whole or not at all, whatever happens.
//!
//! Every file outside the journal is made the same way: written under a temporary name in one
//! staging directory, synced, renamed into place, and the directory that holds it synced. A crash
//! before the rename leaves a file in the staging directory, swept at the next start; a crash after
//! it, and before the directory's sync, leaves either the old or the new file.
//!
//! A failed sync is never retried on the same file: the caller starts again with a new one.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The staging directory, `DIR/tmp`. Clones share it.
#[derive(Clone, Debug)]
pub struct Staging {
    dir: Arc<PathBuf>,
    next: Arc<AtomicU64>,
}

/// Files that go into place together: all synced before the first is renamed.
///
/// Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Batch {
    staging: Staging,
    mode: Mode,
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

/// Files that one batch keeps open at once; a larger one goes into place in several steps.
const MAX_BATCH_FILES: usize = 256;

impl Mode {
    const fn file(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }

    const fn dir(self) -> u32 {
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
        let dir = data_dir.join("tmp");
        ensure_dir(&dir, Mode::Private)?;
        for name in list(&dir)? {
            let path = dir.join(name);
            fs::remove_file(&path).map_err(IoError::at("sweep", &path))?;
        }
        Ok(Self { dir: Arc::new(dir), next: Arc::default() })
    }

    /// A batch of files of this mode.
    pub fn batch(&self, mode: Mode) -> Batch {
        Batch { staging: self.clone(), mode, staged: Vec::new() }
    }

    /// Puts one file into place.
    pub fn write(&self, target: &Path, bytes: &[u8], mode: Mode) -> Result<(), IoError> {
        let mut batch = self.batch(mode);
        batch.add(target, &[bytes])?;
        batch.commit()
    }

    fn create(&self, mode: Mode) -> Result<(PathBuf, File), IoError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{number}.tmp"));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode.file())
            .open(&path)
            .map_err(IoError::at("create", &path))?;
        Ok((path, file))
    }
}

impl Batch {
    /// Writes a file that consists of `parts`; nothing is seen at `target` yet.
    pub fn add(&mut self, target: &Path, parts: &[&[u8]]) -> Result<(), IoError> {
        if self.staged.len() >= MAX_BATCH_FILES {
            self.put_into_place()?;
        }
        let (temporary, mut file) = self.staging.create(self.mode)?;
        let written = parts.iter().try_for_each(|part| file.write_all(part));
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
        let mut out = io::BufWriter::with_capacity(64 * 1024, &staged.file);
        let written = write(&mut out).and_then(|()| out.flush());
        written.map_err(IoError::at("write", &staged.temporary))
    }

    /// Puts every file into place. After an error some may be there, each of them whole.
    pub fn commit(mut self) -> Result<(), IoError> {
        self.put_into_place()
    }

    fn put_into_place(&mut self) -> Result<(), IoError> {
        for staged in &self.staged {
            staged.file.sync_data().map_err(IoError::at("sync", &staged.temporary))?;
        }
        let mut dirs = BTreeSet::new();
        for staged in &self.staged {
            if let Some(parent) = staged.target.parent()
                && dirs.insert(parent.to_path_buf())
            {
                ensure_dir(parent, self.mode)?;
            }
            fs::rename(&staged.temporary, &staged.target).map_err(IoError::at("rename into place", &staged.target))?;
        }
        self.staged.clear();
        dirs.iter().try_for_each(|dir| sync_dir(dir))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for staged in &self.staged {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_file(&staged.temporary);
        }
    }
}

/// Makes a directory and its parents, each of them durable before anything is put into it.
pub fn ensure_dir(dir: &Path, mode: Mode) -> Result<(), IoError> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        ensure_dir(parent, mode)?;
    }
    match DirBuilder::new().mode(mode.dir()).create(dir) {
        Ok(()) => sync_dir(parent.unwrap_or(Path::new("."))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(IoError::at("create directory", dir)(error)),
    }
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> Result<(), IoError> {
    let handle = File::open(dir).map_err(IoError::at("open directory", dir))?;
    handle.sync_all().map_err(IoError::at("sync directory", dir))
}

/// Removes a file durably. `false` if there was none.
pub fn remove(path: &Path) -> Result<bool, IoError> {
    match fs::remove_file(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_dir).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(IoError::at("remove", path)(error)),
    }
}

/// A file's bytes, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, IoError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IoError::at("read", path)(error)),
    }
}

/// The names in a directory, in order; none if there is no such directory.
pub(crate) fn list(dir: &Path) -> Result<Vec<String>, IoError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(IoError::at("list", dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(IoError::at("list", dir))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
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
