//! A journal on real files, and what was appended to it.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign_ledger::journal::segment::{Opened, Options, SegmentJournal};
use countersign_ledger::journal::{Damage, Frame, Journal, OpenError};
use proof::merkle::{Frontier, leaf_hash};
use proof::{LeafIndex, TreeSize};

pub(crate) const ORIGIN: &str = "log.example/fixture";

/// Small segments, so that a few frames make several.
pub(crate) fn options() -> Options {
    Options { segment_bytes: 16_384, first_segment_bytes: 8192, ..Options::new(ORIGIN) }
}

pub(crate) type Leaves = Vec<Vec<u8>>;

/// Opens the journal; the leaves that it recovered are checked against their indices.
pub(crate) fn open(dir: &Path, options: &Options) -> Result<(Opened, Leaves), OpenError> {
    let mut leaves = Leaves::new();
    let first = options.resume.size().get();
    let opened = SegmentJournal::open(dir, options, &mut |index, leaf| {
        assert_eq!(index.get(), first + leaves.len() as u64);
        leaves.push(leaf.to_vec());
        Ok(())
    })?;
    assert_eq!(opened.frontier.size(), opened.journal.size());
    Ok((opened, leaves))
}

pub(crate) fn damage(dir: &Path, options: &Options) -> Damage {
    match open(dir, options) {
        Err(OpenError::Damage(damage)) => damage,
        Err(error) => panic!("another error: {error}"),
        Ok((opened, _)) => panic!("opened, with {:?}", opened.torn),
    }
}

/// Appends one frame and extends the frontier.
pub(crate) fn append(journal: &mut dyn Journal, frontier: &mut Frontier, leaves: &[Vec<u8>]) {
    let start = frontier.size();
    for leaf in leaves {
        frontier.push(leaf_hash(leaf));
    }
    let root = frontier.root();
    let size = journal.append(&Frame { start, leaves, root }).unwrap();
    assert_eq!(size, frontier.size());
}

/// Where a frame lies.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) file: PathBuf,
    pub(crate) bytes: Range<usize>,
    pub(crate) index: LeafIndex,
}

/// A closed journal, and every frame's place in it.
pub(crate) struct Written {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) frames: Vec<Leaves>,
    pub(crate) placed: Vec<Placed>,
}

impl Written {
    pub(crate) fn new(frames: Vec<Leaves>) -> Self {
        let dir = scratch();
        let (opened, _) = open(dir.path(), &options()).unwrap();
        let (mut journal, mut frontier) = (opened.journal, opened.frontier);
        let mut placed: Vec<Placed> = Vec::new();
        for leaves in &frames {
            let index = frontier.size().next_index();
            append(&mut journal, &mut frontier, leaves);
            let file = segments(dir.path()).pop().unwrap();
            let end = used(&fs::read(&file).unwrap());
            let start = match placed.last() {
                Some(last) if last.file == file => last.bytes.end,
                _ => 512,
            };
            placed.push(Placed { file, bytes: start..end, index });
        }
        drop(journal);
        Self { dir, frames, placed }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn last(&self) -> &Placed {
        self.placed.last().unwrap()
    }

    /// All leaves but those of the last frame.
    pub(crate) fn leaves_before_last(&self) -> Leaves {
        self.frames[..self.frames.len() - 1].concat()
    }

    pub(crate) fn size_before_last(&self) -> TreeSize {
        TreeSize::new(self.last().index.get())
    }
}

/// A directory for tests that open a journal thousands of times: in memory where there is such a
/// file system, because they are about bytes, not about the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// The segment files, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("journal")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

/// The length of a segment's content without the zeros behind it. A frame ends with a marker.
pub(crate) fn used(file: &[u8]) -> usize {
    file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// A leaf of this length, without zero bytes.
pub(crate) fn leaf(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((seed * 31 + at * 7) % 255 + 1).unwrap()).collect()
}

/// Frames with so many leaves of so many bytes each.
pub(crate) fn frames(shape: &[(usize, usize)]) -> Vec<Leaves> {
    let frame = |(seed, (leaves, length)): (usize, &(usize, usize))| {
        (0..*leaves).map(|number| leaf(seed * 100 + number, *length)).collect()
    };
    shape.iter().enumerate().map(frame).collect()
}
