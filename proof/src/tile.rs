//! Addresses and bytes of a static log site (C2SP tlog-tiles).
//!
//! A tile at level `l` holds up to 256 hashes, each the root of a full tile one level below (at
//! level 0: leaf hashes). Full tiles never change. The last tile of a level is *partial* unless
//! the level's number of hashes is a multiple of 256; it is addressed with its width and replaced
//! as the tree grows. An entry bundle holds the leaves behind a level-0 tile.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::checkpoint::parse_decimal;
use crate::hash::Hash;
use crate::index::TreeSize;
use crate::limits::{MAX_LEAF_BYTES, MAX_TILE_WIDTH};

/// Levels of the tree that one tile covers.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = MAX_TILE_WIDTH;

/// The highest level that a path may name.
const MAX_LEVEL: u8 = 63;

/// The address of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileCoord {
    level: u8,
    index: u64,
    width: u16,
}

/// The address of an entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleCoord {
    index: u64,
    width: u16,
}

/// Why an address or the bytes of a tile or bundle were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileError {
    /// A path that is not a tile's or bundle's in its only spelling.
    Path,
    /// A level above 63.
    Level {
        /// The level.
        got: u8,
    },
    /// A tile or bundle of none or more than 256.
    Width {
        /// How many there were.
        got: usize,
    },
    /// A tile that is not a whole number of hashes.
    TileBytes {
        /// How many bytes there were.
        got: usize,
    },
    /// An entry that is too long for a bundle.
    EntrySize {
        /// How many bytes it has.
        got: usize,
    },
    /// A bundle that ends inside an entry.
    Truncated {
        /// Where that entry starts.
        offset: usize,
    },
}

impl TileCoord {
    /// The tile number `index` of a level, with `width` hashes.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if level > MAX_LEVEL {
            return Err(TileError::Level { got: level });
        }
        check_width(width)?;
        Ok(Self { level, index, width })
    }

    /// Levels of tiles below this one.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The tile's number in its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes the tile has, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile may still grow.
    pub const fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// The path below the log's prefix, as `tile/0/x001/x234/067.p/8`.
    pub fn path(&self) -> String {
        let mut path = alloc::format!("tile/{}/", self.level);
        push_index(&mut path, self.index);
        push_width(&mut path, self.width);
        path
    }

    /// Reads a path in its only spelling.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/").ok_or(TileError::Path)?;
        let (level, rest) = rest.split_once('/').ok_or(TileError::Path)?;
        let level = parse_decimal(level).and_then(|level| u8::try_from(level).ok());
        let (index, width) = parse_rest(rest).ok_or(TileError::Path)?;
        Self::new(level.ok_or(TileError::Path)?, index, width)
    }
}

impl BundleCoord {
    /// The bundle number `index`, with `width` entries.
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        check_width(width)?;
        Ok(Self { index, width })
    }

    /// The bundle's number.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many entries the bundle has, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the bundle may still grow.
    pub const fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// The path below the log's prefix, as `tile/entries/067.p/8`.
    pub fn path(&self) -> String {
        let mut path = String::from("tile/entries/");
        push_index(&mut path, self.index);
        push_width(&mut path, self.width);
        path
    }

    /// Reads a path in its only spelling.
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let rest = path.strip_prefix("tile/entries/").ok_or(TileError::Path)?;
        let (index, width) = parse_rest(rest).ok_or(TileError::Path)?;
        Self::new(index, width)
    }
}

/// Every tile of a tree of this size, partial ones included, level by level.
pub fn tiles_for_size(size: TreeSize) -> Vec<TileCoord> {
    let mut tiles = Vec::new();
    for (level, hashes) in levels(size) {
        let full = hashes >> TILE_HEIGHT;
        tiles.extend((0..full).map(|index| TileCoord { level, index, width: TILE_WIDTH }));
        tiles.extend(partial_tile(level, hashes));
    }
    tiles
}

/// The partial tiles of a tree of this size: at most one a level.
pub fn partial_tiles(size: TreeSize) -> Vec<TileCoord> {
    levels(size).filter_map(|(level, hashes)| partial_tile(level, hashes)).collect()
}

/// The levels that have hashes, and how many: each full tile makes one hash a level up.
fn levels(size: TreeSize) -> impl Iterator<Item = (u8, u64)> {
    (0..=MAX_LEVEL)
        .map(move |level| (level, size.get().checked_shr(u32::from(level) * 8).unwrap_or(0)))
        .take_while(|(_, hashes)| *hashes > 0)
}

