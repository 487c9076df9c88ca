//! Putting the changed files of a work copy into the project.
//!
//! In three steps, so that a failure at any point leaves the project as it was:
//!
//! 1. *Stage.* Check that every file is still as it was copied; write the new content into temporary files next to
//!    their targets, and fsync them.
//! 2. *Swap.* Exchange each target with its temporary file (`RENAME_EXCHANGE`), or move the new file to where nothing is
//!    (`RENAME_NOREPLACE`), or move the old one away. The old content is now in the temporary file: if it is not what was
//!    copied, somebody changed the project in between, and everything is swapped back.
//! 3. *Settle.* fsync the folders, read every target once more, remove the temporary files.
//!
//! Each file changes atomically. A crash between two swaps leaves some files new and some old, each of them whole, and
//! the old ones under names that begin with `.countersign-`.

use super::{Difference, WorkCopy};
use crate::action::{Failure, Refusal};
use crate::digest;
use crate::path::RelativePath;
use crate::root::{FileState, Root, state_of};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

/// Puts the differences into the project, all or none.
pub(crate) fn put_back(project: &Root, copy: &WorkCopy, differences: &[Difference]) -> Result<(), Refusal> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|e| Refusal::runner("a temporary name", e))?;
    let mut work = Work { project, name: hex::encode(random), swaps: Vec::new(), folders: Vec::new() };
    let done = differences.iter().enumerate().try_for_each(|(number, difference)| work.stage(copy, number, difference));
    let done = done.and_then(|()| work.swap()).and_then(|()| work.settle());
    if done.is_err() {
        work.undo();
    }
    done
}

struct Work<'a> {
    project: &'a Root,
    /// What tells this one's temporary files from any other's.
    name: String,
    swaps: Vec<Swap<'a>>,
    /// Folders that had to be made, outermost first.
    folders: Vec<String>,
}

/// One file on its way.
struct Swap<'a> {
    difference: &'a Difference,
    folder: OwnedFd,
    name: &'a str,
    /// The temporary name in the same folder.
    aside: String,
    /// A file has that name now.
    staged: bool,
    /// The target is the new one.
    swapped: bool,
}

impl<'a> Work<'a> {
    fn stage(&mut self, copy: &WorkCopy, number: usize, difference: &'a Difference) -> Result<(), Refusal> {
        let path = &difference.path;
        if self.project.state(path)? != difference.before {
            return Err(changed(path));
        }
        let (folder, name) = path.split();
        let folder = match folder {
            Some(folder) => self.project.make_folder(folder, &mut self.folders)?,
            None => self.project.folder(None)?.ok_or_else(|| changed(path))?,
        };
        let aside = format!(".countersign-{}-{number}.tmp", self.name);
        self.swaps.push(Swap { difference, folder, name, aside, staged: false, swapped: false });
        let Some(swap) = self.swaps.last_mut() else {
            return Ok(());
        };
        match &difference.after {
            Some(after) => swap.write(self.project, copy, after),
            None => Ok(()),
        }
    }

    fn swap(&mut self) -> Result<(), Refusal> {
        self.swaps.iter_mut().try_for_each(Swap::swap)
    }

    fn settle(&mut self) -> Result<(), Refusal> {
        for swap in &self.swaps {
            let path = &swap.difference.path;
            rustix::fs::fsync(&swap.folder).map_err(|e| Refusal::runner(path.as_str(), e))?;
            if self.project.state(path)? != swap.difference.after {
                return Err(changed(path));
            }
        }
        for swap in &mut self.swaps {
            swap.remove_aside();
        }
        Ok(())
    }

    /// Best effort in reverse order: what cannot be undone stays whole under its temporary name.
    fn undo(&mut self) {
        for swap in self.swaps.iter_mut().rev() {
            if swap.swapped {
                swap.swap_back();
            }
            swap.remove_aside();
        }
        for folder in self.folders.iter().rev() {
            let (parent, name) = folder.rsplit_once('/').map_or((None, folder.as_str()), |(p, n)| (Some(p), n));
            if let Ok(Some(parent)) = self.project.folder(parent) {
                let _not_empty = rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
            }
        }
    }
}

