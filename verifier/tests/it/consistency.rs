//! Two heads of one history are consistent; two heads that are not prove a fork.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey};
use crate::material::{secret, signer};
use crate::site::{checkpoint, forge, publish, site};
use countersign_verifier::consistency::Exhibit;
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, Rule, Trust, Verdict, verify_consistency};
use proof::merkle::inclusion_proof;
use proof::{LeafIndex, Receipt, ReceiptEntry};
use serde_json::json;

fn pinned<'a>() -> Options<'a> {
    Options { trust: Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() }
}

fn compare(old: &str, new: &str, site: Option<Memory>, options: &Options<'_>) -> Report {
    let exhibit = |name, text: &'static str| Exhibit { name, bytes: text.as_bytes() };
    let (old, new): (&'static str, &'static str) = (old.to_owned().leak(), new.to_owned().leak());
    verify_consistency(exhibit("old", old), exhibit("new", new), site.map(Location::memory).as_ref(), options)
}

fn large() -> Ledger {
    let mut ledger = Ledger::new();
    (0..700).for_each(|number| drop(ledger.intend(&format!("intent-{number}"))));
    ledger
}

#[test]
fn every_pair_of_heads_of_one_history_is_consistent() {
    let ledger = large();
    let site = site(&ledger);
    let size = ledger.leaves.len();
    let head = |size: usize| checkpoint(&ledger.leaves[..size]);
    for (old, new) in [
        (1, 2),
        (1, size),
        (3, 7),
        (255, 256),
        (256, 257),
        (256, 512),
        (300, 600),
        (511, 513),
        (size - 1, size),
        (0, 9),
    ] {
        let report = compare(&head(old), &head(new), Some(site.clone()), &pinned());
        assert_eq!(report.verdict, Verdict::Valid, "{old} {new} {report:?}");
        assert_eq!(report.heads.len(), 2);
    }
    let report = compare(
        &head(5),
        &head(5),
        None,
        &Options { trust: Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() },
    );
    assert_eq!(report.verdict, Verdict::Valid);
}

#[test]
fn a_fork_is_proven() {
    let (ledger, _) = Ledger::story();
    let forked = forge(&ledger, |payloads| payloads[4]["data"]["intent"]["goal"] = json!("another"));
    let ours = |size: usize| checkpoint(&ledger.leaves[..size]);
    let theirs = |size: usize| checkpoint(&forked[..size]);
    let site = || Some(site(&ledger));
    assert_eq!(compare(&theirs(3), &ours(24), site(), &pinned()).verdict, Verdict::Valid, "the fork begins later");
    assert_invalid(&compare(&theirs(9), &ours(20), site(), &pinned()), None, Rule::Forked);
    assert_invalid(&compare(&ours(9), &theirs(20), site(), &pinned()), None, Rule::Forked);
    assert_invalid(&compare(&ours(9), &theirs(9), None, &pinned()), None, Rule::Forked);
    let forked_site = publish(&forked, &ledger.policy);
    assert_invalid(&compare(&ours(9), &ours(20), Some(forked_site), &pinned()), None, Rule::Forked);
}

#[test]
fn a_rollback_is_refused() {
    let (ledger, _) = Ledger::story();
    let head = |size: usize| checkpoint(&ledger.leaves[..size]);
    assert_invalid(&compare(&head(20), &head(9), Some(site(&ledger)), &pinned()), None, Rule::Shrinking);
}

#[test]
fn what_cannot_be_proven_is_not_claimed() {
    let ledger = large();
    let head = |size: usize| checkpoint(&ledger.leaves[..size]);
    assert_invalid(&compare(&head(5), &head(9), None, &pinned()), None, Rule::ProofMissing);
    let older = publish(&ledger.leaves[..7], &ledger.policy);
    assert_invalid(&compare(&head(5), &head(9), Some(older), &pinned()), None, Rule::ProofMissing);
    // Tiles that are missing or damaged prove nothing, neither for nor against.
    for damage in [None, Some(())] {
        let mut bad = site(&ledger);
        match damage {
            None => drop(bad.files.remove("tile/0/001")),
            Some(()) => bad.files.get_mut("tile/0/001").unwrap()[32 * 44 + 1] ^= 1,
        }
        assert_invalid(&compare(&head(300), &head(600), Some(bad), &pinned()), None, Rule::ProofMissing);
    }
}

#[test]
fn heads_need_a_key() {
    let (ledger, _) = Ledger::story();
    let head = |size: usize| checkpoint(&ledger.leaves[..size]);
    assert_eq!(compare(&head(5), &head(9), None, &Options::default()).verdict, Verdict::Error);
    let report = compare(&head(5), &head(9), Some(site(&ledger)), &Options::default());
    assert_eq!((report.verdict, report.key_pinned), (Verdict::Valid, false));
    assert!(report.to_text(false).contains("SELF-ASSERTED"));
    let other = Options {
        trust: Trust::Key(Box::new(signer(crate::material::ORIGIN, &secret(9)).verifier())),
        ..Options::default()
    };
    assert_invalid(&compare(&head(5), &head(9), Some(site(&ledger)), &other), None, Rule::CheckpointSignature);
    assert_invalid(&compare("garbage", &head(9), Some(site(&ledger)), &pinned()), None, Rule::CheckpointMalformed);
}

#[test]
fn a_receipt_stands_for_its_checkpoint() {
    let (ledger, _) = Ledger::story();
    let index = LeafIndex::new(7);
    let entry = ReceiptEntry {
        index,
        leaf: String::from_utf8(ledger.leaves[7].clone()).unwrap(),
        path: inclusion_proof(&ledger.tree, index, ledger.tree.size()).unwrap(),
    };
    let receipt = Receipt { checkpoint: checkpoint(&ledger.leaves), entries: vec![entry] };
    let older = checkpoint(&ledger.leaves[..9]);
    for new in [String::from_utf8(receipt.to_json()).unwrap(), receipt.to_tlog_proof().unwrap()] {
        let report = compare(&older, &new, Some(site(&ledger)), &pinned());
        assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    }
}
