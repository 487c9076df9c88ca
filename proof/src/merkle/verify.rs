//! Checking proofs: RFC 9162 2.1.3.2 and 2.1.4.2, step by step.

use core::fmt;

use super::{empty_root, node_hash};
use crate::hash::Hash;
use crate::index::{LeafIndex, TreeSize};

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MerkleError {
    /// The tree has no such leaf.
    NoSuchLeaf {
        /// The leaf that the proof is about.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The older tree is larger than the newer one.
    Shrinking {
        /// The older size.
        old: TreeSize,
        /// The newer size.
        new: TreeSize,
    },
    /// The path has too few or too many hashes.
    PathLength {
        /// How many hashes there were.
        got: usize,
    },
    /// The path leads to another root.
    RootMismatch {
        /// The root that was to be reached.
        expected: Hash,
        /// The root that the path leads to.
        got: Hash,
    },
    /// The path starts from another old root.
    OldRootMismatch {
        /// The old root that was to be reached.
        expected: Hash,
        /// The root that the path leads to.
        got: Hash,
    },
}

/// Checks that the leaf with this hash is at `index` of the tree with this size and root.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: LeafIndex,
    size: TreeSize,
    path: &[Hash],
    root: &Hash,
) -> Result<(), MerkleError> {
    let last = size.last_index().filter(|last| index <= *last);
    let last = last.ok_or(MerkleError::NoSuchLeaf { index, size })?;
    let mut climb = Climb { node: index.get(), last: last.get() };
    let mut hash = *leaf_hash;
    for sibling in path {
        match climb.step() {
            Some(Side::Left) => hash = node_hash(sibling, &hash),
            Some(Side::Right) => hash = node_hash(&hash, sibling),
            None => return Err(MerkleError::PathLength { got: path.len() }),
        }
    }
    if !climb.is_at_root() {
        return Err(MerkleError::PathLength { got: path.len() });
    }
    if hash != *root {
        return Err(MerkleError::RootMismatch { expected: *root, got: hash });
    }
    Ok(())
}

/// Checks that the tree of `new` leaves starts with the tree of `old` leaves.
///
/// Nothing was appended to a tree of the same size: the path must be empty and the roots equal.
/// Every tree extends the empty one: the path must be empty and `old_root` the empty root.
pub fn verify_consistency(
    old: TreeSize,
    old_root: &Hash,
    new: TreeSize,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), MerkleError> {
    if old > new {
        return Err(MerkleError::Shrinking { old, new });
    }
    let Some(last_old) = old.last_index() else {
        return verify_from_empty(old_root, new, new_root, path);
    };
    if old == new {
        return match path {
            [] => same(new_root, old_root),
            _ => Err(MerkleError::PathLength { got: path.len() }),
        };
    }
    let last_new = new.last_index().unwrap_or_default();
    // Start from the largest complete subtree that ends where the old tree does.
    let level = last_old.get().trailing_ones();
    let mut climb = Climb {
        node: last_old.get().checked_shr(level).unwrap_or(0),
        last: last_new.get().checked_shr(level).unwrap_or(0),
    };
    // If that subtree is the whole old tree, the proof leaves its root out.
    let (first, rest) = if old.get().is_power_of_two() {
        (old_root, path)
    } else {
        path.split_first().ok_or(MerkleError::PathLength { got: 0 })?
    };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        match climb.step() {
            Some(Side::Left) => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Some(Side::Right) => new_hash = node_hash(&new_hash, sibling),
            None => return Err(MerkleError::PathLength { got: path.len() }),
        }
    }
    if !climb.is_at_root() {
        return Err(MerkleError::PathLength { got: path.len() });
    }
    if old_hash != *old_root {
        return Err(MerkleError::OldRootMismatch { expected: *old_root, got: old_hash });
    }
    same(new_root, &new_hash)
}

fn verify_from_empty(old_root: &Hash, new: TreeSize, new_root: &Hash, path: &[Hash]) -> Result<(), MerkleError> {
    if !path.is_empty() {
        return Err(MerkleError::PathLength { got: path.len() });
    }
    let empty = empty_root();
    if *old_root != empty {
        return Err(MerkleError::OldRootMismatch { expected: *old_root, got: empty });
    }
    if new == TreeSize::ZERO { same(new_root, &empty) } else { Ok(()) }
}

fn same(expected: &Hash, got: &Hash) -> Result<(), MerkleError> {
    if expected == got { Ok(()) } else { Err(MerkleError::RootMismatch { expected: *expected, got: *got }) }
}

/// Which side of the path's node its sibling is on.
enum Side {
    Left,
    Right,
}

/// A node on its way to the root: its number on its level (RFC 9162's `fn`) and that of the
/// level's last node (`sn`).
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Goes up to the next node that has a sibling; `None` if this is the root already.
    fn step(&mut self) -> Option<Side> {
        if self.is_at_root() {
            return None;
        }
        let is_right_child = self.node & 1 == 1;
        if !is_right_child && self.node < self.last {
            self.shift(1);
            return Some(Side::Right);
        }
        // The last node of a level may have no sibling there, nor on the next levels: it is
        // carried up unchanged until it is a right child.
        self.shift(self.node.trailing_zeros());
        self.shift(1);
        Some(Side::Left)
    }

    fn shift(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }

    const fn is_at_root(&self) -> bool {
        self.last == 0
    }
}

impl fmt::Display for MerkleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLeaf { index, size } => write!(f, "no leaf {index} in a tree of {size}"),
            Self::Shrinking { old, new } => {
                write!(f, "expected an old size of at most {new}, got {old}")
            }
            Self::PathLength { got } => write!(f, "a path of {got} hashes does not fit the tree"),
            Self::RootMismatch { expected, got } => {
                write!(f, "expected root {expected}, got {got}")
            }
            Self::OldRootMismatch { expected, got } => {
                write!(f, "expected old root {expected}, got {got}")
            }
        }
    }
}

impl core::error::Error for MerkleError {}
