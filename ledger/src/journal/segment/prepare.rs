//! Segments made ahead of need, so that an append never waits for one.
//!
//! A sync into a file that grows costs twice that into one whose blocks exist and have been
//! written: the file system must commit the new length and the new blocks first. So a segment is
//! filled with real zeros (allocating alone is not enough: the first write to an unwritten block
//! commits, too), on a thread of its own, while the one before it is being used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::disk::{Disk, DiskFile, write_all_at};
use crate::durable::{IoError, Mode};
use crate::width::{in_memory, on_disk};

/// Capacities are multiples of a page: what the file system allocates in.
const PAGE_BYTES: u64 = 4096;
/// Zeros written at once.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Zeros written before they are synced. Small, so that little is queued ahead of an append's sync.
const SYNC_EVERY_BYTES: u64 = 1024 * 1024;

/// When the next segment is filled with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// On a thread of its own, while the one before it is in use.
    Ahead,
    /// By the append that needs it: every operation then comes in an order that can be repeated.
    WhenNeeded,
}

/// A file of zeros that has no header yet and not its final name.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) capacity: u64,
}

/// Whoever prepares the next segment.
#[derive(Debug)]
pub(super) struct Preparer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    ahead: Option<Ahead>,
    stop: Arc<AtomicBool>,
}

/// The thread that does so.
#[derive(Debug)]
struct Ahead {
    pending: bool,
    requests: Sender<u64>,
    answers: Receiver<Result<Prepared, IoError>>,
    thread: JoinHandle<()>,
}

impl Preparer {
    pub(super) fn start(disk: &Arc<dyn Disk>, dir: &Path, prepare: Prepare) -> Result<Self, IoError> {
        let stop = Arc::new(AtomicBool::new(false));
        let ahead = match prepare {
            Prepare::Ahead => Some(Ahead::start(disk, dir, &stop)?),
            Prepare::WhenNeeded => None,
        };
        Ok(Self { disk: Arc::clone(disk), dir: dir.to_path_buf(), ahead, stop })
    }

    /// Starts preparing a segment of `capacity` bytes, unless one is under way or ready.
    pub(super) fn request(&mut self, capacity: u64) {
        if let Some(ahead) = &mut self.ahead
            && !ahead.pending
        {
            // Should the thread be gone, `take` finds no answer and says so.
            ahead.pending = ahead.requests.send(capacity).is_ok();
        }
    }

    /// The next segment, waiting until it is ready. It is grown if it was requested too small.
    pub(super) fn take(&mut self, capacity: u64) -> Result<Prepared, IoError> {
        self.request(capacity);
        let Some(ahead) = &mut self.ahead else {
            return prepare(&*self.disk, &self.dir, capacity, &self.stop);
        };
        ahead.pending = false;
        let Ok(answer) = ahead.answers.recv() else {
            let gone = io::Error::other("the preparing thread is gone");
            return Err(IoError::at("prepare a segment in", &self.dir)(gone));
        };
        let mut prepared = answer?;
        if prepared.capacity < capacity {
            fill(&*prepared.file, prepared.capacity, capacity, &self.stop)
                .map_err(IoError::at("grow", &prepared.path))?;
            prepared.capacity = capacity;
        }
        Ok(prepared)
    }
}

impl Ahead {
    fn start(disk: &Arc<dyn Disk>, dir: &Path, stop: &Arc<AtomicBool>) -> Result<Self, IoError> {
        let (requests, inbox) = channel();
        let (outbox, answers) = channel();
        let (disk, thread_dir, stop) = (Arc::clone(disk), dir.to_path_buf(), Arc::clone(stop));
        let thread = Builder::new()
            .name("journal-prepare".into())
            .spawn(move || {
                for capacity in inbox {
                    let prepared = prepare(&*disk, &thread_dir, capacity, &stop);
                    if outbox.send(prepared).is_err() {
                        return;
                    }
                }
            })
            .map_err(IoError::at("start a thread for", dir))?;
        Ok(Self { pending: false, requests, answers, thread })
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ahead { requests, answers, thread, .. }) = self.ahead.take() {
            drop((requests, answers));
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// A file of zeros, synced, under a temporary name.
pub(super) fn prepare(disk: &dyn Disk, dir: &Path, capacity: u64, stop: &AtomicBool) -> Result<Prepared, IoError> {
    let path = dir.join("next.tmp");
    // One that was not finished is not gone on with: a sync of it may have failed.
    match disk.remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(IoError::at("remove", &path)(error)),
        _ => {}
    }
    let file = disk.create_new(&path, Mode::Private).map_err(IoError::at("create", &path))?;
    fill(&*file, 0, capacity, stop).map_err(IoError::at("fill", &path))?;
    Ok(Prepared { file, path, capacity })
}

/// Writes zeros from offset `from` up to `to`, and syncs them.
pub(crate) fn fill(file: &dyn DiskFile, from: u64, to: u64, stop: &AtomicBool) -> io::Result<()> {
    let zeros = vec![0; in_memory(CHUNK_BYTES)];
    let (mut at, mut synced) = (from, from);
    while at < to {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = in_memory((to - at).min(CHUNK_BYTES));
        let chunk = zeros.get(..length).unwrap_or(&zeros);
        write_all_at(file, chunk, at)?;
        at = at.saturating_add(on_disk(chunk.len()));
        if at - synced >= SYNC_EVERY_BYTES {
            file.sync_data()?;
            synced = at;
        }
    }
    file.sync_all()
}

/// The capacity of a segment that is to hold `bytes`.
pub(super) const fn capacity_for(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES)
}
