//! The life of one proposal, as an auditor reads it.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, checkpoint_vkey};
use crate::site::{forge, publish, site, write_data};
use countersign_verifier::source::Memory;
use countersign_verifier::{Location, Options, Report, Rule, Verdict, verify_receipts, verify_story};
use serde_json::json;
use tempfile::tempdir;

fn story(site: Memory, proposal: &str) -> Report {
    verify_story(&Location::memory(site), proposal, &Options::default())
}

#[test]
fn a_story_has_every_event_of_its_proposal_and_says_whose_word_each_is() {
    let (ledger, at) = Ledger::story();
    let report = story(site(&ledger), "p-publish");
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    let told = report.story.clone().unwrap();
    let types: Vec<(u64, &str)> = told.steps.iter().map(|step| (step.index.get(), step.type_name.as_str())).collect();
    let expected = [
        (4, "intent.created"),
        (at.publish, "proposal.submitted"),
        (at.publish + 1, "decision.recorded"),
        (at.publish + 2, "approval.requested"),
        (at.approval, "approval.granted"),
        (at.approval + 1, "decision.recorded"),
        (at.approval + 2, "job.created"),
    ];
    assert_eq!(types, expected);
    let step = |index: usize| &told.steps[index];
    assert!(step(0).claim.contains("make the test pass"), "{told:?}");
    assert!(step(1).rests_on.contains("the server's word, for the holder of key_jordan"));
    assert!(step(2).claim.contains("rules REQUIRE_HUMAN") && step(2).rests_on.contains("derived again"));
    assert!(step(4).actor == "human/sam" && step(4).rests_on.contains("signed by its author's key ed25519:"));
    let text = report.to_text(false);
    assert!(text.contains("governance rules ALLOW") && text.contains("7 events in the tree of 24"), "{text}");
    // The job that was worked on is the oldest one.
    let read = story(site(&ledger), "p-read").story.unwrap();
    let last: Vec<&str> = read.steps.iter().map(|step| step.type_name.as_str()).skip(3).collect();
    assert_eq!(last, ["job.created", "job.leased", "result.recorded", "job.completed"]);
}

#[test]
fn the_receipt_of_a_story_proves_it_alone() {
    let (ledger, _) = Ledger::story();
    let told = story(site(&ledger), "p-read").story.unwrap();
    let folder = tempdir().unwrap();
    let file = folder.path().join("receipt");
    std::fs::write(&file, told.receipt.unwrap().to_string()).unwrap();
    let options =
        Options { trust: countersign_verifier::Trust::Key(Box::new(checkpoint_vkey())), ..Options::default() };
    let report = verify_receipts(&[file], &options, None);
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    let indices: Vec<_> = report.receipts[0].entries.iter().map(|entry| entry.index).collect();
    assert_eq!(indices, told.steps.iter().map(|step| step.index).collect::<Vec<_>>());
}

#[test]
fn what_no_head_covers_yet_is_told_and_not_proven() {
    let (ledger, at) = Ledger::story();
    let folder = tempdir().unwrap();
    write_data(&ledger, usize::try_from(at.result).unwrap(), folder.path());
    let location = Location::open(folder.path().to_str().unwrap()).unwrap();
    let report = verify_story(&location, "p-read", &Options::default());
    let steps = report.story.clone().unwrap().steps;
    assert_eq!(steps.iter().filter(|step| !step.proven).count(), 2, "{steps:?}");
    assert!(report.to_text(false).contains("under no signed head yet"));
}

#[test]
fn there_is_no_story_of_an_unknown_proposal_or_a_false_log() {
    let (ledger, _) = Ledger::story();
    let report = story(site(&ledger), "p-\u{1b}nobody");
    assert_invalid(&report, None, Rule::NoSuchProposal);
    assert!(report.story.is_none() && !report.to_text(false).contains('\u{1b}'));
    let forged = forge(&ledger, |payloads| payloads[9]["data"]["ruling"] = json!("ALLOW"));
    let report = story(publish(&forged, &ledger.policy), "p-read");
    assert_invalid(&report, Some(9), Rule::PayloadDiffers);
    assert!(report.story.is_none());
}
