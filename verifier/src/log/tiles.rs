//! Every tile at every level is compared with the hashes of the entries, each hash as soon as it is known.

use proof::merkle::Frontier;
use proof::{Hash, TreeSize};

use super::{beside, site};
use crate::report::MAX_PROBLEMS;
use crate::rule::{Finding, Rule};
use crate::source::Source;

/// The last tile of each level, as far as it has grown.
pub(crate) struct Tiles<'s> {
    site: &'s dyn Source,
    size: TreeSize,
    levels: Vec<Level>,
    /// Tiles that were compared.
    pub(crate) checked: u64,
    /// Breaches that do not end the search: tiles that are not there, and pieces of other sizes that disagree.
    pub(crate) aside: Vec<Finding>,
}

#[derive(Default)]
struct Level {
    /// Hashes of the level so far.
    count: u64,
    /// The root of the growing tile, in the making.
    growing: Frontier,
    /// The growing tile as the site has it, if it has.
    published: Option<Vec<Hash>>,
}

impl<'s> Tiles<'s> {
    /// Nothing compared yet.
    pub(crate) fn new(site: &'s dyn Source, size: TreeSize) -> Self {
        Self { site, size, levels: vec![Level::default()], checked: 0, aside: Vec::new() }
    }

    /// The next tile of level 0, which was read ahead of time.
    pub(crate) fn supply(&mut self, tile: Result<Vec<Hash>, Finding>) -> Result<(), Finding> {
        let tile = self.keep(tile);
        if let Some(level) = self.levels.first_mut() {
            level.published = tile.as_ref().ok().cloned().flatten();
        }
        tile.map(|_| ())
    }

    /// Adds the next leaf's hash.
    pub(crate) fn push(&mut self, leaf_hash: Hash) -> Result<(), Finding> {
        let mut hash = leaf_hash;
        for level in 0..=u8::MAX {
            let starts_tile =
                self.levels.get(usize::from(level)).is_none_or(|state| state.growing.size() == TreeSize::ZERO);
            if level > 0 && starts_tile {
                self.next_tile(level)?;
            }
            let Some(state) = self.levels.get_mut(usize::from(level)) else {
                break;
            };
            if !state.push(level, &hash)? {
                break;
            }
            // Only full tiles have a hash in the level above.
            hash = std::mem::take(&mut state.growing).root();
        }
        Ok(())
    }

    /// Reads the tile that the next hash of a higher level belongs to.
    fn next_tile(&mut self, level: u8) -> Result<(), Finding> {
        let count = self.levels.get(usize::from(level)).map_or(0, |state| state.count);
        let index = count / site::WIDTH;
        let tile = site::read_tile(self.site, level, index, self.size);
        let published = self.keep(tile)?;
        if let Some(hashes) = &published {
            self.note(beside::tiles(self.site, level, index, self.size, hashes));
        }
        match self.levels.get_mut(usize::from(level)) {
            Some(state) => state.published = published,
            None => self.levels.push(Level { published, ..Level::default() }),
        }
        Ok(())
    }

    /// Keeps breaches in mind, as many as a report can use.
    pub(crate) fn note(&mut self, findings: impl IntoIterator<Item = Finding>) {
        let room = MAX_PROBLEMS.saturating_sub(self.aside.len());
        self.aside.extend(findings.into_iter().take(room));
    }

    /// Counts a tile, or keeps in mind that it is missing; lets other trouble through.
    fn keep(&mut self, tile: Result<Vec<Hash>, Finding>) -> Result<Option<Vec<Hash>>, Finding> {
        match tile {
            Ok(hashes) => {
                self.checked = self.checked.saturating_add(1);
                Ok(Some(hashes))
            }
            Err(missing) if missing.rule == Rule::TileMissing => {
                self.note([missing]);
                Ok(None)
            }
            Err(finding) => Err(finding),
        }
    }
}

impl Level {
    /// Adds a hash; says whether the tile is full now.
    fn push(&mut self, level: u8, hash: &Hash) -> Result<bool, Finding> {
        let place = self.growing.size().get();
        let published = self.published.as_ref().and_then(|tile| tile.get(usize::try_from(place).ok()?));
        if let Some(other) = published.filter(|other| *other != hash) {
            let what = format!("hash {place} of tile {} of level {level}", self.count / site::WIDTH);
            return Err(Finding::hash(site::first_leaf(level, self.count), Rule::TileHash, &what, hash, other));
        }
        self.count = self.count.saturating_add(1);
        self.growing.push(*hash);
        Ok(self.growing.size().get() == site::WIDTH)
    }
}
