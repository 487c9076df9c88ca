//! The right edge of a published tree: everything that lies in no full tile. It is small, and the root follows from it
//! alone, so it is what the checkpoint is compared with first.

use std::path::{Path, PathBuf};

use proof::merkle::{Frontier, leaf_hash};
use proof::tile::{BundleCoord, TILE_HEIGHT, TILE_WIDTH, TileCoord, partial_tiles};
use proof::{Checkpoint, Hash, TreeSize};

use super::BackupError;
use super::tree::{read_leaves, read_tile};
use crate::site::TreeError;
use crate::tiles::{Tile, TileId};

/// The edge of a tree.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) size: TreeSize,
    /// The partial tiles.
    tiles: Vec<(TileCoord, Tile)>,
    /// The leaves behind the last full bundle.
    pub(super) tail: Vec<Vec<u8>>,
}

impl Edge {
    pub(super) fn partial_tiles(&self) -> impl Iterator<Item = (TileCoord, &[Hash])> {
        self.tiles.iter().map(|(coord, tile)| (*coord, tile.hashes()))
    }

    /// A partial tile.
    pub(super) fn tile(&self, (level, index): TileId) -> Option<&Tile> {
        let found = self.tiles.iter().find(|(coord, _)| (coord.level(), coord.index()) == (level, index));
        found.map(|(_, tile)| tile)
    }

    /// Whether the tree has this tile whole.
    pub(super) fn has_full(&self, (level, index): TileId) -> bool {
        let shift = (u32::from(level) + 1) * u32::from(TILE_HEIGHT);
        index < self.size.get().checked_shr(shift).unwrap_or(0)
    }

    /// Whether the partial tile at the bottom is that over the leaves.
    fn is_over_its_leaves(&self) -> bool {
        let bottom = self.tiles.iter().find(|(coord, _)| coord.level() == 0);
        let hashes = bottom.map_or(&[][..], |(_, tile)| tile.hashes());
        self.tail.iter().map(|leaf| leaf_hash(leaf)).eq(hashes.iter().copied())
    }

    /// The root of the tree: the partial tiles have every complete subtree that it consists of.
    fn root(&self) -> Option<Hash> {
        let mut hashes = Vec::new();
        for (coord, tile) in self.tiles.iter().rev() {
            for row in (0..TILE_HEIGHT).rev() {
                let above = coord.width() >> row;
                if above % 2 == 1 {
                    hashes.push(tile.node(row, u64::from(above) - 1)?);
                }
            }
        }
        Frontier::from_parts(self.size, hashes).ok().map(|frontier| frontier.root())
    }
}

/// Reads the edge of the tree that a checkpoint is about, and checks that it leads to its root.
pub(super) fn read_edge(public: &Path, checkpoint: &Checkpoint) -> Result<Edge, BackupError> {
    let mut edge = Edge { size: checkpoint.size, tiles: Vec::new(), tail: Vec::new() };
    for coord in partial_tiles(checkpoint.size) {
        let tile = partial_tile(public, &coord)?;
        if coord.level() == 0 {
            edge.tail = partial_bundle(public, &coord)?;
        }
        edge.tiles.push((coord, tile));
    }
    if edge.root() == Some(checkpoint.root) && edge.is_over_its_leaves() {
        return Ok(edge);
    }
    Err(BackupError::Damaged {
        file: blame(public, &edge, &checkpoint.root)?,
        problem: "the tree that it is part of does not have the checkpoint's root".into(),
    })
}

/// A partial tile, from its own file, or the beginning of the full one that has come to be since.
fn partial_tile(public: &Path, coord: &TileCoord) -> Result<Tile, BackupError> {
    let width = usize::from(coord.width());
    let full = TileCoord::new(coord.level(), coord.index(), TILE_WIDTH).map_err(TreeError::from)?;
    for path in [coord.path(), full.path()] {
        if let Some(tile) = read_tile(&public.join(path))?
            && let Some(hashes) = tile.hashes().get(..width)
        {
            return Ok(Tile::from_hashes(hashes));
        }
    }
    Err(BackupError::Damaged { file: public.join(coord.path()), problem: "missing, or no tile".into() })
}

fn partial_bundle(public: &Path, coord: &TileCoord) -> Result<Vec<Vec<u8>>, BackupError> {
    let width = usize::from(coord.width());
    let path = |width| BundleCoord::new(coord.index(), width).map(|coord| public.join(coord.path()));
    let (partial, full) = (path(coord.width()).map_err(TreeError::from)?, path(TILE_WIDTH).map_err(TreeError::from)?);
    for file in [&partial, &full] {
        if let Some((_, mut leaves)) = read_leaves(file)?
            && leaves.len() >= width
        {
            leaves.truncate(width);
            return Ok(leaves);
        }
    }
    Err(BackupError::Damaged { file: partial, problem: "missing, or no bundle".into() })
}

/// Which file is wrong: the one that contradicts those below it, or that those above it contradict; the checkpoint, if
/// none does.
fn blame(public: &Path, edge: &Edge, root: &Hash) -> Result<PathBuf, BackupError> {
    for (coord, tile) in &edge.tiles {
        let wrong = match coord.level() {
            0 if edge.is_over_its_leaves() => false,
            // The tile leads to the root, the bundle does not lead to the tile.
            0 if edge.root().as_ref() == Some(root) => {
                let bundle = BundleCoord::new(coord.index(), coord.width()).map_err(TreeError::from)?;
                return Ok(public.join(bundle.path()));
            }
            0 => true,
            _ => !agrees_below(public, coord, tile)?,
        };
        if wrong {
            return Ok(public.join(coord.path()));
        }
    }
    Ok(public.join("checkpoint"))
}

/// Whether the full tiles under a partial one have the hashes that it has for them.
fn agrees_below(public: &Path, coord: &TileCoord, tile: &Tile) -> Result<bool, BackupError> {
    let first = coord.index() << TILE_HEIGHT;
    for (hash, number) in tile.hashes().iter().zip(first..) {
        let below = TileCoord::new(coord.level() - 1, number, TILE_WIDTH).map_err(TreeError::from)?;
        if read_tile(&public.join(below.path()))?.is_some_and(|below| below.root() != Some(*hash)) {
            return Ok(false);
        }
    }
    Ok(true)
}
