//! The bytes of a segment file.
//!
//! ```text
//! segment  = header, frames, zeros up to the capacity
//!
//! header     0   8  magic "CSGNSEG\xff"
//!            8   4  format version, 1
//!           12   4  where the first frame starts, 512
//!           16  32  SHA-256 of the log's origin
//!           48   8  index of the first leaf
//!           56  32  root of the tree before the first leaf
//!           88   8  capacity: the length of the whole file
//!           96 412  zero
//!          508   4  CRC-32C of bytes 0..508
//!
//! frame      0   4  magic ff c5 9a e7: no byte is zero, and ff never occurs in UTF-8
//!            4   4  length of the whole frame, a multiple of 32
//!            8   8  size of the journal before the frame
//!           16   4  number of leaves, at least 1
//!           20   4  length of all leaves together
//!           24   4  zero
//!           28   4  CRC-32C of bytes 0..28
//!           32  4n  length of each leaf
//!                   the leaves, without a zero byte
//!                   0 to 31 zeros
//!         n-40  32  root of the tree with these leaves
//!          n-8   4  CRC-32C of bytes 0..n-8
//!          n-4   4  end marker e7 9a c5 ff: no byte is zero
//! ```
//!
//! Numbers are little-endian. A frame starts at a multiple of 32, so its header lies in one sector:
//! it is on the disk whole or not at all, and has a checksum of its own so that its length can
//! be believed before the rest is looked at.
//!
//! # A frame cut short
//!
//! A disk writes sectors of 512 bytes whole, but in any order. Segments are filled with zeros
//! beforehand, and no sector's share of a whole frame is all zeros: the first share starts with
//! the magic, the last ends with the marker, and between them leaves have no zero byte. So when a
//! frame's checksum fails, a share that is all zeros never reached the disk, and the frame was
//! never acknowledged: it is *cut short*. Without such a share, and with the whole frame inside the
//! file, the frame was there once and its bytes have changed since: that is damage.

use std::ops::Range;

use proof::{Hash, LeafIndex, TreeSize};

use crate::journal::{CommittedFrame, DamageKind, Frame};
use crate::width::{in_memory, on_disk};

/// Bytes of a segment's header, and where its first frame starts.
pub(super) const HEADER_BYTES: usize = 512;
/// Frames start at multiples of this.
pub(super) const FRAME_ALIGN: usize = 32;

const SEGMENT_MAGIC: [u8; 8] = *b"CSGNSEG\xff";
const VERSION: u32 = 1;
const FRAME_MAGIC: [u8; 4] = [0xff, 0xc5, 0x9a, 0xe7];
const END_MARKER: [u8; 4] = [0xe7, 0x9a, 0xc5, 0xff];
const FRAME_HEADER_BYTES: usize = 32;
const TRAILER_BYTES: usize = 40;
const SECTOR_BYTES: usize = 512;

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) origin: Hash,
    pub(super) first: LeafIndex,
    pub(super) root_before: Hash,
    pub(super) capacity: u64,
}

