//! Work copies: where tools work, so that the project changes only as a whole and only when they succeed.
//!
//! ```text
//! <work folder>/attempt-<n>/copy/   the project's files, or only those that the tool names
//!                           home/   HOME, TMPDIR and CARGO_HOME of a program
//! ```
//!
//! The work folder is private to the runner (0700) and lies outside of any project, above all outside of any cargo
//! project: cargo looks for a `Cargo.toml` in every folder above, and confinement would not let it look.

mod put_back;

pub(crate) use put_back::put_back;

use crate::action::{Artifact, Change, ChangeKind, Failure, Refusal};
use crate::digest;
use crate::limits::{Limits, Pace};
use crate::listing::{self, Listing};
use crate::path::RelativePath;
use crate::root::{FileState, Root};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the name of an attempt's folder begins. Only such folders are ever removed from the work folder.
pub(crate) const ATTEMPT: &str = "attempt-";

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A private copy, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct WorkCopy {
    folder: PathBuf,
    root: Root,
    /// What was copied. A file that is not here was not there.
    baseline: BTreeMap<RelativePath, FileState>,
}

/// A file that differs between the copy and what was copied.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) path: RelativePath,
    pub(crate) before: Option<FileState>,
    pub(crate) after: Option<FileState>,
}

impl WorkCopy {
    /// A copy of everything that a tool gets to see.
    pub(crate) fn whole(
        work: &Path,
        project: &Root,
        excluded: &[RelativePath],
        limits: &Limits,
        pace: &Pace,
    ) -> Result<Self, Refusal> {
        let mut copy = Self::empty(work)?;
        let listing = listing::list(project, None, excluded, limits, pace)?;
        copy.make_folders(&listing)?;
        let mut room = limits.bytes;
        for path in &listing.files {
            pace.check()?;
            copy.take(project, path, &mut room)?;
        }
        for (path, target) in &listing.links {
            if !stays_inside(path, target) {
                let detail = format!("the symbolic link `{path}` leads, or might lead, out of the project");
                return Err(Refusal::new(Failure::PathRefused, detail));
            }
            symlink(target, copy.place(path)).map_err(|e| Refusal::runner(path.as_str(), e))?;
        }
        Ok(copy)
    }

    /// A copy of these files alone, as far as they are there.
    pub(crate) fn of(work: &Path, project: &Root, paths: &[RelativePath], limits: &Limits) -> Result<Self, Refusal> {
        let mut copy = Self::empty(work)?;
        let mut room = limits.bytes;
        for path in paths {
            copy.take(project, path, &mut room)?;
        }
        Ok(copy)
    }

    fn empty(work: &Path) -> Result<Self, Refusal> {
        let failed = |e| Refusal::runner("the work folder", e);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = work.join(format!("{ATTEMPT}{}-{number}", std::process::id()));
        for path in [folder.clone(), folder.join("copy"), folder.join("home")] {
            fs::DirBuilder::new().mode(0o700).create(path).map_err(failed)?;
        }
        let root = Root::open(&folder.join("copy")).map_err(failed)?;
        Ok(Self { folder, root, baseline: BTreeMap::new() })
    }

    /// Where the copied files are.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The folder that holds the copy and the home.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A private folder for a program's own files.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// A file's place in the copy. Only for use before a program has run there; after it, [`Self::root`] alone is safe.
    fn place(&self, path: &RelativePath) -> PathBuf {
        self.root.path().join(path.as_path())
    }

    fn make_folders(&self, listing: &Listing) -> Result<(), Refusal> {
        for folder in &listing.folders {
            fs::create_dir_all(self.place(folder)).map_err(|e| Refusal::runner(folder.as_str(), e))?;
        }
        Ok(())
    }

    /// Copies one file of the project, when it is there, and notes its state.
    fn take(&mut self, project: &Root, path: &RelativePath, room: &mut u64) -> Result<(), Refusal> {
        let Some(file) = project.file(path)? else {
            return Ok(());
        };
        let failed = |e| Refusal::runner(path.as_str(), e);
        let executable = file.metadata().map_err(failed)?.permissions().mode() & 0o111 != 0;
        let content = self.store(path, file, *room, executable)?;
        *room = room.saturating_sub(content.length);
        self.baseline.insert(path.clone(), FileState { content, executable });
        Ok(())
    }