fn partial_tile(level: u8, hashes: u64) -> Option<TileCoord> {
    let width = u16::try_from(hashes % u64::from(TILE_WIDTH)).ok()?;
    (width > 0).then_some(TileCoord { level, index: hashes >> TILE_HEIGHT, width })
}

/// The bytes of a tile.
pub fn encode_tile(hashes: &[Hash]) -> Result<Vec<u8>, TileError> {
    check_count(hashes.len())?;
    Ok(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
}

/// The hashes of a tile.
pub fn decode_tile(bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(TileError::TileBytes { got: bytes.len() });
    }
    check_count(hashes.len())?;
    Ok(hashes.iter().map(|hash| Hash::new(*hash)).collect())
}

/// The bytes of an entry bundle: before each entry its length in two bytes, the higher first.
pub fn encode_bundle(entries: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, TileError> {
    check_count(entries.len())?;
    let total: usize = entries.iter().map(|entry| entry.as_ref().len().saturating_add(2)).sum();
    let mut bytes = Vec::with_capacity(total);
    for entry in entries {
        let entry = entry.as_ref();
        let len = u16::try_from(entry.len());
        let len = len.map_err(|_| TileError::EntrySize { got: entry.len() })?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let offset = bytes.len().saturating_sub(rest.len());
        let truncated = TileError::Truncated { offset };
        let (len, tail) = rest.split_first_chunk::<2>().ok_or(truncated)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, tail) = tail.split_at_checked(len).ok_or(truncated)?;
        entries.push(entry);
        rest = tail;
        if entries.len() > usize::from(TILE_WIDTH) {
            break;
        }
    }
    check_count(entries.len())?;
    Ok(entries)
}

fn check_width(width: u16) -> Result<(), TileError> {
    check_count(usize::from(width))
}

fn check_count(count: usize) -> Result<(), TileError> {
    if (1..=usize::from(TILE_WIDTH)).contains(&count) { Ok(()) } else { Err(TileError::Width { got: count }) }
}

/// Appends a number in groups of three digits, all but the last marked with an `x`.
fn push_index(path: &mut String, index: u64) {
    if index >= 1000 {
        push_groups(path, index / 1000);
    }
    // Writing into a String cannot fail, here and below.
    let _ = write!(path, "{:03}", index % 1000);
}

fn push_groups(path: &mut String, index: u64) {
    if index >= 1000 {
        push_groups(path, index / 1000);
    }
    let _ = write!(path, "x{:03}/", index % 1000);
}

fn push_width(path: &mut String, width: u16) {
    if width < TILE_WIDTH {
        let _ = write!(path, ".p/{width}");
    }
}

/// Reads `<N>[.p/<W>]`.
fn parse_rest(rest: &str) -> Option<(u64, u16)> {
    let (index, width) = match rest.split_once(".p/") {
        None => (rest, TILE_WIDTH),
        Some((index, width)) => {
            let width = parse_decimal(width).and_then(|width| u16::try_from(width).ok())?;
            (index, width)
        }
    };
    // A full tile is never addressed with its width.
    if rest.len() != index.len() && width >= TILE_WIDTH {
        return None;
    }
    Some((parse_index(index)?, width))
}

fn parse_index(text: &str) -> Option<u64> {
    let mut index = 0_u64;
    let mut groups = text.split('/').peekable();
    let mut is_first = true;
    while let Some(group) = groups.next() {
        let is_last = groups.peek().is_none();
        let digits = if is_last { group } else { group.strip_prefix('x')? };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value: u64 = digits.parse().ok()?;
        // A leading group of zeros would be a second spelling.
        if is_first && !is_last && value == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(value)?;
        is_first = false;
    }
    Some(index)
}

impl fmt::Display for TileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("expected the path of a tile or entry bundle"),
            Self::Level { got } => write!(f, "expected a level of at most {MAX_LEVEL}, got {got}"),
            Self::Width { got } => write!(f, "expected 1 to {TILE_WIDTH} in a tile, got {got}"),
            Self::TileBytes { got } => {
                write!(f, "expected a tile of whole 32-byte hashes, got {got} bytes")
            }
            Self::EntrySize { got } => {
                write!(f, "expected an entry of at most {MAX_LEAF_BYTES} bytes, got {got}")
            }
            Self::Truncated { offset } => {
                write!(f, "bundle ends inside the entry at byte {offset}")
            }
        }
    }
}

impl core::error::Error for TileError {}

#[cfg(test)]
mod tests;
