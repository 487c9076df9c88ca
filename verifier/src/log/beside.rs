//! Tiles and bundles of other sizes, which lie beside those that the head needs.
//!
//! A site keeps the partial pieces of earlier heads for those who hold one. Nothing here is proven by them, but whoever
//! reads them must find the same log: as far as two pieces go, they must agree. Only a source that can list its files
//! is looked at; a server cannot.

use proof::tile::{BundleCoord, TileCoord};
use proof::{Hash, TreeSize};

use super::entry;
use super::site::{self, MAX_BUNDLE_BYTES, MAX_TILE_BYTES};
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// Compares the other bundles at a place with the entries of the one that was read.
pub(crate) fn bundles(source: &dyn Source, index: u64, size: TreeSize, entries: &[&[u8]]) -> Option<Finding> {
    let path = |width| BundleCoord::new(index, width).ok().map(|coord| coord.path());
    let place = Place { level: 0, index, size };
    place.compare(source, path, MAX_BUNDLE_BYTES, |bytes| {
        let (parts, cut_short) = entry::split(bytes);
        let agree = parts.iter().zip(entries).take_while(|(part, entry)| part == entry).count();
        Compared { parts: parts.len(), known: entries.len(), agree, cut_short }
    })
}

/// Compares the other tiles at a place with the hashes of the one that was read.
pub(crate) fn tiles(source: &dyn Source, level: u8, index: u64, size: TreeSize, hashes: &[Hash]) -> Option<Finding> {
    let path = |width| TileCoord::new(level, index, width).ok().map(|coord| coord.path());
    let place = Place { level, index, size };
    place.compare(source, path, MAX_TILE_BYTES, |bytes| {
        let (parts, rest) = bytes.as_chunks::<32>();
        let agree = parts.iter().zip(hashes).take_while(|(part, hash)| *part == hash.as_bytes()).count();
        Compared { parts: parts.len(), known: hashes.len(), agree, cut_short: !rest.is_empty() }
    })
}

#[derive(Clone, Copy)]
struct Place {
    level: u8,
    index: u64,
    size: TreeSize,
}

struct Compared {
    /// Parts of the other piece.
    parts: usize,
    /// Parts of the piece that was read.
    known: usize,
    /// How many at the start are the same.
    agree: usize,
    /// Whether the other piece ends inside a part.
    cut_short: bool,
}

impl Place {
    /// The first breach in any of the other pieces.
    fn compare(
        self,
        source: &dyn Source,
        path: impl Fn(u16) -> Option<String>,
        max_bytes: u64,
        compare: impl Fn(&[u8]) -> Compared,
    ) -> Option<Finding> {
        let width = site::width(self.level, self.index, self.size);
        let full = path(256)?;
        let mut widths: Vec<u16> =
            source.list(&format!("{full}.p")).iter().filter_map(|name| name.parse().ok()).collect();
        widths.push(256);
        let others = widths.into_iter().filter(|other| *other != width);
        let breaches = others.filter_map(|other| {
            let path = path(other)?;
            match source.read(&path, max_bytes) {
                Ok(bytes) => self.breach(&path, other, &compare(&bytes?)),
                Err(error) => Some(site::unreadable(Some(self.leaf(0)), Rule::EarlierPiece, &error)),
            }
        });
        breaches.min_by_key(Finding::place)
    }

    fn breach(self, path: &str, width: u16, compared: &Compared) -> Option<Finding> {
        let both = compared.parts.min(compared.known).min(usize::from(width));
        if compared.agree < both {
            let detail = format!("`{path}` differs from the piece that the head needs");
            return Some(Finding::at(self.leaf(compared.agree), Rule::EarlierPiece, detail));
        }
        if compared.cut_short || compared.parts != usize::from(width) {
            let detail = format!("`{path}` holds {} parts, expected {width}", compared.parts);
            return Some(Finding::at(self.leaf(both), Rule::EarlierPiece, detail));
        }
        None
    }

    /// The first leaf below one of the place's parts.
    fn leaf(self, part: usize) -> proof::LeafIndex {
        let part = u64::try_from(part).unwrap_or(u64::MAX);
        site::first_leaf(self.level, self.index.saturating_mul(site::WIDTH).saturating_add(part))
    }
}
