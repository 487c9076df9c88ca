//! A write that a crash cut short: dropped, zeroed, reported, and everything before it kept.

use std::fs;

use countersign_ledger::journal::{Damage, DamageKind, Journal};
use proof::TreeSize;
use proptest::prelude::*;

use crate::fixture::{Written, append, damage, frames, open, options};

/// The shares that sectors have in the last frame.
fn sectors(written: &Written) -> Vec<std::ops::Range<usize>> {
    let extent = &written.last().bytes;
    let mut shares = Vec::new();
    let mut start = extent.start;
    while start < extent.end {
        let end = (start / 512 + 1) * 512;
        shares.push(start..end.min(extent.end));
        start = end;
    }
    shares
}

/// Opens after the last frame was torn: the earlier frames are there, the tear is reported once
/// and gone, and the journal goes on from there.
fn recovers(written: &Written, bytes_left: bool) {
    let (opened, leaves) = open(written.path(), &options()).unwrap();
    assert_eq!(leaves, written.leaves_before_last());
    assert_eq!(opened.torn.is_some(), bytes_left);
    let last = written.last();
    if let Some(torn) = &opened.torn {
        assert_eq!((&torn.file, torn.index), (&last.file, last.index));
        assert_eq!(torn.offset, last.bytes.start as u64);
        assert!(torn.bytes <= last.bytes.len() as u64);
    }
    let file = fs::read(&last.file).unwrap();
    assert!(file[last.bytes.start..].iter().all(|byte| *byte == 0));
    assert_eq!(file.len() % 4096, 0);

    let (mut journal, mut frontier) = (opened.journal, opened.frontier);
    append(&mut journal, &mut frontier, written.frames.last().unwrap());
    drop(journal);
    let (opened, leaves) = open(written.path(), &options()).unwrap();
    assert_eq!(leaves, written.frames.concat());
    assert_eq!(opened.torn, None);
}

#[test]
fn a_file_cut_at_any_byte_of_the_last_frame() {
    let written = Written::new(frames(&[(1, 100), (3, 200), (2, 240)]));
    let last = written.last().clone();
    let whole = fs::read(&last.file).unwrap();
    for cut in last.bytes.clone() {
        fs::write(&last.file, &whole[..cut]).unwrap();
        recovers(&written, cut > last.bytes.start);
        assert_eq!(fs::read(&last.file).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn any_set_of_the_last_frames_sectors_missing() {
    let written = Written::new(frames(&[(1, 700), (4, 500)]));
    let last = written.last().clone();
    let whole = fs::read(&last.file).unwrap();
    let shares = sectors(&written);
    assert!(shares.len() >= 5);
    for missing in 1_u32..1 << shares.len() {
        let mut torn = whole.clone();
        for (number, share) in shares.iter().enumerate() {
            if missing & (1 << number) != 0 {
                torn[share.clone()].fill(0);
            }
        }
        fs::write(&last.file, &torn).unwrap();
        recovers(&written, missing + 1 < 1 << shares.len());
    }
}

#[test]
fn a_torn_frame_before_a_known_size_is_damage_and_left_alone() {
    let written = Written::new(frames(&[(2, 300), (1, 900)]));
    let last = written.last().clone();
    let mut torn = fs::read(&last.file).unwrap();
    torn.truncate(last.bytes.end - 10);
    fs::write(&last.file, &torn).unwrap();
    let must_reach = TreeSize::new(3);
    let expected = Damage {
        file: last.file.clone(),
        offset: last.bytes.start as u64,
        index: last.index,
        kind: DamageKind::EndsShort { must_reach },
    };
    let strict = countersign_ledger::journal::segment::Options { must_reach, ..options() };
    assert_eq!(damage(written.path(), &strict), expected);
    assert_eq!(fs::read(&last.file).unwrap(), torn);
}

#[test]
fn a_torn_frame_is_never_found_in_a_segment_that_was_left() {
    let written = Written::new(frames(&[(1, 3000), (1, 3000), (1, 3000), (1, 3000)]));
    let torn = written.placed.iter().rfind(|frame| frame.file != written.last().file).unwrap();
    let mut file = fs::read(&torn.file).unwrap();
    file[torn.bytes.start + 512..torn.bytes.start + 1536].fill(0);
    fs::write(&torn.file, file).unwrap();
    let found = damage(written.path(), &options());
    assert_eq!((&found.file, found.index), (&torn.file, torn.index));
    assert_eq!(found.kind, DamageKind::CutShort);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_frames_torn_at_random(
        shape in prop::collection::vec((1_usize..6, 1_usize..900), 1..8),
        cut in any::<prop::sample::Index>(),
        missing in any::<u64>(),
        by_cutting in any::<bool>(),
    ) {
        let written = Written::new(frames(&shape));
        let last = written.last().clone();
        let mut file = fs::read(&last.file).unwrap();
        let shares = sectors(&written);
        let bytes_left = if by_cutting {
            let cut = last.bytes.start + cut.index(last.bytes.len());
            file.truncate(cut);
            cut > last.bytes.start
        } else {
            let all = (1_u64 << shares.len()) - 1;
            let missing = (missing & all).max(1);
            for (number, share) in shares.iter().enumerate() {
                if missing & (1 << number) != 0 {
                    file[share.clone()].fill(0);
                }
            }
            missing != all
        };
        fs::write(&last.file, file).unwrap();
        prop_assert_eq!(written.size_before_last().get() as usize, written.leaves_before_last().len());
        recovers(&written, bytes_left);
    }
}

#[test]
fn a_second_crash_during_recovery_changes_nothing() {
    // Recovery that was itself cut off leaves part of the torn frame: again no good frame.
    let written = Written::new(frames(&[(1, 700), (4, 500)]));
    let last = written.last().clone();
    let mut file = fs::read(&last.file).unwrap();
    file[last.bytes.start..last.bytes.start + 1024].fill(0);
    fs::write(&last.file, file).unwrap();
    recovers(&written, true);
    let (opened, _) = open(written.path(), &options()).unwrap();
    assert_eq!(opened.journal.size(), TreeSize::new(5));
}
