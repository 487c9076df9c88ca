//! Tiles in memory: with every complete subtree inside them, so that a proof costs lookups, not
//! hashing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use proof::Hash;
use proof::merkle::node_hash;
use proof::tile::{TILE_HEIGHT, TILE_WIDTH};

use crate::width::in_memory;

/// A tile's address: its level and its number there.
pub(crate) type TileId = (u8, u64);

/// Up to 256 hashes and the subtrees above them.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    /// Row 0 has the tile's own hashes, each row above it one for every two below.
    rows: [Vec<Hash>; TILE_ROWS],
}

const TILE_ROWS: usize = 9;
const _: () = assert!(1 << (TILE_ROWS - 1) == TILE_WIDTH && TILE_HEIGHT == 8);

/// Full tiles that were read from disk and verified: the most recently used ones.
#[derive(Debug)]
pub(crate) struct TileCache {
    capacity: usize,
    state: Mutex<CacheState>,
}

#[derive(Debug, Default)]
struct CacheState {
    clock: u64,
    tiles: HashMap<TileId, (u64, Arc<Tile>)>,
}

impl Tile {
    pub(crate) const fn new() -> Self {
        Self { rows: [const { Vec::new() }; TILE_ROWS] }
    }

    /// Adds a hash. A tile that is full takes no more.
    pub(crate) fn push(&mut self, hash: Hash) {
        if self.is_full() {
            return;
        }
        let mut hash = hash;
        for row in &mut self.rows {
            let left = row.last().copied();
            row.push(hash);
            match left {
                Some(left) if row.len().is_multiple_of(2) => hash = node_hash(&left, &hash),
                _ => return,
            }
        }
    }

    pub(crate) fn from_hashes(hashes: &[Hash]) -> Self {
        let mut tile = Self::new();
        for hash in hashes {
            tile.push(*hash);
        }
        tile
    }

    /// The tile's own hashes.
    pub(crate) fn hashes(&self) -> &[Hash] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    /// The subtree of 2^`row` hashes with this number in the tile, if it is complete.
    pub(crate) fn node(&self, row: u8, number: u64) -> Option<Hash> {
        self.rows.get(usize::from(row))?.get(in_memory(number)).copied()
    }

    /// The hash that a full tile is in the level above.
    pub(crate) fn root(&self) -> Option<Hash> {
        self.node(TILE_HEIGHT, 0)
    }

    fn is_full(&self) -> bool {
        self.hashes().len() == usize::from(TILE_WIDTH)
    }
}

impl Default for Tile {
    fn default() -> Self {
        Self::new()
    }
}

impl TileCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default() }
    }

    pub(crate) fn get(&self, id: TileId) -> Option<Arc<Tile>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let now = state.clock;
        let (used, tile) = state.tiles.get_mut(&id)?;
        *used = now;
        Some(Arc::clone(tile))
    }

    pub(crate) fn insert(&self, id: TileId, tile: Arc<Tile>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let now = state.clock;
        if state.tiles.len() >= self.capacity {
            // A scan, but only when a tile was read from disk, which costs far more.
            let oldest = state.tiles.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest.and_then(|oldest| state.tiles.remove(&oldest));
        }
        state.tiles.insert(id, (now, tile));
    }

    /// Forgets a tile, so that it is read from disk again.
    pub(crate) fn remove(&self, id: TileId) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tiles.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proof::merkle::{Frontier, HashSource, MemoryTree};

    #[test]
    fn a_tile_knows_every_complete_subtree_in_it() {
        let (mut tile, mut tree) = (Tile::new(), MemoryTree::new());
        let mut frontier = Frontier::new();
        for seed in 0..256_u64 {
            let hash = proof::sha256(&seed.to_le_bytes());
            tile.push(hash);
            tree.push(hash);
            frontier.push(hash);
            for row in 0..=9 {
                for number in 0..=seed {
                    assert_eq!(tile.node(row, number), tree.subtree(row, number).ok());
                }
            }
            assert_eq!(tile.root(), (seed == 255).then(|| frontier.root()));
        }
        tile.push(Hash::ZERO);
        assert_eq!(tile.hashes().len(), 256);
        assert_eq!(Tile::from_hashes(tile.hashes()).root(), tile.root());
    }

    #[test]
    fn the_cache_keeps_what_was_used_last() {
        let cache = TileCache::new(2);
        let tile = || Arc::new(Tile::new());
        cache.insert((0, 1), tile());
        cache.insert((0, 2), tile());
        assert!(cache.get((0, 1)).is_some());
        cache.insert((0, 3), tile());
        assert!(cache.get((0, 1)).is_some() && cache.get((0, 3)).is_some());
        assert!(cache.get((0, 2)).is_none());
        cache.remove((0, 1));
        assert!(cache.get((0, 1)).is_none());
    }
}
