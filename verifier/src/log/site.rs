//! Bundles and tiles of a tree of a certain size, wherever a site keeps them.

use std::fmt;

use proof::tile::{BundleCoord, TileCoord, decode_tile};
use proof::{Hash, LeafIndex, TreeSize};

use crate::rule::{Finding, Rule};
use crate::source::{Source, SourceError};

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const WIDTH: u64 = 256;
/// 256 entries of 65,535 bytes, each behind two bytes of length.
pub(crate) const MAX_BUNDLE_BYTES: u64 = WIDTH * 65_537;
pub(crate) const MAX_TILE_BYTES: u64 = WIDTH * 32;

/// The number of bundles of a tree.
pub(crate) const fn bundles(size: TreeSize) -> u64 {
    size.get().div_ceil(WIDTH)
}

/// How many of the hashes of a level are in its tile number `index`; none if the level has no such tile.
pub(crate) fn width(level: u8, index: u64, size: TreeSize) -> u16 {
    let hashes = size.get().checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0);
    let rest = hashes.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
    u16::try_from(rest).unwrap_or(0)
}

/// The first leaf below hash number `position` of a level.
pub(crate) fn first_leaf(level: u8, position: u64) -> LeafIndex {
    let leaves = 1_u64.checked_shl(u32::from(level).saturating_mul(8)).unwrap_or(u64::MAX);
    LeafIndex::new(position.saturating_mul(leaves))
}

/// A tile or bundle as it was read.
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// How many hashes or entries it must hold.
    pub(crate) holds: u16,
    /// How many of them belong to the tree. A site may have replaced a partial piece by the full one, which then holds
    /// later ones too.
    pub(crate) width: u16,
}

/// Reads an entry bundle.
pub(crate) fn read_bundle(site: &dyn Source, index: u64, size: TreeSize) -> Result<Piece, Finding> {
    let first = first_leaf(0, index.saturating_mul(WIDTH));
    let width = width(0, index, size);
    let path = |width| BundleCoord::new(index, width).ok().map(|coord| coord.path());
    read_either(site, [path(width), path(256)], width, MAX_BUNDLE_BYTES)
        .map_err(|no| no.finding(first, Rule::EntriesMissing, Rule::Bundle))
}

/// The hashes of a tile that belong to the tree.
pub(crate) fn read_tile(site: &dyn Source, level: u8, index: u64, size: TreeSize) -> Result<Vec<Hash>, Finding> {
    let first = first_leaf(level, index.saturating_mul(WIDTH));
    let width = width(level, index, size);
    let path = |width| TileCoord::new(level, index, width).ok().map(|coord| coord.path());
    let piece = read_either(site, [path(width), path(256)], width, MAX_TILE_BYTES)
        .map_err(|no| no.finding(first, Rule::TileMissing, Rule::Tile))?;
    let malformed = |detail: &dyn fmt::Display| {
        Finding::at(first, Rule::Tile, format_args!("tile {index} of level {level}: {detail}"))
    };
    let mut hashes = decode_tile(&piece.bytes).map_err(|error| malformed(&error))?;
    if hashes.len() != usize::from(piece.holds) {
        return Err(malformed(&format_args!("expected {} hashes, got {}", piece.holds, hashes.len())));
    }
    hashes.truncate(usize::from(width));
    Ok(hashes)
}

/// Why there is no piece.
enum NoPiece {
    Missing(String),
    Unreadable(SourceError),
}

impl NoPiece {
    fn finding(&self, at: LeafIndex, missing: Rule, malformed: Rule) -> Finding {
        match self {
            Self::Missing(path) => Finding::at(at, missing, format_args!("`{path}` is not there")),
            Self::Unreadable(error) => unreadable(Some(at), malformed, error),
        }
    }
}

/// The piece at its partial address, else the full one.
fn read_either(site: &dyn Source, paths: [Option<String>; 2], width: u16, max_bytes: u64) -> Result<Piece, NoPiece> {
    let [Some(part), Some(full)] = paths else {
        return Err(NoPiece::Missing("the tree has no such piece".to_owned()));
    };
    for (path, holds) in [(&part, width), (&full, 256)] {
        if let Some(bytes) = site.read(path, max_bytes).map_err(NoPiece::Unreadable)? {
            return Ok(Piece { bytes, holds, width });
        }
    }
    Err(NoPiece::Missing(part))
}

/// A file that is longer than any is malformed; one that cannot be read proves nothing.
pub(crate) fn unreadable(index: Option<LeafIndex>, rule: Rule, error: &SourceError) -> Finding {
    match error {
        SourceError::TooLarge { .. } => Finding { index, rule, detail: error.to_string() },
        SourceError::Unreadable { .. } => Finding::whole(Rule::Unreadable, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_follow_the_example_of_the_specification() {
        let size = TreeSize::new(70_000);
        assert_eq!(bundles(size), 274);
        assert_eq!((width(0, 272, size), width(0, 273, size), width(0, 274, size)), (256, 112, 0));
        assert_eq!((width(1, 0, size), width(1, 1, size), width(2, 0, size), width(3, 0, size)), (256, 17, 1, 0));
        assert_eq!(width(9, u64::MAX, TreeSize::new(u64::MAX)), 0);
        assert_eq!(first_leaf(1, 3), LeafIndex::new(768));
        assert_eq!(first_leaf(8, 3), LeafIndex::new(u64::MAX));
    }
}
