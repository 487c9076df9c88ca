//! The index of what is over: immutable sorted runs on disk, newest last.
//!
//! The state of a ledger holds what is open. Which names were used before is looked up here. The index follows from the
//! log alone: lost or damaged, it is made again from there. Which runs belong to it stands in the snapshot.
//!
//! Every generation that leaves the state becomes a run; four runs of about the same size become one. So ten million
//! names lie in some fifteen runs, and each name has been written five times.

mod bloom;
mod run;

use crate::disk::Disk;
use crate::durable::{self, Staging};
use crate::width::on_disk;
use domain::state::closed::{Archive, Closed, ClosedKey, Generation, Unreadable};
use proof::hash::Hash;
use run::{Record, Run, RunError};
use std::fmt;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs of about one size that become one.
const MERGED: usize = 4;
/// Names of a run of the smallest size.
const SMALLEST: u64 = 65_536;

/// The index. Immutable: a change is another one.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClosedIndex {
    runs: Vec<Arc<Run>>,
}

/// A run, as a snapshot names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunName {
    /// The file in `closed/`.
    pub(crate) file: String,
    /// What it must be.
    pub(crate) sha256: Hash,
    /// How many names it holds.
    pub(crate) count: u64,
}

/// Why the index cannot be used or extended.
#[derive(Debug)]
pub(crate) struct IndexError(RunError);

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for IndexError {}

impl From<RunError> for IndexError {
    fn from(error: RunError) -> Self {
        Self(error)
    }
}

impl ClosedIndex {
    /// Opens the runs that a snapshot names, and looks at every page: one that has rotted is made again from the log now,
    /// not when somebody asks for a name on it.
    pub(crate) fn open(disk: &dyn Disk, data_dir: &Path, names: &[RunName]) -> Result<Self, IndexError> {
        let open = |name: &RunName| {
            let path = folder(data_dir).join(&name.file);
            // A name from a file is never a way out of the folder.
            if name.file.contains(['/', '\\']) {
                return Err(RunError::Damaged(path));
            }
            let run = Run::open(disk, &path, Some(name.sha256))?;
            run.check()?;
            Ok(Arc::new(run))
        };
        Ok(Self { runs: names.iter().map(open).collect::<Result<_, _>>()? })
    }

    /// The index with one generation more. `label` makes the file's name: the size of the log that it belongs to.
    pub(crate) fn extended(
        &self,
        data_dir: &Path,
        staging: &Staging,
        label: u64,
        generation: &Generation,
    ) -> Result<Self, IndexError> {
        if generation.is_empty() {
            return Ok(self.clone());
        }
        let folder = folder(data_dir);
        let count = on_disk(generation.len());
        let path = folder.join(format!("{label:020}.run"));
        let run = Run::write(staging, &path, count, &mut generation.iter().map(|(key, closed)| Ok((*key, *closed))))?;
        let mut runs = self.runs.clone();
        runs.push(Arc::new(run));
        while let Some(alike) = last_alike(&runs) {
            let tail = runs.split_off(runs.len() - alike);
            let count = tail.iter().map(|run| run.count()).sum();
            let path = folder.join(format!("{label:020}-{}.run", tier(count)));
            runs.push(Arc::new(Run::write(staging, &path, count, &mut Merge::new(&tail))?));
        }
        Ok(Self { runs })
    }

    /// Its runs.
    pub(crate) fn names(&self) -> Vec<RunName> {
        let name = |run: &Arc<Run>| RunName {
            file: run.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: run.digest(),
            count: run.count(),
        };
        self.runs.iter().map(name).collect()
    }
}