/// What is at a place where a frame may start.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A good frame, and its length.
    Frame(CommittedFrame<'a>, usize),
    /// Nothing: zeros where a frame's header would be, or the end of the file.
    End,
    /// Something that is no good frame.
    Bad {
        /// What is wrong with it.
        kind: DamageKind,
        /// Whether a crash during its write explains it.
        cut_short: bool,
    },
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&length_u32(HEADER_BYTES).to_le_bytes());
        bytes.extend_from_slice(self.origin.as_bytes());
        bytes.extend_from_slice(&self.first.get().to_le_bytes());
        bytes.extend_from_slice(self.root_before.as_bytes());
        bytes.extend_from_slice(&self.capacity.to_le_bytes());
        bytes.resize(HEADER_BYTES - 4, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        // The length is right by construction; the fallback would never pass `parse`.
        bytes.try_into().unwrap_or([0; HEADER_BYTES])
    }

    /// Reads the header at the start of a segment file.
    pub(super) fn parse(file: &[u8]) -> Result<Self, DamageKind> {
        let bytes = file.get(..HEADER_BYTES).ok_or(DamageKind::SegmentHeader)?;
        let (body, _) = bytes.split_at(HEADER_BYTES - 4);
        if u32_at(bytes, HEADER_BYTES - 4) != Some(crc32c::crc32c(body)) {
            return Err(DamageKind::SegmentHeader);
        }
        let version = u32_at(bytes, 8).ok_or(DamageKind::SegmentHeader)?;
        if version != VERSION {
            return Err(DamageKind::Version { got: version });
        }
        Self::fields(bytes).ok_or(DamageKind::SegmentHeader)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&SEGMENT_MAGIC) || u32_at(bytes, 12)? != length_u32(HEADER_BYTES) {
            return None;
        }
        Some(Self {
            origin: hash_at(bytes, 16)?,
            first: LeafIndex::new(u64_at(bytes, 48)?),
            root_before: hash_at(bytes, 56)?,
            capacity: u64_at(bytes, 88)?,
        })
    }
}

/// Writes `frame`, which keeps to the limits, into `out`.
pub(super) fn encode_frame(frame: &Frame<'_>, out: &mut Vec<u8>) {
    let leaf_bytes: usize = frame.leaves.iter().map(Vec::len).sum();
    let length = frame_length(frame.leaves.len(), leaf_bytes);
    out.clear();
    out.reserve(length);
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&length_u32(length).to_le_bytes());
    out.extend_from_slice(&frame.start.get().to_le_bytes());
    out.extend_from_slice(&length_u32(frame.leaves.len()).to_le_bytes());
    out.extend_from_slice(&length_u32(leaf_bytes).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
    for leaf in frame.leaves {
        out.extend_from_slice(&length_u32(leaf.len()).to_le_bytes());
    }
    for leaf in frame.leaves {
        out.extend_from_slice(leaf);
    }
    out.resize(length - TRAILER_BYTES, 0);
    out.extend_from_slice(frame.root.as_bytes());
    let crc = crc32c::crc32c(out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&END_MARKER);
}

/// Reads what is at offset `at` of a segment.
///
/// `data` is the file from offset `base` on, and `at` is relative to it; `capacity` is how long the
/// file should be, so less than that means a file cut short.
pub(super) fn parse_frame(data: &[u8], at: usize, base: u64, capacity: u64) -> Parsed<'_> {
    let rest = data.get(at..).unwrap_or_default();
    let Some(head) = rest.get(..FRAME_HEADER_BYTES) else {
        let cut_short = base.saturating_add(on_disk(data.len())) < capacity;
        return if is_zero(rest) { Parsed::End } else { bad(DamageKind::FrameHeader, cut_short) };
    };
    if is_zero(head) {
        return Parsed::End;
    }
    let Some(header) = FrameHeader::parse(head) else {
        return bad(DamageKind::FrameHeader, false);
    };
    let offset = base.saturating_add(on_disk(at));
    if offset.saturating_add(on_disk(header.length)) > capacity {
        return bad(DamageKind::Malformed, false);
    }
    let Some(frame) = rest.get(..header.length) else {
        return bad(DamageKind::Checksum, true);
    };
    if !trailer_holds(frame) {
        return bad(DamageKind::Checksum, has_absent_sector(frame, offset));
    }
    match header.split(frame) {
        Some(committed) => Parsed::Frame(committed, header.length),
        None => bad(DamageKind::Malformed, false),
    }
}

/// Where the first good frame at or after `from` starts, if there is one.
pub(super) fn find_good_frame(data: &[u8], from: usize, capacity: u64) -> Option<usize> {
    let mut at = from.next_multiple_of(FRAME_ALIGN);
    while let Some(head) = data.get(at..at.saturating_add(FRAME_MAGIC.len())) {
        if head == FRAME_MAGIC && matches!(parse_frame(data, at, 0, capacity), Parsed::Frame(..)) {
            return Some(at);
        }
        at = at.saturating_add(FRAME_ALIGN);
    }
    None
}

