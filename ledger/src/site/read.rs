//! Reading old tiles and leaves, each checked against the hashes above it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proof::merkle::{HashSource, leaf_hash};
use proof::tile::{BundleCoord, TILE_HEIGHT, TILE_WIDTH, decode_bundle, decode_tile};
use proof::{Hash, LeafIndex, TreeSize};

use super::edge::Leaves;
use super::{FULL, LeafBytes, TileTree, TreeError};
use crate::disk::Disk;
use crate::durable;
use crate::journal::ReadError;
use crate::tiles::{Tile, TileId};
use crate::width::{in_memory, on_disk};

/// Bytes of leaves after which one call of [`TileTree::read_entries`] stops.
const MAX_READ_BYTES: usize = 4 * 1024 * 1024;

impl TileTree {
    /// The leaves from `from` on, at most `max` of them and none at or beyond `size`. There may be
    /// fewer, but not none, when they are long: ask again from where they end.
    pub fn read_entries(&self, from: LeafIndex, max: usize, size: TreeSize) -> Result<Vec<LeafBytes>, TreeError> {
        let size = size.min(self.size()).get();
        let end = from.get().saturating_add(on_disk(max)).min(size);
        let mut leaves = Vec::new();
        let mut bytes = 0;
        let mut at = from.get();
        while at < end && bytes < MAX_READ_BYTES {
            let bundle_end = (at / FULL + 1).saturating_mul(FULL).min(end);
            for leaf in self.read_in_bundle(at, bundle_end)? {
                bytes += leaf.len();
                leaves.push(leaf);
            }
            at = bundle_end;
        }
        Ok(leaves)
    }

    /// One leaf.
    pub fn read_entry(&self, index: LeafIndex) -> Result<LeafBytes, TreeError> {
        let found = self.read_entries(index, 1, self.size())?.pop();
        found.ok_or(TreeError::Missing { index })
    }

    /// The leaves from `from` up to `end`, all of one bundle.
    fn read_in_bundle(&self, from: u64, end: u64) -> Result<Vec<LeafBytes>, TreeError> {
        let held: Option<Vec<_>> = {
            let edge = self.edge();
            (from..end).map(|index| edge.leaf(index)).collect()
        };
        if let Some(held) = held {
            return Ok(held);
        }
        let bundle = from / FULL;
        let (leaves, file) = self.bundle(bundle)?;
        let skip = in_memory(from % FULL);
        let wanted: Vec<_> = leaves.iter().skip(skip).take(in_memory(end - from)).map(Arc::clone).collect();
        if on_disk(wanted.len()) != end - from {
            return Err(TreeError::Missing { index: LeafIndex::new(from) });
        }
        if let Some(file) = file {
            for (leaf, index) in wanted.iter().zip(from..) {
                if leaf_hash(leaf) != self.subtree(0, index)? {
                    return Err(TreeError::Damaged { file });
                }
            }
        }
        Ok(wanted)
    }

    /// The leaves of a bundle, and the file that they were read from, unchecked, if there is one.
    pub(super) fn bundle(&self, bundle: u64) -> Result<(Arc<Vec<LeafBytes>>, Option<PathBuf>), TreeError> {
        let leaves = self.edge().leaves(bundle);
        match leaves {
            Leaves::Held(leaves) => Ok((leaves, None)),
            Leaves::OnDisk => self.bundle_from_disk(bundle),
            Leaves::InJournal => match self.bundle_from_journal(bundle)? {
                Some(leaves) => Ok((Arc::new(leaves), None)),
                // It has been written in the meantime, and the journal has given it up.
                None => self.bundle_from_disk(bundle),
            },
        }
    }

    fn bundle_from_disk(&self, bundle: u64) -> Result<(Arc<Vec<LeafBytes>>, Option<PathBuf>), TreeError> {
        let file = self.bundle_path(bundle, TILE_WIDTH)?;
        let leaves = read_bundle(self.disk(), &file)?;
        Ok((Arc::new(leaves), Some(file)))
    }

