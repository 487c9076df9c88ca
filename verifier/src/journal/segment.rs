//! The bytes of one segment file, read frame by frame.
//!
//! ```text
//! header     0   8  magic "CSGNSEG\xff"            frame      0   4  magic ff c5 9a e7
//!            8   4  format version, 1                         4   4  length, a multiple of 32
//!           12   4  where the first frame is, 512             8   8  size of the journal before it
//!           16  32  SHA-256 of the origin                    16   4  number of leaves
//!           48   8  index of the first leaf                  20   4  length of all leaves
//!           56  32  root of the tree before it               24   4  zero
//!           88   8  capacity: the file's length              28   4  CRC-32C of bytes 0..28
//!           96 412  zero                                     32  4n  length of each leaf
//!          508   4  CRC-32C of bytes 0..508                          the leaves, then 0 to 31 zeros
//!                                                          n-40  32  root of the tree with them
//! Numbers are little-endian. Behind the last frame               n-8   4  CRC-32C of bytes 0..n-8
//! come zeros, up to the capacity.                          n-4   4  end marker e7 9a c5 ff
//! ```
//!
//! A disk writes sectors of 512 bytes whole or not at all. No sector's share of a frame is all zeros, so a bad frame
//! with such a share was cut short by a crash; one without was whole once, and has changed since.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use proof::{Hash, LeafIndex, TreeSize};

const SEGMENT_MAGIC: &[u8] = b"CSGNSEG\xff";
const SEGMENT_HEADER: usize = 512;
const FRAME_MAGIC: [u8; 4] = [0xff, 0xc5, 0x9a, 0xe7];
const FRAME_END: [u8; 4] = [0xe7, 0x9a, 0xc5, 0xff];
const FRAME_HEADER: usize = 32;
const FRAME_TRAILER: usize = 40;
const ALIGN: usize = 32;
const SECTOR: usize = 512;
/// Bounds of one frame, which are the ledger's too.
const MAX_LEAVES: usize = 65_536;
const MAX_LEAF_BYTES: usize = 16 * 1024 * 1024;

/// A segment's header.
pub(super) struct Header {
    pub(super) origin: Hash,
    pub(super) first: LeafIndex,
    pub(super) root_before: Hash,
}

/// A frame whose header holds.
pub(super) struct Frame {
    pub(super) start: TreeSize,
    pub(super) root: Hash,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

/// What is at a place where a frame may start.
pub(super) enum Step {
    Frame(Frame),
    /// Zeros, or the end of the file.
    End,
    Damaged(Damage),
}

/// Something that is no good frame.
pub(super) struct Damage {
    pub(super) detail: String,
    /// Whether a crash during its write explains it.
    pub(super) is_cut_short: bool,
    /// What can be read of it.
    pub(super) frame: Option<Frame>,
}

/// What is behind the last good frame.
pub(super) enum Rest {
    Zeros,
    /// So many bytes that are not zero, but no frame.
    Bytes(u64),
    /// A frame's header, at this offset.
    Frame(u64),
}

/// A segment file, read up to some frame.
pub(super) struct Segment {
    file: File,
    /// Where the next frame starts.
    offset: u64,
    /// How long the file is.
    length: u64,
    /// How long it should be.
    capacity: u64,
}

impl Segment {
    /// Reads the header. The inner error is a sentence about what is wrong with it.
    pub(super) fn open(mut file: File, length: u64) -> io::Result<Result<(Self, Header), &'static str>> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        (&mut file).take(on_disk(SEGMENT_HEADER)).read_to_end(&mut bytes)?;
        Ok(parse_header(&bytes).map(|(header, capacity)| {
            let segment = Self { file, offset: on_disk(SEGMENT_HEADER), length, capacity };
            (segment, header)
        }))
    }

    /// Where the next frame starts, or the bad one.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads what is at [`offset`](Self::offset), and steps over it if it is a frame.
    pub(super) fn next_frame(&mut self) -> io::Result<Step> {
        self.file.seek(SeekFrom::Start(self.offset))?;
        let left = self.length.min(self.capacity).saturating_sub(self.offset);
        let head = self.bytes(left.min(on_disk(FRAME_HEADER)))?;
        if is_zero(&head) {
            return Ok(Step::End);
        }
        let damaged = |detail: &str, is_cut_short| {
            Ok(Step::Damaged(Damage { detail: detail.to_owned(), is_cut_short, frame: None }))
        };
        if head.len() < FRAME_HEADER {
            return damaged("the file ends inside a frame's header", self.length < self.capacity);
        }
        let Some(header) = FrameHeader::parse(&head) else {
            return damaged("the frame's header does not match its checksum", false);
        };
        if self.offset.saturating_add(on_disk(header.length)) > self.capacity {
            return damaged("the frame is longer than its segment", false);
        }
        if left < on_disk(header.length) {
            return damaged("the file ends inside the frame", true);
        }
        let mut bytes = head;
        bytes.append(&mut self.bytes(on_disk(header.length.saturating_sub(FRAME_HEADER)))?);
        let is_whole = trailer_holds(&bytes);
        let is_cut_short = !is_whole && lacks_sector(&bytes, self.offset);
        match (header.split(bytes), is_whole) {
            (Some(frame), true) => {
                self.offset = self.offset.saturating_add(on_disk(header.length));
                Ok(Step::Frame(frame))
            }
            (None, true) => damaged("the frame's lengths contradict each other", false),
            (frame, false) => {
                let detail =
                    if is_cut_short { "the frame was cut short" } else { "the frame does not match its checksum" };
                Ok(Step::Damaged(Damage { detail: detail.to_owned(), is_cut_short, frame }))
            }
        }
    }

