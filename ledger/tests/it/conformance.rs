//! What every journal must do, run on each of them.

use std::ops::ControlFlow;
use std::path::PathBuf;

use countersign_ledger::journal::memory::{MemoryStore, Persisted};
use countersign_ledger::journal::segment::Options;
use countersign_ledger::journal::{AppendError, DamageKind, Frame, FrameError, Journal, OpenError, ReadError};
use proof::merkle::{Frontier, leaf_hash};
use proof::{LeafIndex, TreeSize};

use crate::fixture::{Leaves, append, leaf, options};

/// A place where journals live, whatever it is made of.
enum Disk {
    Files(PathBuf),
    Memory(MemoryStore),
}

struct Open {
    journal: Box<dyn Journal>,
    frontier: Frontier,
    recovered: Leaves,
}

impl Disk {
    fn open(&self) -> Result<Open, OpenError> {
        self.resume(&Frontier::new())
    }

    fn resume(&self, resume: &Frontier) -> Result<Open, OpenError> {
        match self {
            Self::Files(dir) => {
                let options = Options { resume: resume.clone(), ..options() };
                let (opened, recovered) = crate::fixture::open(dir, &options)?;
                let frontier = opened.frontier;
                Ok(Open { journal: Box::new(opened.journal), frontier, recovered })
            }
            Self::Memory(store) => {
                let mut recovered = Leaves::new();
                let (journal, frontier) = store.resume(resume, &mut |index, leaf| {
                    assert_eq!(index.get(), resume.size().get() + recovered.len() as u64);
                    recovered.push(leaf.to_vec());
                    Ok(())
                })?;
                Ok(Open { journal: Box::new(journal), frontier, recovered })
            }
        }
    }
}

fn on_each(check: impl Fn(&Disk)) {
    let dir = tempfile::tempdir().unwrap();
    check(&Disk::Files(dir.path().to_path_buf()));
    check(&Disk::Memory(MemoryStore::new()));
}

