//! What is particular to segment files: rolling, resuming, the lock, restarts.

use std::fs;
use std::ops::ControlFlow;

use countersign_ledger::disk::RealDisk;
use countersign_ledger::journal::segment::{Options, SegmentJournal, first_kept};
use countersign_ledger::journal::{DamageKind, Journal, OpenError, ReadError};
use countersign_ledger::lock::{Holder, LockError};
use proof::merkle::{Frontier, leaf_hash};
use proof::{LeafIndex, TreeSize};

use crate::fixture::{Leaves, Written, append, damage, frames, leaf, open, options, segments};

#[test]
fn a_second_open_is_refused_and_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = open(dir.path(), &options()).unwrap();
    match open(dir.path(), &options()) {
        Err(error @ OpenError::Lock(LockError::Held { by, .. })) => {
            assert_eq!(by, Some(Holder::this_process()));
            assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        }
        _ => panic!("opened twice"),
    }
    drop(first);
    open(dir.path(), &options()).unwrap();
}

#[test]
fn segments_are_named_after_their_first_leaf_and_grow_to_their_full_size() {
    let written = Written::new(frames(&[(3, 2000); 12]));
    let names: Vec<_> =
        segments(written.path()).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names[0], "00000000000000000000.seg");
    assert_eq!(names[1], "00000000000000000003.seg");
    let sizes: Vec<_> = segments(written.path()).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert_eq!(sizes[..3], [8192, 16_384, 16_384]);
    assert_eq!(open(written.path(), &options()).unwrap().1, written.frames.concat());
}

#[test]
fn a_segment_that_was_prepared_when_the_crash_came_is_swept() {
    let written = Written::new(frames(&[(1, 10)]));
    let prepared = written.path().join("journal/next.tmp");
    fs::write(&prepared, [0; 4096]).unwrap();
    let (opened, leaves) = open(written.path(), &options()).unwrap();
    assert_eq!(leaves, written.frames.concat());
    assert!(!prepared.exists());
    drop(opened);
}

#[test]
fn a_new_segment_without_frames_is_where_the_journal_goes_on() {
    // The crash came between making the segment and writing its first frame.
    let written = Written::new(frames(&[(1, 6000), (1, 6000)]));
    let last = written.last();
    let mut file = fs::read(&last.file).unwrap();
    file[512..].fill(0);
    fs::write(&last.file, file).unwrap();
    let (opened, leaves) = open(written.path(), &options()).unwrap();
    assert_eq!((leaves, opened.torn), (written.frames[0].clone(), None));
    let (mut journal, mut frontier) = (opened.journal, opened.frontier);
    append(&mut journal, &mut frontier, &[leaf(1, 20_000)]);
    append(&mut journal, &mut frontier, &[leaf(2, 20_000)]);
    let mut seen = 0;
    let reader = journal.reader();
    reader
        .read(LeafIndex::new(1), &mut |frame| {
            seen += frame.leaves.len();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, 2);
    drop(journal);
    assert_eq!(open(written.path(), &options()).unwrap().0.journal.size(), TreeSize::new(3));
}

/// The frontier of the first leaves.
fn frontier(leaves: &[Vec<u8>]) -> Frontier {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(leaf_hash(leaf));
    }
    frontier
}

