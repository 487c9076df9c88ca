//! The tree's root at every size it ever had, so that what somebody saw long ago can be compared.
//!
//! Of each full tile of 256 leaves only the root is kept, an eighth of a byte a leaf, and of the newest tiles all. The
//! hashes in an older tile are read from the site again when they are asked for, and count only if they lead to the root
//! that was kept: the answer is as good as one from memory. Leaves that only a journal has are all kept, 64 bytes each.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use proof::merkle::{Frontier, HashSource, MemoryTree, ProofError, leaf_hash, node_hash, root_at};
use proof::{Hash, LeafIndex, TreeSize};

use super::{entry, site};
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// Tiles that are kept whole: 16 KiB each.
const RECENT: usize = 64;
/// Levels of a tree within a tile.
const HEIGHT: u8 = 8;

/// The hashes of a log's leaves.
pub(crate) struct History<'s> {
    site: &'s dyn Source,
    /// Leaves that the site has.
    published: TreeSize,
    /// The roots of all full tiles.
    roots: MemoryTree,
    /// The tile that grows.
    growing: MemoryTree,
    recent: RefCell<VecDeque<(u64, MemoryTree)>>,
    /// Tiles with leaves that the site does not have.
    unpublished: BTreeMap<u64, MemoryTree>,
}

impl<'s> History<'s> {
    /// Of the log of which a site has `published` leaves; none of them is in here yet.
    pub(crate) fn new(site: &'s dyn Source, published: TreeSize) -> Self {
        let (roots, growing) = (MemoryTree::new(), MemoryTree::new());
        Self { site, published, roots, growing, recent: RefCell::default(), unpublished: BTreeMap::new() }
    }

    /// Adds the next leaf's hash.
    pub(crate) fn push(&mut self, leaf_hash: Hash) {
        self.growing.push(leaf_hash);
        if self.growing.size().get() < site::WIDTH {
            return;
        }
        let number = self.roots.size().get();
        let tile = std::mem::take(&mut self.growing);
        self.roots.push(tile.root());
        if number < self.published.get() / site::WIDTH {
            remember(&mut self.recent.borrow_mut(), number, tile);
        } else {
            self.unpublished.insert(number, tile);
        }
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> TreeSize {
        let full = self.roots.size().get().saturating_mul(site::WIDTH);
        TreeSize::new(full.saturating_add(self.growing.size().get()))
    }

    /// The hash of a leaf, if there is one.
    pub(crate) fn leaf(&self, index: LeafIndex) -> Result<Option<Hash>, Finding> {
        if self.size().contains(index) { self.subtree(0, index.get()).map(Some) } else { Ok(None) }
    }

    /// The root of the tree of the first `size` leaves, if there were ever so many.
    pub(crate) fn root_at(&self, size: TreeSize) -> Result<Option<Hash>, Finding> {
        if size > self.size() {
            return Ok(None);
        }
        root_at(self, size).map(Some).map_err(|error| match error {
            ProofError::Source(finding) => finding,
            other => lost(&other),
        })
    }

    /// The tree of the first `size` leaves, ready to grow, if there were ever so many.
    pub(crate) fn frontier_at(&self, size: TreeSize) -> Result<Option<Frontier>, Finding> {
        if size > self.size() {
            return Ok(None);
        }
        let mut hashes = Vec::new();
        let mut at = 0;
        // The complete subtrees of a tree are the ones in the binary form of its size.
        while let Some(level) = size.get().saturating_sub(at).checked_ilog2() {
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            hashes.push(self.subtree(level, at >> level)?);
            at = at.saturating_add(1 << level);
        }
        Frontier::from_parts(size, hashes).map(Some).map_err(|error| lost(&error))
    }

    /// Asks a full tile of the site for a hash again.
    fn read_again(&self, number: u64, level: u8, index: u64) -> Result<Hash, Finding> {
        let kept = self.roots.subtree(0, number).map_err(|error| lost(&error))?;
        let same = |hashes: Vec<Hash>| {
            let mut tile = MemoryTree::new();
            for hash in hashes {
                tile.push(hash);
            }
            (tile.size().get() == site::WIDTH && tile.root() == kept).then_some(tile)
        };
        let tile = site::read_tile(self.site, 0, number, self.published).ok().and_then(same);
        // A tile may be missing, or have rotted; then the leaves themselves say it.
        let tile = tile.or_else(|| {
            let piece = site::read_bundle(self.site, number, self.published).ok()?;
            same(entry::split(&piece.bytes).0.into_iter().map(leaf_hash).collect())
        });
        let tile = tile.ok_or_else(|| lost(&format_args!("tile {number} is not what it was")))?;
        let hash = tile.subtree(level, index).map_err(|error| lost(&error));
        remember(&mut self.recent.borrow_mut(), number, tile);
        hash
    }
}

fn remember(recent: &mut VecDeque<(u64, MemoryTree)>, number: u64, tile: MemoryTree) {
    if recent.len() >= RECENT {
        recent.pop_front();
    }
    recent.push_back((number, tile));
}

fn lost(detail: &dyn fmt::Display) -> Finding {
    Finding::whole(Rule::Unreadable, format_args!("the site changed while it was read: {detail}"))
}

impl HashSource for History<'_> {
    type Error = Finding;

