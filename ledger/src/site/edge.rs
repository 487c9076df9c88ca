//! What of the tree is in memory: its right edge, and what is not on disk yet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use proof::Hash;
use proof::tile::TILE_HEIGHT;

use super::{FULL, LeafBytes};
use crate::tiles::{Tile, TileId};
use crate::width::in_memory;

/// Bytes of leaves that wait in memory for the site to be written. Beyond it the oldest bundles are
/// dropped, and read back from the journal when their turn comes.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Bundles that one step of writing takes.
const STEP_BUNDLES: u64 = 64;

/// The edge of the tree.
#[derive(Debug, Default)]
pub(super) struct Edge {
    size: u64,
    /// How many leaves the published checkpoint covers.
    published: u64,
    /// Leaves, a multiple of 256, whose full tiles and bundles are all on disk.
    written: u64,
    /// The partial tile of each level; it may be empty.
    tiles: Vec<Tile>,
    /// Full tiles that are not on disk yet.
    waiting_tiles: BTreeMap<TileId, Arc<Tile>>,
    /// The leaves of the partial bundle.
    tail: Vec<LeafBytes>,
    /// Full bundles that are not on disk yet; some may have been dropped.
    waiting_bundles: BTreeMap<u64, Arc<Vec<LeafBytes>>>,
    waiting_bytes: usize,
}

/// Where a subtree's hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Here.
    Known(Hash),
    /// In a full tile on disk, as number `number` of its row `row`.
    OnDisk { tile: TileId, row: u8, number: u64 },
    /// Nowhere: the tree does not have all its leaves.
    Incomplete,
}

/// Where a bundle's leaves are.
#[derive(Clone, Debug)]
pub(super) enum Leaves {
    /// Here.
    Held(Arc<Vec<LeafBytes>>),
    /// In a full bundle on disk.
    OnDisk,
    /// In the journal only.
    InJournal,
}

/// Full tiles and bundles to be written together.
#[derive(Debug)]
pub(super) struct Step {
    /// The bundles, by number.
    pub(super) bundles: Range<u64>,
    pub(super) tiles: Vec<(TileId, Arc<Tile>)>,
}

impl Edge {
    /// The edge of a tree of `size` leaves, a multiple of 256, all on disk. `tiles` are the partial
    /// tiles of the levels from 0 on.
    pub(super) fn resume(size: u64, tiles: Vec<Tile>) -> Self {
        Self { size, written: size, tiles, ..Self::default() }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) const fn published(&self) -> u64 {
        self.published
    }

    pub(super) const fn written_leaves(&self) -> u64 {
        self.written
    }

    pub(super) const fn set_published(&mut self, size: u64) {
        self.published = size;
    }

    pub(super) fn push(&mut self, leaf_hash: Hash, leaf: LeafBytes) {
        let mut hash = leaf_hash;
        for level in 0..u8::MAX {
            let depth = usize::from(level);
            if self.tiles.len() <= depth {
                self.tiles.push(Tile::new());
            }
            let Some(tile) = self.tiles.get_mut(depth) else {
                break;
            };
            tile.push(hash);
            let Some(root) = tile.root() else { break };
            let full = Arc::new(std::mem::take(tile));
            self.waiting_tiles.insert((level, tiles_within(self.size, level)), full);
            hash = root;
        }
        self.tail.push(leaf);
        self.size += 1;
        if self.size.is_multiple_of(FULL) {
            self.hold_bundle();
        }
    }

    fn hold_bundle(&mut self) {
        let bundle = Arc::new(std::mem::take(&mut self.tail));
        self.waiting_bytes += weight(&bundle);
        self.waiting_bundles.insert(self.size / FULL - 1, bundle);
        while self.waiting_bytes > MAX_WAITING_BYTES {
            let Some((_, dropped)) = self.waiting_bundles.pop_first() else {
                break;
            };
            self.waiting_bytes -= weight(&dropped);
        }
    }

    /// Where the hash of subtree number `index` of those of 2^`level` leaves is.
    pub(super) fn lookup(&self, level: u8, index: u64) -> Lookup {
        let width = 1_u64.checked_shl(level.into());
        let end = width.and_then(|width| index.checked_add(1)?.checked_mul(width));
        if end.is_none_or(|end| end > self.size) {
            return Lookup::Incomplete;
        }
        let (tile_level, row) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let in_row = FULL >> row;
        let (id, number) = ((tile_level, index / in_row), index % in_row);
        let held = if id.1 == tiles_within(self.size, tile_level) {
            self.tiles.get(usize::from(tile_level))
        } else {
            self.waiting_tiles.get(&id).map(AsRef::as_ref)
        };
        match held {
            None => Lookup::OnDisk { tile: id, row, number },
            Some(tile) => tile.node(row, number).map_or(Lookup::Incomplete, Lookup::Known),
        }
    }

    /// Where the leaves of a bundle are; the partial one may be asked for, too.
    pub(super) fn leaves(&self, bundle: u64) -> Leaves {
        if bundle == self.size / FULL {
            Leaves::Held(Arc::new(self.tail.clone()))
        } else if let Some(held) = self.waiting_bundles.get(&bundle) {
            Leaves::Held(Arc::clone(held))
        } else if bundle < self.written / FULL {
            Leaves::OnDisk
        } else {
            Leaves::InJournal
        }
    }

    /// Leaf number `index`, if it is here.
    pub(super) fn leaf(&self, index: u64) -> Option<LeafBytes> {
        let (bundle, at) = (index / FULL, in_memory(index % FULL));
        if bundle == self.size / FULL {
            self.tail.get(at).cloned()
        } else {
            self.waiting_bundles.get(&bundle)?.get(at).cloned()
        }
    }

    /// What is to be written next, of what lies whole within the first `upto` leaves.
    pub(super) fn step(&self, upto: u64) -> Option<Step> {
        let from = self.written;
        let to = (upto.min(self.size) / FULL).min(from / FULL + STEP_BUNDLES) * FULL;
        if to <= from {
            return None;
        }
        let mut tiles = Vec::new();
        for level in 0..u8::MAX {
            let numbers = tiles_within(from, level)..tiles_within(to, level);
            if numbers.is_empty() {
                break;
            }
            let ids = (level, numbers.start)..(level, numbers.end);
            let waiting = self.waiting_tiles.range(ids);
            tiles.extend(waiting.map(|(id, tile)| (*id, Arc::clone(tile))));
        }
        Some(Step { bundles: from / FULL..to / FULL, tiles })
    }

    /// Notes that a step is on disk: it need not be here any more.
    pub(super) fn written(&mut self, step: &Step) {
        self.written = step.bundles.end * FULL;
        for (id, _) in &step.tiles {
            self.waiting_tiles.remove(id);
        }
        for bundle in step.bundles.clone() {
            if let Some(held) = self.waiting_bundles.remove(&bundle) {
                self.waiting_bytes -= weight(&held);
            }
        }
    }
}

/// How many full tiles a level has in a tree of `size` leaves: that is also the number of its
/// partial one.
pub(super) fn tiles_within(size: u64, level: u8) -> u64 {
    size.checked_shr((u32::from(level) + 1) * u32::from(TILE_HEIGHT)).unwrap_or(0)
}

fn weight(bundle: &[LeafBytes]) -> usize {
    bundle.iter().map(|leaf| leaf.len()).sum()
}
