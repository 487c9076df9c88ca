//! What a server acknowledged and released, to be held against the log after a fault: nothing of it may be lost or change.

use crate::audit::{verify, verify_with};
use crate::server::Server;
use domain::authored::SeenHead;
use proof::merkle::{MemoryTree, leaf_hash, root_at, verify_consistency};
use proof::{Checkpoint, LeafIndex, Receipt, TreeSize, VerifierKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Receipts that one call of the auditor's executable is given.
const FILES_OF_ONE_CALL: usize = 500;

/// Every receipt that a client was given, and every head that anybody saw. Without a folder, receipts are verified and their
/// leaves kept, but not they themselves.
#[derive(Debug, Default)]
pub struct Acknowledged {
    folder: Option<PathBuf>,
    leaves: BTreeMap<LeafIndex, String>,
    heads: BTreeMap<TreeSize, SeenHead>,
    /// Proposals whose bodies were taken, each with how many.
    bodies: BTreeMap<String, usize>,
    files: Vec<PathBuf>,
}

impl Acknowledged {
    /// Nothing yet. Receipts are kept in this folder, for the auditor's executable.
    ///
    /// # Panics
    /// If the folder cannot be made.
    pub fn in_folder(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        Self { folder: Some(folder.to_owned()), ..Self::default() }
    }

    /// How many receipts there are.
    pub fn receipts(&self) -> usize {
        self.files.len()
    }

    /// How many events they prove.
    pub fn events(&self) -> usize {
        self.leaves.len()
    }

    /// The largest head that was released.
    pub fn largest(&self) -> TreeSize {
        self.heads.keys().next_back().copied().unwrap_or(TreeSize::ZERO)
    }

    /// Keeps a receipt.
    ///
    /// # Panics
    /// If it does not verify, or gives an index away a second time.
    pub fn keep(&mut self, receipt: &Receipt, pinned: &VerifierKey) {
        let proven = receipt.verify(pinned).unwrap();
        for entry in &receipt.entries {
            let earlier = self.leaves.insert(entry.index, entry.leaf.clone());
            let same = earlier.is_none_or(|earlier| earlier == entry.leaf);
            assert!(same, "index {} was given away twice", entry.index);
        }
        self.keep_head(proven.checkpoint());
        if let Some(folder) = &self.folder {
            let file = folder.join(format!("{:06}.json", self.files.len()));
            fs::write(&file, receipt.to_json()).unwrap();
            self.files.push(file);
        }
    }

    /// Keeps a head that somebody saw.
    ///
    /// # Panics
    /// If another one of that size was seen.
    pub fn keep_head(&mut self, head: &Checkpoint) {
        let head = SeenHead { size: head.size, root: head.root };
        let other = self.heads.insert(head.size, head);
        assert!(other.is_none_or(|other| other == head), "two heads of {} events", head.size);
    }

    /// Keeps the head that is published in a data folder, if one is.
    ///
    /// # Panics
    /// If it does not verify.
    pub fn keep_published(&mut self, data: &Path, pinned: &VerifierKey) {
        if let Ok(note) = fs::read_to_string(data.join("public/checkpoint")) {
            self.keep_head(&Checkpoint::open(&note, pinned).unwrap());
        }
    }

    /// Keeps that a proposal came with so many bodies.
    pub fn keep_bodies(&mut self, proposal: &str, bodies: usize) {
        self.bodies.insert(proposal.to_owned(), bodies);
    }

    /// Everything that was acknowledged is in a running server's log as it was, and its read models get there. Gives the
    /// size of the log.
    ///
    /// # Panics
    /// If not.
    pub async fn check(&self, server: &Server) -> u64 {
        let client = server.admin();
        let head = client.head().await.unwrap();
        assert!(head.size >= self.largest(), "the log has {} events, {} were released", head.size, self.largest());
        let request = server.raw().request("GET", "/api/v1/stream?once=true").header("accept", "application/x-ndjson");
        let text = request.send().await.text();
        let log = text.lines().enumerate().map(|(seq, line)| line.replacen(&format!("{{\"seq\":{seq},"), "{", 1));
        self.check_leaves(&log.collect::<Vec<_>>(), SeenHead { size: head.size, root: head.root });
        // The same as a client would ask it: from the first and from the last head that was shown.
        for seen in self.heads.values().take(1).chain(self.heads.values().last()) {
            let proof = client.consistency(seen.size, head.size).await.unwrap();
            verify_consistency(seen.size, &seen.root, head.size, &head.root, &proof.path).unwrap();
        }
        server.models_reach(head.size).await;
        for (proposal, wanted) in self.bodies.iter().rev().take(3) {
            let found = client.proposal_bodies(proposal).await.unwrap();
            assert_eq!(found.len(), *wanted, "a body of {proposal} was taken and is gone");
        }
        head.size.get()
    }

    /// Everything that was acknowledged is among these leaves, whose first ones have this head.
    ///
    /// # Panics
    /// If not.
    pub fn check_leaves(&self, log: &[String], head: SeenHead) {
        let mut tree = MemoryTree::new();
        for leaf in log {
            tree.push(leaf_hash(leaf.as_bytes()));
        }
        // The read models' digests may have been stated meanwhile.
        assert!(tree.size() >= head.size, "the log is shorter than its head");
        assert_eq!(root_at(&tree, head.size).unwrap(), head.root, "the head is not that of the events");
        for (index, leaf) in &self.leaves {
            let kept = log.get(usize::try_from(index.get()).unwrap());
            assert_eq!(kept, Some(leaf), "event {index} was acknowledged and is gone");
        }
        for (size, seen) in &self.heads {
            assert!(tree.size() >= *size, "a head of {size} events was released");
            assert_eq!(root_at(&tree, *size).unwrap(), seen.root, "the head of {size} events was another one");
        }
    }

    /// Every receipt by the auditor's own executable, under the pinned key; that the log as it is now extends each; and
    /// the log itself.
    ///
    /// # Panics
    /// If the auditor objects.
    pub fn audit(&self, data: &Path, pinned: &VerifierKey) {
        let pinned = pinned.to_string();
        for files in self.files.chunks(FILES_OF_ONE_CALL) {
            let mut arguments = vec!["receipt".into(), "--key".into(), pinned.clone()];
            arguments.extend(files.iter().map(|file| file.display().to_string()));
            let verdict = verify_with(&arguments);
            verdict.assert_valid();
            assert_eq!(verdict.report["receipts"].as_array().unwrap().len(), files.len());
        }
        let checkpoint = data.join("public/checkpoint").display().to_string();
        let log = data.display().to_string();
        let last = self.files.len().checked_sub(1);
        let sample: BTreeSet<usize> = last.map(|last| [0, last / 2, last]).into_iter().flatten().collect();
        for number in sample {
            let old = self.files[number].display().to_string();
            verify_with(["consistency", &old, &checkpoint, "--log", &log, "--key", &pinned]).assert_valid();
        }
        verify(data, "log").assert_valid();
        verify(data, "replay").assert_valid();
    }
}
