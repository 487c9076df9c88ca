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
    /// Files that were missing or wrong, and follow from others.
    pub(super) mended: Vec<PathBuf>,
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

    fn leads_to(&self, root: &Hash) -> bool {
        self.root().as_ref() == Some(root) && self.is_over_its_leaves()
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
    let mut edge = Edge { size: checkpoint.size, tiles: Vec::new(), tail: Vec::new(), mended: Vec::new() };
    let mut is_whole = true;
    for coord in partial_tiles(checkpoint.size) {
        if coord.level() == 0 {
            edge.tail = partial_bundle(public, &coord)?;
        }
        let tile = partial_tile(public, &coord)?;
        is_whole &= tile.is_some();
        edge.tiles.push((coord, tile.unwrap_or_default()));
    }
    if is_whole && edge.leads_to(&checkpoint.root) {
        return Ok(edge);
    }
    // Every tile follows from what is below it.
    let mut mended = Edge { size: edge.size, tiles: Vec::new(), tail: edge.tail.clone(), mended: Vec::new() };
    for (coord, found) in &edge.tiles {
        let tile = match coord.level() {
            0 => over(&edge.tail),
            level => from_below(public, (level, coord.index()), coord.width())?.unwrap_or_default(),
        };
        if tile.hashes() != found.hashes() {
            mended.mended.push(public.join(coord.path()));
        }
        mended.tiles.push((*coord, tile));
    }
    if mended.leads_to(&checkpoint.root) {
        return Ok(mended);
    }
    Err(BackupError::Damaged {
        file: blame(public, &edge, &checkpoint.root)?,
        problem: "the tree that it is part of does not have the checkpoint's root".into(),
    })
}

/// The tile over leaves.
fn over(leaves: &[Vec<u8>]) -> Tile {
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    Tile::from_hashes(&hashes)
}

/// The first `width` hashes of a tile that is over others, made from those; `None` if one of them is not there. They are
/// not checked against anything.
pub(super) fn from_below(public: &Path, (level, index): TileId, width: u16) -> Result<Option<Tile>, TreeError> {
    let first = index << TILE_HEIGHT;
    let mut hashes = Vec::with_capacity(usize::from(width));
    for number in first..first.saturating_add(width.into()) {
        let below = TileCoord::new(level.saturating_sub(1), number, TILE_WIDTH)?;
        let mut root = read_tile(&public.join(below.path()))?.and_then(|tile| tile.root());
        if level == 1 {
            // What a bundle says comes before what a tile says of it.
            let bundle = BundleCoord::new(number, TILE_WIDTH)?;
            let leaves = read_leaves(&public.join(bundle.path()))?;
            root = leaves.and_then(|(_, leaves)| over(&leaves).root()).or(root);
        }
        let Some(root) = root else { return Ok(None) };
        hashes.push(root);
    }
    Ok(Some(Tile::from_hashes(&hashes)))
}

/// A partial tile, from its own file, or the beginning of the full one that has come to be since.
fn partial_tile(public: &Path, coord: &TileCoord) -> Result<Option<Tile>, BackupError> {
    let width = usize::from(coord.width());
    let full = TileCoord::new(coord.level(), coord.index(), TILE_WIDTH).map_err(TreeError::from)?;
    for path in [coord.path(), full.path()] {
        if let Some(tile) = read_tile(&public.join(path))?
            && let Some(hashes) = tile.hashes().get(..width)
        {
            return Ok(Some(Tile::from_hashes(hashes)));
        }
    }
    Ok(None)
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

/// Which file is wrong, when mending has not helped: the bundle, unless the tile over it does not lead to the root either;
/// else a full one below an upper tile, which is looked at on its own; else the checkpoint.
fn blame(public: &Path, edge: &Edge, root: &Hash) -> Result<PathBuf, BackupError> {
    let Some((coord, _)) = edge.tiles.iter().find(|(coord, _)| coord.level() == 0) else {
        return Ok(public.join("checkpoint"));
    };
    if edge.root().as_ref() == Some(root) && !edge.is_over_its_leaves() {
        let bundle = BundleCoord::new(coord.index(), coord.width()).map_err(TreeError::from)?;
        return Ok(public.join(bundle.path()));
    }
    Ok(public.join("checkpoint"))
}
