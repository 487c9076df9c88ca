//! Honest logs are valid, and the report says what that rests on.

use crate::ledger::{Ledger, checkpoint_vkey};
use crate::material::{ORIGIN, read};
use crate::site::{log, replay, site};
use countersign_verifier::report::Authors;
use countersign_verifier::{Location, Options, Trust, Verdict, verify_replay};
use proof::TreeSize;

#[test]
fn a_story_is_valid_and_its_report_counts_what_it_rests_on() {
    let (ledger, _) = Ledger::story();
    let report = replay(site(&ledger));
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    assert_eq!(report.origin.as_deref(), Some(ORIGIN));
    assert_eq!(report.size, Some(ledger.tree.size()));
    assert_eq!(report.root, Some(ledger.tree.root()));
    assert_eq!(report.checked.events, ledger.tree.size().get());
    assert_eq!(report.checked.decisions, 5);
    let decisions = report.decisions.unwrap();
    assert_eq!((decisions.re_derived, decisions.from_recorded_facts, decisions.mismatched), (5, 0, 0));
    let statements = report.statements.unwrap();
    assert_eq!(statements.proposals, Authors { signed: 2, asserted: 2 });
    assert_eq!(statements.approvals, Authors { signed: 1, asserted: 0 });
    assert_eq!(statements.results, Authors { signed: 1, asserted: 0 });
    let attested = report.attested.unwrap();
    assert_eq!(attested.clock, report.checked.groups);
    assert_eq!((attested.seeds, attested.sensor_reports, attested.projections), (5, 4, 6));
    assert!(!report.witnessed && !report.key_pinned);
}

#[test]
fn the_report_for_people_always_says_how_much_is_proven() {
    let (ledger, _) = Ledger::story();
    let text = replay(site(&ledger)).to_text(false);
    for part in [
        "VALID  ledger.example/test",
        "5 re-derived · 0 re-derived from recorded facts · 0 mismatched",
        "2 signed by their author · 2 asserted by the server",
        "the head is not witnessed",
        "SELF-ASSERTED",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = log(site(&ledger)).to_text(true);
    assert!(text.contains("\u{1b}[1;32mVALID") && text.contains("none re-derived: `replay` does that"), "{text}");
}

#[test]
fn the_report_for_programs_has_the_promised_members() {
    let (ledger, _) = Ledger::story();
    let options = Options { trust: Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() };
    let report = verify_replay(&Location::memory(site(&ledger)), &options);
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["verdict"], "valid");
    assert_eq!(json["command"], "replay");
    assert_eq!(json["size"], ledger.tree.size().get());
    assert_eq!(json["root"], ledger.tree.root().to_string());
    assert_eq!(json["decisions"]["mismatched"], 0);
    assert_eq!(json["statements"]["approvals"]["signed"], 1);
    assert_eq!(json["witnessed"], false);
    assert_eq!(json["key_pinned"], true);
    assert!(json["first_bad"].is_null() && json["problems"].as_array().unwrap().is_empty());
    assert!(json["duration_ms"].is_u64());
}

#[test]
fn a_log_of_several_tiles_and_levels_is_valid() {
    let mut ledger = Ledger::new();
    ledger.intend("intent-1");
    let mut number = 0;
    while ledger.leaves.len() < 530 {
        ledger.propose_signed(read(&format!("p-{number}")));
        number += 1;
    }
    ledger.attest(TreeSize::new(300));
    let report = replay(site(&ledger));
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    assert_eq!(report.checked.tiles, 4);
    // One thread must do, and many must find the same.
    for threads in [1, 7] {
        let options = Options { threads: std::num::NonZero::new(threads), ..Options::default() };
        let again = verify_replay(&Location::memory(site(&ledger)), &options);
        assert_eq!((again.verdict, again.checked), (report.verdict, report.checked));
    }
}