    /// Puts content into the copy under a path, in the place of what is there.
    pub(crate) fn store(
        &self,
        path: &RelativePath,
        content: impl std::io::Read,
        room: u64,
        executable: bool,
    ) -> Result<digest::Digested, Refusal> {
        let failed = |e| Refusal::runner(path.as_str(), e);
        let place = self.place(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mode = if executable { 0o700 } else { 0o600 };
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&place).map_err(failed)?;
        let content = digest::copy(&mut content.take(room.saturating_add(1)), &mut file).map_err(failed)?;
        if content.length > room {
            return Err(Refusal::new(Failure::TooLarge, format!("`{path}` is beyond the size that is allowed")));
        }
        file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        Ok(content)
    }

    /// Takes a file out of the copy.
    pub(crate) fn remove(&self, path: &RelativePath) -> Result<(), Refusal> {
        fs::remove_file(self.place(path)).map_err(|e| Refusal::runner(path.as_str(), e))
    }

    /// Every file that is different now, by path.
    pub(crate) fn differences(&self, limits: &Limits, pace: &Pace) -> Result<Vec<Difference>, Refusal> {
        let mut now = BTreeMap::new();
        for path in listing::list(&self.root, None, &[], limits, pace)?.files {
            pace.check()?;
            if let Some(state) = self.root.state(&path)? {
                now.insert(path, state);
            }
        }
        // The folder of releases is no part of a listing, but what `publish` placed there is a change too.
        for entry in self.root.entries(Some(crate::path::RELEASED))?.named {
            if let Ok(path) = RelativePath::released("name", &entry.name)
                && let Some(state) = self.root.state(&path)?
            {
                now.insert(path, state);
            }
        }
        let mut differences = Vec::new();
        for (path, before) in &self.baseline {
            let after = now.remove(path);
            if after.as_ref() != Some(before) {
                differences.push(Difference { path: path.clone(), before: Some(before.clone()), after });
            }
        }
        let created = now.into_iter().map(|(path, state)| Difference { path, before: None, after: Some(state) });
        differences.extend(created);
        differences.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(differences)
    }
}

impl Drop for WorkCopy {
    fn drop(&mut self) {
        remove_tree(&self.folder);
    }
}

impl Difference {
    /// What became of the file.
    pub(crate) fn change(&self) -> Change {
        let kind = match (&self.before, &self.after) {
            (None, _) => ChangeKind::Created,
            (Some(_), Some(_)) => ChangeKind::Modified,
            (Some(_), None) => ChangeKind::Deleted,
        };
        Change { path: self.path.to_string(), kind }
    }

    /// The file as it is now, when it is.
    pub(crate) fn artifact(&self) -> Option<Artifact> {
        self.after.as_ref().map(|state| artifact(&self.path, &state.content))
    }
}

/// A file's name and digest.
pub(crate) fn artifact(path: &RelativePath, content: &digest::Digested) -> Artifact {
    Artifact { path: path.to_string(), sha256: content.sha256.clone(), length: content.length }
}

/// Whether a link can only lead to a place inside: it is relative, climbs only at its beginning, and no higher than the
/// project. Behind a name a `..` might start from wherever another link led.
fn stays_inside(link: &RelativePath, target: &str) -> bool {
    let depth = link.components().count() - 1;
    let climbs = target.split('/').take_while(|part| *part == "..").count();
    let descends = target.split('/').skip(climbs).all(|part| !matches!(part, ".." | ""));
    !target.starts_with('/') && climbs <= depth && descends
}

/// Removes what a program left. It may have made folders that even their owner cannot enter; those are opened first. What
/// still resists stays, and the next start of the runner tries again.
pub(crate) fn remove_tree(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() {
        return;
    }
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let _tried = fs::set_permissions(&folder, Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(folders.map(|entry| entry.path()));
    }
    let _tried = fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests;
