//! The server killed at any moment, under load or while it recovers: what it acknowledged is in the log for ever, at its
//! index, and no index is given away twice.

use client::Client;
use countersign_tests::audit::{verify, verify_with};
use countersign_tests::chance::Chance;
use countersign_tests::proposals;
use countersign_tests::server::{ADMIN_KEY, Server, Start};
use domain::authored::SeenHead;
use proof::merkle::{MemoryTree, leaf_hash, root_at, verify_consistency};
use proof::{LeafIndex, Receipt, VerifierKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

const ROUNDS: u32 = 20;
/// Clients that submit one command after the other.
const CLIENTS: u64 = 4;
/// The longest that a server lives after it has answered.
const LIFE_MS: u64 = 350;
/// The longest that a server lives which is killed while it starts.
const BIRTH_MS: u64 = 60;

/// Every receipt that a client was given, by the size of the tree it was given under.
#[derive(Default)]
struct Acknowledged {
    leaves: BTreeMap<LeafIndex, String>,
    heads: BTreeMap<proof::TreeSize, SeenHead>,
    files: Vec<PathBuf>,
}

impl Acknowledged {
    fn keep(&mut self, receipt: &Receipt, pinned: &VerifierKey, folder: &Path) {
        let proven = receipt.verify(pinned).unwrap();
        for entry in &receipt.entries {
            let earlier = self.leaves.insert(entry.index, entry.leaf.clone());
            let same = earlier.is_none_or(|earlier| earlier == entry.leaf);
            assert!(same, "index {} was given away twice", entry.index);
        }
        let head = proven.checkpoint();
        let head = SeenHead { size: head.size, root: head.root };
        let other = self.heads.insert(head.size, head);
        assert!(other.is_none_or(|other| other == head), "two heads of {} events", head.size);
        let file = folder.join(format!("{:06}.json", self.files.len()));
        fs::write(&file, receipt.to_json()).unwrap();
        self.files.push(file);
    }

    /// Everything that was acknowledged is in the log as it was.
    async fn check(&self, server: &Server) -> u64 {
        let client = server.admin();
        let head = client.head().await.unwrap();
        let request = server.raw().request("GET", "/api/v1/stream?once=true").header("accept", "application/x-ndjson");
        let text = request.send().await.text();
        let mut tree = MemoryTree::new();
        let mut log = Vec::new();
        for (seq, line) in text.lines().enumerate() {
            let leaf = line.replacen(&format!("{{\"seq\":{seq},"), "{", 1);
            tree.push(leaf_hash(leaf.as_bytes()));
            log.push(leaf);
        }
        // The read models' digests may have been stated meanwhile.
        assert!(tree.size() >= head.size, "the log is shorter than its head");
        assert_eq!(root_at(&tree, head.size).unwrap(), head.root, "the head is not that of the events");
        for (index, leaf) in &self.leaves {
            let kept = log.get(usize::try_from(index.get()).unwrap());
            assert_eq!(kept, Some(leaf), "event {index} was acknowledged and is gone");
        }
        for (size, seen) in &self.heads {
            assert_eq!(root_at(&tree, *size).unwrap(), seen.root, "the head of {size} events was another one");
        }
        // The same as a client would ask it: from the first and from the last head that was shown.
        for seen in self.heads.values().take(1).chain(self.heads.values().last()) {
            let proof = client.consistency(seen.size, head.size).await.unwrap();
            verify_consistency(seen.size, &seen.root, head.size, &head.root, &proof.path).unwrap();
        }
        head.size.get()
    }
}

/// Submits until the server is gone; every answer is passed on.
async fn load(client: Client, round: u32, task: u64, mut chance: Chance, answers: UnboundedSender<Receipt>) {
    for number in 0.. {
        let id = format!("c-{round}-{task}-{number}");
        let long = "x".repeat(usize::try_from(chance.below(3_000)).unwrap());
        let answered = match chance.below(4) {
            0 => client.submit_intent(&proposals::intent(&id, &long)).await.map(|accepted| accepted.receipt),
            1 => client.submit_proposal(&proposals::secrets(&id)).await.map(|ruled| ruled.receipt),
            2 => client.submit_proposal(&proposals::write(&id, "a.txt", &long)).await.map(|ruled| ruled.receipt),
            _ => client.submit_proposal(&proposals::irreversible(&id, "a.txt", "x")).await.map(|ruled| ruled.receipt),
        };
        match answered {
            Ok(receipt) => answers.send(receipt).unwrap(),
            Err(client::Error::Refused(problem)) => panic!("{problem:?}"),
            // Killed before or after it was on the disk: nobody was told anything.
            Err(client::Error::Unreachable(_) | client::Error::Unexpected(_)) => return,
        }
    }
}

/// Lets a server live for a while under load, and kills it. Gives what it acknowledged.
async fn life_and_death(server: Server, round: u32, chance: &mut Chance) -> Vec<Receipt> {
    let (sender, mut answers) = unbounded_channel();
    let client = server.client(ADMIN_KEY);
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|task| tokio::spawn(load(client.clone(), round, task, chance.fork(), sender.clone())))
        .collect();
    drop(sender);
    // The moment that chance chose: nothing is waited for.
    let end = tokio::time::sleep(Duration::from_millis(chance.below(LIFE_MS)));
    tokio::pin!(end);
    let mut given = Vec::new();
    loop {
        tokio::select! {
            () = &mut end => break,
            Some(receipt) = answers.recv() => given.push(receipt),
        }
    }
    server.kill();
    for task in tasks {
        task.await.unwrap();
    }
    while let Some(receipt) = answers.recv().await {
        given.push(receipt);
    }
    given
}

