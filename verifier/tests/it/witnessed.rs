//! The head that witnesses signed, beside the published one.

use crate::beyond::{log_at, replay_at};
use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey};
use crate::material::{ORIGIN, secret, signer};
use crate::site::{checkpoint, log, site, tree, write_data};
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, Rule, Trust, Verdict, verify_replay};
use proof::{Checkpoint, Hash, TreeSize};
use tempfile::tempdir;

const PATH: &str = "witnessed/checkpoint";

fn with(site: &Memory, note: impl AsRef<[u8]>) -> Memory {
    let mut site = site.clone();
    site.files.insert(PATH.into(), note.as_ref().to_vec());
    site
}

fn assert_lie(report: &Report, part: &str) {
    assert_invalid(report, None, Rule::WitnessedHead);
    assert!(report.problems[0].detail.contains(part), "{report:?}");
}

#[test]
fn every_earlier_head_of_the_log_may_be_the_witnessed_one() {
    let (ledger, _) = Ledger::story();
    let site = site(&ledger);
    for size in 1..=ledger.leaves.len() {
        let report = log(with(&site, checkpoint(&ledger.leaves[..size])));
        assert_eq!(report.verdict, Verdict::Valid, "{size}: {report:?}");
    }
    let options = Options { trust: Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() };
    let site = with(&site, checkpoint(&ledger.leaves[..9]));
    assert_eq!(verify_replay(&Location::memory(site), &options).verdict, Verdict::Valid);
}

#[test]
fn a_witnessed_head_of_another_history_is_a_lie() {
    let (ledger, _) = Ledger::story();
    let (site, size) = (site(&ledger), TreeSize::new(9));
    let other = Checkpoint { origin: ORIGIN.into(), size, root: Hash::ZERO };
    assert_lie(&log(with(&site, other.sign(&crate::ledger::checkpoint_key()))), "at size 9, where this log had root");
    let mut leaves = ledger.leaves.clone();
    leaves.push(ledger.leaves[3].clone());
    assert_lie(&log(with(&site, checkpoint(&leaves))), "it is of 25 events, and 24 are here");
}

#[test]
fn a_witnessed_head_by_another_key_is_a_lie() {
    let (ledger, _) = Ledger::story();
    let root = tree(&ledger.leaves[..9]).root();
    let head = Checkpoint { origin: ORIGIN.into(), size: TreeSize::new(9), root };
    assert_lie(&log(with(&site(&ledger), head.sign(&signer(ORIGIN, &secret(9))))), PATH);
    assert_lie(&log(with(&site(&ledger), b"nonsense")), PATH);
    assert_lie(&log(with(&site(&ledger), [0xff; 40])), PATH);
    assert_lie(&log(with(&site(&ledger), vec![b'a'; 1_000_001])), "longer than");
}

#[test]
fn a_witnessed_head_may_be_ahead_of_the_site_but_not_of_the_journal() {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_data(&ledger, 21, folder.path());
    let path = folder.path().join("public").join(PATH);
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(&path, checkpoint(&ledger.leaves[..23])).unwrap();
    assert_eq!(replay_at(folder.path()).verdict, Verdict::Valid);
    let mut leaves = ledger.leaves.clone();
    leaves.push(ledger.leaves[3].clone());
    std::fs::write(&path, checkpoint(&leaves)).unwrap();
    assert_lie(&log_at(folder.path()), "those behind are missing");
}

#[test]
fn a_bad_entry_is_named_before_the_witnessed_head() {
    let (ledger, _) = Ledger::story();
    let mut site = with(&site(&ledger), checkpoint(&ledger.leaves));
    let bundle = site.files.get_mut("tile/entries/000.p/24").unwrap();
    let place = bundle.len() - 3_000;
    bundle[place] ^= 1;
    let report = log(site);
    assert!(report.first_bad.unwrap().index.is_some() && report.problems.len() == 1);
}
