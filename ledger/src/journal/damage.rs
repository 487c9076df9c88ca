//! Damage: bytes that are not what was written, and that no crash explains.

use std::fmt;
use std::path::PathBuf;

use proof::{Hash, LeafIndex, TreeSize};

/// Where the journal is not as it was written. The server refuses to start; a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in the file the damaged header or frame starts.
    pub offset: u64,
    /// The first leaf that cannot be relied on.
    pub index: LeafIndex,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with the damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// A segment file's name is not its first leaf index in 20 digits.
    SegmentName,
    /// A segment's header does not match its checksum, or is no header at all.
    SegmentHeader,
    /// A segment was written by another version of the format.
    Version {
        /// The version that the header names.
        got: u32,
    },
    /// A segment belongs to another log.
    Origin {
        /// The digest of this log's origin.
        expected: Hash,
        /// The digest in the header.
        got: Hash,
    },
    /// A segment does not start where the one before it ends: leaves are missing or doubled.
    SegmentStart {
        /// Where the segment before it ends.
        expected: TreeSize,
        /// Where this one says that it starts.
        got: TreeSize,
    },
    /// A frame's header does not match its checksum.
    FrameHeader,
    /// A frame is intact but out of place.
    FrameStart {
        /// The size before the frame.
        expected: TreeSize,
        /// The size that the frame was written for.
        got: TreeSize,
    },
    /// A frame's bytes, all of them present, do not match its checksum.
    Checksum,
    /// A frame's checksum holds but its lengths contradict each other.
    Malformed,
    /// A bad frame, or a stretch of nothing, has a good frame behind it.
    GoodFrameBehind {
        /// Where in the file the good one starts.
        offset: u64,
    },
    /// A frame is cut short although later frames exist.
    CutShort,
    /// There are bytes between a segment's last frame and the next segment.
    StrayBytes,
    /// The leaves do not lead to the root that was written with them.
    Root {
        /// The root that was written.
        expected: Hash,
        /// The root of the leaves.
        got: Hash,
    },
    /// The journal ends before a size that is known to have been committed.
    EndsShort {
        /// That size.
        must_reach: TreeSize,
    },
    /// No frame starts at the size of the snapshot that was to be resumed from.
    NotAFrameBoundary {
        /// The snapshot's size.
        resume: TreeSize,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, index, kind } = self;
        write!(f, "damage in `{}` at byte {offset}, leaf {index}: {kind}", file.display())
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentName => f.write_str("the file name is not a leaf index of 20 digits"),
            Self::SegmentHeader => f.write_str("the segment header does not match its checksum"),
            Self::Version { got } => write!(f, "expected format version 1, got {got}"),
            Self::Origin { expected, got } => {
                write!(f, "the segment is another log's: expected origin digest {expected}, got {got}")
            }
            Self::SegmentStart { expected, got } => {
                write!(f, "expected a segment that starts at size {expected}, got {got}")
            }
            Self::FrameHeader => f.write_str("the frame header does not match its checksum"),
            Self::FrameStart { expected, got } => {
                write!(f, "expected a frame for size {expected}, got one for {got}")
            }
            Self::Checksum => f.write_str("the frame does not match its checksum"),
            Self::Malformed => f.write_str("the frame's lengths contradict each other"),
            Self::GoodFrameBehind { offset } => {
                write!(f, "no good frame here, but there is one behind, at byte {offset}")
            }
            Self::CutShort => f.write_str("the frame is cut short, but it is not the last"),
            Self::StrayBytes => f.write_str("bytes that belong to no frame"),
            Self::Root { expected, got } => {
                write!(f, "the frame's leaves lead to root {got}, it was written with {expected}")
            }
            Self::EndsShort { must_reach } => {
                write!(f, "the journal ends here, but size {must_reach} was committed")
            }
            Self::NotAFrameBoundary { resume } => {
                write!(f, "expected a frame that starts at the snapshot's size {resume}")
            }
        }
    }
}

impl std::error::Error for Damage {}
