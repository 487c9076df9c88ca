//! What the whole site is made again from, checked before anything is written: the full bundles as
//! far as the journal has given its leaves up, and the journal from there on.

use std::ops::ControlFlow;

use proof::merkle::{Frontier, leaf_hash};
use proof::tile::{TILE_WIDTH, TileCoord, partial_tiles};
use proof::{Checkpoint, Hash, TreeSize};

use super::read::{read_bundle, read_tile};
use super::{FULL, SiteSource, TileTree, TreeError};
use crate::tiles::Tile;
use crate::width::{in_memory, on_disk};

/// Checks that the leaves lead to the published root and to the journal's.
///
/// The journal is believed: its own recovery has checked it against the root that the caller gives. So
/// bundles that lead elsewhere are damaged, and a checkpoint that says otherwise belongs to another
/// history.
pub(super) fn check_sources(tree: &TileTree, source: &SiteSource<'_>) -> Result<(), TreeError> {
    let first = source.journal.first().get();
    let mut walk = Walk { frontier: Frontier::new(), published: source.published, got: None };
    walk.note();
    if first == 0 && source.published.is_none_or(|checkpoint| checkpoint.size == source.frontier.size()) {
        // Nothing but the journal, whose root is known.
        walk.frontier = source.frontier.clone();
        walk.note();
        return walk.check_published();
    }
    let mut roots = Vec::new();
    for bundle in 0..first.div_ceil(FULL) {
        let leaves = read_bundle(tree.disk(), &tree.bundle_path(bundle, TILE_WIDTH)?)?;
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        for hash in &hashes {
            walk.push(*hash);
        }
        roots.push(Tile::from_hashes(&hashes).root().unwrap_or(Hash::ZERO));
    }
    push_journal(source, walk.frontier.size(), &mut |hash| walk.push(hash))?;
    let (size, expected) = (source.frontier.size(), source.frontier.root());
    if walk.frontier.root() != expected {
        let damaged = find_damaged(tree, source, &roots)?;
        return Err(damaged.unwrap_or(TreeError::Forked { size, expected, got: walk.frontier.root() }));
    }
    walk.check_published()
}

/// The tree, leaf by leaf, with the root that it had at the published size.
struct Walk<'a> {
    frontier: Frontier,
    published: Option<&'a Checkpoint>,
    got: Option<Hash>,
}

impl Walk<'_> {
    fn push(&mut self, leaf_hash: Hash) {
        self.frontier.push(leaf_hash);
        self.note();
    }

    fn note(&mut self) {
        if self.published.is_some_and(|checkpoint| checkpoint.size == self.frontier.size()) {
            self.got = Some(self.frontier.root());
        }
    }

    fn check_published(&self) -> Result<(), TreeError> {
        match (self.published, self.got) {
            (Some(checkpoint), Some(got)) if got != checkpoint.root => {
                Err(TreeError::Forked { size: checkpoint.size, expected: checkpoint.root, got })
            }
            _ => Ok(()),
        }
    }
}

/// The hashes of the journal's leaves from `from` on.
fn push_journal(source: &SiteSource<'_>, from: TreeSize, push: &mut dyn FnMut(Hash)) -> Result<(), TreeError> {
    let from = from.next_index();
    let end = source.frontier.size();
    source.journal.read(from, &mut |frame| {
        frame.leaves_from(from).filter(|(index, _)| end.contains(*index)).for_each(|(_, leaf)| push(leaf_hash(leaf)));
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Which bundle is to blame, when the bundles with these roots do not lead to the journal's root: one
/// that the tiles contradict. If the tiles lead to the root where the bundles do not, that is proved.
fn find_damaged(tree: &TileTree, source: &SiteSource<'_>, roots: &[Hash]) -> Result<Option<TreeError>, TreeError> {
    let mut suspect = None;
    for witness in [tile_roots(tree, roots), upper_hashes(tree, source, roots)] {
        let Some(first) = roots.iter().zip(&witness).position(|(root, other)| root != other) else {
            continue;
        };
        let is_proved = root_of(source, &witness)? == source.frontier.root();
        if is_proved || suspect.is_none() {
            suspect = Some(first);
        }
        if is_proved {
            break;
        }
    }
    suspect.map(|bundle| Ok(TreeError::Damaged { file: tree.bundle_path(on_disk(bundle), TILE_WIDTH)? })).transpose()
}

/// The roots of the stored tiles over the bundles; where one cannot be read, the bundle's own.
fn tile_roots(tree: &TileTree, roots: &[Hash]) -> Vec<Hash> {
    let stored = |number| read_tile(tree.disk(), &tree.tile_path((0, number), TILE_WIDTH).ok()?).ok()?.root();
    (0..).zip(roots).map(|(number, root)| stored(number).unwrap_or(*root)).collect()
}

/// The same hashes as the stored tiles one level up have them.
fn upper_hashes(tree: &TileTree, source: &SiteSource<'_>, roots: &[Hash]) -> Vec<Hash> {
    let published = source.published.map_or(TreeSize::ZERO, |checkpoint| checkpoint.size);
    let partial = partial_tiles(published).into_iter().find(|tile| tile.level() == 1);
    let mut hashes = Vec::with_capacity(roots.len());
    for (number, below) in (0..).zip(roots.chunks(in_memory(FULL))) {
        let width = partial.as_ref().filter(|tile| tile.index() == number).map_or(TILE_WIDTH, TileCoord::width);
        let stored =
            tree.tile_path((1, number), width).and_then(|file| read_tile(tree.disk(), &file)).unwrap_or_default();
        let stored = stored.hashes();
        hashes.extend(below.iter().enumerate().map(|(at, root)| stored.get(at).unwrap_or(root)));
    }
    hashes
}

/// The root of a tree with these full tiles of leaf hashes, and the journal's leaves behind them.
fn root_of(source: &SiteSource<'_>, tiles: &[Hash]) -> Result<Hash, TreeError> {
    let mut over = Frontier::new();
    for root in tiles {
        over.push(*root);
    }
    let size = TreeSize::new(on_disk(tiles.len()).saturating_mul(FULL));
    // A subtree of tiles is a subtree of leaves, 256 times as wide.
    let Ok(mut frontier) = Frontier::from_parts(size, over.hashes().to_vec()) else {
        return Ok(Hash::ZERO);
    };
    push_journal(source, size, &mut |hash| frontier.push(hash))?;
    Ok(frontier.root())
}
