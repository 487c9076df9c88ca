//! Rows on sled.
//!
//! ```text
//! sled key                      value
//! 00 "meta"                     position, digests, counts and checksums: see `meta`
//! <projection> 00 <row key>     the row as canonical JSON
//! ```
//!
//! All read models share one tree, because one batch on one tree is atomic: so they all stand at
//! the same position, always. sled is opened without its background flusher; what is not flushed
//! when the process dies is folded again.

mod keys;
mod meta;
mod open;
mod read;
mod write;

use std::fmt;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use proof::TreeSize;
use tokio::sync::watch;

use crate::error::{Closed, OpenError, ReadError, WaitError};
use crate::guard::{Trouble, guarded};
use crate::source::Source;

pub use open::Opened;
pub use read::Order;
pub use write::{Step, Writer};

/// How long a database that refuses to be written may take to close.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// The read models, for whoever asks. Clones share the store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What all handles share.
struct Shared {
    dir: PathBuf,
    /// Absent while the files are being replaced.
    db: RwLock<Option<Db>>,
    /// Held while a batch is written or files are replaced, so that whoever holds it sees one
    /// position.
    steady: Mutex<()>,
    status: watch::Sender<Status>,
    /// Rings when a reader found the rows unreadable.
    trouble: watch::Sender<Option<Trouble>>,
}

/// How far the read models are, and whether they will get further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Events folded.
    pub position: TreeSize,
    /// How often the files were set aside and the log folded again, since the process started.
    pub replaced: u64,
    /// Whether somebody feeds them.
    pub phase: Phase,
}

/// Whether somebody feeds the read models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Yes, or somebody may.
    Fed,
    /// No longer.
    Closed(Closed),
}

/// An open database that is closed with care: sled flushes in destructors, and may panic there.
struct Db(ManuallyDrop<sled::Db>);

impl Db {
    const fn new(db: sled::Db) -> Self {
        Self(ManuallyDrop::new(db))
    }

    /// Closes it, flushing what it has.
    fn close(self) -> Result<(), Trouble> {
        guarded(move || {
            drop(ManuallyDrop::into_inner(self.0));
            Ok(())
        })
    }

    /// Closes it so that its files can be opened again, if that is done soon; leaves it as it is otherwise. After a write
    /// has failed sled writes no more, so there is little to be done; but it is its own word for that.
    fn let_go(self) {
        let (done, when) = std::sync::mpsc::channel();
        let close = move || {
            let closed = self.close();
            // Nobody may be waiting any more.
            let _ = done.send(closed);
        };
        let thread = std::thread::Builder::new().name("projections-close".into()).spawn(close);
        let closed = thread.map(|_| when.recv_timeout(CLOSE_WAIT));
        if !matches!(closed, Ok(Ok(Ok(())))) {
            tracing::warn!(?closed, "read models were not closed cleanly");
        }
    }

    /// Leaves it as it is. Its memory is not freed: a damaged database may hang or panic when it
    /// is asked to clean up.
    fn abandon(self) {
        let Self(_) = self;
    }
}

impl std::ops::Deref for Db {
    type Target = sled::Db;

    fn deref(&self) -> &sled::Db {
        &self.0
    }
}

impl Store {
    /// Opens the store in `dir` for the log that `source` reads, or puts what is there aside and
    /// starts an empty one.
    ///
    /// The log must have its genesis. Nothing is folded yet: that is the [`Writer`]'s work.
    pub fn open(dir: &Path, source: &dyn Source) -> Result<(Self, Writer, Opened), OpenError> {
        let log = open::LogHead::of(source)?;
        let ready = open::ready(dir, &log, source)?;
        let status = Status {
            position: ready.meta.position,
            replaced: u64::from(matches!(ready.opened, Opened::Replaced { .. })),
            phase: Phase::Fed,
        };
        let shared = Shared {
            dir: dir.to_owned(),
            db: RwLock::new(Some(ready.db)),
            steady: Mutex::new(()),
            status: watch::Sender::new(status),
            trouble: watch::Sender::new(None),
        };
        let store = Self { shared: Arc::new(shared) };
        let writer = Writer::new(store.clone(), ready.meta);
        Ok((store, writer, ready.opened))
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// How many events are folded.
    pub fn position(&self) -> TreeSize {
        self.shared.status.borrow().position
    }

    /// How far the read models are, and whether they will get further.
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// The same, to be awaited.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// Waits until `at_least` events are folded, so that a client reads its own writes.
    ///
    /// To see the event at leaf index `seq`, wait for `seq.size_after()`.
    pub async fn wait_for(&self, at_least: TreeSize, timeout: Duration) -> Result<TreeSize, WaitError> {
        let mut status = self.watch();
        let done = |now: &Status| now.position >= at_least || matches!(now.phase, Phase::Closed(_));
        let reached = tokio::time::timeout(timeout, status.wait_for(done)).await;
        let now = self.status();
        match (reached, now.phase) {
            _ if now.position >= at_least => Ok(now.position),
            (Ok(_), Phase::Closed(why)) => Err(WaitError::Closed(why)),
            (Ok(_) | Err(_), _) => Err(WaitError::TimedOut { position: now.position }),
        }
    }

    /// Something that reads the database, with every panic and error of sled's made a
    /// [`ReadError`], and told to the follower.
    pub(crate) fn with_db<T>(&self, work: impl FnOnce(&sled::Db) -> Result<T, sled::Error>) -> Result<T, ReadError> {
        let slot = self.shared.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = slot.as_ref().ok_or(ReadError::Rebuilding)?;
        let trouble = match guarded(|| work(db)) {
            Ok(value) => return Ok(value),
            Err(Trouble::Locked) => return Err(ReadError::Rebuilding),
            Err(trouble) => trouble,
        };
        drop(slot);
        let what = trouble.to_string();
        self.report(trouble);
        Err(ReadError::Damaged(what))
    }

    /// Tells whoever feeds the store that it cannot be read.
    fn report(&self, trouble: Trouble) {
        self.shared.trouble.send_if_modified(|known| {
            let news = known.is_none();
            if news {
                *known = Some(trouble);
            }
            news
        });
    }

    /// The doorbell of [`report`](Self::report).
    pub(crate) fn troubles(&self) -> watch::Receiver<Option<Trouble>> {
        self.shared.trouble.subscribe()
    }

    /// Keeps rows and position as they are while the guard lives. Taken before `db`.
    pub(crate) fn steady(&self) -> MutexGuard<'_, ()> {
        self.shared.steady.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that nobody feeds the store any more.
    pub(crate) fn close(&self, why: Closed) {
        self.shared.status.send_modify(|status| status.phase = Phase::Closed(why));
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let db = self.db.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(Trouble::Damaged(what) | Trouble::Io(what))) = db.map(Db::close) {
            tracing::warn!(dir = %self.dir.display(), what, "read models were not closed cleanly");
        }
    }
}
