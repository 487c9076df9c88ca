//! What was promised, kept in a place that does not fail.

use std::path::Path;

use countersign_ledger::disk::{Access, Disk};
use proof::merkle::{Frontier, HashSource, MemoryTree, leaf_hash, root_at};
use proof::tile::{decode_bundle, decode_tile, tiles_for_size};
use proof::{Checkpoint, Hash, LeafIndex, TreeSize};

use crate::fixture::Leaves;
use crate::log::{ORIGIN, signer};

/// What was acknowledged, what is unknown, what was published.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) leaves: Leaves,
    /// The tree before each frame, and after the last: what snapshots are taken of.
    pub(crate) boundaries: Vec<Frontier>,
    tree: MemoryTree,
    /// A frame that may be found by the next open, or not.
    pub(crate) unknown: Option<Leaves>,
    /// The sizes of all heads whose publication was acknowledged, or that were found on the disk.
    published: Vec<TreeSize>,
    /// The size of the latest snapshot, which is kept elsewhere.
    pub(crate) snapshot: TreeSize,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { boundaries: vec![Frontier::new()], ..Self::default() }
    }

    pub(crate) fn size(&self) -> TreeSize {
        TreeSize::new(self.leaves.len() as u64)
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        self.boundaries.last().unwrap()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier().root()
    }

    /// The largest size that is known to have been published.
    pub(crate) fn published(&self) -> TreeSize {
        self.published.iter().max().copied().unwrap_or_default()
    }

    pub(crate) fn all_published(&self) -> &[TreeSize] {
        &self.published
    }

    pub(crate) fn checkpoint(&self, size: TreeSize) -> Checkpoint {
        Checkpoint { origin: ORIGIN.into(), size, root: root_at(&self.tree, size).unwrap() }
    }

    pub(crate) fn note_published(&mut self, size: TreeSize) {
        assert!(size >= self.published(), "a head of {size} was published after one of {}", self.published());
        if !self.published.contains(&size) {
            self.published.push(size);
        }
    }

    pub(crate) fn acknowledge(&mut self, frame: Leaves) {
        let mut frontier = self.frontier().clone();
        for leaf in &frame {
            let hash = leaf_hash(leaf);
            frontier.push(hash);
            self.tree.push(hash);
        }
        self.boundaries.push(frontier);
        self.leaves.extend(frame);
    }

    /// What the journal has from `from` on: everything acknowledged, and the unknown frame whole or not
    /// at all. From here on it is known.
    pub(crate) fn reconcile(&mut self, from: TreeSize, found: &[Vec<u8>]) {
        let acknowledged = &self.leaves[from.get() as usize..];
        assert!(found.len() >= acknowledged.len(), "{} leaves are lost", acknowledged.len() - found.len());
        let (kept, more) = found.split_at(acknowledged.len());
        assert!(kept == acknowledged, "an acknowledged leaf is another one now");
        match self.unknown.take() {
            Some(frame) if !more.is_empty() => {
                assert!(more == frame, "{} of {} leaves of an unknown frame", more.len(), frame.len());
                self.acknowledge(frame);
            }
            _ => assert!(more.is_empty(), "{} leaves from nowhere", more.len()),
        }
    }

    /// That what is there is a beginning of what was acknowledged.
    pub(crate) fn check_prefix(&self, found: &[Vec<u8>]) {
        assert!(self.leaves.starts_with(found), "a prefix has changed");
    }

    /// The published head, as a stranger reads it. It is one that was published, or whose publication
    /// failed without anybody knowing how far it came.
    pub(crate) fn check_head(&mut self, note: Option<&str>) -> Option<Checkpoint> {
        let Some(note) = note else {
            assert_eq!(self.published(), TreeSize::ZERO, "the published checkpoint is gone");
            return None;
        };
        let found = Checkpoint::open(note, &signer().verifier()).unwrap();
        assert_eq!(found, self.checkpoint(found.size));
        self.note_published(found.size);
        Some(found)
    }

    /// Every file of a tree of this size, as a stranger reads it, against the naive tree.
    pub(crate) fn check_tiles(&self, disk: &dyn Disk, dir: &Path, size: TreeSize) {
        let public = dir.join("public");
        for tile in tiles_for_size(size) {
            let width = usize::from(tile.width());
            let hashes = decode_tile(&read(disk, &public, &tile.path())).unwrap();
            for (hash, number) in hashes[..width].iter().zip(tile.index() * 256..) {
                assert_eq!(*hash, self.tree.subtree(tile.level() * 8, number).unwrap(), "{} of {size}", tile.path());
            }
            if tile.level() == 0 {
                let bytes = read(disk, &public, &tile.path().replacen("tile/0/", "tile/entries/", 1));
                let first = LeafIndex::new(tile.index() * 256).get() as usize;
                assert!(decode_bundle(&bytes).unwrap()[..width] == self.leaves[first..first + width]);
            }
        }
    }
}

/// A file of the site; in place of a partial one that is gone, the full one, as C2SP says.
fn read(disk: &dyn Disk, public: &Path, path: &str) -> Vec<u8> {
    let full = path.split_once(".p/").map(|(full, _)| full);
    let file =
        [Some(path), full].into_iter().flatten().find_map(|path| disk.open(&public.join(path), Access::Read).ok());
    let file = file.unwrap_or_else(|| panic!("no file `{path}`"));
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}
