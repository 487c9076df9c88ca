//! A static log site of our tiles, read and proved by another implementation.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic in a test is how it fails")]

use std::collections::HashMap;

use countersign_proof::merkle::{
    HashSource, MemoryTree, consistency_proof, inclusion_proof, leaf_hash, root_at, verify_consistency,
    verify_inclusion,
};
use countersign_proof::tile::{TILE_HEIGHT, encode_tile, tiles_for_size};
use countersign_proof::{Hash, LeafIndex, TreeSize};
use tlog_tiles::{
    Error, Hash as TheirHash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree,
    tree_hash,
};

/// Full tiles on two levels, and a partial one on each of three.
const SIZE: u64 = 70_000;

fn tree() -> MemoryTree {
    let mut tree = MemoryTree::new();
    for index in 0..SIZE {
        tree.push(leaf_hash(&index.to_be_bytes()));
    }
    tree
}

/// The files of the site, by path.
struct Site(HashMap<String, Vec<u8>>);

impl Site {
    fn new(tree: &MemoryTree, size: TreeSize) -> Self {
        let files = tiles_for_size(size).into_iter().map(|tile| {
            let height = tile.level() * TILE_HEIGHT;
            let first = tile.index() << TILE_HEIGHT;
            let hashes: Vec<Hash> =
                (first..first + u64::from(tile.width())).map(|index| tree.subtree(height, index).unwrap()).collect();
            (tile.path(), encode_tile(&hashes).unwrap())
        });
        Self(files.collect())
    }
}

impl TileReader for Site {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        // Their paths name the height too, as in Go's module database.
        let file = |tile: &Tile| self.0[&tile.path().replacen("tile/8/", "tile/", 1)].clone();
        Ok(tiles.iter().map(file).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn theirs(hash: &Hash) -> TheirHash {
    TheirHash(*hash.as_bytes())
}

fn ours(path: &[TheirHash]) -> Vec<Hash> {
    path.iter().map(|hash| Hash::new(hash.0)).collect()
}

#[test]
fn the_tiles_hold_the_tree() {
    let tree = tree();
    for size in [1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE] {
        let root = root_at(&tree, TreeSize::new(size)).unwrap();
        let files = Site::new(&tree, TreeSize::new(size));
        let reader = TileHashReader::new(size, theirs(&root), &files);
        assert_eq!(tree_hash(size, &reader).unwrap(), theirs(&root));
    }
}

#[test]
fn inclusion_proofs_are_the_same() {
    let tree = tree();
    let (size, root) = (tree.size(), tree.root());
    let files = Site::new(&tree, size);
    let reader = TileHashReader::new(SIZE, theirs(&root), &files);
    for index in [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, SIZE - 1] {
        let their_proof = prove_record(SIZE, index, &reader).unwrap();
        let leaf = leaf_hash(&index.to_be_bytes());
        check_record(&their_proof, SIZE, theirs(&root), index, theirs(&leaf)).unwrap();
        let index = LeafIndex::new(index);
        let path = inclusion_proof(&tree, index, size).unwrap();
        assert_eq!(path, ours(&their_proof));
        assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
    }
}

#[test]
fn consistency_proofs_are_the_same() {
    let tree = tree();
    let (size, root) = (tree.size(), tree.root());
    let files = Site::new(&tree, size);
    let reader = TileHashReader::new(SIZE, theirs(&root), &files);
    for old in [1, 2, 3, 255, 256, 257, 65_535, 65_536, 65_537, SIZE - 1] {
        let their_proof = prove_tree(SIZE, old, &reader).unwrap();
        let old_root = root_at(&tree, TreeSize::new(old)).unwrap();
        check_tree(&their_proof, SIZE, theirs(&root), old, theirs(&old_root)).unwrap();
        let old = TreeSize::new(old);
        let path = consistency_proof(&tree, old, size).unwrap();
        assert_eq!(path, ours(&their_proof), "{old}");
        assert_eq!(verify_consistency(old, &old_root, size, &root, &path), Ok(()));
    }
}
