//! The journal in segment files, under `DIR/journal`.
//!
//! A segment is named after its first leaf (`00000000000000004711.seg`) and filled with zeros
//! before it is used. A frame is one write and one `fdatasync` into it; one that does not fit goes
//! into the next. Segments whose leaves are all kept elsewhere are unlinked one by one, oldest first,
//! the directory synced after each: whatever a crash leaves has no gap. The bytes are drawn in `format.rs`, what a crash may leave is judged in
//! `recovery.rs`. We assume of the disk that a sector of 512 bytes is written whole or not at all,
//! and that `fdatasync` means it.

mod format;
mod map;
mod prepare;
mod reader;
mod recovery;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proof::merkle::Frontier;
use proof::{Hash, LeafIndex, TreeSize, sha256};

use super::{AppendError, Frame, Journal, JournalReader, LeafVisitor, OpenError};
use crate::disk::{Access, Disk, DiskFile, RealDisk, write_all_at};
use crate::durable::{IoError, Mode, Staging, ensure_dir_on, sync_dir_on};
use crate::lock::DirLock;
use crate::width::{in_memory, on_disk};
use format::{HEADER_BYTES, SegmentHeader};
use map::{Map, SegmentMap};
pub use prepare::Prepare;
pub(crate) use prepare::fill;
use prepare::{Prepared, Preparer, capacity_for};
use reader::SegmentReader;

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's name. Segments of another log are refused.
    pub origin: String,
    /// The capacity that segments grow to.
    pub segment_bytes: u64,
    /// The capacity of the first segment; each one after it has four times as much, up to
    /// [`segment_bytes`](Self::segment_bytes). Small, so that a new log starts at once.
    pub first_segment_bytes: u64,
    /// A size that is known to have been committed, from a published checkpoint: a journal that
    /// ends before it is damaged.
    pub must_reach: TreeSize,
    /// The frontier of a snapshot. A journal whose beginning was given up needs one that reaches its
    /// first leaf, see [`first_kept`]. Frames before its size are not visited, and segments before it
    /// not read; its root must be the one in the journal. Empty: everything is read.
    pub resume: Frontier,
    /// The disk that has the data folder.
    pub disk: Arc<dyn Disk>,
    /// When segments are prepared.
    pub prepare: Prepare,
}

/// A journal that has been opened.
#[derive(Debug)]
pub struct Opened {
    /// The writer.
    pub journal: SegmentJournal,
    /// The tree of all committed leaves, from their own hashes.
    pub frontier: Frontier,
    /// The frame that was dropped, if there was one. To be reported.
    pub torn: Option<Torn>,
}

/// A frame at the journal's end that was never acknowledged, and is gone now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub file: PathBuf,
    /// Where in the file it started.
    pub offset: u64,
    /// The index that its first leaf would have had.
    pub index: LeafIndex,
    /// How many bytes of it had reached the disk.
    pub bytes: u64,
}

/// The writer. Holds the lock on the data directory.
#[derive(Debug)]
pub struct SegmentJournal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    origin: Hash,
    segment_bytes: u64,
    map: Arc<Map>,
    preparer: Preparer,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    capacity: u64,
    /// Where the next frame goes.
    offset: u64,
    size: TreeSize,
    root: Hash,
    buffer: Vec<u8>,
    is_poisoned: bool,
    /// A directory's sync failed while segments were given up: no more go before the next open.
    keeps_all: bool,
    _lock: DirLock,
}

impl Options {
    /// The defaults, for the log with this name.
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.into(),
            segment_bytes: 64 * 1024 * 1024,
            first_segment_bytes: 4 * 1024 * 1024,
            must_reach: TreeSize::ZERO,
            resume: Frontier::new(),
            disk: Arc::new(RealDisk),
            prepare: Prepare::Ahead,
        }
    }

    fn origin_digest(&self) -> Hash {
        sha256(self.origin.as_bytes())
    }
}

