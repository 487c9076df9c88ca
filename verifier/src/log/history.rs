//! The tree's root at every size it ever had, so that what somebody saw long ago can be compared.

use proof::merkle::{Frontier, HashSource, MemoryTree, MissingSubtree, node_hash, root_at};
use proof::{Hash, LeafIndex, TreeSize};

/// Subtrees of 2^4 leaves and larger are kept; smaller ones are worked out again. That makes 36 bytes a leaf, and at
/// most 15 more hashes a root.
const KEPT_HEIGHT: u8 = 4;

/// The hashes of a log's leaves.
#[derive(Debug, Default)]
pub(crate) struct History {
    leaves: Vec<Hash>,
    upper: MemoryTree,
}

impl History {
    /// Adds the next leaf's hash.
    pub(crate) fn push(&mut self, leaf_hash: Hash) {
        self.leaves.push(leaf_hash);
        let width = 1_usize << KEPT_HEIGHT;
        if self.leaves.len().is_multiple_of(width) {
            let start = self.leaves.len().saturating_sub(width);
            if let Some(root) = self.leaves.get(start..).and_then(complete_root) {
                self.upper.push(root);
            }
        }
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> TreeSize {
        TreeSize::new(u64::try_from(self.leaves.len()).unwrap_or(u64::MAX))
    }

    /// The hash of a leaf.
    pub(crate) fn leaf(&self, index: LeafIndex) -> Option<&Hash> {
        self.leaves.get(usize::try_from(index.get()).ok()?)
    }

    /// The root of the tree of the first `size` leaves, if there were ever so many.
    pub(crate) fn root_at(&self, size: TreeSize) -> Option<Hash> {
        if size > self.size() { None } else { root_at(self, size).ok() }
    }

    /// The tree of the first `size` leaves, ready to grow.
    pub(crate) fn frontier_at(&self, size: TreeSize) -> Option<Frontier> {
        let mut hashes = Vec::new();
        let mut at = 0;
        // The complete subtrees of a tree are the ones in the binary form of its size.
        while let Some(level) = size.get().saturating_sub(at).checked_ilog2() {
            let level = u8::try_from(level).ok()?;
            hashes.push(self.subtree(level, at >> level).ok()?);
            at = at.saturating_add(1 << level);
        }
        Frontier::from_parts(size, hashes).ok()
    }
}

impl HashSource for History {
    type Error = MissingSubtree;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, MissingSubtree> {
        if let Some(level) = level.checked_sub(KEPT_HEIGHT) {
            return self.upper.subtree(level, index);
        }
        let missing = MissingSubtree { level, index };
        let start = usize::try_from(index).ok().and_then(|index| index.checked_mul(1_usize << level)).ok_or(missing)?;
        let leaves = self.leaves.get(start..).and_then(|leaves| leaves.get(..1_usize << level));
        leaves.and_then(complete_root).ok_or(missing)
    }
}

/// The root over a power of two of hashes.
pub(crate) fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [hash] => Some(*hash),
        [left, right] => Some(node_hash(left, right)),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Some(node_hash(&complete_root(left)?, &complete_root(right)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use proof::merkle::{Frontier, leaf_hash};

    use super::*;

    #[test]
    fn every_size_has_the_root_it_had() {
        let (mut history, mut frontier, mut roots) =
            (History::default(), Frontier::new(), vec![Frontier::new().root()]);
        for n in 0..300_u32 {
            let hash = leaf_hash(&n.to_be_bytes());
            history.push(hash);
            frontier.push(hash);
            roots.push(frontier.root());
            assert_eq!(history.leaf(LeafIndex::new(u64::from(n))), Some(&hash));
        }
        for (size, root) in (0..).zip(&roots) {
            assert_eq!(history.root_at(TreeSize::new(size)), Some(*root), "{size}");
            let frontier = history.frontier_at(TreeSize::new(size)).unwrap();
            assert_eq!((frontier.size().get(), frontier.root()), (size, *root));
        }
        assert_eq!(history.frontier_at(TreeSize::new(301)), None);
        assert_eq!(history.root_at(TreeSize::new(301)), None);
        assert_eq!(history.leaf(LeafIndex::new(300)), None);
    }
}
