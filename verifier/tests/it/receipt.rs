//! Receipts prove what they prove, under a key that the reader knows.

use crate::ledger::{Ledger, Story, checkpoint_key, checkpoint_vkey, event_key, root_key};
use crate::material::{ORIGIN, secret, signer};
use crate::site::checkpoint;
use countersign_verifier::{Options, Report, Rule, Trust, Verdict, verify_receipts};
use proof::merkle::inclusion_proof;
use proof::{LeafIndex, Receipt, ReceiptEntry, VerifierKey};
use std::path::PathBuf;
use tempfile::tempdir;

fn receipt(ledger: &Ledger, indices: &[u64]) -> Receipt {
    let entry = |at: &u64| ReceiptEntry {
        index: LeafIndex::new(*at),
        leaf: String::from_utf8(ledger.leaves[usize::try_from(*at).unwrap()].clone()).unwrap(),
        path: inclusion_proof(&ledger.tree, LeafIndex::new(*at), ledger.tree.size()).unwrap(),
    };
    Receipt { checkpoint: checkpoint(&ledger.leaves), entries: indices.iter().map(entry).collect() }
}

fn pinned<'a>() -> Options<'a> {
    Options { trust: Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() }
}

fn verify(files: &[Vec<u8>], options: &Options<'_>, event_key: Option<&VerifierKey>) -> Report {
    let folder = tempdir().unwrap();
    let write = |(number, bytes): (usize, &Vec<u8>)| {
        let path = folder.path().join(format!("{number}.receipt"));
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let paths: Vec<PathBuf> = files.iter().enumerate().map(write).collect();
    verify_receipts(&paths, options, event_key)
}

fn story() -> (Ledger, Story) {
    Ledger::story()
}

#[test]
fn both_encodings_prove_an_event_and_a_decisions_ruling() {
    let (ledger, story) = story();
    let denied = receipt(&ledger, &[story.secrets + 1]);
    let files = [denied.to_json(), denied.to_tlog_proof().unwrap().into_bytes()];
    let report = verify(&files, &pinned(), None);
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    assert_eq!(report.receipts.len(), 2);
    for receipt in &report.receipts {
        let [entry] = receipt.entries.as_slice() else { panic!("one entry") };
        assert_eq!((entry.index.get(), entry.type_name.as_str()), (9, "decision.recorded"));
        assert_eq!((entry.subject.as_str(), entry.ruling), ("proposal/p-secrets", Some("DENY")));
        assert_eq!(entry.event_signature, None);
    }
    let text = report.to_text(false);
    assert!(text.contains("decision.recorded of proposal/p-secrets: DENY"), "{text}");
    assert!(text.contains("not checked: the event key is not known"), "{text}");
}

#[test]
fn the_events_signature_is_checked_with_the_genesis_or_a_given_key() {
    let (ledger, story) = story();
    let with_genesis = receipt(&ledger, &[0, story.read, story.read + 1]).to_json();
    let report = verify(std::slice::from_ref(&with_genesis), &pinned(), None);
    assert_eq!(report.verdict, Verdict::Valid);
    let key = event_key().public().key_id().to_string();
    assert!(report.receipts[0].entries.iter().all(|entry| entry.event_signature.as_ref() == Some(&key)));

    let alone = receipt(&ledger, &[story.read]).to_json();
    let own = signer("event", &event_key()).verifier();
    assert_eq!(verify(std::slice::from_ref(&alone), &pinned(), Some(&own)).verdict, Verdict::Valid);
    let other = signer("event", &secret(9)).verifier();
    assert_eq!(verify(&[alone], &pinned(), Some(&other)).first_bad.unwrap().rule, Rule::EventKey);

    let root = |key| Options { root: Some(signer("root", &key).verifier()), ..pinned() };
    assert_eq!(verify(std::slice::from_ref(&with_genesis), &root(root_key()), None).verdict, Verdict::Valid);
    assert_eq!(verify(&[with_genesis], &root(secret(9)), None).first_bad.unwrap().rule, Rule::RootKey);
}

#[test]
fn without_a_key_nothing_is_proven() {
    let (ledger, _) = story();
    let report = verify(&[receipt(&ledger, &[1]).to_json()], &Options::default(), None);
    assert_eq!(report.verdict.code(), 1);
    assert!(report.to_text(false).contains("--key VKEY"));
}

#[test]
fn any_flipped_bit_refuses_a_receipt() {
    let (ledger, story) = story();
    let receipt = receipt(&ledger, &[story.secrets + 1]);
    for bytes in [receipt.to_json(), receipt.to_tlog_proof().unwrap().into_bytes()] {
        // Many at once: a file each.
        for bit in [0, 5] {
            let flipped: Vec<Vec<u8>> = (0..bytes.len())
                .step_by(3)
                .map(|byte| {
                    let mut bytes = bytes.clone();
                    bytes[byte] ^= 1 << bit;
                    bytes
                })
                .collect();
            let report = verify(&flipped, &pinned(), None);
            for receipt in report.receipts {
                assert_eq!(receipt.verdict, Verdict::Invalid, "{receipt:?}");
            }
        }
    }
}

#[test]
fn each_file_is_judged_and_the_worst_decides() {
    let (ledger, _) = story();
    let good = receipt(&ledger, &[1]).to_json();
    let mut moved = receipt(&ledger, &[1]);
    moved.entries[0].index = LeafIndex::new(2);
    let report = verify(&[good.clone(), moved.to_json(), b"garbage".to_vec()], &pinned(), None);
    let verdicts: Vec<u8> = report.receipts.iter().map(|receipt| receipt.verdict.code()).collect();
    assert_eq!((report.verdict, verdicts), (Verdict::Invalid, vec![0, 2, 2]));
    assert_eq!(report.receipts[1].problem.as_ref().unwrap().rule, Rule::Inclusion);

    let folder = tempdir().unwrap();
    let file = folder.path().join("good");
    std::fs::write(&file, good).unwrap();
    let report = verify_receipts(&[file, folder.path().join("absent")], &pinned(), None);
    assert_eq!(report.verdict, Verdict::Error);
    assert_eq!(report.receipts[0].verdict, Verdict::Valid);
}

#[test]
fn a_leaf_that_lies_about_its_place_or_log_is_refused() {
    let (ledger, _) = story();
    let mut leaves = ledger.leaves.clone();
    leaves.swap(2, 3);
    let swapped = crate::site::tree(&leaves);
    let head = proof::Checkpoint { origin: ORIGIN.into(), size: swapped.size(), root: swapped.root() };
    let entry = ReceiptEntry {
        index: LeafIndex::new(2),
        leaf: String::from_utf8(leaves[2].clone()).unwrap(),
        path: inclusion_proof(&swapped, LeafIndex::new(2), swapped.size()).unwrap(),
    };
    let forged = Receipt { checkpoint: head.sign(&checkpoint_key()), entries: vec![entry.clone()] };
    assert_eq!(verify(&[forged.to_json()], &pinned(), None).first_bad.unwrap().rule, Rule::Seq);
    // The same leaf under another log's head.
    let key = signer("other.example", &secret(3));
    let elsewhere = proof::Checkpoint { origin: "other.example".into(), ..head };
    let mut entry = entry;
    entry.leaf = String::from_utf8(leaves[4].clone()).unwrap();
    entry.index = LeafIndex::new(4);
    entry.path = inclusion_proof(&swapped, LeafIndex::new(4), swapped.size()).unwrap();
    let forged = Receipt { checkpoint: elsewhere.sign(&key), entries: vec![entry] };
    let options = Options { trust: Trust::Key(Box::new(key.verifier())), ..Options::default() };
    assert_eq!(verify(&[forged.to_json()], &options, None).first_bad.unwrap().rule, Rule::Ledger);
}
