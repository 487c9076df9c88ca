//! The right edge of a growing tree.

use alloc::vec::Vec;
use core::fmt;

use super::{empty_root, node_hash};
use crate::hash::Hash;
use crate::index::TreeSize;

/// The roots of the complete subtrees that make up a tree, largest first: all that is needed to
/// append, in O(log n) space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: TreeSize,
    hashes: Vec<Hash>,
}

/// The number of hashes does not fit the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontierError {
    /// How many complete subtrees a tree of that size has.
    pub expected: u32,
    /// How many hashes there were.
    pub got: usize,
}

impl Frontier {
    /// The empty tree's.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier that was taken apart with [`size`](Self::size) and [`hashes`](Self::hashes).
    pub fn from_parts(size: TreeSize, hashes: Vec<Hash>) -> Result<Self, FrontierError> {
        let expected = size.get().count_ones();
        if u32::try_from(hashes.len()) == Ok(expected) {
            Ok(Self { size, hashes })
        } else {
            Err(FrontierError { expected, got: hashes.len() })
        }
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The roots of the complete subtrees, largest (leftmost) first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Appends the hash of a leaf (not the leaf itself).
    pub fn push(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        // As in binary addition, every trailing one of the size is a subtree that is now full.
        for _ in 0..self.size.get().trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size = self.size.next_index().size_after();
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        fold(&self.hashes)
    }
}

/// The root over complete subtrees of falling size.
pub(super) fn fold(hashes: &[Hash]) -> Hash {
    let mut from_right = hashes.iter().rev();
    match from_right.next() {
        None => empty_root(),
        Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
    }
}

impl fmt::Display for FrontierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} subtree hashes, got {}", self.expected, self.got)
    }
}

impl core::error::Error for FrontierError {}