impl SegmentJournal {
    /// Opens the journal under `data_dir`, or starts one, and calls `visit` for each leaf.
    ///
    /// A frame's leaves are visited after its checksum and its root have been verified.
    pub fn open(data_dir: &Path, options: &Options, visit: &mut LeafVisitor<'_>) -> Result<Opened, OpenError> {
        Self::open_locked(options.disk.lock(data_dir)?, data_dir, options, visit)
    }

    /// The same for whoever has locked `data_dir` already.
    pub fn open_locked(
        lock: DirLock,
        data_dir: &Path,
        options: &Options,
        visit: &mut LeafVisitor<'_>,
    ) -> Result<Opened, OpenError> {
        let disk = &options.disk;
        let dir = data_dir.join("journal");
        ensure_dir_on(&**disk, &dir, Mode::Private)?;
        // What is seen here need not be durable: whoever made it may have failed, or been killed, before
        // the sync. Frames are about to be believed, and others written behind them.
        sync_dir_on(&**disk, data_dir)?;
        sync_dir_on(&**disk, &dir)?;
        let recovery::Recovered { mut segments, frontier, torn } = recovery::recover(&dir, options, visit)?;
        let origin = options.origin_digest();
        let last = if let Some(last) = segments.last() {
            last.clone()
        } else {
            let first = first_segment(&dir, origin, options)?;
            segments.push(first.clone());
            first
        };
        let file = disk.open(&last.path, Access::Write).map_err(IoError::at("open", &last.path))?;
        let journal = Self {
            origin,
            segment_bytes: options.segment_bytes,
            map: Arc::new(Map::new(segments, frontier.size())),
            preparer: Preparer::start(disk, &dir, options.prepare)?,
            disk: Arc::clone(disk),
            dir,
            file,
            capacity: last.capacity,
            offset: last.end(),
            path: last.path,
            size: frontier.size(),
            root: frontier.root(),
            buffer: Vec::new(),
            is_poisoned: false,
            keeps_all: false,
            _lock: lock,
        };
        Ok(Opened { journal, frontier, torn })
    }

    /// Goes on to the next segment.
    fn roll(&mut self, frame_bytes: u64) -> Result<(), AppendError> {
        let needed = capacity_for(frame_bytes.saturating_add(on_disk(HEADER_BYTES)));
        let capacity = self.next_capacity().max(needed);
        let prepared = self.preparer.take(capacity).map_err(AppendError::NoRoom)?;
        let header = SegmentHeader {
            origin: self.origin,
            first: self.size.next_index(),
            root_before: self.root,
            capacity: prepared.capacity,
        };
        let segment = put_into_place(&*self.disk, &self.dir, &prepared, &header).map_err(|error| self.poison(error))?;
        self.file = prepared.file;
        self.path.clone_from(&segment.path);
        self.capacity = segment.capacity;
        self.offset = segment.end();
        self.map.roll(segment);
        Ok(())
    }

    fn next_capacity(&self) -> u64 {
        let larger = self.capacity.saturating_mul(4);
        capacity_for(larger.min(self.segment_bytes))
    }

    /// The one write and the one sync of a frame.
    fn write(&self) -> io::Result<()> {
        let written = self.file.write_at(&self.buffer, self.offset)?;
        if written != self.buffer.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.file.sync_data()
    }

    fn poison(&mut self, error: IoError) -> AppendError {
        self.is_poisoned = true;
        AppendError::OutcomeUnknown(error)
    }
}

impl Journal for SegmentJournal {
    fn size(&self) -> TreeSize {
        self.size
    }

    fn append(&mut self, frame: &Frame<'_>) -> Result<TreeSize, AppendError> {
        if self.is_poisoned {
            return Err(AppendError::Poisoned);
        }
        if frame.start != self.size {
            return Err(AppendError::UnexpectedSize { expected: self.size, got: frame.start });
        }
        frame.check()?;
        format::encode_frame(frame, &mut self.buffer);
        let length = on_disk(self.buffer.len());
        if self.capacity.saturating_sub(self.offset) < length {
            self.roll(length)?;
        }
        if let Err(error) = self.write() {
            let error = IoError::at("append to", &self.path)(error);
            return Err(self.poison(error));
        }
        self.offset = self.offset.saturating_add(length);
        self.size = frame.end();
        self.root = frame.root;
        self.map.commit(frame.start.next_index(), self.size, self.offset);
        if self.offset > self.capacity / 4 {
            self.preparer.request(self.next_capacity());
        }
        Ok(self.size)
    }

