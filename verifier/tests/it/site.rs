//! Makes static sites and journals of leaves, as the ledger would publish and keep them.

use crate::ledger::{Ledger, checkpoint_key, event_key, leaf_of};
use crate::material::ORIGIN;
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, verify_log, verify_replay};
use domain::policy::Policy;
use proof::merkle::{Frontier, MemoryTree, leaf_hash};
use proof::tile::{BundleCoord, encode_bundle, encode_tile, tiles_for_size};
use proof::{Checkpoint, Hash, SecretKey, TreeSize, sha256};
use serde_json::{Value, json};
use std::path::Path;

/// The tree of some leaves.
pub(crate) fn tree(leaves: &[Vec<u8>]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for leaf in leaves {
        tree.push(leaf_hash(leaf));
    }
    tree
}

/// The signed head of some leaves.
pub(crate) fn checkpoint(leaves: &[Vec<u8>]) -> String {
    let tree = tree(leaves);
    Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() }.sign(&checkpoint_key())
}

/// The site of an honest ledger.
pub(crate) fn site(ledger: &Ledger) -> Memory {
    publish(&ledger.leaves, &ledger.policy)
}

/// The site that a server with the checkpoint key would make of any leaves.
pub(crate) fn publish(leaves: &[Vec<u8>], policy: &Policy) -> Memory {
    let mut site = Memory::default();
    let mut put = |path: String, bytes: Vec<u8>| site.files.insert(path, bytes);
    put("checkpoint".into(), checkpoint(leaves).into_bytes());
    for (number, entries) in leaves.chunks(256).enumerate() {
        let coord = BundleCoord::new(number.try_into().unwrap(), entries.len().try_into().unwrap()).unwrap();
        put(coord.path(), encode_bundle(entries).unwrap());
    }
    let levels = levels(leaves);
    for coord in tiles_for_size(TreeSize::new(leaves.len().try_into().unwrap())) {
        let start = usize::try_from(coord.index()).unwrap() * 256;
        let hashes = &levels[usize::from(coord.level())][start..start + usize::from(coord.width())];
        put(coord.path(), encode_tile(hashes).unwrap());
    }
    for blob in [policy.bundle().to_bytes(), policy.manifest().to_bytes()] {
        put(format!("blob/{}", sha256(&blob)), blob);
    }
    site
}

fn levels(leaves: &[Vec<u8>]) -> Vec<Vec<Hash>> {
    let mut levels: Vec<Vec<Hash>> = vec![leaves.iter().map(|leaf| leaf_hash(leaf)).collect()];
    while levels[levels.len() - 1].len() >= 256 {
        let above = levels[levels.len() - 1].chunks_exact(256).map(|tile| {
            let mut frontier = Frontier::new();
            for hash in tile {
                frontier.push(*hash);
            }
            frontier.root()
        });
        levels.push(above.collect());
    }
    levels
}

/// Edits payloads, then makes a chain of them again and signs every event with the ledger's own key.
pub(crate) fn forge(ledger: &Ledger, edit: impl FnOnce(&mut Vec<Value>)) -> Vec<Vec<u8>> {
    forge_as(ledger, &event_key(), edit)
}

/// The same with another event key.
pub(crate) fn forge_as(ledger: &Ledger, key: &SecretKey, edit: impl FnOnce(&mut Vec<Value>)) -> Vec<Vec<u8>> {
    let mut payloads = ledger.payloads();
    edit(&mut payloads);
    let mut prev = Hash::ZERO;
    let mut leaves = Vec::new();
    for payload in &mut payloads {
        payload["prev"] = json!(prev);
        let bytes = proof::canonical::value_to_vec(payload);
        prev = sha256(&bytes);
        leaves.push(leaf_of(&bytes, key));
    }
    leaves
}

