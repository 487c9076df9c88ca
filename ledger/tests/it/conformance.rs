//! What every journal must do, run on each of them.

use std::ops::ControlFlow;
use std::path::PathBuf;

use countersign_ledger::journal::memory::{MemoryStore, Persisted};
use countersign_ledger::journal::{AppendError, Frame, FrameError, Journal, OpenError};
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
        match self {
            Self::Files(dir) => {
                let (opened, recovered) = crate::fixture::open(dir, &options())?;
                let frontier = opened.frontier;
                Ok(Open { journal: Box::new(opened.journal), frontier, recovered })
            }
            Self::Memory(store) => {
                let mut recovered = Leaves::new();
                let (journal, frontier) = store.open(&mut |index, leaf| {
                    assert_eq!(index.get(), recovered.len() as u64);
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
