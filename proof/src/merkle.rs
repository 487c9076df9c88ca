//! The RFC 6962 Merkle tree: roots, and proofs of inclusion and consistency.
//!
//! Building ([`inclusion_proof`], [`consistency_proof`], [`root_at`]) reads the hashes of complete
//! subtrees from a [`HashSource`]: tiles on disk, or a [`MemoryTree`]. Checking
//! ([`verify_inclusion`], [`verify_consistency`]) follows RFC 9162 2.1.3.2 and 2.1.4.2 and needs
//! nothing but its arguments.
//!
//! A proof says something only about the size that it is checked against, and some paths fit more
//! than one size. Take the size from a signed checkpoint, never from whoever brings the proof.

mod build;
mod frontier;
mod memory;
mod verify;

use crate::hash::{Hash, Sha256, sha256};

pub use build::{HashSource, ProofError, consistency_proof, inclusion_proof, root_at};
use frontier::fold;
pub use frontier::{Frontier, FrontierError};
pub use memory::{MemoryTree, MissingSubtree};
pub use verify::{MerkleError, verify_consistency, verify_inclusion};

/// The root of a tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// The hash of a leaf's bytes.
///
/// The prefix (0 here, 1 for nodes) keeps anyone from passing off a node as a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&[0]);
    hash.update(leaf);
    hash.finish()
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update(&[1]);
    hash.update(left.as_bytes());
    hash.update(right.as_bytes());
    hash.finish()
}

#[cfg(test)]
mod tests;