/// Numbers payloads again after some were inserted or dropped, groups and causes included.
pub(crate) fn renumber(payloads: &mut [Value], from: usize, by: i64) {
    for payload in &mut payloads[from..] {
        let shift = |value: &mut Value| {
            let number = value.as_i64().unwrap();
            if number >= i64::try_from(from).unwrap() - by.max(0) {
                *value = json!(number + by);
            }
        };
        shift(&mut payload["seq"]);
        shift(&mut payload["group"]);
        payload["causes"].as_array_mut().unwrap().iter_mut().for_each(shift);
    }
}

pub(crate) fn log(site: Memory) -> Report {
    verify_log(&Location::memory(site), &Options::default())
}

pub(crate) fn replay(site: Memory) -> Report {
    verify_replay(&Location::memory(site), &Options::default())
}

/// Writes a site into a folder.
pub(crate) fn write_site(site: &Memory, folder: &Path) {
    for (path, bytes) in &site.files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// A data folder: the site of the first `published` leaves, and a journal of all.
pub(crate) fn write_data(ledger: &Ledger, published: usize, folder: &Path) {
    write_site(&publish(&ledger.leaves[..published], &ledger.policy), &folder.join("public"));
    write_journal(&ledger.leaves, folder);
}

/// A journal of two segments with frames of three leaves.
pub(crate) fn write_journal(leaves: &[Vec<u8>], folder: &Path) {
    let journal = folder.join("journal");
    let _ = std::fs::remove_dir_all(&journal);
    std::fs::create_dir_all(&journal).unwrap();
    let half = leaves.len() / 6 * 3;
    write_segment(&leaves[..half], 0, folder);
    write_segment(leaves, half, folder);
}

/// One segment, of the leaves from `first` on.
pub(crate) fn write_segment(leaves: &[Vec<u8>], first: usize, folder: &Path) {
    let bytes = segment(&leaves[..first], &leaves[first..], 3);
    std::fs::write(folder.join(format!("journal/{first:020}.seg")), bytes).unwrap();
}

/// The bytes of a segment.
pub(crate) fn segment(before: &[Vec<u8>], leaves: &[Vec<u8>], per_frame: usize) -> Vec<u8> {
    let mut frontier = Frontier::new();
    for leaf in before {
        frontier.push(leaf_hash(leaf));
    }
    let mut frames = Vec::new();
    let root_before = frontier.root();
    for frame in leaves.chunks(per_frame) {
        let start = frontier.size().get();
        for leaf in frame {
            frontier.push(leaf_hash(leaf));
        }
        frames.extend(encode_frame(start, frame, &frontier.root()));
    }
    let capacity = (512 + frames.len() + 1).next_multiple_of(4096) + 4096;
    let mut out = b"CSGNSEG\xff".to_vec();
    out.extend(1_u32.to_le_bytes());
    out.extend(512_u32.to_le_bytes());
    out.extend(sha256(ORIGIN.as_bytes()).as_bytes());
    out.extend(u64::try_from(before.len()).unwrap().to_le_bytes());
    out.extend(root_before.as_bytes());
    out.extend(u64::try_from(capacity).unwrap().to_le_bytes());
    out.resize(508, 0);
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    out.extend(frames);
    out.resize(capacity, 0);
    out
}

/// The bytes of a frame.
pub(crate) fn encode_frame(start: u64, leaves: &[Vec<u8>], root: &Hash) -> Vec<u8> {
    let text: usize = leaves.iter().map(Vec::len).sum();
    let length = (32 + 4 * leaves.len() + text + 40).next_multiple_of(32);
    let small = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut out = vec![0xff, 0xc5, 0x9a, 0xe7];
    out.extend(small(length));
    out.extend(start.to_le_bytes());
    out.extend(small(leaves.len()));
    out.extend(small(text));
    out.extend([0; 4]);
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    for leaf in leaves {
        out.extend(small(leaf.len()));
    }
    for leaf in leaves {
        out.extend(leaf);
    }
    out.resize(length - 40, 0);
    out.extend(root.as_bytes());
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    out.extend([0xe7, 0x9a, 0xc5, 0xff]);
    out
}
