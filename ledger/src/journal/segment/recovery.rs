//! Opening: one pass over the segments that checks every byte, rebuilds the frontier, hands each
//! leaf to the caller, and decides what a bad end means.
//!
//! | at the journal's end | it is |
//! |---|---|
//! | a frame cut short (see [`format`](super::format)), nothing good behind it | never acknowledged: dropped |
//! | zeros for a frame's header, other bytes behind it, no good frame among them | the same, with the first sector missing: dropped |
//! | anything else that is no good frame | damage |
//!
//! Nothing is written before the whole pass has succeeded. Then the last frame is written once more,
//! as it is, and synced: it may be one whose sync failed, and stand in the kernel's memory only, with
//! nothing left that would ever take it to the disk.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use proof::merkle::{Frontier, empty_root, leaf_hash};
use proof::{Hash, LeafIndex, TreeSize};

use super::format::{HEADER_BYTES, Parsed, SegmentHeader, find_good_frame, parse_frame, remains};
use super::map::SegmentMap;
use super::prepare::fill;
use super::{Options, Torn};
use crate::disk::{Access, Disk, write_all_at};
use crate::durable::{IoError, list, read_into};
use crate::journal::{CommittedFrame, Damage, DamageKind, LeafVisitor, OpenError};
use crate::width::{in_memory, on_disk};

/// What the pass found.
pub(super) struct Recovered {
    pub(super) segments: Vec<SegmentMap>,
    pub(super) frontier: Frontier,
    pub(super) torn: Option<Torn>,
}

/// A segment file that is yet to be looked into.
struct Candidate {
    path: PathBuf,
    first: LeafIndex,
}

/// A segment file, read.
struct Loaded<'a> {
    path: &'a Path,
    data: &'a [u8],
    capacity: u64,
    is_last: bool,
}

struct Walk<'a, 'v> {
    options: &'a Options,
    visit: &'a mut LeafVisitor<'v>,
    /// How far the pass has come: the end of the last frame, and the root written with it.
    size: TreeSize,
    root: Hash,
    /// The frontier to resume from, extended by every frame behind it.
    frontier: Frontier,
    origin: Hash,
    /// Where in the segment that is being walked its last frame is.
    last_frame: Range<usize>,
}

/// Recovers the journal in `dir`. An empty result means that there is no segment yet.
pub(super) fn recover(dir: &Path, options: &Options, visit: &mut LeafVisitor<'_>) -> Result<Recovered, OpenError> {
    let disk = &*options.disk;
    let candidates = candidates(disk, dir)?;
    check_first(candidates.first(), options)?;
    let after = candidates.partition_point(|c| c.first.get() <= options.resume.size().get());
    let (skipped, walked) = candidates.split_at(after.saturating_sub(1));
    let mut walk = Walk {
        options,
        visit,
        size: TreeSize::new(walked.first().map_or(0, |candidate| candidate.first.get())),
        root: empty_root(),
        frontier: options.resume.clone(),
        origin: options.origin_digest(),
        last_frame: 0..0,
    };
    let mut segments = Vec::new();
    for candidate in skipped {
        let mut head = Vec::new();
        read_into(disk, &candidate.path, on_disk(HEADER_BYTES), &mut head)?;
        let header = walk.check_header(candidate, &head)?;
        segments.push(SegmentMap::unread(candidate.path.clone(), header.first, header.capacity));
    }
    let mut data = Vec::new();
    let mut torn = None;
    for (number, candidate) in walked.iter().enumerate() {
        read_into(disk, &candidate.path, u64::MAX, &mut data)?;
        let header = walk.check_header(candidate, &data)?;
        walk.check_start(candidate, &header, number == 0)?;
        let loaded = Loaded {
            path: &candidate.path,
            data: &data,
            capacity: header.capacity,
            is_last: number + 1 == walked.len(),
        };
        let mut segment = SegmentMap::empty(candidate.path.clone(), header.first, header.capacity);
        torn = walk.segment(&loaded, &mut segment)?;
        segments.push(segment);
    }
    walk.check_end(dir, segments.last())?;
    if let Some(last) = segments.last() {
        repair(disk, last, torn.as_ref(), &data, walk.last_frame.clone())?;
    }
    Ok(Recovered { segments, frontier: walk.frontier, torn })
}

