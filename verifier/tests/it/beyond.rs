//! A data folder: the journal goes beyond the published head, and agrees with it.

use crate::damage::assert_invalid;
use crate::ledger::{Ledger, event_key, leaf_of};
use crate::site::{publish, replay, segment, write_data, write_journal, write_site};
use countersign_verifier::{Location, Options, Report, Rule, Verdict, verify_log, verify_replay};
use serde_json::json;
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// A story of which the last group is committed but not published yet.
const PUBLISHED: usize = 21;

pub(crate) fn data() -> (Ledger, TempDir) {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_data(&ledger, PUBLISHED, folder.path());
    (ledger, folder)
}

pub(crate) fn log_at(folder: &Path) -> Report {
    verify_log(&Location::open(folder.to_str().unwrap()).unwrap(), &Options::default())
}

pub(crate) fn replay_at(folder: &Path) -> Report {
    verify_replay(&Location::open(folder.to_str().unwrap()).unwrap(), &Options::default())
}

#[test]
fn what_is_committed_but_not_published_is_verified_as_a_chain() {
    let (ledger, folder) = data();
    for report in [log_at(folder.path()), replay_at(folder.path())] {
        assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
        assert_eq!(report.checked.events, 21);
        let journal = report.journal.clone().unwrap();
        assert_eq!((journal.events, journal.beyond_published_head), (24, 3));
        assert_eq!(journal.torn, None);
        assert!(report.to_text(false).contains("3 of them beyond the published head"));
    }
    assert_eq!(replay_at(folder.path()).statements.unwrap().results.signed, 1, "it is replayed as well");
    let all = tempdir().unwrap();
    write_data(&ledger, 24, all.path());
    assert_eq!(log_at(all.path()).journal.unwrap().beyond_published_head, 0);
}

#[test]
fn the_site_alone_is_a_log_too() {
    let (_, folder) = data();
    let report = log_at(&folder.path().join("public"));
    assert_eq!((report.verdict, report.journal), (Verdict::Valid, None));
}

#[test]
fn forgery_beyond_the_head_is_found_at_its_index() {
    let (ledger, folder) = data();
    let mut leaves = ledger.leaves.clone();
    let mut payload = ledger.payloads()[22].clone();
    payload["type"] = json!("job.failed");
    leaves[22] = leaf_of(&proof::canonical::value_to_vec(&payload), &event_key());
    leaves.truncate(23);
    write_journal(&leaves, folder.path());
    assert_eq!(log_at(folder.path()).verdict, Verdict::Valid);
    assert_invalid(&replay_at(folder.path()), Some(22), Rule::PayloadDiffers);
    leaves[22] = ledger.leaves[23].clone();
    write_journal(&leaves, folder.path());
    assert_invalid(&log_at(folder.path()), Some(22), Rule::Seq);
}

#[test]
fn a_site_that_was_rewritten_with_all_keys_is_caught_by_the_journal() {
    let (ledger, folder) = data();
    let leaves =
        crate::site::forge(&ledger, |payloads| payloads[4]["data"]["intent"]["goal"] = json!("sell the house"));
    write_site(&publish(&leaves[..PUBLISHED], &ledger.policy), &folder.path().join("public"));
    assert_invalid(&log_at(folder.path()), Some(4), Rule::JournalLeaf);
}

#[test]
fn of_two_bad_places_the_earlier_one_is_named() {
    let (ledger, folder) = data();
    let mut leaves = ledger.leaves.clone();
    leaves[7][40] ^= 1;
    write_journal(&leaves, folder.path());
    let bundle = folder.path().join("public/tile/entries/000.p/21");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let place = bytes.len() - 3_000;
    bytes[place] ^= 1;
    std::fs::write(&bundle, &bytes).unwrap();
    let report = log_at(folder.path());
    assert_invalid(&report, Some(7), Rule::JournalLeaf);
    assert_eq!(report.problems.len(), 2);
    // A good journal does not excuse a bad site.
    write_journal(&ledger.leaves, folder.path());
    assert_eq!(log_at(folder.path()).first_bad.unwrap().rule, Rule::EventSignature);
}

#[test]
fn a_group_that_the_end_cuts_is_not_whole() {
    let (ledger, story) = Ledger::story();
    let cut = usize::try_from(story.approval).unwrap() + 2;
    let site = publish(&ledger.leaves[..cut], &ledger.policy);
    assert_invalid(&replay(site), Some(story.approval + 2), Rule::EventCountDiffers);
}

#[test]
fn a_single_segment_with_a_single_frame_will_do() {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_site(&crate::site::site(&ledger), &folder.path().join("public"));
    let journal = folder.path().join("journal");
    std::fs::create_dir(&journal).unwrap();
    std::fs::write(journal.join(format!("{:020}.seg", 0)), segment(&[], &ledger.leaves, 100)).unwrap();
    std::fs::write(journal.join("next.tmp"), b"not a segment yet").unwrap();
    assert_eq!(log_at(folder.path()).journal.unwrap().events, 24);
}
