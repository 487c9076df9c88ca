//! A verified history under another policy.

use crate::damage::assert_invalid;
use crate::ledger::Ledger;
use crate::site::{forge, publish, site, write_site};
use countersign_verifier::whatif::WhatIf;
use countersign_verifier::{Location, Options, Report, Rule, Verdict, verify_whatif};
use domain::policy::Bundle;
use serde_json::{Value, json};
use std::process::Command;
use tempfile::tempdir;

/// The ledger's own bundle, changed.
fn bundle(ledger: &Ledger, change: impl FnOnce(&mut Value)) -> Bundle {
    let mut value: Value = serde_json::from_slice(&ledger.policy.bundle().to_bytes()).unwrap();
    change(&mut value);
    Bundle::parse(&proof::canonical::value_to_vec(&value)).unwrap()
}

fn report(ledger: &Ledger, bundle: Bundle) -> Report {
    verify_whatif(&Location::memory(site(ledger)), bundle, &Options::default())
}

fn answer(ledger: &Ledger, bundle: Bundle) -> WhatIf {
    let report = report(ledger, bundle);
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    report.whatif.unwrap()
}

/// The agent may do nothing any more.
fn without_patches(value: &mut Value) {
    for agent in value["agents"].as_array_mut().unwrap() {
        if agent["name"] == "Casey" {
            agent["allowed_effects"].as_array_mut().unwrap().retain(|effect| effect != "WRITE_PATCH");
        }
    }
}

#[test]
fn the_same_policy_changes_nothing() {
    let (ledger, _) = Ledger::story();
    let answer = answer(&ledger, bundle(&ledger, |_| {}));
    assert_eq!((answer.decided, answer.same, answer.flipped, answer.unreplayable), (4, 4, 0, 0));
    assert!(answer.by_ruling.is_empty() && answer.flips.is_empty());
    assert_eq!(answer.policy, ledger.policy.bundle_digest());
}

#[test]
fn a_stricter_policy_denies_what_it_should_and_nothing_else() {
    let (ledger, at) = Ledger::story();
    let answer = answer(&ledger, bundle(&ledger, without_patches));
    assert_eq!((answer.decided, answer.same, answer.flipped, answer.newly_denied), (4, 3, 1, 1));
    assert_eq!(answer.newly_allowed, 0);
    assert_eq!(answer.by_ruling, [("ALLOW > DENY".to_owned(), 1)].into());
    assert_eq!(answer.by_agent, [("Casey".to_owned(), 1)].into());
    let flip = &answer.flips[0];
    assert_eq!((flip.decision.get(), flip.proposal.as_str()), (at.patch + 1, "p-patch"));
    assert_eq!((flip.from, flip.to), ("ALLOW", "DENY"));
    assert!(answer.by_reason.contains_key(&format!("+{}", flip.reasons[0])), "{answer:?}");
}

#[test]
fn a_milder_policy_is_the_stricter_one_the_other_way_round() {
    let ledger = Ledger::new();
    let original = ledger.policy.clone();
    let policy = domain::policy::Policy::new(bundle(&ledger, without_patches), original.manifest().clone());
    // Founded anew under the stricter policy, so that the genesis names it.
    let mut strict = Ledger::with_policy(policy);
    strict.intend("intent-1");
    strict.propose("key_lee", crate::material::patch("p-patch"));
    let answer = answer(&strict, original.bundle().clone());
    assert_eq!((answer.decided, answer.newly_allowed, answer.newly_denied), (1, 1, 0));
    assert_eq!(answer.by_ruling, [("DENY > ALLOW".to_owned(), 1)].into());
}

#[test]
fn a_false_history_has_no_alternative() {
    let (ledger, _) = Ledger::story();
    let forged = forge(&ledger, |payloads| payloads[9]["data"]["ruling"] = json!("ALLOW"));
    let location = Location::memory(publish(&forged, &ledger.policy));
    let report = verify_whatif(&location, bundle(&ledger, |_| {}), &Options::default());
    assert_invalid(&report, Some(9), Rule::PayloadDiffers);
    assert!(report.whatif.is_none());
}

#[test]
fn the_binary_takes_a_folder_or_a_blob_and_shows_a_table() {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_site(&site(&ledger), &folder.path().join("log"));
    std::fs::write(folder.path().join("blob"), bundle(&ledger, without_patches).to_bytes()).unwrap();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/default");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-verify"));
        let output =
            command.current_dir(folder.path()).args(["whatif", "log", "--policy"]).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, shown) = run(&["blob"]);
    assert_eq!(code, 0, "{shown}");
    for part in ["4 proposals decided again, 3 with the same ruling", "1: 1 newly denied", "ALLOW > DENY", "p-patch"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let (code, shown) = run(&[policy, "--format", "json"]);
    let report: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &report["whatif"]["decided"], &report["whatif"]["flipped"]), (0, &json!(4), &json!(0)));
    assert_eq!(run(&["nowhere"]).0, 1);
    assert_eq!(run(&["log"]).0, 1);
}