impl Walk<'_, '_> {
    /// Checks a segment's header against its name and the log's origin.
    fn check_header(&self, of: &Candidate, file: &[u8]) -> Result<SegmentHeader, Damage> {
        let damage = |kind| Damage { file: of.path.clone(), offset: 0, index: of.first, kind };
        let header = SegmentHeader::parse(file).map_err(damage)?;
        if header.origin != self.origin {
            let kind = DamageKind::Origin { expected: self.origin, got: header.origin };
            return Err(damage(kind));
        }
        if header.first != of.first {
            let expected = TreeSize::new(of.first.get());
            let got = TreeSize::new(header.first.get());
            return Err(damage(DamageKind::SegmentStart { expected, got }));
        }
        Ok(header)
    }

    /// Checks that a segment continues where the pass has come to.
    fn check_start(&mut self, of: &Candidate, header: &SegmentHeader, is_first_walked: bool) -> Result<(), Damage> {
        let damage = |kind| Damage { file: of.path.clone(), offset: 0, index: of.first, kind };
        let got = TreeSize::new(header.first.get());
        if got != self.size {
            return Err(damage(DamageKind::SegmentStart { expected: self.size, got }));
        }
        if is_first_walked && got > TreeSize::ZERO {
            // Nothing before it was read, so its word is taken; frame roots tell if it is false.
            self.root = header.root_before;
        }
        if header.root_before != self.root {
            let kind = DamageKind::Root { expected: header.root_before, got: self.root };
            return Err(damage(kind));
        }
        self.check_resume().map_err(damage)
    }

    /// Walks the frames of one segment.
    fn segment(&mut self, loaded: &Loaded<'_>, segment: &mut SegmentMap) -> Result<Option<Torn>, OpenError> {
        let mut at = HEADER_BYTES;
        self.last_frame = 0..0;
        loop {
            match parse_frame(loaded.data, at, 0, loaded.capacity) {
                Parsed::Frame(frame, length) => {
                    self.check_frame(&frame).map_err(|kind| self.damage(loaded, at, kind))?;
                    self.visit_leaves(&frame)?;
                    let start = at;
                    at = at.saturating_add(length);
                    self.last_frame = start..at;
                    segment.push(frame.start.next_index(), on_disk(at));
                }
                Parsed::End => return Ok(self.judge_end(loaded, at)?),
                Parsed::Bad { kind, cut_short } => {
                    return Ok(self.judge_bad(loaded, at, kind, cut_short).map(Some)?);
                }
            }
        }
    }

    fn check_frame(&mut self, frame: &CommittedFrame<'_>) -> Result<(), DamageKind> {
        if frame.start != self.size {
            return Err(DamageKind::FrameStart { expected: self.size, got: frame.start });
        }
        let resume = self.options.resume.size();
        if frame.start >= resume {
            let mut extended = self.frontier.clone();
            for leaf in &frame.leaves {
                extended.push(leaf_hash(leaf));
            }
            let got = extended.root();
            if got != frame.root {
                return Err(DamageKind::Root { expected: frame.root, got });
            }
            self.frontier = extended;
        } else if frame.end() > resume {
            return Err(DamageKind::NotAFrameBoundary { resume });
        }
        self.size = frame.end();
        self.root = frame.root;
        self.check_resume()
    }

    /// At the snapshot's size, its root must be the one that the journal has written.
    fn check_resume(&self) -> Result<(), DamageKind> {
        let resume = &self.options.resume;
        if self.size == resume.size() && self.root != resume.root() {
            return Err(DamageKind::Root { expected: self.root, got: resume.root() });
        }
        Ok(())
    }

    fn visit_leaves(&mut self, frame: &CommittedFrame<'_>) -> Result<(), OpenError> {
        if frame.start < self.options.resume.size() {
            return Ok(());
        }
        for (index, leaf) in frame.leaves_from(frame.start.next_index()) {
            (self.visit)(index, leaf).map_err(|error| OpenError::Visit { index, error })?;
        }
        Ok(())
    }

    /// There is no frame at `at`: is there anything else?
    fn judge_end(&self, loaded: &Loaded<'_>, at: usize) -> Result<Option<Torn>, Damage> {
        if remains(loaded.data, at).is_none() {
            return Ok(None);
        }
        self.judge_bad(loaded, at, DamageKind::StrayBytes, true).map(Some)
    }

