//! What somebody can do who has the ledger's own keys: make its history again, otherwise.

use crate::{binary, data};
use domain::authored::SeenHead;
use ledger::durable::Staging;
use ledger::journal::segment::{Options, SegmentJournal};
use ledger::journal::{Frame, Journal};
use ledger::site::{Check, SiteSource, TileTree};
use proof::checkpoint::Checkpoint;
use proof::hash::{Hash, sha256};
use proof::leaf::{Leaf, build_leaf, sign_event};
use proof::merkle::{Frontier, MemoryTree, consistency_proof, inclusion_proof, leaf_hash, root_at};
use proof::note::SignerKey;
use proof::receipt::{Receipt, ReceiptEntry};
use proof::{LeafIndex, TreeSize};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Leaves of one frame of a journal that is made again.
const FRAME: usize = 16;

/// The ledger's keys, as its operator can export them.
#[derive(Debug, Clone)]
pub struct StolenKeys {
    /// Signs events.
    pub event: SignerKey,
    /// Signs heads.
    pub checkpoint: SignerKey,
}

impl StolenKeys {
    /// Exports them from a data folder, with the operator's own command.
    ///
    /// # Panics
    /// If they cannot be exported.
    pub fn export(dir: &Path) -> Self {
        let key = |role: &str| {
            let line =
                binary::printed(&binary::countersign(&["keys", "export", role, "--data", dir.to_str().unwrap()]));
            SignerKey::parse(&line).unwrap()
        };
        Self { event: key("--event"), checkpoint: key("--checkpoint") }
    }

    /// Makes a chain of payloads again, and signs each event.
    pub fn chain(&self, mut payloads: Vec<Value>) -> Vec<Vec<u8>> {
        let key = self.event.secret();
        let mut prev = Hash::ZERO;
        let mut leaves = Vec::with_capacity(payloads.len());
        for payload in &mut payloads {
            payload["prev"] = json!(prev);
            let bytes = proof::canonical::value_to_vec(payload);
            prev = sha256(&bytes);
            leaves.push(build_leaf(&bytes, &key.public().key_id(), &sign_event(&bytes, key)));
        }
        leaves
    }

    /// Edits a dead ledger's history: payloads, the chain behind them, signatures, journal, tiles, bundles, head.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn rewrite(&self, dir: &Path, edit: impl FnOnce(&mut Vec<Value>)) {
        let mut payloads = payloads(&data::leaves(dir));
        edit(&mut payloads);
        self.publish(dir, &self.chain(payloads));
    }

    /// Puts leaves in the place of a dead ledger's.
    ///
    /// # Panics
    /// If the folder cannot be written.
    pub fn publish(&self, dir: &Path, leaves: &[Vec<u8>]) {
        for gone in ["journal", "public/tile", "projections"] {
            // The read models may not be there yet.
            let _ = fs::remove_dir_all(dir.join(gone));
        }
        fs::remove_file(dir.join("public/checkpoint")).unwrap();
        let options = Options::new(self.checkpoint.name().as_str());
        let mut opened = SegmentJournal::open(dir, &options, &mut |_, _| Ok(())).unwrap();
        let mut frontier = Frontier::new();
        for frame in leaves.chunks(FRAME) {
            let start = frontier.size();
            for leaf in frame {
                frontier.push(leaf_hash(leaf));
            }
            opened.journal.append(&Frame { start, leaves: frame, root: frontier.root() }).unwrap();
        }
        let staging = Staging::open(dir).unwrap();
        let journal = opened.journal.reader();
        let source = SiteSource { journal, frontier: &frontier, published: None, check: Check::All };
        let mut site = TileTree::open(dir, &staging, &source).unwrap();
        site.writer.publish(&History::new(self, leaves.to_vec()).note()).unwrap();
        drop((site, opened));
        data::wait_until_free(dir);
    }
}

/// The payloads of leaves.
///
/// # Panics
/// If one is not canonical.
pub fn payloads(leaves: &[Vec<u8>]) -> Vec<Value> {
    let parse = |leaf: &Vec<u8>| proof::canonical::parse_canonical(Leaf::parse(leaf).unwrap().payload).unwrap();
    leaves.iter().map(parse).collect()
}

/// The index of the first event of this type whose data hold `value` anywhere.
///
/// # Panics
/// If there is none.
pub fn index_of(payloads: &[Value], kind: &str, value: &str) -> usize {
    let holds = |payload: &Value| payload["data"].to_string().contains(&Value::from(value).to_string());
    let found = payloads.iter().position(|payload| payload["type"] == kind && holds(payload));
    found.unwrap_or_else(|| panic!("no `{kind}` that holds `{value}`"))
}

/// Makes room for new payloads at `from`: the numbers behind it grow, groups and causes included.
///
/// # Panics
/// If a number is none.
pub fn shift(payloads: &mut [Value], from: usize, by: usize) {
    let (from, by) = (u64::try_from(from).unwrap(), u64::try_from(by).unwrap());
    for payload in payloads {
        let move_on = |value: &mut Value| {
            let number = value.as_u64().unwrap();
            if number >= from {
                *value = json!(number + by);
            }
        };
        move_on(&mut payload["seq"]);
        move_on(&mut payload["group"]);
        payload["causes"].as_array_mut().unwrap().iter_mut().for_each(move_on);
    }
}

/// A history whose proofs anybody would accept who asks nothing but the keys.
#[derive(Debug)]
pub struct History {
    keys: StolenKeys,
    leaves: Vec<Vec<u8>>,
    tree: MemoryTree,
}

impl History {
    /// The history of these leaves.
    pub fn new(keys: &StolenKeys, leaves: Vec<Vec<u8>>) -> Self {
        let mut tree = MemoryTree::new();
        for leaf in &leaves {
            tree.push(leaf_hash(leaf));
        }
        Self { keys: keys.clone(), leaves, tree }
    }

    /// The leaves.
    pub fn leaves(&self) -> &[Vec<u8>] {
        &self.leaves
    }

    /// The head.
    pub fn head(&self) -> SeenHead {
        SeenHead { size: self.tree.size(), root: self.tree.root() }
    }

    /// The head at an earlier size.
    ///
    /// # Panics
    /// If the history is shorter.
    pub fn head_at(&self, size: TreeSize) -> SeenHead {
        SeenHead { size, root: root_at(&self.tree, size).unwrap() }
    }

    /// The signed head.
    pub fn note(&self) -> String {
        let key = &self.keys.checkpoint;
        let origin = key.name().as_str().to_owned();
        Checkpoint { origin, size: self.tree.size(), root: self.tree.root() }.sign(key)
    }

    /// A receipt of these events.
    ///
    /// # Panics
    /// If there is no such event.
    pub fn receipt(&self, indices: impl IntoIterator<Item = LeafIndex>) -> Receipt {
        let entry = |index: LeafIndex| ReceiptEntry {
            index,
            leaf: String::from_utf8(self.leaves[usize::try_from(index.get()).unwrap()].clone()).unwrap(),
            path: inclusion_proof(&self.tree, index, self.tree.size()).unwrap(),
        };
        Receipt { checkpoint: self.note(), entries: indices.into_iter().map(entry).collect() }
    }

    /// That the head extends the one at `old`.
    ///
    /// # Panics
    /// If the history is shorter.
    pub fn consistency(&self, old: TreeSize) -> Vec<Hash> {
        consistency_proof(&self.tree, old, self.tree.size()).unwrap()
    }
}
