//! Looking into a data folder whose server is dead, and damaging it.

use domain::event::Event;
use ledger::lock::DirLock;
use proof::Leaf;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Bytes of a segment's header, as `docs/format.md` draws it.
const SEGMENT_HEADER: usize = 512;
/// Bytes of a frame's header.
const FRAME_HEADER: usize = 32;
/// Longest wait for a folder to be free.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a frame starts with.
const FRAME_MAGIC: [u8; 4] = [0xff, 0xc5, 0x9a, 0xe7];

/// A frame of the journal.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Where it lies in its file.
    pub range: Range<usize>,
    /// Where its leaves lie.
    pub leaves: Vec<Range<usize>>,
}

/// A segment of the journal.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Its frames.
    pub frames: Vec<Frame>,
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
}

/// The journal's segments, in order.
///
/// # Panics
/// If there is no journal.
pub fn segments(dir: &Path) -> Vec<Segment> {
    let files = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
    files.sort();
    assert!(!files.is_empty(), "no journal in {}", dir.display());
    files.into_iter().map(read_segment).collect()
}

fn read_segment(path: PathBuf) -> Segment {
    let bytes = fs::read(&path).unwrap();
    let (mut at, mut frames) = (SEGMENT_HEADER, Vec::new());
    while bytes.get(at..at + 4).is_some_and(|magic| magic == FRAME_MAGIC) {
        let (length, count) = (number(&bytes, at + 4), number(&bytes, at + 16));
        let mut leaf = at + FRAME_HEADER + 4 * count;
        let mut leaves = Vec::with_capacity(count);
        for place in 0..count {
            let end = leaf + number(&bytes, at + FRAME_HEADER + 4 * place);
            leaves.push(leaf..end);
            leaf = end;
        }
        frames.push(Frame { range: at..at + length, leaves });
        at += length;
    }
    Segment { path, bytes, frames }
}

/// Every committed leaf.
pub fn leaves(dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for segment in segments(dir) {
        let places = segment.frames.iter().flat_map(|frame| frame.leaves.iter().cloned());
        all.extend(places.map(|place| segment.bytes[place].to_vec()));
    }
    all
}

/// Every committed event.
///
/// # Panics
/// If one cannot be read.
pub fn events(dir: &Path) -> Vec<Event> {
    leaves(dir).iter().map(|leaf| Event::parse(Leaf::parse(leaf).unwrap().payload).unwrap()).collect()
}

/// The committed leaf at an index: its file, and where it begins there.
///
/// # Panics
/// If there is none.
pub fn place_in_journal(dir: &Path, index: usize) -> (PathBuf, usize) {
    let mut left = index;
    for segment in segments(dir) {
        for leaf in segment.frames.iter().flat_map(|frame| &frame.leaves) {
            if left == 0 {
                return (segment.path, leaf.start);
            }
            left -= 1;
        }
    }
    panic!("no leaf {index} in the journal of {}", dir.display());
}

/// The published leaf at an index: its entry bundle, and where it begins there.
///
/// # Panics
/// If none of the bundles holds it.
pub fn place_in_site(dir: &Path, index: usize) -> (PathBuf, usize) {
    let leaf = leaves(dir).swap_remove(index);
    let mut bundles = files_with(&dir.join("public/tile/entries"), &leaf);
    // Of several partial bundles, the one under the published head is the widest.
    bundles.sort_by_key(|path| fs::metadata(path).unwrap().len());
    let bundle = bundles.pop().expect("no bundle holds the leaf");
    let at = find(&fs::read(&bundle).unwrap(), &leaf).unwrap();
    (bundle, at)
}

/// Where `needle` first stands.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Flips the lowest bit of one byte of a file.
///
/// # Panics
/// If the file has no such byte.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Every file below a folder. A server may be at work there: what comes and goes meanwhile may be left out.
///
/// # Panics
/// If a folder cannot be read.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in unless_gone(fs::read_dir(folder)).into_iter().flatten() {
            let (path, kind) = entry.map(|e| (e.path(), e.file_type().unwrap())).unwrap();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found
}

/// The files below a folder that hold `needle`.
///
/// # Panics
/// If one cannot be read.
pub fn files_with(dir: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| unless_gone(fs::read(path)).is_some_and(|bytes| find(&bytes, needle).is_some());
    files(dir).into_iter().filter(holds).collect()
}

fn unless_gone<T>(read: io::Result<T>) -> Option<T> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other.unwrap()),
    }
}

/// Waits until nobody holds a data folder. Another test may be starting a process just now, which has all that is open in
/// this one until it runs its own program.
///
/// # Panics
/// If it is not free in time.
pub fn wait_until_free(dir: &Path) {
    let until = Instant::now() + PATIENCE;
    while let Err(held) = DirLock::acquire(dir) {
        assert!(Instant::now() < until, "{held}");
        std::thread::yield_now();
    }
}

/// A copy of a data folder, to be damaged.
///
/// # Panics
/// If it cannot be made.
pub fn copy(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(dir) {
        let target = copy.path().join(file.strip_prefix(dir).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    copy
}
