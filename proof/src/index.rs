//! Which leaf, and how many: two numbers that must never be mixed up.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The position of a leaf in the log, counted from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafIndex(u64);

/// The number of leaves in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(u64);

impl LeafIndex {
    /// The leaf at this position.
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The position as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one. Saturates: no log reaches 2^64 leaves.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The size of the smallest tree that contains this leaf.
    pub const fn size_after(self) -> TreeSize {
        TreeSize(self.0.saturating_add(1))
    }
}

impl TreeSize {
    /// The empty tree.
    pub const ZERO: Self = Self(0);

    /// A tree of this many leaves.
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// The count as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether a tree of this size has a leaf at `index`.
    pub const fn contains(self, index: LeafIndex) -> bool {
        index.0 < self.0
    }

    /// The position that the next appended leaf gets.
    pub const fn next_index(self) -> LeafIndex {
        LeafIndex(self.0)
    }

    /// The position of the last leaf, if there is one.
    pub const fn last_index(self) -> Option<LeafIndex> {
        match self.0.checked_sub(1) {
            Some(index) => Some(LeafIndex(index)),
            None => None,
        }
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_size_convert_one_way_each() {
        let index = LeafIndex::new(4);
        assert_eq!(index.size_after(), TreeSize::new(5));
        assert_eq!(index.next(), LeafIndex::new(5));
        assert!(index.size_after().contains(index));
        assert!(!index.size_after().contains(index.next()));
        assert_eq!(TreeSize::new(5).next_index(), LeafIndex::new(5));
        assert_eq!(TreeSize::new(5).last_index(), Some(index));
        assert_eq!(TreeSize::ZERO.last_index(), None);
    }

    #[test]
    fn both_are_plain_json_numbers() {
        assert_eq!(serde_json::to_string(&LeafIndex::new(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<TreeSize>("9").unwrap(), TreeSize::new(9));
        assert_eq!(std::format!("{}/{}", LeafIndex::new(1), TreeSize::new(2)), "1/2");
    }
}
