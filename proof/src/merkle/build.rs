//! Building proofs from the hashes of complete subtrees.

use alloc::vec::Vec;
use core::fmt;

use super::fold;
use crate::hash::Hash;
use crate::index::{LeafIndex, TreeSize};

/// Where the hashes of complete subtrees come from.
pub trait HashSource {
    /// Why a hash could not be had.
    type Error;

    /// The hash of subtree number `index` among those of 2^`level` leaves: the one over the leaves
    /// `index * 2^level` up to `(index + 1) * 2^level`.
    ///
    /// Asked only for subtrees that lie within the size that the proof is for.
    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Why a proof could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError<E> {
    /// The tree has no such leaf.
    NoSuchLeaf {
        /// The leaf asked for.
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
    /// A hash could not be had.
    Source(E),
}

/// The path from a leaf to the root of the tree of `size` leaves: RFC 6962 `PATH`, the leaf's
/// sibling first.
pub fn inclusion_proof<S: HashSource>(
    source: &S,
    index: LeafIndex,
    size: TreeSize,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if !size.contains(index) {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let leaf = index.get();
    let (mut start, mut end) = (0, size.get());
    let mut path = Vec::new();
    // From the root down; the sibling of each step is the half that the leaf is not in.
    while end - start > 1 {
        let middle = start + split(end - start);
        if leaf < middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree of `new` leaves extends that of `old`: RFC 6962 `PROOF`. Empty when there
/// is nothing to prove, that is for `old` zero or equal to `new`.
pub fn consistency_proof<S: HashSource>(
    source: &S,
    old: TreeSize,
    new: TreeSize,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    if old > new {
        return Err(ProofError::Shrinking { old, new });
    }
    if old == TreeSize::ZERO || old == new {
        return Ok(Vec::new());
    }
    let boundary = old.get();
    let (mut start, mut end) = (0, new.get());
    let mut path = Vec::new();
    // RFC 6962 SUBPROOF from the root down, until a subtree ends exactly where the old tree did.
    while end != boundary {
        let middle = start + split(end - start);
        if boundary <= middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    // A subtree that starts at zero is the whole old tree: the verifier has its root already.
    if start != 0 {
        path.push(range_root(source, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root of the tree of the first `size` leaves.
pub fn root_at<S: HashSource>(source: &S, size: TreeSize) -> Result<Hash, ProofError<S::Error>> {
    range_root(source, 0, size.get())
}

/// The largest power of two below `size`; `size` is at least two.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root over the leaves from `start` up to `end`, where `start` is a multiple of a power of
/// two that is no smaller than their number (as every range of a Merkle tree is).
fn range_root<S: HashSource>(source: &S, start: u64, end: u64) -> Result<Hash, ProofError<S::Error>> {
    let mut hashes = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        let index = at >> level;
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        hashes.push(source.subtree(level, index).map_err(ProofError::Source)?);
        at += 1 << level;
    }
    Ok(fold(&hashes))
}

impl<E: fmt::Display> fmt::Display for ProofError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLeaf { index, size } => write!(f, "no leaf {index} in a tree of {size}"),
            Self::Shrinking { old, new } => {
                write!(f, "expected an old size of at most {new}, got {old}")
            }
            Self::Source(error) => write!(f, "cannot read a subtree hash: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ProofError<E> {}
