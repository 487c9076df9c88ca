//! What the site costs: appending to the tree, proofs from it, and publication.
//!
//! `cargo run --release -p countersign-ledger --example publish [DIR]`

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use countersign_ledger::durable::Staging;
use countersign_ledger::journal::Journal;
use countersign_ledger::journal::memory::MemoryStore;
use countersign_ledger::site::{Check, LeafBytes, SiteSource, TileTree};
use proof::merkle::{Frontier, inclusion_proof, leaf_hash};
use proof::{Checkpoint, KeyName, LeafIndex, SecretKey, SignerKey};

/// Leaves between two publications: what a busy second brings.
const LEAVES: u64 = 30_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "target/publish-example".into());
    let dir = Path::new(&dir);
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    let name = KeyName::new("publish.example").map_err(|error| error.to_string())?;
    let signer = SignerKey::new(name, SecretKey::from_seed([1; 32]));
    let (journal, mut frontier) = MemoryStore::new().open(&mut |_, _| Ok(()))?;
    let source =
        SiteSource { journal: journal.reader(), frontier: &Frontier::new(), published: None, check: Check::Edge };
    let mut opened = TileTree::open(dir, &Staging::open(dir)?, &source)?;
    for round in 1..=5 {
        let leaves: Vec<LeafBytes> = (0..LEAVES).map(|_| Arc::new(vec![b'x'; 1024])).collect();
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        for hash in &hashes {
            frontier.push(*hash);
        }
        let started = Instant::now();
        for (leaves, hashes) in leaves.chunks(64).zip(hashes.chunks(64)) {
            opened.tree.append(leaves, hashes);
        }
        let appended = started.elapsed();

        let size = frontier.size();
        let started = Instant::now();
        for index in size.get() - 1000..size.get() {
            inclusion_proof(&*opened.tree, LeafIndex::new(index), size)?;
        }
        let proved = started.elapsed() / 1000;

        let head = Checkpoint { origin: "publish.example".into(), size, root: frontier.root() };
        let started = Instant::now();
        opened.writer.publish(&head.sign(&signer))?;
        let published = started.elapsed();

        let started = Instant::now();
        for index in 0..200 {
            inclusion_proof(&*opened.tree, LeafIndex::new(index * 131), size)?;
            opened.tree.read_entry(LeafIndex::new(index * 131))?;
        }
        println!(
            "{round}: {LEAVES} leaves of 1 KiB appended in {appended:?}, published in {published:?}; \
             proof of a new leaf {proved:?}, old leaf with proof {:?}",
            started.elapsed() / 200
        );
    }
    Ok(())
}
