//! A journal that has given up its beginning: what is left of it continues the published log, and nothing is missing
//! between the two.

use crate::beyond::{log_at, replay_at};
use crate::damage::assert_invalid;
use crate::ledger::{Ledger, event_key, leaf_of};
use crate::site::{publish, write_journal, write_segment, write_site};
use countersign_verifier::{Rule, Verdict};
use serde_json::json;
use std::path::Path;
use tempfile::{TempDir, tempdir};

const PUBLISHED: usize = 21;

/// A story of which `published` leaves are in the site, and a journal with segments at these leaves.
fn kept(published: usize, segments: &[usize]) -> (Ledger, TempDir) {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_site(&publish(&ledger.leaves[..published], &ledger.policy), &folder.path().join("public"));
    keep(&ledger.leaves, segments, folder.path());
    (ledger, folder)
}

fn keep(leaves: &[Vec<u8>], segments: &[usize], folder: &Path) {
    let _ = std::fs::remove_dir_all(folder.join("journal"));
    std::fs::create_dir_all(folder.join("journal")).unwrap();
    for (number, first) in segments.iter().enumerate() {
        let end = segments.get(number + 1).copied().unwrap_or(leaves.len());
        write_segment(&leaves[..end], *first, folder);
    }
}

#[test]
fn a_journal_may_begin_at_any_published_leaf() {
    for first in 1..=PUBLISHED {
        let (_, folder) = kept(PUBLISHED, &[first]);
        for report in [log_at(folder.path()), replay_at(folder.path())] {
            assert_eq!(report.verdict, Verdict::Valid, "{first}: {report:?}");
            let journal = report.journal.clone().unwrap();
            let first = u64::try_from(first).unwrap();
            assert_eq!((journal.first.get(), journal.events, journal.beyond_published_head), (first, 24 - first, 3));
            assert!(report.to_text(false).contains(&format!("from event {first} on, the older ones in the site only")));
            assert!(report.to_json().contains(&format!("\"journal\":{{\"first\":{first},")));
        }
    }
    let (_, folder) = kept(24, &[24 - 3]);
    assert_eq!(replay_at(folder.path()).verdict, Verdict::Valid);
    let (_, folder) = kept(24, &[0, 12]);
    assert_eq!(log_at(folder.path()).journal.unwrap().first.get(), 0);
}

#[test]
fn leaves_between_the_site_and_the_journal_are_missing() {
    for first in PUBLISHED + 1..24 {
        let (_, folder) = kept(PUBLISHED, &[first]);
        let report = log_at(folder.path());
        assert_invalid(&report, Some(21), Rule::JournalSegment);
        assert!(report.problems[0].detail.contains("those between are missing"), "{report:?}");
    }
}

#[test]
fn only_the_beginning_may_be_missing() {
    let (_, folder) = kept(PUBLISHED, &[6, 9, 12, 18]);
    assert_eq!(log_at(folder.path()).verdict, Verdict::Valid);
    std::fs::remove_file(folder.path().join(format!("journal/{:020}.seg", 9))).unwrap();
    assert_invalid(&log_at(folder.path()), Some(9), Rule::JournalSegment);
    let (ledger, folder) = kept(PUBLISHED, &[6, 9]);
    std::fs::remove_file(folder.path().join(format!("journal/{:020}.seg", 9))).unwrap();
    assert_invalid(&log_at(folder.path()), Some(9), Rule::JournalShort);
    keep(&ledger.leaves, &[], folder.path());
    assert_invalid(&log_at(folder.path()), Some(0), Rule::JournalShort);
}

#[test]
fn what_is_kept_continues_the_published_tree() {
    let (ledger, folder) = kept(PUBLISHED, &[12]);
    // Another leaf before the first kept one: the header's root, and with it every frame's, is another.
    let mut leaves = ledger.leaves.clone();
    leaves[4] = ledger.leaves[5].clone();
    keep(&leaves, &[12], folder.path());
    let report = log_at(folder.path());
    assert_invalid(&report, Some(12), Rule::JournalSegment);
    assert!(report.problems[0].detail.contains("continues another tree"), "{report:?}");
}

#[test]
fn what_is_kept_must_be_what_was_published_and_beyond_it_a_chain() {
    let (ledger, folder) = kept(PUBLISHED, &[12]);
    for at in [12, 13, 20] {
        let mut leaves = ledger.leaves.clone();
        let mut payload = ledger.payloads()[at].clone();
        payload["time"] = json!("2027-01-01T00:00:00.000Z");
        leaves[at] = leaf_of(&proof::canonical::value_to_vec(&payload), &event_key());
        keep(&leaves, &[12], folder.path());
        assert_invalid(&log_at(folder.path()), Some(u64::try_from(at).unwrap()), Rule::JournalLeaf);
    }
    let mut leaves = ledger.leaves.clone();
    leaves[22] = ledger.leaves[23].clone();
    keep(&leaves, &[12], folder.path());
    assert_invalid(&log_at(folder.path()), Some(22), Rule::Seq);
}

#[test]
fn of_a_bad_site_the_bad_entry_is_named_whatever_the_journal_keeps() {
    let (ledger, folder) = kept(PUBLISHED, &[12]);
    let mut leaves = ledger.leaves[..PUBLISHED].to_vec();
    leaves[4][40] ^= 1;
    write_site(&publish(&leaves, &ledger.policy), &folder.path().join("public"));
    assert_eq!(log_at(folder.path()).first_bad.unwrap().index.unwrap().get(), 4);
    write_journal(&ledger.leaves, folder.path());
    assert_eq!(log_at(folder.path()).first_bad.unwrap().index.unwrap().get(), 4);
}

#[test]
fn other_folders_of_the_data_are_not_the_verifiers_business() {
    let (_, folder) = kept(PUBLISHED, &[12]);
    for name in ["snapshots", "closed", "tmp"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("00000000000000000012"), b"anything").unwrap();
    }
    assert_eq!(replay_at(folder.path()).verdict, Verdict::Valid);
}