    fn subtree(&self, level: u8, index: u64) -> Result<Hash, Finding> {
        if let Some(level) = level.checked_sub(HEIGHT) {
            return self.roots.subtree(level, index).map_err(|error| lost(&error));
        }
        let (per_tile, first) = (site::WIDTH >> level, index << level);
        let (number, place) = (first / site::WIDTH, index % per_tile);
        if number == self.roots.size().get() {
            return self.growing.subtree(level, place).map_err(|error| lost(&error));
        }
        let known = match self.unpublished.get(&number) {
            Some(tile) => Some(tile.subtree(level, place)),
            None => {
                let recent = self.recent.borrow();
                recent.iter().rev().find(|(other, _)| *other == number).map(|(_, tile)| tile.subtree(level, place))
            }
        };
        match known {
            Some(hash) => hash.map_err(|error| lost(&error)),
            None => self.read_again(number, level, place),
        }
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
    use proof::tile::{TileCoord, encode_tile};

    use super::*;
    use crate::source::Memory;

    const LEAVES: u64 = 256 * 70 + 9;
    /// Some leaves that only a journal would have.
    const PUBLISHED: u64 = 256 * 68 + 31;

    fn hash(n: u64) -> Hash {
        leaf_hash(&n.to_be_bytes())
    }

    fn site() -> Memory {
        let mut site = Memory::default();
        for number in 0..PUBLISHED / 256 {
            let hashes: Vec<Hash> = (number * 256..(number + 1) * 256).map(hash).collect();
            let path = TileCoord::new(0, number, 256).unwrap().path();
            site.files.insert(path, encode_tile(&hashes).unwrap());
        }
        site
    }

    fn grown(site: &Memory) -> History<'_> {
        let mut history = History::new(site, TreeSize::new(PUBLISHED));
        for n in 0..LEAVES {
            history.push(hash(n));
        }
        history
    }

    #[test]
    fn every_size_has_the_root_it_had() {
        let site = site();
        let history = grown(&site);
        let mut frontier = Frontier::new();
        for n in 0..LEAVES {
            // All of the first tiles, some of the others: those were forgotten, and are read again.
            if n < 520 || n % 97 == 0 || n > PUBLISHED - 40 {
                let size = TreeSize::new(n);
                assert_eq!(history.root_at(size), Ok(Some(frontier.root())), "{n}");
                assert_eq!(history.frontier_at(size), Ok(Some(frontier.clone())), "{n}");
                assert_eq!(history.leaf(LeafIndex::new(n)), Ok(Some(hash(n))));
            }
            frontier.push(hash(n));
        }
        assert_eq!(history.size().get(), LEAVES);
        assert_eq!(history.root_at(TreeSize::new(LEAVES + 1)), Ok(None));
        assert_eq!(history.frontier_at(TreeSize::new(LEAVES + 1)), Ok(None));
        assert_eq!(history.leaf(LeafIndex::new(LEAVES)), Ok(None));
    }

    #[test]
    fn a_tile_that_has_changed_since_is_no_answer() {
        let mut site = site();
        site.files.get_mut("tile/0/000").unwrap()[40] ^= 1;
        site.files.remove("tile/0/001");
        let history = grown(&site);
        for leaf in [5, 300] {
            assert_eq!(history.leaf(LeafIndex::new(leaf)).unwrap_err().rule, Rule::Unreadable);
        }
        assert_eq!(history.leaf(LeafIndex::new(600)), Ok(Some(hash(600))));
        // What is still in memory does not need the site.
        assert_eq!(history.leaf(LeafIndex::new(256 * 69)), Ok(Some(hash(256 * 69))));
    }

    #[test]
    fn memory_holds_the_newest_tiles_only() {
        let site = site();
        let history = grown(&site);
        for n in (0..LEAVES).step_by(256) {
            history.leaf(LeafIndex::new(n)).unwrap();
        }
        assert_eq!(history.recent.borrow().len(), RECENT);
        assert_eq!(history.unpublished.len(), 2);
    }
}
