//! A log in memory that a follower can read while a test writes it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use countersign_projections::{Opened, Source, SourceError, Store, Writer};
use domain::event::projection::ProjectionDigest;
use domain::view::{self, Folded};
use proof::{LeafIndex, TreeSize};
use tokio::sync::watch;

use crate::history::History;

/// The log. Clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    history: Arc<Mutex<History>>,
    size: watch::Sender<TreeSize>,
}

impl Log {
    pub(crate) fn of(history: History) -> Self {
        let size = watch::Sender::new(history.size());
        Self { history: Arc::new(Mutex::new(history)), size }
    }

    /// A log that random actions made.
    pub(crate) fn random(choices: &[u8]) -> Self {
        let log = Self::of(History::new());
        log.write(|history| choices.iter().for_each(|choice| history.act(*choice)));
        log
    }

    /// A log with something of everything, the same each time.
    pub(crate) fn of_length(choices: usize) -> Self {
        let choices: Vec<u8> = (0..choices).map(|n| u8::try_from(n * 89 % 251).unwrap()).collect();
        Self::random(&choices)
    }

    /// Writes, and rings the doorbell.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut History) -> T) -> T {
        let mut history = self.history.lock().unwrap();
        let value = work(&mut history);
        self.size.send_replace(history.size());
        value
    }

    pub(crate) fn size(&self) -> TreeSize {
        *self.size.borrow()
    }

    /// The read models' digests after so many events, folded in memory.
    pub(crate) fn digests_at(&self, position: TreeSize) -> Vec<ProjectionDigest> {
        let mut folded = view::ALL.map(Folded::new);
        self.write(|history| {
            for event in history.events.iter().take(usize::try_from(position.get()).unwrap()) {
                for one in &mut folded {
                    one.apply(event);
                }
            }
        });
        folded.iter().map(Folded::attested).collect()
    }
}

impl Source for Log {
    fn committed(&self) -> watch::Receiver<TreeSize> {
        self.size.subscribe()
    }

    fn read(&self, from: LeafIndex, max: usize) -> Result<Vec<Arc<Vec<u8>>>, SourceError> {
        let history = self.history.lock().unwrap();
        Ok(history.leaves.iter().skip(usize::try_from(from.get()).unwrap()).take(max).cloned().collect())
    }

    fn attest(&self, position: TreeSize, projections: Vec<ProjectionDigest>) -> Result<(), SourceError> {
        self.write(|history| history.attest(position, projections));
        Ok(())
    }
}

/// Opens a store and says how it was found.
pub(crate) fn open(dir: &Path, log: &Log) -> (Store, Writer, Opened) {
    Store::open(dir, log).unwrap()
}

/// Folds everything that is left, in batches of so many.
pub(crate) fn fold(writer: &mut Writer, log: &Log, batch: usize) {
    while writer.step(log, batch).unwrap().events > 0 {}
    assert_eq!(writer.position(), log.size());
}

/// What the files of a store are at this moment: what a killed process leaves behind.
pub(crate) fn copy_of(dir: &Path, to: &Path) -> PathBuf {
    let to = to.to_owned();
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_of(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
    to
}

/// The directories that were put aside next to `dir`.
pub(crate) fn put_aside(dir: &Path) -> Vec<PathBuf> {
    let prefix = format!("{}.damaged-", dir.file_name().unwrap().to_str().unwrap());
    let siblings = std::fs::read_dir(dir.parent().unwrap()).unwrap();
    let paths = siblings.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix)).collect()
}