impl Archive for ClosedIndex {
    fn find(&self, key: &ClosedKey) -> Result<Option<Closed>, Unreadable> {
        for run in self.runs.iter().rev() {
            if let Some(found) = run.find(key).map_err(|error| Unreadable(error.to_string()))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Removes every run that is not among these.
pub(crate) fn sweep(disk: &dyn Disk, data_dir: &Path, keep: &[RunName]) -> Result<(), durable::IoError> {
    let folder = folder(data_dir);
    for name in durable::list(disk, &folder)? {
        if !keep.iter().any(|kept| kept.file == name) {
            durable::remove_on(disk, &folder.join(name))?;
        }
    }
    Ok(())
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("closed")
}

/// Sizes in steps of four.
fn tier(count: u64) -> u32 {
    (count / SMALLEST).max(1).ilog(4)
}

/// How many of the last runs are of one size, if they are enough to become one.
fn last_alike(runs: &[Arc<Run>]) -> Option<usize> {
    let last = tier(runs.last()?.count());
    let alike = runs.iter().rev().take_while(|run| tier(run.count()) == last).count();
    (alike >= MERGED).then_some(alike)
}

type Records<'a> = Box<dyn Iterator<Item = Result<Record, RunError>> + 'a>;

/// Several runs as one, in order.
struct Merge<'a> {
    sources: Vec<Peekable<Records<'a>>>,
}

impl<'a> Merge<'a> {
    fn new(runs: &'a [Arc<Run>]) -> Self {
        let source = |run: &'a Arc<Run>| {
            let records: Records<'a> = Box::new(run.records());
            records.peekable()
        };
        Self { sources: runs.iter().map(source).collect() }
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Record, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut smallest: Option<(usize, ClosedKey)> = None;
        for (number, source) in self.sources.iter_mut().enumerate() {
            match source.peek() {
                Some(Err(_)) => return source.next(),
                Some(Ok((key, _))) if smallest.is_none_or(|(_, least)| *key < least) => smallest = Some((number, *key)),
                Some(Ok(_)) | None => {}
            }
        }
        self.sources.get_mut(smallest?.0)?.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use domain::event::Subject;
    use domain::state::closed::End;
    use proof::index::LeafIndex;

    fn generation(numbers: std::ops::Range<u64>) -> Generation {
        let record =
            |n| (ClosedKey::of(&Subject::of("intent", n)), Closed { begun: LeafIndex::new(n), end: End::Stated });
        numbers.map(record).collect()
    }

    #[test]
    fn an_index_grows_merges_and_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(dir.path()).unwrap();
        let mut index = ClosedIndex::default();
        for n in 0..30 {
            index = index.extended(dir.path(), &staging, n, &generation(n * 100..(n + 1) * 100)).unwrap();
            assert!(index.runs.len() < MERGED, "{} runs of one size", index.runs.len());
            sweep(&RealDisk, dir.path(), &index.names()).unwrap();
        }
        let index = ClosedIndex::open(&RealDisk, dir.path(), &index.names()).unwrap();
        for (key, closed) in generation(0..3_000) {
            assert_eq!(index.find(&key), Ok(Some(closed)));
        }
        assert!(generation(3_000..4_000).keys().all(|key| index.find(key) == Ok(None)));
        assert_eq!(index.names().iter().map(|name| name.count).sum::<u64>(), 3_000);
    }

    #[test]
    fn runs_of_different_sizes_stay_apart() {
        assert_eq!((tier(1), tier(65_536), tier(65_536 * 4 - 1)), (0, 0, 0));
        assert_eq!((tier(65_536 * 4), tier(65_536 * 16)), (1, 2));
    }

    #[test]
    fn a_damaged_or_missing_run_is_an_error_not_an_absence() {
        let dir = tempfile::tempdir().unwrap();
        let staging = Staging::open(dir.path()).unwrap();
        let index = ClosedIndex::default().extended(dir.path(), &staging, 1, &generation(0..200)).unwrap();
        let names = index.names();
        let path = folder(dir.path()).join(&names[0].file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[5] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        // The one that is open finds out when it reads the page; it does not open again.
        assert!(generation(0..200).keys().any(|key| index.find(key).is_err()));
        assert!(ClosedIndex::open(&RealDisk, dir.path(), &names).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(ClosedIndex::open(&RealDisk, dir.path(), &names).is_err());
        let outside = RunName { file: "../x.run".into(), ..names[0].clone() };
        assert!(ClosedIndex::open(&RealDisk, dir.path(), &[outside]).is_err());
    }
}
