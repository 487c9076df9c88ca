use std::vec::Vec;

use ct_merkle::{RootHash, mem_backed_tree::MemoryBackedTree};
use serde::Deserialize;

use super::*;
use crate::index::{LeafIndex, TreeSize};

#[derive(Deserialize)]
struct Vectors {
    entries: Vec<std::string::String>,
    leaf_hashes: Vec<Hash>,
    roots: Vec<Hash>,
    inclusion: Vec<Inclusion>,
    consistency: Vec<Consistency>,
}

#[derive(Deserialize)]
struct Inclusion {
    size: TreeSize,
    index: LeafIndex,
    path: Vec<Hash>,
}

#[derive(Deserialize)]
struct Consistency {
    old: TreeSize,
    new: TreeSize,
    path: Vec<Hash>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../schemas/vectors/merkle.json")).unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    std::format!("event-{index}").into_bytes()
}

fn tree(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for index in 0..size {
        tree.push(leaf_hash(&entry(index)));
    }
    tree
}

fn at(tree: &MemoryTree, size: u64) -> Hash {
    root_at(tree, TreeSize::new(size)).unwrap()
}

fn include(tree: &MemoryTree, index: u64, size: u64) -> Vec<Hash> {
    inclusion_proof(tree, LeafIndex::new(index), TreeSize::new(size)).unwrap()
}

fn extend(tree: &MemoryTree, old: u64, new: u64) -> Vec<Hash> {
    consistency_proof(tree, TreeSize::new(old), TreeSize::new(new)).unwrap()
}

/// Checks inclusion of entry `index` under the root of the tree of `size`.
fn included(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), MerkleError> {
    verify_inclusion(leaf, LeafIndex::new(index), TreeSize::new(size), path, root)
}

