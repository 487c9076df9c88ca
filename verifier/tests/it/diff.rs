//! Two copies of a log: one may be shorter; where they part, the log's key is convicted by a file that stands alone.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey, leaf_of};
use crate::material::{ORIGIN, secret, signer};
use crate::site::{forge, publish, site, write_site};
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, Rule, Trust, Verdict, verify_diff, verify_evidence};
use proof::VerifierKey;
use serde_json::{Value, json};
use std::process::Command;
use tempfile::tempdir;

fn pinned(key: VerifierKey) -> Options<'static> {
    Options { trust: Trust::Key(Box::new(key)), ..Options::default() }
}

fn diff(a: Memory, b: Memory) -> Report {
    verify_diff(&Location::memory(a), &Location::memory(b), &pinned(checkpoint_vkey()))
}

/// A ledger of two levels of tiles, and another history from the same keys that parts at this leaf.
fn forked(length: usize, at: usize) -> (Ledger, Vec<Vec<u8>>) {
    let mut ledger = Ledger::new();
    let mut number = 0;
    while ledger.leaves.len() < length {
        ledger.intend(&format!("i-{number}"));
        number += 1;
    }
    let leaves = forge(&ledger, |payloads| payloads[at]["data"]["forged"] = json!(true));
    (ledger, leaves)
}

#[test]
fn copies_of_one_history_do_not_part_whatever_their_length() {
    let (ledger, _) = forked(530, 500);
    for (a, b) in [(530, 530), (530, 256), (511, 530), (6, 530), (512, 513)] {
        let copy = |size: usize| publish(&ledger.leaves[..size], &ledger.policy);
        let report = diff(copy(a), copy(b));
        assert_eq!(report.verdict, Verdict::Valid, "{a} {b} {report:?}");
        assert_eq!(report.size.unwrap().get(), u64::try_from(a.max(b)).unwrap());
        assert!(report.fork.is_none());
    }
}

#[test]
fn the_first_event_that_differs_is_named_and_the_evidence_convicts() {
    for at in [6, 7, 255, 256, 300, 511, 512, 529] {
        let (ledger, other) = forked(530, at);
        for size in [530, at + 1] {
            let report = diff(site(&ledger), publish(&other[..size], &ledger.policy));
            let place = u64::try_from(at).unwrap();
            assert_invalid(&report, Some(place), Rule::Forked);
            let evidence = report.fork.unwrap().evidence.to_string();
            let judged = verify_evidence("file", evidence.as_bytes(), &pinned(checkpoint_vkey()));
            assert_invalid(&judged, Some(place), Rule::Forked);
            assert_eq!((judged.heads[0].size.get(), judged.heads.len()), (530, 2));
        }
    }
}

#[test]
fn evidence_that_was_tampered_with_or_is_of_another_log_convicts_nobody() {
    let (ledger, other) = forked(30, 20);
    let report = diff(site(&ledger), publish(&other, &ledger.policy));
    let evidence = report.fork.unwrap().evidence;
    let judge = |evidence: &Value, key| verify_evidence("file", evidence.to_string().as_bytes(), &pinned(key)).verdict;
    assert_eq!(judge(&evidence, checkpoint_vkey()), Verdict::Invalid);
    assert_ne!(judge(&evidence, signer(ORIGIN, &secret(9)).verifier()), Verdict::Valid);
    let mut same = evidence.clone();
    same["b"] = evidence["a"].clone();
    assert_eq!(judge(&same, checkpoint_vkey()), Verdict::Insufficient);
    for (side, member, value) in [("a", "leaf", json!("{}")), ("b", "index", json!(21)), ("b", "path", json!([]))] {
        let mut bad = evidence.clone();
        bad[side]["entries"][0][member] = value;
        assert_eq!(judge(&bad, checkpoint_vkey()), Verdict::Insufficient, "{side} {member}");
    }
    for bad in [json!({}), json!([]), json!({"kind": "fork", "v": 2}), json!({"kind": "fork", "v": 1, "a": 1})] {
        assert_eq!(judge(&bad, checkpoint_vkey()), Verdict::Insufficient);
    }
    let nobody = verify_evidence("file", evidence.to_string().as_bytes(), &Options::default());
    assert_eq!(nobody.verdict, Verdict::Error);
}

#[test]
fn a_copy_that_does_not_prove_its_own_head_convicts_nobody() {
    let (ledger, _) = forked(530, 300);
    let mut damaged = site(&ledger);
    let tile = damaged.files.get_mut("tile/0/001").unwrap();
    tile[44 * 32] ^= 1;
    assert_eq!(diff(site(&ledger), damaged.clone()).verdict, Verdict::Valid, "the same head: `log` finds the tile");
    damaged.files.get_mut("tile/1/000.p/2").unwrap()[32] ^= 1;
    let report = diff(site(&ledger), damaged);
    assert_invalid(&report, Some(300), Rule::ProofMissing);
    assert!(report.fork.is_none());
    // Two logs are no fork of one.
    let mut leaves = ledger.leaves.clone();
    leaves[529] = leaf_of(b"{}", &secret(9));
    let mut other = publish(&leaves, &ledger.policy);
    let root = crate::site::tree(&leaves).root();
    let head = proof::Checkpoint { origin: ORIGIN.into(), size: proof::TreeSize::new(530), root };
    other.files.insert("checkpoint".into(), head.sign(&signer(ORIGIN, &secret(9))).into_bytes());
    assert_invalid(&diff(site(&ledger), other), None, Rule::CheckpointSignature);
}

#[test]
fn the_binary_writes_the_evidence() {
    let (ledger, other) = forked(30, 20);
    let folder = tempdir().unwrap();
    write_site(&site(&ledger), &folder.path().join("a"));
    write_site(&publish(&other, &ledger.policy), &folder.path().join("b"));
    let key = checkpoint_vkey().to_string();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-verify"));
        command.current_dir(folder.path()).args(args).args(["--key", &key]).output().unwrap().status.code().unwrap()
    };
    assert_eq!(run(&["diff", "a", "a"]), 0);
    assert_eq!(run(&["diff", "a", "b"]), 2);
    assert_eq!(run(&["evidence", "countersign-fork-20.json"]), 2);
    assert_eq!(run(&["diff", "a", "b", "--evidence", "other.json"]), 2);
    assert_eq!(run(&["evidence", "other.json"]), 2);
    assert_eq!(run(&["evidence", "nowhere.json"]), 1);
    assert_eq!(run(&["diff", "a", "nowhere"]), 1);
    assert_eq!(run(&["diff", "a", "b", "--evidence", "no/such/folder"]), 1);
}