fn read_all(journal: &SegmentJournal, from: u64) -> Leaves {
    let mut leaves = Leaves::new();
    let from = LeafIndex::new(from);
    journal
        .reader()
        .read(from, &mut |frame| {
            leaves.extend(frame.leaves_from(from).map(|(_, leaf)| leaf.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    leaves
}

#[test]
fn resuming_from_any_frame_boundary_visits_what_is_behind_it() {
    let written = Written::new(frames(&[(3, 900); 14]));
    let all = written.frames.concat();
    assert!(segments(written.path()).len() >= 3);
    for boundary in (0..=all.len()).step_by(3) {
        let resume = frontier(&all[..boundary]);
        let (opened, leaves) = open(written.path(), &Options { resume, ..options() }).unwrap();
        assert_eq!(leaves, all[boundary..]);
        assert_eq!(opened.frontier, frontier(&all));
        for from in 0..=all.len() {
            assert_eq!(read_all(&opened.journal, from as u64), all[from..], "from {from}");
        }
    }
}

#[test]
fn a_snapshot_that_does_not_fit_the_journal_is_refused() {
    let written = Written::new(frames(&[(3, 900); 5]));
    let all = written.frames.concat();
    let resume = |resume| Options { resume, ..options() };
    let inside = resume(frontier(&all[..4]));
    let found = damage(written.path(), &inside);
    assert_eq!(found.kind, DamageKind::NotAFrameBoundary { resume: TreeSize::new(4) });

    let mut other = all.clone();
    other[0] = leaf(99, 900);
    let forked = resume(frontier(&other[..6]));
    assert!(matches!(damage(written.path(), &forked).kind, DamageKind::Root { .. }));

    other.push(leaf(100, 10));
    let ahead = resume(frontier(&other));
    let found = damage(written.path(), &ahead);
    assert_eq!(found.kind, DamageKind::EndsShort { must_reach: TreeSize::new(16) });
}

#[test]
fn a_flaw_before_the_snapshot_is_found_when_it_is_read() {
    let written = Written::new(frames(&[(3, 900); 14]));
    let all = written.frames.concat();
    let mut file = fs::read(&written.placed[1].file).unwrap();
    file[written.placed[1].bytes.start + 100] ^= 1;
    fs::write(&written.placed[1].file, file).unwrap();
    let resume = frontier(&all[..39]);
    let (opened, _) = open(written.path(), &Options { resume, ..options() }).unwrap();
    let reader = opened.journal.reader();
    let error = reader.read(LeafIndex::new(0), &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("00000000000000000000.seg"), "{error}");
    assert!(error.to_string().contains("leaf 3"), "{error}");
}

#[test]
fn a_visitor_that_objects_stops_the_open() {
    let written = Written::new(frames(&[(2, 10), (2, 10)]));
    let opened = SegmentJournal::open(written.path(), &options(), &mut |index, _| {
        if index.get() == 2 { Err("cannot be".into()) } else { Ok(()) }
    });
    match opened {
        Err(error @ OpenError::Visit { index, .. }) => {
            assert_eq!(index, LeafIndex::new(2));
            assert_eq!(error.to_string(), "leaf 2 cannot be replayed: cannot be");
        }
        _ => panic!("opened"),
    }
    open(written.path(), &options()).unwrap();
}

#[test]
fn readers_follow_the_writer_from_other_threads() {
    let dir = tempfile::tempdir().unwrap();
    let (opened, _) = open(dir.path(), &options()).unwrap();
    let (mut journal, mut frontier) = (opened.journal, opened.frontier);
    let all: Leaves = (0..200).map(|seed| leaf(seed, 300)).collect();
    let reader = journal.reader();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (reader, all) = (reader.clone(), &all);
            scope.spawn(move || {
                let mut next = 0;
                while next < all.len() {
                    let from = LeafIndex::new(next as u64);
                    reader
                        .read(from, &mut |frame| {
                            for (index, leaf) in frame.leaves_from(from) {
                                assert_eq!((index.get() as usize, leaf), (next, &*all[next]));
                                next += 1;
                            }
                            ControlFlow::Continue(())
                        })
                        .unwrap();
                }
            });
        }
        for leaves in all.chunks(3) {
            append(&mut journal, &mut frontier, leaves);
        }
    });
}

#[test]
fn any_leaf_of_a_long_segment_is_found_whether_it_was_read_at_open_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let long = Options { segment_bytes: 2_000_000, first_segment_bytes: 2_000_000, ..options() };
    let (opened, _) = open(dir.path(), &long).unwrap();
    let (mut journal, mut tree) = (opened.journal, opened.frontier);
    let all: Leaves = (0..120).map(|seed| leaf(seed, 40_000)).collect();
    for leaves in all.chunks(3) {
        append(&mut journal, &mut tree, leaves);
    }
    assert_eq!(segments(dir.path()).len(), 3);
    let find_each = |journal: &SegmentJournal| {
        for (index, expected) in all.iter().enumerate().rev() {
            let from = LeafIndex::new(index as u64);
            let mut found = None;
            journal
                .reader()
                .read(from, &mut |frame| {
                    found = frame.leaves_from(from).next().map(|(_, leaf)| leaf.to_vec());
                    ControlFlow::Break(())
                })
                .unwrap();
            assert!(found.as_ref() == Some(expected), "leaf {index}");
        }
    };
    find_each(&journal);
    drop(journal);
    for resume in [Frontier::new(), frontier(&all[..60]), tree] {
        let (opened, _) = open(dir.path(), &Options { resume, ..long.clone() }).unwrap();
        find_each(&opened.journal);
        assert_eq!(read_all(&opened.journal, 0), all);
    }
}

