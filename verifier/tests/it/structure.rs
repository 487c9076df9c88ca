//! `log --structure-only`: everything that needs no signature of an event, and the report says that it is no more.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, leaf_of};
use crate::material::secret;
use crate::site::{forge, log, publish, site};
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, Rule, Verdict, verify_structure};
use proof::canonical::value_to_vec;
use serde_json::json;

fn structure(site: Memory) -> Report {
    verify_structure(&Location::memory(site), &Options::default())
}

#[test]
fn an_honest_log_has_its_structure_and_the_report_claims_no_more() {
    let (ledger, _) = Ledger::story();
    let (report, whole) = (structure(site(&ledger)), log(site(&ledger)));
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    assert_eq!((report.checked.signatures, whole.checked.signatures), (0, 24));
    let counted = |report: &Report| {
        (report.checked.events, report.checked.groups, report.checked.decisions, report.checked.tiles)
    };
    assert_eq!(counted(&report), counted(&whole));
    assert!(report.to_text(false).contains("STRUCTURE ONLY: no event's signature was checked"));
    assert!(!whole.to_text(false).contains("STRUCTURE ONLY"));
    // A program that reads the report cannot mistake it for more.
    assert!(report.to_json().contains("\"command\":\"structure\""));
}

#[test]
fn what_it_cannot_see_is_a_false_signature() {
    let (ledger, _) = Ledger::story();
    let mut leaves = ledger.leaves.clone();
    let text = String::from_utf8(leaves[23].clone()).unwrap();
    let at = text.find("\"sig\":\"").unwrap() + 20;
    leaves[23][at] = if leaves[23][at] == b'A' { b'B' } else { b'A' };
    let site = publish(&leaves, &ledger.policy);
    assert_eq!(structure(site.clone()).verdict, Verdict::Valid);
    assert_invalid(&log(site), Some(23), Rule::EventSignature);
}

#[test]
fn every_bit_of_the_entries_is_under_the_root() {
    let (ledger, _) = Ledger::story();
    let site = site(&ledger);
    let path = "tile/entries/000.p/24";
    let length = site.files[path].len();
    for place in (0..length).step_by(37) {
        let mut bad = site.clone();
        bad.files.get_mut(path).unwrap()[place] ^= 1 << (place % 7);
        assert_eq!(structure(bad).verdict.code(), 2, "byte {place}");
    }
}

#[test]
fn the_chain_is_checked_as_in_a_whole_verification() {
    let (ledger, _) = Ledger::story();
    let cases: [(&str, serde_json::Value, Rule); 7] = [
        ("seq", json!(99), Rule::Seq),
        ("ledger", json!("elsewhere"), Rule::Ledger),
        ("time", json!("2020-01-01T00:00:00.000Z"), Rule::Time),
        ("group", json!(2), Rule::Group),
        ("causes", json!([3, 11]), Rule::Causes),
        ("version", json!(9), Rule::SubjectVersion),
        ("v", json!(2), Rule::EventUnknown),
    ];
    for (member, value, rule) in cases {
        let leaves = forge(&ledger, |payloads| payloads[11][member] = value);
        let site = publish(&leaves, &ledger.policy);
        let (report, whole) = (structure(site.clone()), log(site));
        assert_invalid(&report, Some(11), rule);
        assert_eq!(report.first_bad.unwrap().detail, whole.first_bad.unwrap().detail, "{member}");
    }
    let mut leaves = ledger.leaves.clone();
    let mut payload = ledger.payloads()[11].clone();
    payload["prev"] = json!("00".repeat(32));
    leaves[11] = leaf_of(&value_to_vec(&payload), &crate::ledger::event_key());
    assert_invalid(&structure(publish(&leaves, &ledger.policy)), Some(11), Rule::Prev);
}

#[test]
fn another_spelling_or_another_key_is_seen() {
    let (ledger, _) = Ledger::story();
    let mut leaves = ledger.leaves.clone();
    leaves[11] = String::from_utf8(leaves[11].clone()).unwrap().replacen("\"causes\":[", "\"causes\": [", 1).into();
    assert_invalid(&structure(publish(&leaves, &ledger.policy)), Some(11), Rule::LeafSpelling);
    leaves[11] = leaf_of(&value_to_vec(&ledger.payloads()[11]), &secret(9));
    assert_invalid(&structure(publish(&leaves, &ledger.policy)), Some(11), Rule::EventKey);
    leaves[11] = b"{\"payload\":1}".to_vec();
    assert_invalid(&structure(publish(&leaves, &ledger.policy)), Some(11), Rule::Leaf);
}