impl Swap<'_> {
    fn path(&self) -> &RelativePath {
        &self.difference.path
    }

    fn failed(&self, error: impl std::fmt::Display) -> Refusal {
        Refusal::runner(self.path().as_str(), error)
    }

    /// Writes the new content under the temporary name, with the old file's owner and mode, or the folder's owner.
    fn write(&mut self, project: &Root, copy: &WorkCopy, after: &FileState) -> Result<(), Refusal> {
        let mut content = copy.root().file(self.path())?.ok_or_else(|| changed(self.path()))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.folder, self.aside.as_str(), flags, Mode::from_raw_mode(0o600))
            .map_err(|e| self.failed(e))?;
        self.staged = true;
        let mut file = File::from(fd);
        let written = digest::copy(&mut content, &mut file).map_err(|e| self.failed(e))?;
        if written != after.content {
            return Err(changed(self.path()));
        }
        let old = project.file(self.path())?.map(|old| old.metadata()).transpose().map_err(|e| self.failed(e))?;
        let folder = rustix::fs::fstat(&self.folder).map_err(|e| self.failed(e))?;
        let (owner, group) = old.as_ref().map_or((folder.st_uid, folder.st_gid), |old| (old.uid(), old.gid()));
        let shared = old.as_ref().map_or(0o644, |old| old.mode() & 0o666);
        let mode = if after.executable { shared | (shared & 0o444) >> 2 } else { shared };
        if rustix::process::geteuid().is_root() {
            let (owner, group) = (rustix::fs::Uid::from_raw(owner), rustix::fs::Gid::from_raw(group));
            rustix::fs::fchown(&file, Some(owner), Some(group)).map_err(|e| self.failed(e))?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|e| self.failed(e))?;
        file.sync_all().map_err(|e| self.failed(e))
    }

    fn swap(&mut self) -> Result<(), Refusal> {
        let (aside, name) = (self.aside.clone(), self.name);
        let moved = match (&self.difference.before, &self.difference.after) {
            (None, _) => self.rename(&aside, name, RenameFlags::NOREPLACE),
            (Some(_), Some(_)) => self.rename(&aside, name, RenameFlags::EXCHANGE),
            (Some(_), None) => self.rename(name, &aside, RenameFlags::NOREPLACE),
        };
        match moved {
            Ok(()) => self.swapped = true,
            Err(Errno::EXIST | Errno::NOENT) => return Err(changed(self.path())),
            Err(error) => return Err(self.failed(format!("renaming: {error}"))),
        }
        self.staged = self.difference.before.is_some();
        match &self.difference.before {
            Some(before) if self.aside_state().as_ref() != Some(before) => Err(changed(self.path())),
            _ => Ok(()),
        }
    }

    fn swap_back(&mut self) {
        let (aside, name) = (self.aside.clone(), self.name);
        let moved = match (&self.difference.before, &self.difference.after) {
            (None, _) => self.rename(name, &aside, RenameFlags::NOREPLACE),
            (Some(_), Some(_)) => self.rename(&aside, name, RenameFlags::EXCHANGE),
            (Some(_), None) => self.rename(&aside, name, RenameFlags::NOREPLACE),
        };
        // What could not be moved back, or is not what this runner wrote, must not be removed: it may be the only copy.
        self.staged = moved.is_ok() && self.difference.after.is_some() && self.aside_state() == self.difference.after;
    }

    fn rename(&self, from: &str, to: &str, flags: RenameFlags) -> rustix::io::Result<()> {
        rustix::fs::renameat_with(&self.folder, from, &self.folder, to, flags)
    }

    fn aside_state(&self) -> Option<FileState> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.folder, self.aside.as_str(), flags, Mode::empty()).ok()?;
        state_of(File::from(fd)).ok()
    }

    fn remove_aside(&mut self) {
        if self.staged {
            let _gone = rustix::fs::unlinkat(&self.folder, self.aside.as_str(), AtFlags::empty());
            self.staged = false;
        }
    }
}

fn changed(path: &RelativePath) -> Refusal {
    Refusal::new(Failure::ProjectChanged, format!("`{path}` changed in the project while the tool was at work"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use std::fs;
    use tempfile::TempDir;

    /// Somebody edits the second file after it was checked and staged, and before it is swapped.
    #[test]
    fn a_change_in_the_last_moment_is_found_and_everything_is_swapped_back() {
        let folder = TempDir::new().unwrap();
        let place = |name: &str| folder.path().join("project").join(name);
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(place(name), "old").unwrap();
        }
        let project = Root::open(&folder.path().join("project")).unwrap();
        let paths = ["a", "b", "c", "n"].map(|name| RelativePath::new("path", name).unwrap());
        let copy = WorkCopy::of(&folder.path().join("work"), &project, &paths, &Limits::default()).unwrap();
        for name in ["a", "b", "n"] {
            fs::write(copy.root().path().join(name), "ours").unwrap();
        }
        fs::remove_file(copy.root().path().join("c")).unwrap();
        let difference = |path: &RelativePath| Difference {
            path: path.clone(),
            before: project.state(path).unwrap(),
            after: copy.root().state(path).unwrap(),
        };
        for meddled in ["b", "c", "n"] {
            let differences = paths.clone().map(|path| difference(&path));
            let mut work = Work { project: &project, name: "test".to_owned(), swaps: Vec::new(), folders: Vec::new() };
            for (number, difference) in differences.iter().enumerate() {
                work.stage(&copy, number, difference).unwrap();
            }
            fs::write(place(meddled), "theirs").unwrap();
            assert_eq!(work.swap().unwrap_err().failure, Failure::ProjectChanged, "{meddled}");
            work.undo();
            assert_eq!(fs::read_to_string(place(meddled)).unwrap(), "theirs");
            for name in ["a", "b", "c"].iter().filter(|name| **name != meddled) {
                assert_eq!(fs::read_to_string(place(name)).unwrap(), "old", "{meddled}");
            }
            assert_eq!(place("n").exists(), meddled == "n");
            let left = fs::read_dir(folder.path().join("project")).unwrap().count();
            assert_eq!(left, if meddled == "n" { 4 } else { 3 }, "{meddled}: a temporary file is left");
            fs::write(place(meddled), "old").unwrap();
        }
    }
}