    /// Looks at everything behind the header-sized piece at [`offset`](Self::offset).
    pub(super) fn rest(&mut self) -> io::Result<Rest> {
        let mut at = self.offset.saturating_add(on_disk(ALIGN));
        self.file.seek(SeekFrom::Start(at))?;
        let mut count = 0_u64;
        loop {
            let chunk = self.bytes(64 * 1024)?;
            if chunk.is_empty() {
                return Ok(if count == 0 { Rest::Zeros } else { Rest::Bytes(count) });
            }
            if !is_zero(&chunk) {
                let position = chunk.chunks(ALIGN).position(|piece| FrameHeader::parse(piece).is_some());
                if let Some(position) = position {
                    return Ok(Rest::Frame(at.saturating_add(on_disk(position.saturating_mul(ALIGN)))));
                }
                count = count.saturating_add(on_disk(chunk.iter().filter(|byte| **byte != 0).count()));
            }
            at = at.saturating_add(on_disk(chunk.len()));
        }
    }

    /// The next bytes, fewer at the end of the file.
    fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.file).take(count).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Frame {
    /// The leaves, in order.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &[u8]> {
        let lengths = self.lengths.len().saturating_mul(4);
        let mut rest = self.bytes.get(FRAME_HEADER.saturating_add(lengths)..).unwrap_or_default();
        self.lengths.iter().map_while(move |length| {
            let (leaf, behind) = rest.split_at_checked(*length)?;
            rest = behind;
            Some(leaf)
        })
    }
}

struct FrameHeader {
    length: usize,
    start: TreeSize,
    leaves: usize,
    leaf_bytes: usize,
}

impl FrameHeader {
    fn parse(head: &[u8]) -> Option<Self> {
        let (body, _) = head.split_at_checked(FRAME_HEADER - 4)?;
        if !body.starts_with(&FRAME_MAGIC) || u32_at(head, FRAME_HEADER - 4)? != crc32c::crc32c(body) {
            return None;
        }
        let header = Self {
            length: length_at(head, 4)?,
            start: TreeSize::new(u64_at(head, 8)?),
            leaves: length_at(head, 16)?,
            leaf_bytes: length_at(head, 20)?,
        };
        let fits = (1..=MAX_LEAVES).contains(&header.leaves) && header.leaf_bytes <= MAX_LEAF_BYTES;
        (fits && u32_at(head, 24)? == 0 && header.length == header.expected_length()).then_some(header)
    }

    const fn expected_length(&self) -> usize {
        let bare = FRAME_HEADER + FRAME_TRAILER + self.leaves.saturating_mul(4);
        bare.saturating_add(self.leaf_bytes).next_multiple_of(ALIGN)
    }

    /// The parts of the frame, if its leaves have the length that they should have together.
    fn split(&self, bytes: Vec<u8>) -> Option<Frame> {
        let table = bytes.get(FRAME_HEADER..)?.get(..self.leaves.checked_mul(4)?)?;
        let lengths: Vec<usize> = (0..self.leaves).map(|n| length_at(table, n * 4)).collect::<Option<_>>()?;
        let total = lengths.iter().try_fold(0_usize, |total, length| total.checked_add(*length))?;
        let root = hash_at(&bytes, bytes.len().checked_sub(FRAME_TRAILER)?)?;
        (total == self.leaf_bytes).then_some(Frame { start: self.start, root, bytes, lengths })
    }
}

fn parse_header(bytes: &[u8]) -> Result<(Header, u64), &'static str> {
    let checksum = u32_at(bytes, SEGMENT_HEADER - 4);
    let Some(body) = bytes.get(..SEGMENT_HEADER - 4).filter(|body| checksum == Some(crc32c::crc32c(body))) else {
        return Err("the segment's header does not match its checksum");
    };
    if !body.starts_with(SEGMENT_MAGIC) || length_at(body, 12) != Some(SEGMENT_HEADER) {
        return Err("this is no segment");
    }
    if u32_at(body, 8) != Some(1) {
        return Err("the segment is of another version of the format");
    }
    let header = || {
        let (origin, first) = (hash_at(body, 16)?, LeafIndex::new(u64_at(body, 48)?));
        Some((Header { origin, first, root_before: hash_at(body, 56)? }, u64_at(body, 88)?))
    };
    header().ok_or("this is no segment")
}

fn trailer_holds(frame: &[u8]) -> bool {
    let Some((body, trailer)) = frame.split_last_chunk::<8>() else {
        return false;
    };
    u32_at(trailer, 0) == Some(crc32c::crc32c(body)) && trailer.ends_with(&FRAME_END)
}

/// Whether some sector's share of a frame at this offset is all zeros.
fn lacks_sector(frame: &[u8], offset: u64) -> bool {
    let into = usize::try_from(offset % on_disk(SECTOR)).unwrap_or(0);
    let (first, rest) = frame.split_at(SECTOR.saturating_sub(into).min(frame.len()));
    is_zero(first) || rest.chunks(SECTOR).any(is_zero)
}

fn is_zero(bytes: &[u8]) -> bool {
    // No early exit within a piece: that lets the compiler compare many bytes at a time.
    bytes.chunks(64).all(|piece| piece.iter().fold(0, |any, byte| any | byte) == 0)
}

fn on_disk(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at).and_then(|length| usize::try_from(length).ok())
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
