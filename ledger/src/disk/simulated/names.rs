//! Directories: names as they are seen, names that are durable, and the changes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::FileId;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(FileId),
}

/// A change of names. Changes in one directory become durable in their order.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Link { path: PathBuf, node: Node },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
}

/// All names of the disk.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<PathBuf, Node>,
    /// What is there after a crash. A name whose directory is not there cannot be reached, and is
    /// there nevertheless once that directory is.
    durable: BTreeMap<PathBuf, Node>,
    pending: Vec<Change>,
}

impl Change {
    /// The directories whose entries it changes.
    fn dirs(&self) -> impl Iterator<Item = &Path> {
        let (one, other) = match self {
            Self::Link { path, .. } | Self::Unlink { path } => (path, None),
            Self::Rename { from, to } => (from, Some(to)),
        };
        [Some(one), other].into_iter().flatten().filter_map(|path| path.parent())
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Link { path, node } => {
                names.insert(path.clone(), *node);
            }
            Self::Unlink { path } => {
                names.remove(path);
            }
            Self::Rename { from, to } => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Names {
    pub(super) fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.seen.get(path) == Some(&Node::Dir)
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<FileId> {
        match self.seen.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Whether something of that name could be made.
    pub(super) fn check_free(&self, path: &Path) -> io::Result<()> {
        if self.seen.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_parent(path)
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        if path.parent().is_some_and(|parent| self.is_dir(parent)) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = self.below(dir).filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    /// A directory and all within it, what is deeper first.
    pub(super) fn within(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if self.seen.get(dir) != Some(&Node::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut paths: Vec<_> = self.below(dir).map(Path::to_path_buf).collect();
        paths.reverse();
        Ok(paths)
    }

    /// A directory's own name and those below it.
    fn below<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.seen.range(dir.to_path_buf()..).map(|(path, _)| &**path).take_while(move |path| path.starts_with(dir))
    }

    pub(super) fn make(&mut self, change: Change) -> io::Result<()> {
        if let Change::Rename { to, .. } = &change {
            self.check_parent(to)?;
            if self.is_dir(to) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
        }
        change.apply(&mut self.seen);
        self.pending.push(change);
        Ok(())
    }

    /// Makes the names in a directory durable, and with a file that was moved the place it came from.
    pub(super) fn sync(&mut self, dir: &Path) {
        let mut needed = BTreeSet::from([dir.to_path_buf()]);
        let mut is_kept = vec![true; self.pending.len()];
        for (change, keep) in self.pending.iter().zip(&mut is_kept).rev() {
            if change.dirs().any(|dir| needed.contains(dir)) {
                needed.extend(change.dirs().map(Path::to_path_buf));
                *keep = false;
            }
        }
        let mut kept = is_kept.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let keep = kept.next().unwrap_or(true);
            if !keep {
                change.apply(durable);
            }
            keep
        });
    }

    /// Each change survives or not, and none survives whose directory has lost an earlier one.
    pub(super) fn crash(&mut self, survives: &mut dyn FnMut() -> bool) {
        let mut lost: BTreeSet<PathBuf> = BTreeSet::new();
        for change in self.pending.drain(..) {
            if change.dirs().all(|dir| !lost.contains(dir)) && survives() {
                change.apply(&mut self.durable);
            } else {
                lost.extend(change.dirs().map(Path::to_path_buf));
            }
        }
        // Parents come before what is in them.
        self.seen.clear();
        for (path, node) in &self.durable {
            let parent = path.parent();
            if parent.is_none_or(|dir| dir.parent().is_none() || self.seen.get(dir) == Some(&Node::Dir)) {
                self.seen.insert(path.clone(), *node);
            }
        }
        self.durable.clone_from(&self.seen);
    }

    /// The files that have a name.
    pub(super) fn files(&self) -> impl Iterator<Item = FileId> {
        self.seen.values().filter_map(|node| match node {
            Node::File(file) => Some(*file),
            Node::Dir => None,
        })
    }
}