fn consistent(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> Result<(), MerkleError> {
    verify_consistency(TreeSize::new(old), old_root, TreeSize::new(new), new_root, path)
}

#[test]
fn published_vectors() {
    let vectors = vectors();
    let mut tree = MemoryTree::new();
    let mut frontier = Frontier::new();
    assert_eq!(tree.root(), vectors.roots[0]);
    for (position, entry) in vectors.entries.iter().enumerate() {
        let hash = leaf_hash(entry.as_bytes());
        assert_eq!(hash, vectors.leaf_hashes[position]);
        tree.push(hash);
        frontier.push(hash);
        assert_eq!(tree.root(), vectors.roots[position + 1]);
        assert_eq!(frontier.root(), vectors.roots[position + 1]);
    }
    let root = |size: TreeSize| vectors.roots[usize::try_from(size.get()).unwrap()];
    for Inclusion { size, index, path } in &vectors.inclusion {
        assert_eq!(inclusion_proof(&tree, *index, *size).as_ref(), Ok(path));
        let leaf = vectors.leaf_hashes[usize::try_from(index.get()).unwrap()];
        assert_eq!(verify_inclusion(&leaf, *index, *size, path, &root(*size)), Ok(()));
    }
    for Consistency { old, new, path } in &vectors.consistency {
        assert_eq!(consistency_proof(&tree, *old, *new).as_ref(), Ok(path));
        assert_eq!(verify_consistency(*old, &root(*old), *new, &root(*new), path), Ok(()));
    }
}

#[test]
fn the_tree_of_the_published_checkpoint() {
    let hex = |text: &str| text.parse::<Hash>().unwrap();
    let tree = tree(3);
    let n01 = hex("3fd1d5a059ab171a345f9912c83c2dd8b7933b4e950e6749bc83dbb1f43ccbde");
    assert_eq!(tree.subtree(1, 0), Ok(n01));
    let root = hex("db2effe64d36352bcd4c260bde0e1138310c9f77b89d4c57578652f9b185b630");
    assert_eq!(tree.root(), root);
    let empty = hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(empty_root(), empty);
    assert_eq!(tree.subtree(2, 0), Err(MissingSubtree { level: 2, index: 0 }));
}

#[test]
fn another_implementation_makes_the_same_trees_and_proofs() {
    const LARGEST: u64 = 140;
    let ours = tree(LARGEST);
    let mut theirs = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let mut frontier = Frontier::new();
    for size in 1..=LARGEST {
        theirs.push(entry(size - 1));
        frontier.push(leaf_hash(&entry(size - 1)));
        let root = at(&ours, size);
        assert_eq!(theirs.root().as_bytes().as_slice(), root.as_bytes());
        assert_eq!(frontier.root(), root);
        let whole = Frontier::from_parts(frontier.size(), frontier.hashes().to_vec());
        assert_eq!(whole.as_ref(), Ok(&frontier));
        for index in 0..size {
            let path = include(&ours, index, size);
            let other = theirs.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(other.as_bytes(), concat(&path), "leaf {index} of {size}");
            let leaf = leaf_hash(&entry(index));
            assert_eq!(included(&leaf, index, size, &path, &root), Ok(()));
        }
        for old in 1..=size {
            let path = extend(&ours, old, size);
            let other = theirs.prove_consistency(usize::try_from(size - old).unwrap());
            assert_eq!(other.as_bytes(), concat(&path), "{old} to {size}");
            assert_eq!(consistent(old, &at(&ours, old), size, &root, &path), Ok(()));
        }
    }
}

fn concat(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn another_implementation_accepts_our_proofs() {
    let ours = tree(77);
    let root = |size: u64| {
        let digest = (*at(&ours, size).as_bytes()).into();
        RootHash::<sha2::Sha256>::new(digest, size)
    };
    for index in 0..77 {
        let path = include(&ours, index, 77);
        let proof = ct_merkle::InclusionProof::try_from_bytes(concat(&path)).unwrap();
        root(77).verify_inclusion(&entry(index), index, &proof).unwrap();
    }
    for old in 1..77 {
        let path = extend(&ours, old, 77);
        let proof = ct_merkle::ConsistencyProof::try_from_bytes(concat(&path)).unwrap();
        root(77).verify_consistency(&root(old), &proof).unwrap();
    }
}

#[test]
fn mutated_inclusion_proofs_fail() {
    const SIZE: u64 = 70;
    let tree = tree(SIZE);
    for size in 1..=SIZE {
        let root = at(&tree, size);
        for index in 0..size {
            let path = include(&tree, index, size);
            let leaf = leaf_hash(&entry(index));
            refuse_inclusion_mutations(&leaf, index, size, &path, &root);
        }
    }
}

fn refuse_inclusion_mutations(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) {
    let refused = |leaf: &Hash, index, size, path: &[Hash], root: &Hash, what: &str| {
        let verdict = included(leaf, index, size, path, root);
        assert!(verdict.is_err(), "{what}: leaf {index} of {size}");
    };
    // Another leaf under this path; an index beyond the tree; an index elsewhere in the tree.
    refused(&leaf_hash(b"fake"), index, size, path, root, "fake leaf");
    refused(leaf, size, size, path, root, "index = size");
    refused(leaf, index + size, size, path, root, "index beyond the size");
    refused(leaf, u64::MAX, size, path, root, "largest index");
    for other in (0..size).filter(|other| *other != index) {
        refused(leaf, other, size, path, root, "another index");
    }
    refused(leaf, index, 0, path, root, "empty tree");
    // Too long, too short, in another order.
    for extra in [*leaf, *root, Hash::ZERO] {
        let mut longer = path.to_vec();
        longer.push(extra);
        refused(leaf, index, size, &longer, root, "a hash after the path");
        longer.rotate_right(1);
        refused(leaf, index, size, &longer, root, "a hash before the path");
    }
    for missing in 0..path.len() {
        let mut shorter = path.to_vec();
        shorter.remove(missing);
        refused(leaf, index, size, &shorter, root, "a missing hash");
        let mut changed = path.to_vec();
        changed[missing] = Hash::ZERO;
        refused(leaf, index, size, &changed, root, "a changed hash");
    }
    for position in 1..path.len() {
        let mut swapped = path.to_vec();
        swapped.swap(position - 1, position);
        refused(leaf, index, size, &swapped, root, "swapped hashes");
    }
    if let Some((sibling, _)) = path.split_first() {
        let mut swapped = path.to_vec();
        swapped[0] = *leaf;
        refused(sibling, index, size, &swapped, root, "leaf and sibling swapped");
        // An empty path proves only the tree of one leaf.
        refused(leaf, index, size, &[], root, "empty path");
        refused(root, index, size, &[], root, "the root as a leaf");
        refused(root, 0, size, path, root, "the root as a leaf, with a path");
    }
    refused(leaf, index, size, path, &empty_root(), "another root");
}

#[test]
fn a_path_of_another_length_never_fits() {
    // Some paths fit several sizes (which is why the size must come from a signed checkpoint), but
    // only sizes for which a path from this index has as many hashes.
    let tree = tree(70);
    for size in 1..=70 {
        for index in 0..size {
            let path = include(&tree, index, size);
            let leaf = leaf_hash(&entry(index));
            for other in (index + 1)..=70 {
                let fits = included(&leaf, index, other, &path, &at(&tree, size)).is_ok();
                assert!(!fits || include(&tree, index, other).len() == path.len());
            }
        }
    }
}

#[test]
fn mutated_consistency_proofs_fail() {
    const SIZE: u64 = 70;
    let tree = tree(SIZE);
    for new in 2..=SIZE {
        for old in 1..new {
            let path = extend(&tree, old, new);
            refuse_consistency_mutations(old, &at(&tree, old), new, &at(&tree, new), &path);
        }
    }
}

fn refuse_consistency_mutations(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) {
    let refused = |old, old_root: &Hash, new, new_root: &Hash, path: &[Hash], what: &str| {
        let verdict = consistent(old, old_root, new, new_root, path);
        assert!(verdict.is_err(), "{what}: {old} to {new}");
    };
    refused(old, &Hash::ZERO, new, new_root, path, "another old root");
    refused(old, old_root, new, &Hash::ZERO, path, "another new root");
    refused(old, new_root, new, old_root, path, "roots swapped");
    refused(new, old_root, old, new_root, path, "sizes swapped");
    refused(old, old_root, new, new_root, &[], "empty path");
    refused(0, &empty_root(), new, new_root, path, "from the empty tree with a path");
    refused(new, new_root, new, new_root, path, "from itself with a path");
    for extra in [*old_root, *new_root, Hash::ZERO] {
        let mut longer = path.to_vec();
        longer.push(extra);
        refused(old, old_root, new, new_root, &longer, "a hash after the path");
        longer.rotate_right(1);
        refused(old, old_root, new, new_root, &longer, "a hash before the path");
    }
    for position in 0..path.len() {
        let mut shorter = path.to_vec();
        shorter.remove(position);
        refused(old, old_root, new, new_root, &shorter, "a missing hash");
        let mut changed = path.to_vec();
        changed[position] = Hash::ZERO;
        refused(old, old_root, new, new_root, &changed, "a changed hash");
        if position > 0 {
            let mut swapped = path.to_vec();
            swapped.swap(position - 1, position);
            refused(old, old_root, new, new_root, &swapped, "swapped hashes");
        }
    }
}

#[test]
fn the_empty_tree_is_consistent_with_every_tree() {
    let tree = tree(5);
    let (empty, root) = (empty_root(), at(&tree, 5));
    assert_eq!(extend(&tree, 0, 5), []);
    assert_eq!(consistent(0, &empty, 5, &root, &[]), Ok(()));
    assert_eq!(consistent(0, &empty, 0, &empty, &[]), Ok(()));
    assert!(consistent(0, &root, 5, &root, &[]).is_err());
    assert!(consistent(0, &empty, 0, &root, &[]).is_err());
    assert!(consistent(0, &empty, 5, &root, &[root]).is_err());
    assert_eq!(consistent(5, &root, 5, &root, &[]), Ok(()));
    assert!(consistent(5, &root, 5, &empty, &[]).is_err());
}

#[test]
fn what_cannot_be_proved_is_an_error() {
    let tree = tree(5);
    let (index, size) = (LeafIndex::new(5), TreeSize::new(5));
    assert_eq!(inclusion_proof(&tree, index, size), Err(ProofError::NoSuchLeaf { index, size }));
    let (old, new) = (TreeSize::new(6), TreeSize::new(5));
    assert_eq!(consistency_proof(&tree, old, new), Err(ProofError::Shrinking { old, new }));
    let missing = MissingSubtree { level: 3, index: 0 };
    assert_eq!(root_at(&tree, TreeSize::new(8)), Err(ProofError::Source(missing)));
}

#[test]
fn sizes_beyond_any_log_do_not_overflow() {
    /// A tree whose leaf hashes are all zero, so that a subtree's hash depends on its height only.
    struct Uniform;
    impl HashSource for Uniform {
        type Error = MissingSubtree;
        fn subtree(&self, level: u8, _: u64) -> Result<Hash, MissingSubtree> {
            Ok((0..level).fold(Hash::ZERO, |hash, _| node_hash(&hash, &hash)))
        }
    }
    let largest = TreeSize::new(u64::MAX);
    let root = root_at(&Uniform, largest).unwrap();
    for index in [0, 1, u64::MAX / 2, u64::MAX - 1] {
        let index = LeafIndex::new(index);
        let path = inclusion_proof(&Uniform, index, largest).unwrap();
        assert!(path.len() <= 64);
        assert_eq!(verify_inclusion(&Hash::ZERO, index, largest, &path, &root), Ok(()));
    }
    for old in [1, 1 << 63, (1 << 63) + 1, u64::MAX - 1] {
        let old = TreeSize::new(old);
        let path = consistency_proof(&Uniform, old, largest).unwrap();
        let old_root = root_at(&Uniform, old).unwrap();
        assert_eq!(verify_consistency(old, &old_root, largest, &root, &path), Ok(()));
    }
}

#[test]
fn a_frontier_needs_one_hash_for_each_complete_subtree() {
    let size = TreeSize::new(7);
    assert!(Frontier::from_parts(size, std::vec![Hash::ZERO; 3]).is_ok());
    for got in [0, 2, 4] {
        let error = Frontier::from_parts(size, std::vec![Hash::ZERO; got]).unwrap_err();
        assert_eq!(error, FrontierError { expected: 3, got });
    }
    assert_eq!(Frontier::from_parts(TreeSize::ZERO, Vec::new()), Ok(Frontier::new()));
}
