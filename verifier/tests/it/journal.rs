//! Damage in segment files, and the one kind of bad end that is none.

use crate::beyond::{data, log_at};
use crate::damage::assert_invalid;
use crate::ledger::Ledger;
use crate::site::{encode_frame, segment, write_data};
use countersign_verifier::{Report, Rule, Verdict};
use proof::Hash;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

fn first_segment(folder: &Path) -> PathBuf {
    folder.join("journal/00000000000000000000.seg")
}

fn last_segment(folder: &Path) -> PathBuf {
    folder.join("journal/00000000000000000012.seg")
}

fn edit(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Where the frames of a segment are.
fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut at = 512;
    let mut found = Vec::new();
    while bytes[at..].starts_with(&[0xff, 0xc5]) {
        let length = usize::try_from(u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap())).unwrap();
        found.push(at..at + length);
        at += length;
    }
    found
}

#[test]
fn a_bit_flipped_in_any_leaf_is_found_at_its_index() {
    let (ledger, folder) = data();
    for (at, leaf) in (0..).zip(&ledger.leaves) {
        let path = if at < 12 { first_segment(folder.path()) } else { last_segment(folder.path()) };
        let bytes = std::fs::read(&path).unwrap();
        let start = bytes.windows(leaf.len()).position(|window| window == leaf).unwrap();
        let signature = String::from_utf8(leaf.clone()).unwrap().rfind("\"sig\":\"").unwrap() + 9;
        for place in [30, leaf.len() / 2, signature] {
            edit(&path, |bytes| bytes[start + place] ^= 1);
            let report = log_at(folder.path());
            let first = report.first_bad.clone().unwrap();
            assert_eq!((report.verdict.code(), first.index.unwrap().get()), (2, at), "{first}");
            if at < 21 {
                assert_eq!(first.rule, Rule::JournalLeaf);
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    assert_eq!(log_at(folder.path()).verdict, Verdict::Valid);
}

#[test]
fn a_bit_flipped_anywhere_else_in_a_frame_is_found_at_its_first_leaf() {
    let (_, folder) = data();
    for (path, first) in [(first_segment(folder.path()), 0), (last_segment(folder.path()), 12)] {
        let bytes = std::fs::read(&path).unwrap();
        for (number, frame) in (0..).zip(frames(&bytes)) {
            let outside = (frame.start..frame.start + 32).step_by(3).chain(frame.end - 40..frame.end);
            for place in outside {
                edit(&path, |bytes| bytes[place] ^= 2);
                assert_invalid(&log_at(folder.path()), Some(first + 3 * number), Rule::JournalFrame);
                std::fs::write(&path, &bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_bit_flipped_in_a_segments_header_is_found() {
    let (_, folder) = data();
    let path = last_segment(folder.path());
    for place in (0..512).step_by(7) {
        edit(&path, |bytes| bytes[place] ^= 4);
        assert_invalid(&log_at(folder.path()), Some(12), Rule::JournalSegment);
        edit(&path, |bytes| bytes[place] ^= 4);
    }
}

#[test]
fn segments_must_be_in_their_place() {
    let check = |change: &dyn Fn(&Path), at: Option<u64>, rule| {
        let (_, folder) = data();
        change(folder.path());
        assert_invalid(&log_at(folder.path()), at, rule);
    };
    check(&|folder| std::fs::remove_file(last_segment(folder)).unwrap(), Some(12), Rule::JournalShort);
    let rename =
        |folder: &Path, name: &str| std::fs::rename(last_segment(folder), folder.join("journal").join(name)).unwrap();
    check(&|folder| rename(folder, "00000000000000000013.seg"), Some(13), Rule::JournalSegment);
    check(&|folder| rename(folder, "13.seg"), None, Rule::JournalSegment);
    check(&|folder| rename(folder, "0000000000000000000x.seg"), None, Rule::JournalSegment);
    let twice = |folder: &Path| {
        std::fs::copy(first_segment(folder), folder.join("journal/00000000000000000099.seg")).unwrap();
    };
    check(&twice, Some(99), Rule::JournalSegment);
    let (ledger, _) = Ledger::story();
    let other_tree = |folder: &Path| {
        let bytes = segment(&ledger.leaves[1..13], &ledger.leaves[12..], 3);
        std::fs::write(last_segment(folder), bytes).unwrap();
    };
    check(&other_tree, Some(12), Rule::JournalSegment);
}

#[test]
fn frames_must_lead_to_their_roots() {
    let (ledger, folder) = data();
    edit(&last_segment(folder.path()), |bytes| {
        let last = frames(bytes).pop().unwrap();
        let forged = encode_frame(21, &ledger.leaves[21..], &Hash::ZERO);
        bytes[last].copy_from_slice(&forged);
    });
    assert_invalid(&log_at(folder.path()), Some(21), Rule::JournalFrame);
    edit(&last_segment(folder.path()), |bytes| {
        let last = frames(bytes).pop().unwrap();
        let forged = encode_frame(20, &ledger.leaves[21..], &ledger.tree.root());
        bytes[last].copy_from_slice(&forged);
    });
    assert_invalid(&log_at(folder.path()), Some(21), Rule::JournalFrame);
}

fn assert_torn(report: &Report, events: u64) {
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    let journal = report.journal.as_ref().unwrap();
    assert_eq!(journal.events, events);
    assert!(journal.torn.is_some());
    assert!(report.to_text(false).contains("was never acknowledged"));
}

/// A story whose last frame spans several sectors.
fn torn(published: usize, tear: impl FnOnce(&mut Vec<u8>, Range<usize>)) -> Report {
    let (ledger, _) = Ledger::story();
    let folder = tempdir().unwrap();
    write_data(&ledger, published, folder.path());
    edit(&last_segment(folder.path()), |bytes| {
        let last = frames(bytes).pop().unwrap();
        tear(bytes, last);
    });
    log_at(folder.path())
}

#[test]
fn a_frame_cut_short_at_the_end_was_never_acknowledged() {
    let zero = |from: usize, to: usize| move |bytes: &mut Vec<u8>, _: Range<usize>| bytes[from..to].fill(0);
    let sector = |at: usize| at.next_multiple_of(512);
    let (_, folder) = data();
    let last = frames(&std::fs::read(last_segment(folder.path())).unwrap()).pop().unwrap();
    // Sectors that never reached the disk: the last ones, one in between, the first one.
    assert_torn(&torn(21, zero(sector(last.start), last.end)), 21);
    assert_torn(&torn(21, zero(sector(last.start), sector(last.start) + 512)), 21);
    assert_torn(&torn(21, zero(last.start, sector(last.start + 1))), 21);
    // The file itself cut short.
    assert_torn(&torn(21, |bytes, last| bytes.truncate(last.end - 100)), 21);
    assert_torn(&torn(21, |bytes, last| bytes.truncate(last.start + 7)), 21);
    // None of it there at all: nothing is torn.
    let report = torn(21, |bytes, last| bytes[last].fill(0));
    assert_eq!((report.verdict, report.journal.unwrap().torn), (Verdict::Valid, None));
}

#[test]
fn a_torn_frame_under_the_head_was_acknowledged_and_is_missing() {
    let report = torn(24, |bytes, last| bytes.truncate(last.end - 100));
    assert_invalid(&report, Some(21), Rule::JournalShort);
}

#[test]
fn a_torn_frame_with_a_frame_behind_it_is_damage() {
    let (_, folder) = data();
    edit(&last_segment(folder.path()), |bytes| {
        let frame = frames(bytes)[1].clone();
        bytes[frame.start.next_multiple_of(512)..][..512].fill(0);
    });
    assert_invalid(&log_at(folder.path()), Some(15), Rule::JournalLeaf);
    let (_, folder) = data();
    edit(&first_segment(folder.path()), |bytes| {
        let last = frames(bytes).pop().unwrap();
        bytes.truncate(last.end - 100);
    });
    assert_invalid(&log_at(folder.path()), Some(9), Rule::JournalFrame);
    let (_, folder) = data();
    edit(&first_segment(folder.path()), |bytes| *bytes.last_mut().unwrap() = 1);
    assert_invalid(&log_at(folder.path()), Some(12), Rule::JournalFrame);
}

#[test]
fn garbage_in_a_journal_is_refused_without_a_panic() {
    for (number, garbage) in
        [vec![], vec![0; 600], vec![0xff; 5_000], b"CSGNSEG\xff".repeat(200)].into_iter().enumerate()
    {
        let (_, folder) = data();
        std::fs::write(last_segment(folder.path()), garbage).unwrap();
        let report = log_at(folder.path());
        assert_invalid(&report, Some(12), Rule::JournalSegment);
        assert!(number < 4);
    }
    let (_, folder) = data();
    std::fs::remove_file(last_segment(folder.path())).unwrap();
    std::fs::create_dir(last_segment(folder.path())).unwrap();
    assert_eq!(log_at(folder.path()).verdict, Verdict::Error);
}
