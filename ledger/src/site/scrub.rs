//! Scrubbing: re-reading what was written long ago, and making it again where it has rotted.

use std::error::Error;
use std::path::{Path, PathBuf};

use proof::Hash;
use proof::merkle::leaf_hash;
use proof::tile::{TILE_WIDTH, encode_tile};

use super::read::{read_tile, tile_over};
use super::write::bundle_bytes;
use super::{FULL, TileTree, TreeError};
use crate::durable::{self, Mode};
use crate::tiles::{Tile, TileId};
use crate::width::in_memory;

/// A published file that was wrong, and has been put right.
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

/// Another copy of the bundles: a backup, a peer. It is never trusted: what it gives must have the
/// hashes that the tree has.
pub trait Spare {
    /// The bytes of a full bundle, as the site has them, or `None` if this copy does not have it.
    fn bundle(&self, number: u64) -> Result<Option<Vec<u8>>, SpareError>;
}

/// What a spare copy failed with.
pub type SpareError = Box<dyn Error + Send + Sync>;

/// No other copy.
#[derive(Clone, Copy, Debug)]
pub struct NoSpare;

impl Spare for NoSpare {
    fn bundle(&self, _: u64) -> Result<Option<Vec<u8>>, SpareError> {
        Ok(None)
    }
}

impl TileTree {
    /// How many bundles there are to scrub.
    pub fn scrub_bundles(&self) -> u64 {
        self.published().get() / FULL
    }

    /// [`scrub_with`](Self::scrub_with) without another copy of the bundles.
    pub fn scrub(&self, bundle: u64) -> Result<Vec<Flaw>, TreeError> {
        self.scrub_with(bundle, &NoSpare)
    }

    /// Checks bundle number `bundle`, the tile over it, and the tiles above that end with it. What is
    /// wrong is replaced and reported.
    ///
    /// Leaves that the journal has come from it. If it does not lead to the tree's hashes any more,
    /// that is an error, and nothing is replaced. Leaves that it has given up come from the bundle
    /// itself, or, if that has not the hash that the tree has for it, from the spare copy; if that has
    /// not either, the bundle is [`TreeError::Damaged`].
    pub fn scrub_with(&self, bundle: u64, spare: &dyn Spare) -> Result<Vec<Flaw>, TreeError> {
        let mut flaws = Vec::new();
        if bundle >= self.scrub_bundles() {
            return Ok(flaws);
        }
        let id = (0, bundle);
        if let Some(leaves) = self.bundle_from_journal(bundle)? {
            let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            self.replace_tile(id, &Tile::from_hashes(&hashes), &mut flaws)?;
            let file = self.bundle_path(bundle, TILE_WIDTH)?;
            self.replace(&file, &bundle_bytes(&leaves)?, &mut flaws)?;
        } else {
            let tile = self.mend_bundle(bundle, spare, &mut flaws)?;
            self.replace_tile(id, &tile, &mut flaws)?;
        }
        let (mut level, mut number) = id;
        // A tile above ends with this one if this one is its last.
        while (number + 1).is_multiple_of(FULL) {
            level = level.saturating_add(1);
            number /= FULL;
            if !self.has_tile((level, number)) {
                break;
            }
            let tile = self.tile_from_mended((level, number), &mut flaws)?;
            self.replace_tile((level, number), &tile, &mut flaws)?;
        }
        Ok(flaws)
    }

