//! A folder that nothing leads out of.
//!
//! Every access goes through `openat2(2)` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`: the kernel refuses each
//! `..`, each absolute path and each symbolic link at the moment of use, so that exchanging a folder for a link between
//! a check and a use gains nothing. A kernel without it (before 5.6) cannot run tools.

use crate::action::{Failure, Refusal};
use crate::digest::{self, Digested};
use crate::path::RelativePath;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An open folder and the name it was opened by.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

/// What is in a file, as far as a change of it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) content: Digested,
    pub(crate) executable: bool,
}

/// A name in a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) kind: FileType,
}

/// The names in a folder that are UTF-8, in order, and how many are not.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) named: Vec<Entry>,
    pub(crate) unnameable: usize,
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

impl Root {
    /// Opens a folder; here alone, symbolic links in the path are followed.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { folder: rustix::fs::open(path, flags, Mode::empty())?, path: path.canonicalize()? })
    }

    /// Its path, for programs and messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A regular file in it; nothing when there is none.
    pub(crate) fn file(&self, path: &RelativePath) -> Result<Option<File>, Refusal> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(fd) = self.open_beneath(path.as_str(), flags)? else {
            return Ok(None);
        };
        let file = File::from(fd);
        let is_file = file.metadata().map_err(|e| Refusal::runner(path.as_str(), e))?.is_file();
        if is_file { Ok(Some(file)) } else { Err(refused(path.as_str(), "is no regular file")) }
    }

    /// The state of a regular file in it; nothing when there is none.
    pub(crate) fn state(&self, path: &RelativePath) -> Result<Option<FileState>, Refusal> {
        match self.file(path)? {
            Some(file) => state_of(file).map(Some).map_err(|e| Refusal::runner(path.as_str(), e)),
            None => Ok(None),
        }
    }

    /// A folder in it, or the folder itself; nothing when there is none.
    pub(crate) fn folder(&self, path: Option<&str>) -> Result<Option<OwnedFd>, Refusal> {
        self.open_beneath(path.unwrap_or("."), OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The same, made when it is not there. The folders that had to be made are added to `made`, outermost first.
    pub(crate) fn make_folder(&self, path: &str, made: &mut Vec<String>) -> Result<OwnedFd, Refusal> {
        if let Some(folder) = self.folder(Some(path))? {
            return Ok(folder);
        }
        let (parent, name) = path.rsplit_once('/').map_or((None, path), |(parent, name)| (Some(parent), name));
        let parent = match parent {
            Some(parent) => self.make_folder(parent, made)?,
            None => self.folder(None)?.ok_or_else(|| refused(path, "has no folder to be in"))?,
        };
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => made.push(path.to_owned()),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(Refusal::runner(path, error)),
        }
        self.folder(Some(path))?.ok_or_else(|| refused(path, "is no folder"))
    }

    /// What is in a folder, by name.
    pub(crate) fn entries(&self, path: Option<&str>) -> Result<Entries, Refusal> {
        let shown = path.unwrap_or(".");
        let Some(folder) = self.folder(path)? else {
            return Ok(Entries::default());
        };
        let mut entries = Entries::default();
        for entry in Dir::read_from(&folder).map_err(|e| Refusal::runner(shown, e))? {
            let entry = entry.map_err(|e| Refusal::runner(shown, e))?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(name) = entry.file_name().to_str() else {
                entries.unnameable += 1;
                continue;
            };
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                kind = kind_of(folder.as_fd(), name).map_err(|e| Refusal::runner(shown, e))?;
            }
            entries.named.push(Entry { name: name.to_owned(), kind });
        }
        entries.named.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Where a symbolic link in it points; nothing when that is not UTF-8.
    pub(crate) fn link_target(&self, path: &RelativePath) -> Result<Option<String>, Refusal> {
        let (folder, name) = path.split();
        let folder = self.folder(folder)?.ok_or_else(|| refused(path.as_str(), "vanished"))?;
        let target =
            rustix::fs::readlinkat(&folder, name, Vec::new()).map_err(|e| Refusal::runner(path.as_str(), e))?;
        Ok(target.into_string().ok())
    }

    fn open_beneath(&self, path: &str, flags: OFlags) -> Result<Option<OwnedFd>, Refusal> {
        match rustix::fs::openat2(&self.folder, path, flags | OFlags::CLOEXEC, Mode::empty(), BENEATH) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::LOOP | Errno::XDEV) => Err(refused(path, "is or goes through a symbolic link")),
            Err(error) => Err(Refusal::runner(path, error)),
        }
    }
}

/// The state of an open file, read from its beginning.
pub(crate) fn state_of(mut file: File) -> std::io::Result<FileState> {
    let executable = file.metadata()?.permissions().mode() & 0o111 != 0;
    Ok(FileState { content: digest::read(&mut file)?, executable })
}

fn kind_of(folder: BorrowedFd<'_>, name: &str) -> rustix::io::Result<FileType> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn refused(path: &str, reason: &str) -> Refusal {
    Refusal::new(Failure::PathRefused, format!("`{path}` {reason}"))
}