fn read_from(journal: &dyn Journal, from: u64) -> Leaves {
    let mut leaves = Leaves::new();
    let mut next = from;
    journal
        .reader()
        .read(LeafIndex::new(from), &mut |frame| {
            for (index, leaf) in frame.leaves_from(LeafIndex::new(from)) {
                assert_eq!(index.get(), next);
                next += 1;
                leaves.push(leaf.to_vec());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    leaves
}

#[test]
fn starts_empty() {
    on_each(|disk| {
        let open = disk.open().unwrap();
        assert_eq!(open.journal.size(), TreeSize::ZERO);
        assert_eq!(open.journal.reader().size(), TreeSize::ZERO);
        assert!(open.recovered.is_empty() && read_from(&*open.journal, 0).is_empty());
    });
}

#[test]
fn keeps_what_was_appended_across_opens_and_reads_it_from_anywhere() {
    on_each(|disk| {
        let mut expected = Leaves::new();
        for round in 0..6 {
            let mut open = disk.open().unwrap();
            assert_eq!(open.recovered, expected);
            for number in 1..5 {
                let leaves: Leaves = (0..number).map(|seed| leaf(round * 10 + seed, 700)).collect();
                append(&mut *open.journal, &mut open.frontier, &leaves);
                expected.extend(leaves);
                assert_eq!(open.journal.size().get(), expected.len() as u64);
            }
            for from in 0..=expected.len() + 1 {
                let rest = expected.get(from..).unwrap_or_default();
                assert_eq!(read_from(&*open.journal, from as u64), rest);
            }
        }
    });
}

#[test]
fn frames_come_back_as_they_were_committed_and_a_reader_may_break_off() {
    on_each(|disk| {
        let mut open = disk.open().unwrap();
        let mut roots = Vec::new();
        for seed in 0..10 {
            append(&mut *open.journal, &mut open.frontier, &[leaf(seed, 50), leaf(seed, 60)]);
            roots.push(open.frontier.root());
        }
        let mut seen = Vec::new();
        let reader = open.journal.reader();
        reader
            .read(LeafIndex::new(7), &mut |frame| {
                assert_eq!(frame.end().get(), frame.start.get() + 2);
                seen.push((frame.start.get(), frame.root));
                if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(seen, [(6, roots[3]), (8, roots[4]), (10, roots[5])]);
    });
}

#[test]
fn refuses_another_size_and_writes_nothing() {
    on_each(|disk| {
        let mut open = disk.open().unwrap();
        append(&mut *open.journal, &mut open.frontier, &[leaf(1, 10), leaf(2, 10)]);
        let (leaves, root) = ([leaf(3, 10)], open.frontier.root());
        for start in [0, 1, 3] {
            let start = TreeSize::new(start);
            match open.journal.append(&Frame { start, leaves: &leaves, root }) {
                Err(AppendError::UnexpectedSize { expected, got }) => {
                    assert_eq!((expected.get(), got), (2, start));
                }
                other => panic!("{other:?}"),
            }
        }
        append(&mut *open.journal, &mut open.frontier, &leaves);
        drop(open);
        assert_eq!(disk.open().unwrap().recovered, [leaf(1, 10), leaf(2, 10), leaf(3, 10)]);
    });
}

#[test]
fn refuses_what_breaks_a_limit_and_writes_nothing() {
    on_each(|disk| {
        let mut open = disk.open().unwrap();
        let with_zero = [b"ok".to_vec(), b"no\0pe".to_vec()];
        let huge = vec![leaf(1, 65_535); 257];
        let cases: [(&[Vec<u8>], FrameError); 6] = [
            (&[], FrameError::LeafCount { got: 0 }),
            (&vec![leaf(1, 1); 65_537], FrameError::LeafCount { got: 65_537 }),
            (&[Vec::new()], FrameError::LeafLength { index: LeafIndex::new(0), got: 0 }),
            (&[leaf(1, 1), leaf(1, 65_536)], FrameError::LeafLength { index: LeafIndex::new(1), got: 65_536 }),
            (&with_zero, FrameError::ZeroByte { index: LeafIndex::new(1) }),
            (&huge, FrameError::TooLarge { got: 257 * 65_535 }),
        ];
        for (leaves, expected) in cases {
            let frame = Frame { start: TreeSize::ZERO, leaves, root: proof::Hash::ZERO };
            match open.journal.append(&frame) {
                Err(AppendError::Refused(error)) => assert_eq!(error, expected),
                other => panic!("{other:?}"),
            }
        }
        append(&mut *open.journal, &mut open.frontier, &vec![leaf(1, 65_535); 256]);
        drop(open);
        assert_eq!(disk.open().unwrap().recovered.len(), 256);
    });
}

#[test]
fn has_one_writer() {
    on_each(|disk| {
        let mut first = disk.open().unwrap();
        append(&mut *first.journal, &mut first.frontier, &[leaf(1, 10)]);
        // Either the second is refused, or the first is fenced.
        if let Ok(mut second) = disk.open() {
            append(&mut *second.journal, &mut second.frontier, &[leaf(2, 10)]);
            let (start, root) = (first.frontier.size(), first.frontier.root());
            let late = first.journal.append(&Frame { start, leaves: &[leaf(3, 10)], root });
            assert!(matches!(late, Err(AppendError::Fenced)), "{late:?}");
        } else {
            append(&mut *first.journal, &mut first.frontier, &[leaf(2, 10)]);
        }
        drop(first);
        assert_eq!(disk.open().unwrap().recovered, [leaf(1, 10), leaf(2, 10)]);
    });
}

#[test]
fn an_unknown_outcome_poisons_and_the_next_open_decides() {
    // Segment files are made to fail in the unit tests beside them.
    for persisted in [Persisted::Yes, Persisted::No] {
        let store = MemoryStore::new();
        let disk = Disk::Memory(store.clone());
        let mut open = disk.open().unwrap();
        store.fail_at(1, persisted);
        append(&mut *open.journal, &mut open.frontier, &[leaf(1, 10)]);
        let start = open.frontier.size();
        let mut frontier = open.frontier.clone();
        frontier.push(leaf_hash(&leaf(2, 10)));
        let frame = Frame { start, leaves: &[leaf(2, 10)], root: frontier.root() };
        let first = open.journal.append(&frame);
        assert!(matches!(first, Err(AppendError::OutcomeUnknown(_))), "{first:?}");
        let second = open.journal.append(&frame);
        assert!(matches!(second, Err(AppendError::Poisoned)), "{second:?}");
        assert_eq!(open.journal.size(), start);
        assert_eq!(open.journal.reader().size(), start);
        let expected = if persisted == Persisted::Yes { 2 } else { 1 };
        assert_eq!(disk.open().unwrap().recovered.len(), expected);
    }
}

/// A journal of `frames` frames with three leaves each, and the frontier before each frame and after
/// the last.
fn in_frames(disk: &Disk, frames: usize) -> (Open, Leaves, Vec<Frontier>) {
    let mut open = disk.open().unwrap();
    let (mut all, mut frontiers) = (Leaves::new(), vec![open.frontier.clone()]);
    for frame in 0..frames {
        let leaves: Leaves = (0..3).map(|number| leaf(frame * 3 + number, 900)).collect();
        append(&mut *open.journal, &mut open.frontier, &leaves);
        frontiers.push(open.frontier.clone());
        all.extend(leaves);
    }
    (open, all, frontiers)
}

fn first_read_fails_with(journal: &dyn Journal, from: u64) -> LeafIndex {
    match journal.reader().read(LeafIndex::new(from), &mut |_| panic!("a frame")) {
        Err(ReadError::Reclaimed { first }) => first,
        other => panic!("{other:?}"),
    }
}

#[test]
fn forgets_whole_frames_from_the_beginning_and_never_more_than_it_may() {
    on_each(|disk| {
        let (mut open, mut all, _) = in_frames(disk, 20);
        let mut last_first = 0;
        for upto in [0, 2, 3, 17, 30, 31, 50, 59] {
            open.journal.reclaim(TreeSize::new(upto)).unwrap();
            let first = open.journal.reader().first().get();
            assert!(first <= upto && first >= last_first && first % 3 == 0, "first {first}, upto {upto}");
            last_first = first;
            assert_eq!(open.journal.size(), TreeSize::new(60));
            for from in first..=60 {
                assert_eq!(read_from(&*open.journal, from), all[from as usize..]);
            }
            for from in 0..first {
                assert_eq!(first_read_fails_with(&*open.journal, from).get(), first);
            }
        }
        assert!(last_first > 0, "nothing was forgotten");
        // It goes on growing meanwhile.
        append(&mut *open.journal, &mut open.frontier, &[leaf(7, 70)]);
        all.push(leaf(7, 70));
        assert_eq!(read_from(&*open.journal, last_first), all[last_first as usize..]);
    });
}

#[test]
fn keeps_its_last_frame_whatever_it_may_forget() {
    on_each(|disk| {
        let (mut open, all, frontiers) = in_frames(disk, 20);
        for upto in [60, u64::MAX] {
            open.journal.reclaim(TreeSize::new(upto)).unwrap();
            let first = open.journal.reader().first().get();
            assert!(first > 0 && first <= 57, "first {first}");
            assert_eq!(read_from(&*open.journal, 57), all[57..]);
        }
        drop(open);
        // The root in it can be compared: with the right snapshot, and with one of another history.
        assert!(disk.resume(&frontiers[20]).unwrap().recovered.is_empty());
        let mut other = frontiers[0].clone();
        for seed in 0..60 {
            other.push(leaf_hash(&leaf(seed + 1000, 10)));
        }
        let Err(OpenError::Damage(damage)) = disk.resume(&other) else { panic!("opened on another history") };
        assert!(matches!(damage.kind, DamageKind::Root { .. }));
        other.push(leaf_hash(b"x"));
        let Err(OpenError::Damage(damage)) = disk.resume(&other) else { panic!("opened beyond its end") };
        assert_eq!(damage.kind, DamageKind::EndsShort { must_reach: TreeSize::new(61) });
    });
}

#[test]
fn without_its_beginning_it_opens_with_a_snapshot_that_reaches_what_is_kept() {
    on_each(|disk| {
        let (mut open, all, frontiers) = in_frames(disk, 20);
        open.journal.reclaim(TreeSize::new(40)).unwrap();
        let first = open.journal.reader().first();
        assert!(first.get() > 0);
        drop(open);
        for (number, resume) in frontiers.iter().enumerate() {
            let size = resume.size();
            if size.get() < first.get() {
                match disk.resume(resume) {
                    Err(OpenError::Reclaimed { first: at, resume }) => assert_eq!((at, resume), (first, size)),
                    Err(error) => panic!("{error}"),
                    Ok(_) => panic!("opened from {size}, kept from {first}"),
                }
                continue;
            }
            // From the first frame that is kept on: exactly at its start, too.
            let mut open = disk.resume(resume).unwrap();
            assert_eq!(open.recovered, all[number * 3..]);
            assert_eq!(open.frontier, frontiers[20]);
            assert_eq!(open.journal.reader().first(), first);
            assert_eq!(read_from(&*open.journal, first.get()), all[first.get() as usize..]);
            open.journal.reclaim(TreeSize::ZERO).unwrap();
            assert_eq!(open.journal.reader().first(), first);
        }
        let mut inside = frontiers[first.get() as usize / 3].clone();
        inside.push(leaf_hash(&all[first.get() as usize]));
        let Err(OpenError::Damage(damage)) = disk.resume(&inside) else { panic!("opened inside a frame") };
        assert_eq!(damage.kind, DamageKind::NotAFrameBoundary { resume: inside.size() });
    });
}

#[test]
fn one_that_was_never_written_to_has_nothing_to_forget() {
    on_each(|disk| {
        let mut open = disk.open().unwrap();
        open.journal.reclaim(TreeSize::new(100)).unwrap();
        assert_eq!(open.journal.reader().first(), LeafIndex::default());
        append(&mut *open.journal, &mut open.frontier, &[leaf(1, 10)]);
        open.journal.reclaim(TreeSize::new(100)).unwrap();
        drop(open);
        assert_eq!(disk.open().unwrap().recovered, [leaf(1, 10)]);
    });
}