    /// Makes sure that a bundle which the journal does not have is right, and returns the tile over it.
    fn mend_bundle(&self, bundle: u64, spare: &dyn Spare, flaws: &mut Vec<Flaw>) -> Result<Tile, TreeError> {
        let expected = self.expected_root((0, bundle), flaws)?;
        let file = self.bundle_path(bundle, TILE_WIDTH)?;
        let good = |bytes: &[u8]| tile_over(bytes).filter(|tile| tile.root() == Some(expected));
        if let Some(tile) = durable::read(self.disk(), &file)?.as_deref().and_then(good) {
            return Ok(tile);
        }
        let offered = spare.bundle(bundle).unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), %error, "no spare copy of a damaged bundle");
            None
        });
        let Some((bytes, tile)) = offered.and_then(|bytes| good(&bytes).map(|tile| (bytes, tile))) else {
            return Err(TreeError::Damaged { file });
        };
        self.replace(&file, &bytes, flaws)?;
        Ok(tile)
    }

    /// The root that a full tile must have. Damaged tiles above it are made again first: there is no
    /// journal to compare with.
    fn expected_root(&self, (level, index): TileId, flaws: &mut Vec<Flaw>) -> Result<Hash, TreeError> {
        match self.tile_root((level, index)) {
            Err(TreeError::Damaged { .. }) => {
                self.mend_tile((level.saturating_add(1), index / FULL), flaws)?;
                self.tile_root((level, index))
            }
            root => root,
        }
    }

    /// Makes sure that a full tile above the lowest is right: from the tiles below it, or, where some
    /// of them are damaged as well, from whatever agrees.
    fn mend_tile(&self, id: TileId, flaws: &mut Vec<Flaw>) -> Result<(), TreeError> {
        let expected = self.expected_root(id, flaws)?;
        let from_tiles = self.tile_from_below(id).ok().filter(|tile| tile.root() == Some(expected));
        let tile = match from_tiles {
            Some(tile) => tile,
            None => self.tile_from_witnesses(id)?,
        };
        self.replace_tile(id, &tile, flaws)
    }

    /// A full tile above the lowest, each hash of it as two of three have it: the tile itself, the tile
    /// below, and the bundles. A guess, until its root is looked at.
    fn tile_from_witnesses(&self, id: TileId) -> Result<Tile, TreeError> {
        let (level, index) = id;
        let file = self.tile_path(id, TILE_WIDTH)?;
        let Some(level) = level.checked_sub(1) else {
            let file = self.bundle_path(index, TILE_WIDTH)?;
            let tile = durable::read(self.disk(), &file)?.as_deref().and_then(tile_over);
            return tile.ok_or(TreeError::Damaged { file });
        };
        let stored = read_tile(self.disk(), &file).unwrap_or_default();
        let mut tile = Tile::new();
        for (number, at) in (index.saturating_mul(FULL)..).zip(0..in_memory(FULL)) {
            let here = stored.hashes().get(at).copied();
            let below =
                read_tile(self.disk(), &self.tile_path((level, number), TILE_WIDTH)?).ok().and_then(|tile| tile.root());
            let mut hash = below;
            if hash.is_none() || here != below {
                let leaves = self.tile_from_witnesses((level, number)).ok().and_then(|tile| tile.root());
                let agrees = leaves.is_some() && (leaves == here || leaves == below);
                hash = if agrees { leaves } else { below.or(leaves).or(here) };
            }
            tile.push(hash.ok_or_else(|| TreeError::Damaged { file: file.clone() })?);
        }
        Ok(tile)
    }

    /// A full tile, from the full tiles below it; those that have rotted since their own turn are made again first.
    fn tile_from_mended(&self, id: TileId, flaws: &mut Vec<Flaw>) -> Result<Tile, TreeError> {
        let expected = self.expected_root(id, flaws)?;
        if let Some(tile) = self.tile_from_below(id).ok().filter(|tile| tile.root() == Some(expected)) {
            return Ok(tile);
        }
        let first = id.1.saturating_mul(FULL);
        for number in first..first.saturating_add(FULL) {
            let below = (id.0.saturating_sub(1), number);
            let root = self.expected_root(below, flaws)?;
            let stored = read_tile(self.disk(), &self.tile_path(below, TILE_WIDTH)?);
            if stored.ok().and_then(|tile| tile.root()) != Some(root) {
                self.mend_tile(below, flaws)?;
            }
        }
        self.tile_from_below(id)
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
            let below = read_tile(self.disk(), &file)?;
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
        let found = durable::read(self.disk(), file)?;
        if found.as_deref() == Some(bytes) {
            return Ok(());
        }
        let kind = if found.is_some() { FlawKind::Damaged } else { FlawKind::Missing };
        self.staging.write(file, bytes, Mode::Public)?;
        flaws.push(Flaw { file: file.to_path_buf(), kind });
        Ok(())
    }
}
