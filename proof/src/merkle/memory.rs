//! A whole tree in memory.

use alloc::vec::Vec;
use core::fmt;

use super::{HashSource, fold, node_hash};
use crate::hash::Hash;
use crate::index::TreeSize;

/// Every complete subtree's hash, level by level: for tests and small logs.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    levels: Vec<Vec<Hash>>,
}

/// A subtree that the tree does not have, or not completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingSubtree {
    /// The subtree's height.
    pub level: u8,
    /// Its number among the subtrees of that height.
    pub index: u64,
}

impl MemoryTree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> TreeSize {
        let leaves = self.levels.first().map_or(0, Vec::len);
        TreeSize::new(u64::try_from(leaves).unwrap_or(u64::MAX))
    }

    /// Appends the hash of a leaf (not the leaf itself).
    pub fn push(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        for level in &mut self.levels {
            let left = level.last().copied();
            level.push(hash);
            match left {
                Some(left) if level.len().is_multiple_of(2) => hash = node_hash(&left, &hash),
                _ => return,
            }
        }
        self.levels.push(alloc::vec![hash]);
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        // On every level an odd number of hashes leaves the last one without a parent: those are
        // the frontier, smallest first.
        let mut frontier: Vec<Hash> = self
            .levels
            .iter()
            .filter(|level| !level.len().is_multiple_of(2))
            .filter_map(|level| level.last().copied())
            .collect();
        frontier.reverse();
        fold(&frontier)
    }
}

impl HashSource for MemoryTree {
    type Error = MissingSubtree;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, MissingSubtree> {
        self.levels
            .get(usize::from(level))
            .and_then(|hashes| hashes.get(usize::try_from(index).ok()?))
            .copied()
            .ok_or(MissingSubtree { level, index })
    }
}

impl fmt::Display for MissingSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no complete subtree {} of height {}", self.index, self.level)
    }
}

impl core::error::Error for MissingSubtree {}