    fn reclaim(&mut self, upto: TreeSize) -> Result<(), IoError> {
        if self.is_poisoned || self.keeps_all {
            return Ok(());
        }
        while let Some(segment) = self.map.take_first(upto.min(self.size)) {
            if let Err(error) = self.disk.remove_file(&segment.path) {
                let error = IoError::at("give up", &segment.path)(error);
                self.map.put_back(segment);
                return Err(error);
            }
            // Before the next one goes: were that to reach the disk first, there would be a gap.
            sync_dir_on(&*self.disk, &self.dir).inspect_err(|_| self.keeps_all = true)?;
        }
        Ok(())
    }

    fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::new(SegmentReader::new(Arc::clone(&self.disk), Arc::clone(&self.map)))
    }
}

/// The first leaf that the journal under `data_dir` still has, `None` if there is no journal. Looks at
/// names only, takes no lock and changes nothing.
pub fn first_kept(disk: &dyn Disk, data_dir: &Path) -> Result<Option<LeafIndex>, OpenError> {
    recovery::first_kept(disk, &data_dir.join("journal"))
}

fn first_segment(dir: &Path, origin: Hash, options: &Options) -> Result<SegmentMap, IoError> {
    let bytes = options.first_segment_bytes.min(options.segment_bytes);
    let capacity = capacity_for(bytes.max(on_disk(HEADER_BYTES)));
    let prepared = prepare::prepare(&*options.disk, dir, capacity, &AtomicBool::new(false))?;
    let header = SegmentHeader { origin, first: LeafIndex::default(), root_before: Frontier::new().root(), capacity };
    put_into_place(&*options.disk, dir, &prepared, &header)
}

/// Gives a prepared segment its header and then its name, each durable before the next step.
fn put_into_place(
    disk: &dyn Disk,
    dir: &Path,
    prepared: &Prepared,
    header: &SegmentHeader,
) -> Result<SegmentMap, IoError> {
    let at = |doing| IoError::at(doing, &prepared.path);
    write_all_at(&*prepared.file, &header.encode(), 0).map_err(at("write the header of"))?;
    prepared.file.sync_data().map_err(at("sync"))?;
    let path = dir.join(format!("{:020}.seg", header.first.get()));
    disk.rename(&prepared.path, &path).map_err(at("rename"))?;
    sync_dir_on(disk, dir)?;
    Ok(SegmentMap::empty(path, header.first, header.capacity))
}

/// Starts a journal under `data_dir` that begins with `frame`, in the place of everything before it, which is in the
/// site's bundles: what is left of a journal after [`reclaim`](Journal::reclaim).
///
/// For a folder that has no journal, and a frame that [keeps to the limits](Frame::check). `root_before` is the root of
/// the tree before the frame. The segment appears whole, or not at all.
pub fn begin_at(
    data_dir: &Path,
    staging: &Staging,
    origin: &str,
    root_before: Hash,
    frame: &Frame<'_>,
) -> Result<(), IoError> {
    let mut bytes = Vec::new();
    format::encode_frame(frame, &mut bytes);
    let needed = on_disk(HEADER_BYTES).saturating_add(on_disk(bytes.len()));
    let options = Options::new(origin);
    let (first, origin) = (frame.start.next_index(), options.origin_digest());
    let capacity = capacity_for(needed.max(options.first_segment_bytes));
    let header = SegmentHeader { origin, first, root_before, capacity };
    let zeros = vec![0; in_memory(capacity.saturating_sub(needed))];
    let path = data_dir.join("journal").join(format!("{:020}.seg", first.get()));
    let mut batch = staging.batch(Mode::Private);
    batch.add(&path, &[&header.encode(), &bytes, &zeros])?;
    batch.commit()
}

#[cfg(test)]
mod tests;
