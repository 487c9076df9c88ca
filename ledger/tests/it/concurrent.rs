//! Sequencer, publisher and readers at once, and a stranger who looks at the files meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use countersign_ledger::site::LeafBytes;
use proof::merkle::{Frontier, inclusion_proof, leaf_hash, verify_inclusion};
use proof::{Checkpoint, LeafIndex, TreeSize};

use crate::log::{Log, ORIGIN, check_site, leaf, signer};

const LEAVES: u64 = 20_000;

#[test]
fn proofs_leaves_and_files_are_right_at_every_moment() {
    let mut log = Log::new();
    log.publish();
    let head = Mutex::new(log.checkpoint());
    let is_done = AtomicBool::new(false);
    let tree = Arc::clone(&log.tree);
    let dir = log.dir.path().to_path_buf();
    let (to_publisher, publications) = channel::<Checkpoint>();
    let writer = &mut log.writer;

    std::thread::scope(|scope| {
        scope.spawn(move || {
            for checkpoint in publications {
                writer.publish(&checkpoint.sign(&signer())).unwrap();
            }
        });
        scope.spawn(|| {
            let mut last = TreeSize::ZERO;
            while !is_done.load(Ordering::Relaxed) {
                let size = check_site(&dir);
                assert!(size >= last);
                last = size;
            }
        });
        for reader in 0..2 {
            let (tree, head, is_done) = (&tree, &head, &is_done);
            scope.spawn(move || {
                let mut round = reader;
                while !is_done.load(Ordering::Relaxed) {
                    let head = head.lock().unwrap().clone();
                    round += 1;
                    let Some(index) = (round * 7919_u64).checked_rem(head.size.get()) else {
                        continue;
                    };
                    let at = LeafIndex::new(index);
                    let found = tree.read_entry(at).unwrap();
                    assert_eq!(*found, leaf(index));
                    let path = inclusion_proof(&**tree, at, head.size).unwrap();
                    let hash = leaf_hash(&found);
                    verify_inclusion(&hash, at, head.size, &path, &head.root).unwrap();
                }
            });
        }
        let mut frontier = Frontier::new();
        for start in (0..LEAVES).step_by(50) {
            let leaves: Vec<LeafBytes> = (start..start + 50).map(|index| Arc::new(leaf(index))).collect();
            let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            for hash in &hashes {
                frontier.push(*hash);
            }
            tree.append(&leaves, &hashes);
            let (size, root) = (frontier.size(), frontier.root());
            let committed = Checkpoint { origin: ORIGIN.into(), size, root };
            *head.lock().unwrap() = committed.clone();
            if start % 1000 == 0 || start + 50 == LEAVES {
                to_publisher.send(committed).unwrap();
            }
        }
        drop(to_publisher);
        while tree.published() < frontier.size() {
            std::thread::yield_now();
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(check_site(&dir), TreeSize::new(LEAVES));
}