/// The stretch of `data` from `from` on that has anything but zeros in it, from `from` to the last
/// such byte.
pub(super) fn remains(data: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = data.get(from..).unwrap_or_default();
    // Large steps first: this looks at every byte of the preallocated rest of a segment.
    let chunks = rest.chunks(4096).rposition(|chunk| !is_zero(chunk))?;
    let chunk = rest.chunks(4096).nth(chunks)?;
    let last = chunk.iter().rposition(|byte| *byte != 0)?;
    Some(from..from + chunks * 4096 + last + 1)
}

/// The length of a whole frame with so many leaves.
pub(super) const fn frame_length(leaves: usize, leaf_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + 4 * leaves + leaf_bytes + TRAILER_BYTES).next_multiple_of(FRAME_ALIGN)
}

struct FrameHeader {
    length: usize,
    start: TreeSize,
    leaves: usize,
    leaf_bytes: usize,
}

impl FrameHeader {
    fn parse(head: &[u8]) -> Option<Self> {
        let (body, _) = head.split_at_checked(FRAME_HEADER_BYTES - 4)?;
        if !body.starts_with(&FRAME_MAGIC) || u32_at(head, 28)? != crc32c::crc32c(body) {
            return None;
        }
        let header = Self {
            length: length_at(head, 4)?,
            start: TreeSize::new(u64_at(head, 8)?),
            leaves: length_at(head, 16)?,
            leaf_bytes: length_at(head, 20)?,
        };
        let sound = header.leaves > 0
            && u32_at(head, 24)? == 0
            && header.length == frame_length(header.leaves, header.leaf_bytes);
        sound.then_some(header)
    }

    /// The parts of a frame whose checksum holds.
    fn split<'a>(&self, frame: &'a [u8]) -> Option<CommittedFrame<'a>> {
        let body = frame.get(FRAME_HEADER_BYTES..)?;
        let (lengths, body) = body.split_at_checked(self.leaves.checked_mul(4)?)?;
        let (mut text, _) = body.split_at_checked(self.leaf_bytes)?;
        let mut leaves = Vec::with_capacity(self.leaves);
        for at in (0..lengths.len()).step_by(4) {
            let (leaf, rest) = text.split_at_checked(length_at(lengths, at)?)?;
            leaves.push(leaf);
            text = rest;
        }
        let root = hash_at(frame, frame.len().checked_sub(TRAILER_BYTES)?)?;
        text.is_empty().then_some(CommittedFrame { start: self.start, leaves, root })
    }
}

/// Whether a whole frame ends with its checksum and the end marker.
fn trailer_holds(frame: &[u8]) -> bool {
    let Some((body, trailer)) = frame.split_last_chunk::<8>() else {
        return false;
    };
    u32_at(trailer, 0) == Some(crc32c::crc32c(body)) && trailer.ends_with(&END_MARKER)
}

/// Whether some sector's share of a frame at this offset in the file is all zeros.
fn has_absent_sector(frame: &[u8], offset: u64) -> bool {
    let into_sector = in_memory(offset) % SECTOR_BYTES;
    let first = (SECTOR_BYTES - into_sector).min(frame.len());
    let (head, rest) = frame.split_at(first);
    is_zero(head) || rest.chunks(SECTOR_BYTES).any(is_zero)
}

fn is_zero(bytes: &[u8]) -> bool {
    // No early exit within a chunk: that lets the compiler compare many bytes at a time.
    bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |any, byte| any | byte) == 0)
}

const fn bad<'a>(kind: DamageKind, cut_short: bool) -> Parsed<'a> {
    Parsed::Bad { kind, cut_short }
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at).map(|length| in_memory(u64::from(length)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

fn hash_at(bytes: &[u8], at: usize) -> Option<Hash> {
    bytes.get(at..)?.first_chunk().copied().map(Hash::new)
}

#[cfg(test)]
mod tests;