/// The names that remain of a journal after segments were given up.
fn names(dir: &std::path::Path) -> Vec<String> {
    segments(dir).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_crash_between_two_unlinks_leaves_a_journal_that_opens() {
    let written = Written::new(frames(&[(3, 900); 30]));
    let all = written.frames.concat();
    let files = segments(written.path());
    assert!(files.len() >= 5);
    // Segments go oldest first, so a crash leaves the rest of them, from any one on.
    for gone in &files[..files.len() - 1] {
        assert_eq!(first_kept(&RealDisk, written.path()).unwrap().unwrap(), index_of(gone));
        fs::remove_file(gone).unwrap();
        let first = first_kept(&RealDisk, written.path()).unwrap().unwrap();
        assert_eq!(first, index_of(&segments(written.path())[0]));
        for size in [first.get() as usize, all.len()] {
            let resume = frontier(&all[..size]);
            let (opened, leaves) = open(written.path(), &Options { resume, ..options() }).unwrap();
            assert_eq!(leaves, all[size..]);
            assert_eq!(read_all(&opened.journal, first.get()), all[first.get() as usize..]);
        }
    }
}

fn index_of(file: &std::path::Path) -> LeafIndex {
    LeafIndex::new(file.file_stem().unwrap().to_str().unwrap().parse().unwrap())
}

#[test]
fn a_gap_in_the_middle_is_damage_and_before_the_snapshot_it_is_found_when_it_is_read() {
    let written = Written::new(frames(&[(3, 900); 30]));
    let all = written.frames.concat();
    let files = segments(written.path());
    fs::remove_file(&files[2]).unwrap();
    let found = damage(written.path(), &options());
    assert_eq!(found.file, files[3]);
    assert!(matches!(found.kind, DamageKind::SegmentStart { .. }));
    let resume = frontier(&all[..index_of(&files[1]).get() as usize]);
    let found = damage(written.path(), &Options { resume, ..options() });
    assert!(matches!(found.kind, DamageKind::SegmentStart { .. }));
    // Segments before the snapshot are not walked.
    let resume = frontier(&all);
    let (opened, _) = open(written.path(), &Options { resume, ..options() }).unwrap();
    let gap = index_of(&files[2]);
    let read = opened.journal.reader().read(gap, &mut |_| panic!("a frame"));
    let Err(ReadError::Damage(found)) = read else { panic!("{read:?}") };
    assert_eq!((found.file, found.index), (files[1].clone(), gap));
}

#[test]
fn a_segment_without_frames_is_not_all_that_is_kept() {
    // The crash came between making the last segment and writing its first frame.
    let written = Written::new(frames(&[(1, 6000), (1, 6000), (1, 12_000), (1, 12_000)]));
    let last = written.last();
    let mut file = fs::read(&last.file).unwrap();
    file[512..].fill(0);
    fs::write(&last.file, file).unwrap();
    let (mut opened, leaves) = open(written.path(), &options()).unwrap();
    assert_eq!(leaves.len(), 3);
    opened.journal.reclaim(TreeSize::new(3)).unwrap();
    assert_eq!(names(written.path()), ["00000000000000000002.seg", "00000000000000000003.seg"]);
    assert_eq!(opened.journal.reader().first(), LeafIndex::new(2));
}

#[test]
fn a_segment_that_cannot_be_given_up_is_kept_and_may_go_later() {
    let written = Written::new(frames(&[(3, 900); 30]));
    let all = written.frames.concat();
    let (mut opened, _) = open(written.path(), &options()).unwrap();
    // A directory in the place of the second segment: it cannot be unlinked.
    let second = segments(written.path())[1].clone();
    let hidden = second.with_extension("hidden");
    fs::rename(&second, &hidden).unwrap();
    fs::create_dir(&second).unwrap();
    let error = opened.journal.reclaim(TreeSize::new(90)).unwrap_err();
    assert!(error.to_string().starts_with("cannot give up `"), "{error}");
    let first = opened.journal.reader().first();
    assert_eq!(first, index_of(&second));
    fs::remove_dir(&second).unwrap();
    fs::rename(&hidden, &second).unwrap();
    assert_eq!(read_all(&opened.journal, first.get()), all[first.get() as usize..]);
    opened.journal.reclaim(TreeSize::new(90)).unwrap();
    assert!(opened.journal.reader().first() > first);
    assert_eq!(names(written.path()).len(), 1);
}

#[test]
fn a_reader_that_is_overtaken_says_so_and_sees_no_gap() {
    let written = Written::new(frames(&[(3, 900); 30]));
    let all = written.frames.concat();
    let (mut opened, _) = open(written.path(), &options()).unwrap();
    let reader = opened.journal.reader();
    let mut seen = Leaves::new();
    let read = reader.read(LeafIndex::new(0), &mut |frame| {
        seen.extend(frame.leaves.iter().map(|leaf| leaf.to_vec()));
        if seen.len() == 3 {
            opened.journal.reclaim(TreeSize::new(60)).unwrap();
        }
        ControlFlow::Continue(())
    });
    // What was read already is read to its end; then come leaves that are gone.
    assert!(matches!(read, Err(ReadError::Reclaimed { first }) if first == reader.first()), "{read:?}");
    assert!(seen.len() < 60 && seen == all[..seen.len()]);
}
