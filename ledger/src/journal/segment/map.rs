//! Where committed leaves lie: what writer and readers share.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use proof::{LeafIndex, TreeSize};

use super::format::HEADER_BYTES;
use crate::width::on_disk;

/// A block is noted about every so many bytes; a reader reads one block at a time.
const BLOCK_BYTES: u64 = 256 * 1024;

/// One segment file.
#[derive(Clone, Debug)]
pub(super) struct SegmentMap {
    pub(super) path: PathBuf,
    pub(super) first: LeafIndex,
    pub(super) capacity: u64,
    /// Where its last committed frame ends.
    end: u64,
    blocks: Vec<Block>,
    is_indexed: bool,
}

/// A place in a segment where a frame starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) first: LeafIndex,
    pub(super) offset: u64,
}

/// Whole frames, one behind the other, somewhere in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) path: PathBuf,
    pub(super) first: LeafIndex,
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) capacity: u64,
    /// Whether it is cut up as fine as it should be; if not, it is a whole segment.
    pub(super) is_indexed: bool,
}

/// The segments and the committed size. No lock on it is held across a system call.
#[derive(Debug)]
pub(super) struct Map {
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    size: TreeSize,
    segments: Vec<SegmentMap>,
}

impl SegmentMap {
    /// A segment without frames.
    pub(super) fn empty(path: PathBuf, first: LeafIndex, capacity: u64) -> Self {
        let end = on_disk(HEADER_BYTES);
        Self { path, first, capacity, end, blocks: Vec::new(), is_indexed: true }
    }

    /// A segment that has not been looked into: one block, to its end, until a reader comes by.
    pub(super) fn unread(path: PathBuf, first: LeafIndex, capacity: u64) -> Self {
        let blocks = vec![Block { first, offset: on_disk(HEADER_BYTES) }];
        Self { path, first, capacity, end: capacity, blocks, is_indexed: false }
    }

    /// Where its last committed frame ends.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    const fn has_frames(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Notes a frame that ends at offset `end`, behind those before.
    pub(super) fn push(&mut self, first: LeafIndex, end: u64) {
        let offset = self.end;
        push_block(&mut self.blocks, Block { first, offset });
        self.end = end;
    }

    fn stretch(&self, leaf: LeafIndex) -> Option<Stretch> {
        let after = self.blocks.partition_point(|block| block.first <= leaf);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        Some(Stretch {
            path: self.path.clone(),
            first: block.first,
            offset: block.offset,
            end: self.blocks.get(after).map_or(self.end, |next| next.offset),
            capacity: self.capacity,
            is_indexed: self.is_indexed,
        })
    }
}

impl Map {
    pub(super) fn new(segments: Vec<SegmentMap>, size: TreeSize) -> Self {
        Self { state: RwLock::new(State { size, segments }) }
    }

    pub(super) fn size(&self) -> TreeSize {
        self.read().size
    }

    /// Starts a segment. One without frames that starts at the same leaf has been replaced by it.
    pub(super) fn roll(&self, segment: SegmentMap) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.segments.pop_if(|last| last.first == segment.first);
        state.segments.push(segment);
    }

    /// Notes a committed frame in the last segment.
    pub(super) fn commit(&self, first: LeafIndex, size: TreeSize, end: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = state.segments.last_mut() {
            segment.push(first, end);
        }
        state.size = size;
    }

    /// The first leaf that is kept.
    pub(super) fn first(&self) -> LeafIndex {
        self.read().segments.first().map(|segment| segment.first).unwrap_or_default()
    }

    /// Takes out the first segment, if all its leaves lie before `upto` and there are frames behind
    /// it.
    pub(super) fn take_first(&self, upto: TreeSize) -> Option<SegmentMap> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let second = state.segments.get(1)?;
        if second.first.get() > upto.get() || !second.has_frames() {
            return None;
        }
        Some(state.segments.remove(0))
    }

    /// Puts back what was taken out.
    pub(super) fn put_back(&self, first: SegmentMap) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.segments.insert(0, first);
    }

    /// Notes the blocks of a segment that had not been looked into.
    pub(super) fn index(&self, first: LeafIndex, blocks: Vec<Block>, end: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let unread = state.segments.iter_mut().find(|segment| segment.first == first);
        if let Some(segment) = unread.filter(|segment| !segment.is_indexed) {
            segment.blocks = blocks;
            segment.end = end;
            segment.is_indexed = true;
        }
    }

    /// Where a committed leaf is to be found.
    pub(super) fn stretch(&self, leaf: LeafIndex) -> Option<Stretch> {
        let state = self.read();
        if !state.size.contains(leaf) {
            return None;
        }
        let after = state.segments.partition_point(|segment| segment.first <= leaf);
        state.segments.get(after.checked_sub(1)?)?.stretch(leaf)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes a place where a frame starts, if it is far enough from the last one noted.
pub(super) fn push_block(blocks: &mut Vec<Block>, block: Block) {
    if blocks.last().is_none_or(|last| block.offset - last.offset >= BLOCK_BYTES) {
        blocks.push(block);
    }
}