    /// The leaves of a bundle, as many as are committed, from the journal; `None` if it has given
    /// them up.
    pub(super) fn bundle_from_journal(&self, bundle: u64) -> Result<Option<Vec<LeafBytes>>, TreeError> {
        let from = LeafIndex::new(bundle.saturating_mul(FULL));
        let mut leaves = Vec::new();
        let read = self.journal.read(from, &mut |frame| {
            for (_, leaf) in frame.leaves_from(from) {
                if on_disk(leaves.len()) == FULL {
                    return ControlFlow::Break(());
                }
                leaves.push(Arc::new(leaf.to_vec()));
            }
            ControlFlow::Continue(())
        });
        match read {
            Ok(()) => Ok(Some(leaves)),
            Err(ReadError::Reclaimed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A full tile, verified.
    pub(super) fn load_tile(&self, id: TileId) -> Result<Arc<Tile>, TreeError> {
        if let Some(tile) = self.cache.get(id) {
            return Ok(tile);
        }
        let file = self.tile_path(id, TILE_WIDTH)?;
        let tile = read_tile(self.disk(), &file)?;
        // The recursion ends at the edge: every level is one nearer to the root.
        let expected = self.tile_root(id)?;
        if tile.root() != Some(expected) {
            return Err(TreeError::Damaged { file });
        }
        let tile = Arc::new(tile);
        self.cache.insert(id, Arc::clone(&tile));
        Ok(tile)
    }

    /// The root that a full tile must have.
    pub(super) fn tile_root(&self, (level, index): TileId) -> Result<Hash, TreeError> {
        self.subtree(level.saturating_add(1).saturating_mul(TILE_HEIGHT), index)
    }

    /// The first `width` hashes of a tile, wherever they are.
    pub(super) fn tile_hashes(&self, (level, index): TileId, width: u16) -> Result<Vec<Hash>, TreeError> {
        let first = index.saturating_mul(FULL);
        (first..first.saturating_add(width.into()))
            .map(|number| self.subtree(level.saturating_mul(TILE_HEIGHT), number))
            .collect()
    }
}

/// A tile as it is on disk, not checked against anything.
pub(super) fn read_tile(disk: &dyn Disk, file: &Path) -> Result<Tile, TreeError> {
    let damaged = || TreeError::Damaged { file: file.to_path_buf() };
    let bytes = durable::read(disk, file)?.ok_or_else(damaged)?;
    let hashes = decode_tile(&bytes).map_err(|_| damaged())?;
    Ok(Tile::from_hashes(&hashes))
}

/// The leaves of a full bundle of the site under `data_dir`, not checked against anything; `None` if
/// there is no such bundle. For whoever replays a log from its start when the journal has given its
/// own beginning up, and checks the root that the leaves lead to.
pub fn stored_bundle(disk: &dyn Disk, data_dir: &Path, number: u64) -> Result<Option<Vec<LeafBytes>>, TreeError> {
    let file = data_dir.join("public").join(BundleCoord::new(number, TILE_WIDTH)?.path());
    match read_bundle(disk, &file) {
        Err(TreeError::Damaged { .. }) if durable::read(disk, &file)?.is_none() => Ok(None),
        read => read.map(Some),
    }
}

/// A full bundle as it is on disk, not checked against anything.
pub(super) fn read_bundle(disk: &dyn Disk, file: &Path) -> Result<Vec<LeafBytes>, TreeError> {
    let damaged = || TreeError::Damaged { file: file.to_path_buf() };
    let bytes = durable::read(disk, file)?.ok_or_else(damaged)?;
    let entries = full_bundle(&bytes).ok_or_else(damaged)?;
    Ok(entries.into_iter().map(|entry| Arc::new(entry.to_vec())).collect())
}

/// The entries of a full bundle.
fn full_bundle(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    decode_bundle(bytes).ok().filter(|entries| entries.len() == usize::from(TILE_WIDTH))
}

/// The tile over a full bundle.
pub(super) fn tile_over(bundle: &[u8]) -> Option<Tile> {
    let hashes: Vec<_> = full_bundle(bundle)?.into_iter().map(leaf_hash).collect();
    Some(Tile::from_hashes(&hashes))
}
