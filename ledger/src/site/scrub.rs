//! Scrubbing: re-reading what was written long ago, and making it again where it has rotted.

use std::path::{Path, PathBuf};

use proof::merkle::leaf_hash;
use proof::tile::{TILE_WIDTH, encode_tile};

use super::read::read_tile;
use super::write::bundle_bytes;
use super::{FULL, TileTree, TreeError};
use crate::durable::{self, Mode};
use crate::tiles::{Tile, TileId};

/// A published file that was wrong, and has been made again from the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The file.
    pub file: PathBuf,
    /// What was wrong with it.
    pub kind: FlawKind,
}

/// What was wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlawKind {
    /// It was gone.
    Missing,
    /// It was not what it had been.
    Damaged,
}

impl TileTree {
    /// How many bundles there are to scrub.
    pub fn scrub_bundles(&self) -> u64 {
        self.published().get() / FULL
    }

    /// Checks bundle number `bundle`, the tile over it, and the tiles above that end with it,
    /// against the journal. What is wrong is replaced and reported.
    ///
    /// A journal that does not lead to the tree's hashes any more is an error, and nothing is
    /// replaced.
    pub fn scrub(&self, bundle: u64) -> Result<Vec<Flaw>, TreeError> {
        let mut flaws = Vec::new();
        if bundle >= self.scrub_bundles() {
            return Ok(flaws);
        }
        let leaves = self.bundle_from_journal(bundle)?;
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let id = (0, bundle);
        self.replace_tile(id, &Tile::from_hashes(&hashes), &mut flaws)?;
        let file = self.bundle_path(bundle, TILE_WIDTH)?;
        self.replace(&file, &bundle_bytes(&leaves)?, &mut flaws)?;
        let (mut level, mut number) = id;
        // A tile above ends with this one if this one is its last.
        while (number + 1).is_multiple_of(FULL) {
            level = level.saturating_add(1);
            number /= FULL;
            if !self.has_tile((level, number)) {
                break;
            }
            let tile = self.tile_from_below((level, number))?;
            self.replace_tile((level, number), &tile, &mut flaws)?;
        }
        Ok(flaws)
    }

    /// Whether a full tile is within the published size.
    fn has_tile(&self, (level, index): TileId) -> bool {
        index < super::edge::tiles_within(self.published().get(), level)
    }

    /// A full tile, from the full tiles below it.
    fn tile_from_below(&self, (level, index): TileId) -> Result<Tile, TreeError> {
        let mut tile = Tile::new();
        let first = index.saturating_mul(FULL);
        for number in first..first.saturating_add(FULL) {
            let file = self.tile_path((level.saturating_sub(1), number), TILE_WIDTH)?;
            let below = read_tile(&file)?;
            tile.push(below.root().ok_or(TreeError::Damaged { file })?);
        }
        Ok(tile)
    }

    /// Replaces a tile on disk by `tile`, which must lead to the hash that the tree has for it.
    fn replace_tile(&self, id: TileId, tile: &Tile, flaws: &mut Vec<Flaw>) -> Result<(), TreeError> {
        let file = self.tile_path(id, TILE_WIDTH)?;
        let expected = match self.tile_root(id) {
            // The tile above is damaged itself: it is put right when its own turn comes.
            Err(TreeError::Damaged { .. }) => None,
            root => Some(root?),
        };
        if expected.is_some() && tile.root() != expected {
            return Err(TreeError::Damaged { file });
        }
        self.cache.remove(id);
        self.replace(&file, &encode_tile(tile.hashes())?, flaws)
    }

    fn replace(&self, file: &Path, bytes: &[u8], flaws: &mut Vec<Flaw>) -> Result<(), TreeError> {
        let found = durable::read(file)?;
        if found.as_deref() == Some(bytes) {
            return Ok(());
        }
        let kind = if found.is_some() { FlawKind::Damaged } else { FlawKind::Missing };
        self.staging.write(file, bytes, Mode::Public)?;
        flaws.push(Flaw { file: file.to_path_buf(), kind });
        Ok(())
    }
}