    /// What is at `at` is no good frame: was it ever acknowledged?
    fn judge_bad(&self, loaded: &Loaded<'_>, at: usize, kind: DamageKind, cut_short: bool) -> Result<Torn, Damage> {
        if let Some(good) = find_good_frame(loaded.data, at.saturating_add(1), loaded.capacity) {
            let kind = DamageKind::GoodFrameBehind { offset: on_disk(good) };
            return Err(self.damage(loaded, at, kind));
        }
        if !cut_short {
            return Err(self.damage(loaded, at, kind));
        }
        if !loaded.is_last {
            let kind = if kind == DamageKind::Checksum { DamageKind::CutShort } else { kind };
            return Err(self.damage(loaded, at, kind));
        }
        Ok(Torn {
            file: loaded.path.to_path_buf(),
            offset: on_disk(at),
            index: self.size.next_index(),
            bytes: remains(loaded.data, at).map_or(0, |range| on_disk(range.len())),
        })
    }

    fn check_end(&self, dir: &Path, last: Option<&SegmentMap>) -> Result<(), Damage> {
        let must_reach = self.options.must_reach.max(self.options.resume.size());
        if self.size >= must_reach {
            return Ok(());
        }
        Err(Damage {
            file: last.map_or(dir, |segment| &segment.path).to_path_buf(),
            offset: last.map_or(0, SegmentMap::end),
            index: self.size.next_index(),
            kind: DamageKind::EndsShort { must_reach },
        })
    }

    fn damage(&self, loaded: &Loaded<'_>, at: usize, kind: DamageKind) -> Damage {
        Damage { file: loaded.path.to_path_buf(), offset: on_disk(at), index: self.size.next_index(), kind }
    }
}

/// A journal whose beginning was given up opens with a snapshot that reaches what is kept.
fn check_first(candidate: Option<&Candidate>, options: &Options) -> Result<(), OpenError> {
    let first = candidate.map(|candidate| candidate.first).unwrap_or_default();
    let resume = options.resume.size();
    if first.get() > resume.get() { Err(OpenError::Reclaimed { first, resume }) } else { Ok(()) }
}

/// The first leaf of the first segment in `dir`, if there is a segment.
pub(super) fn first_kept(disk: &dyn Disk, dir: &Path) -> Result<Option<LeafIndex>, OpenError> {
    for name in list(disk, dir)? {
        if let Some(candidate) = Candidate::of(dir, &name)? {
            return Ok(Some(candidate.first));
        }
    }
    Ok(None)
}

/// The segment files in `dir`, in order. Temporary files of a crash are removed.
fn candidates(disk: &dyn Disk, dir: &Path) -> Result<Vec<Candidate>, OpenError> {
    let mut found = Vec::new();
    for name in list(disk, dir)? {
        if let Some(candidate) = Candidate::of(dir, &name)? {
            found.push(candidate);
        } else if name.strip_suffix(".tmp").is_some() {
            let path = dir.join(&name);
            disk.remove_file(&path).map_err(IoError::at("sweep", &path))?;
        }
    }
    Ok(found)
}

impl Candidate {
    /// The segment file of this name, or `None` if it is something else.
    fn of(dir: &Path, name: &str) -> Result<Option<Self>, Damage> {
        let Some(stem) = name.strip_suffix(".seg") else {
            return Ok(None);
        };
        let path = dir.join(name);
        let digits = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
        match stem.parse().ok().filter(|_| digits) {
            Some(first) => Ok(Some(Self { path, first: LeafIndex::new(first) })),
            None => Err(Damage { file: path, offset: 0, index: LeafIndex::default(), kind: DamageKind::SegmentName }),
        }
    }
}

/// Writes the last frame once more, zeros over a torn one behind it, and again to the end of a file
/// that was cut.
fn repair(
    disk: &dyn Disk,
    last: &SegmentMap,
    torn: Option<&Torn>,
    data: &[u8],
    last_frame: Range<usize>,
) -> Result<(), IoError> {
    let length = on_disk(data.len());
    let frame = data.get(last_frame.clone()).unwrap_or_default();
    if frame.is_empty() && torn.is_none() && length >= last.capacity {
        return Ok(());
    }
    let at = |doing| IoError::at(doing, &last.path);
    let file = disk.open(&last.path, Access::Write).map_err(at("open"))?;
    write_all_at(&*file, frame, on_disk(last_frame.start)).map_err(at("write again"))?;
    if let Some(torn) = torn {
        let zeros = vec![0; in_memory(torn.bytes)];
        write_all_at(&*file, &zeros, torn.offset).map_err(at("clear"))?;
    }
    fill(&*file, length.min(last.capacity), last.capacity, &AtomicBool::new(false)).map_err(at("fill"))
}
