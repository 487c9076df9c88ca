//! Opening a store: believed only when it fits the log and itself, else put aside.

use std::path::{Path, PathBuf};
use std::thread;

use domain::view;
use proof::{Hash, Leaf, LeafIndex, TreeSize, sha256};

use super::meta::{Meta, Tally};
use super::{Db, keys};
use crate::error::{EventProblem, OpenError, StepError};
use crate::guard::{Trouble, guarded, words};
use crate::source::Source;

/// Memory that sled may keep pages in. Its own default is a gibibyte.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// A store that was just closed in this process stays locked until sled's threads let go.
const LOCK_TRIES: u32 = 50;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(20);

/// How a store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none.
    Fresh,
    /// Whole, and of this log.
    Resumed,
    /// Of no use; an empty one is in its place.
    Replaced {
        /// What was wrong.
        why: String,
        /// Where the old files are now.
        kept_at: PathBuf,
    },
}

/// What a store is compared with.
#[derive(Debug)]
pub(super) struct LogHead {
    genesis: Hash,
    size: TreeSize,
}

/// A store that may be used.
pub(super) struct Ready {
    pub(super) db: Db,
    pub(super) meta: Meta,
    pub(super) opened: Opened,
}

impl LogHead {
    pub(super) fn of(source: &dyn Source) -> Result<Self, OpenError> {
        let size = *source.committed().borrow();
        if size == TreeSize::ZERO {
            return Err(OpenError::EmptyLog);
        }
        Ok(Self { genesis: payload_hash(source, LeafIndex::new(0))?, size })
    }
}

fn payload_hash(source: &dyn Source, index: LeafIndex) -> Result<Hash, OpenError> {
    let leaves = source.read(index, 1)?;
    let leaf = leaves.first().map(|leaf| leaf.as_slice()).unwrap_or_default();
    let leaf = Leaf::parse(leaf).map_err(|e| OpenError::Event(EventProblem::leaf(index, &e)))?;
    Ok(sha256(leaf.payload))
}

/// Opens what is in `dir`, or an empty store in its place.
pub(super) fn ready(dir: &Path, log: &LogHead, source: &dyn Source) -> Result<Ready, OpenError> {
    let why = match open_and_read(dir) {
        Ok((db, found)) => match judge(found, log, source)? {
            Ok(meta) => {
                let fresh = meta.position == TreeSize::ZERO;
                let opened = if fresh { Opened::Fresh } else { Opened::Resumed };
                return Ok(Ready { db, meta, opened });
            }
            Err(why) => {
                // Healthy files of no use to us: closed properly, then put aside.
                drop(db.close());
                why
            }
        },
        Err(Trouble::Locked) => return Err(OpenError::Locked(dir.to_owned())),
        Err(Trouble::Damaged(why) | Trouble::Io(why)) => why,
    };
    // Files that could not even be made are no damaged ones.
    if !dir.try_exists().map_err(|error| OpenError::Io(dir.to_owned(), error))? {
        return Err(OpenError::Store(dir.to_owned(), why));
    }
    replace(dir, log.genesis, why).map(|(ready, _)| ready)
}

/// Opens what is in `dir` once more, or an empty store if there is nothing. Files that are of no use are damaged: what to do
/// about that is the caller's to say.
pub(super) fn again(dir: &Path, source: &dyn Source) -> Result<Ready, StepError> {
    let unreadable = |error| match error {
        OpenError::Source(error) => StepError::Source(error),
        other => StepError::Io(other.to_string()),
    };
    let log = LogHead::of(source).map_err(unreadable)?;
    let is_new = !dir.try_exists().map_err(|error| StepError::Io(error.to_string()))?;
    let opened = if is_new { make(dir) } else { open_and_read(dir) };
    let (db, found) = opened?;
    match judge(found, &log, source) {
        Ok(Ok(meta)) => Ok(Ready { db, meta, opened: Opened::Resumed }),
        Ok(Err(why)) => {
            db.let_go();
            Err(StepError::Damaged(why))
        }
        Err(error) => {
            db.let_go();
            Err(unreadable(error))
        }
    }
}

/// Puts what is in `dir` aside, loudly, and opens an empty store there.
pub(super) fn replace(dir: &Path, genesis: Hash, why: String) -> Result<(Ready, PathBuf), OpenError> {
    let kept_at = put_aside(dir).map_err(|error| OpenError::Io(dir.to_owned(), error))?;
    tracing::warn!(
        dir = %dir.display(), kept_at = %kept_at.display(), why,
        "read models set aside; folding the log again"
    );
    match make(dir) {
        Ok((db, _)) => {
            let opened = Opened::Replaced { why, kept_at: kept_at.clone() };
            Ok((Ready { db, meta: Meta::empty(genesis), opened }, kept_at))
        }
        Err(Trouble::Locked) => Err(OpenError::Locked(dir.to_owned())),
        Err(Trouble::Damaged(what) | Trouble::Io(what)) => Err(OpenError::Store(dir.to_owned(), what)),
    }
}