/// Every file by the auditor's own executable, under the pinned key; and that the log as it is now extends each.
fn audit(kept: &Acknowledged, data: &Path, pinned: &VerifierKey) {
    let pinned = pinned.to_string();
    for files in kept.files.chunks(500) {
        let mut arguments = vec!["receipt".into(), "--key".into(), pinned.clone()];
        arguments.extend(files.iter().map(|file| file.display().to_string()));
        let verdict = verify_with(&arguments);
        verdict.assert_valid();
        assert_eq!(verdict.report["receipts"].as_array().unwrap().len(), files.len());
    }
    let checkpoint = data.join("public/checkpoint").display().to_string();
    let log = data.display().to_string();
    let sample: BTreeSet<usize> = [0, kept.files.len() / 2, kept.files.len() - 1].into();
    for number in sample {
        let old = kept.files[number].display().to_string();
        verify_with(["consistency", &old, &checkpoint, "--log", &log, "--key", &pinned]).assert_valid();
    }
    verify(data, "log").assert_valid();
    verify(data, "replay").assert_valid();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_no_acknowledged_receipt() {
    let mut chance = Chance::with_printed_seed("crash");
    let dir = tempfile::tempdir().unwrap();
    let (data, receipts) = (dir.path().join("data"), dir.path().join("receipts"));
    fs::create_dir(&receipts).unwrap();
    let mut kept = Acknowledged::default();
    let (mut killed_at_birth, mut torn) = (0, 0);
    for round in 0..ROUNDS {
        if round > 0 && chance.below(4) == 0 {
            // Killed while it recovers from the kill before.
            let (born, _lines) = Start::serve(&data).spawn();
            tokio::time::sleep(Duration::from_millis(chance.below(BIRTH_MS))).await;
            born.kill();
            killed_at_birth += 1;
        }
        let server = Server::serve(&data).await;
        torn += u32::from(server.said().contains("was dropped"));
        let size = kept.check(&server).await;
        let grown = kept.heads.last_key_value().is_none_or(|(seen, _)| seen.get() <= size);
        assert!(grown, "the log is shorter than what was acknowledged");
        let pinned = server.pinned();
        for receipt in life_and_death(server, round, &mut chance).await {
            kept.keep(&receipt, &pinned, &receipts);
        }
    }
    let server = Server::serve(&data).await;
    let (size, pinned) = (kept.check(&server).await, server.pinned());
    server.stop().await;
    let (files, events) = (kept.files.len(), kept.leaves.len());
    eprintln!(
        "crash: {ROUNDS} kills and {killed_at_birth} at birth, {torn} torn frames, {files} receipts of {events} events of {size}"
    );
    assert!(files > 20, "there was hardly any load");
    audit(&kept, &data, &pinned);
}