/// Makes an empty store. What cannot be made whole is taken away again, or it would look like a damaged one.
fn make(dir: &Path) -> Result<(Db, Found), Trouble> {
    open_and_read(dir).inspect_err(|_| {
        // Should that fail too, the next attempt puts it aside.
        let _ = std::fs::remove_dir_all(dir);
    })
}

/// Renames `dir` to the first free `<dir>.damaged-<n>`.
fn put_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let base = dir.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?;
    let mut n = 1_u64;
    loop {
        let mut name = base.to_owned();
        name.push(format!(".damaged-{n}"));
        let target = dir.with_file_name(name);
        if !target.try_exists()? {
            std::fs::rename(dir, &target)?;
            return Ok(target);
        }
        n += 1;
    }
}

/// What is in the files.
struct Found {
    meta: Option<Vec<u8>>,
    tallies: Vec<Tally>,
    /// A key that belongs to no read model of this build.
    stray: bool,
}

/// Opens the files and reads all of them, in a thread of its own: sled panics on damage, and keeps
/// state in thread-locals.
fn open_and_read(dir: &Path) -> Result<(Db, Found), Trouble> {
    let dir = dir.to_owned();
    let work = move || -> Result<(Db, Found), Trouble> {
        let db = open_unlocked(&dir)?;
        match guarded(|| read_all(&db)) {
            Ok(found) => Ok((db, found)),
            Err(trouble) => {
                db.abandon();
                Err(trouble)
            }
        }
    };
    let thread = thread::Builder::new().name("projections-open".into()).spawn(work);
    let thread = thread.map_err(|error| Trouble::Io(error.to_string()))?;
    match thread.join() {
        Ok(result) => result,
        Err(panic) => Err(Trouble::Damaged(words(&*panic))),
    }
}

fn open_unlocked(dir: &Path) -> Result<Db, Trouble> {
    let config =
        sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).mode(sled::Mode::HighThroughput).flush_every_ms(None);
    let mut tries = 0;
    loop {
        match guarded(|| config.open()) {
            Err(Trouble::Locked) if tries < LOCK_TRIES => {
                tries += 1;
                thread::park_timeout(LOCK_WAIT);
            }
            result => return result.map(Db::new),
        }
    }
}

fn read_all(db: &sled::Db) -> Result<Found, sled::Error> {
    let mut found = Found { meta: None, tallies: vec![Tally::default(); view::ALL.len()], stray: false };
    for entry in db.iter() {
        let (key, value) = entry?;
        if *key == *keys::META {
            found.meta = Some(value.to_vec());
            continue;
        }
        let position = keys::split(&key).and_then(|(name, _)| view::ALL.iter().position(|known| known.name == name));
        match position.and_then(|position| found.tallies.get_mut(position)) {
            Some(tally) => tally.add(&key, &value),
            None => found.stray = true,
        }
    }
    Ok(found)
}

/// Whether the rows may be used, or why not. The outer error means that the log cannot be read.
fn judge(found: Found, log: &LogHead, source: &dyn Source) -> Result<Result<Meta, String>, OpenError> {
    let Some(bytes) = found.meta else {
        let empty = !found.stray && found.tallies.iter().all(|tally| *tally == Tally::default());
        let why = || "rows without a position".to_owned();
        return Ok(if empty { Ok(Meta::empty(log.genesis)) } else { Err(why()) });
    };
    let meta = match Meta::parse(&bytes) {
        Ok(meta) => meta,
        Err(why) => return Ok(Err(why)),
    };
    if meta.genesis != log.genesis {
        return Ok(Err("they are another log's".to_owned()));
    }
    if meta.position > log.size {
        let why = format!("they are at {}, beyond the log's {}", meta.position, log.size);
        return Ok(Err(why));
    }
    if let Some(last) = meta.position.last_index()
        && payload_hash(source, last)? != meta.prev
    {
        return Ok(Err(format!("they follow another history before event {}", meta.position)));
    }
    for (kept, tally) in meta.projections.iter().zip(&found.tallies) {
        if kept.tally != *tally {
            return Ok(Err(format!("rows of `{}` are missing or changed", kept.name)));
        }
    }
    Ok(if found.stray { Err("rows of an unknown read model".to_owned()) } else { Ok(meta) })
}
