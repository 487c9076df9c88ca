use std::fs::{self, File};

use super::*;
use crate::journal::AppendError;
use proof::merkle::leaf_hash;

fn open(dir: &Path) -> Opened {
    let options = Options { segment_bytes: 8192, first_segment_bytes: 4096, ..Options::new("t") };
    SegmentJournal::open(dir, &options, &mut |_, _| Ok(())).unwrap()
}

fn append(opened: &mut Opened, leaf: &[u8]) -> Result<TreeSize, AppendError> {
    let mut frontier = opened.frontier.clone();
    frontier.push(leaf_hash(leaf));
    let (leaves, start) = ([leaf.to_vec()], opened.frontier.size());
    let size = opened.journal.append(&Frame { start, leaves: &leaves, root: frontier.root() })?;
    opened.frontier = frontier;
    Ok(size)
}

#[test]
fn a_failed_write_poisons_and_reopening_decides() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    append(&mut opened, b"first").unwrap();
    // A handle that cannot be written to stands for a disk that fails.
    opened.journal.file = Box::new(File::open(&opened.journal.path).unwrap());
    assert!(matches!(append(&mut opened, b"lost"), Err(AppendError::OutcomeUnknown(_))));
    assert!(matches!(append(&mut opened, b"later"), Err(AppendError::Poisoned)));
    assert_eq!(opened.journal.size(), TreeSize::new(1));
    assert_eq!(opened.journal.reader().size(), TreeSize::new(1));
    drop(opened);
    let mut opened = open(dir.path());
    assert_eq!(opened.journal.size(), TreeSize::new(1));
    append(&mut opened, b"second").unwrap();
}

#[test]
fn a_segment_that_cannot_be_prepared_refuses_the_frame_without_poisoning() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    let obstacle = dir.path().join("journal/next.tmp");
    fs::create_dir(&obstacle).unwrap();
    append(&mut opened, &[b'x'; 2000]).unwrap();
    let refused = append(&mut opened, &[b'y'; 2000]);
    assert!(matches!(refused, Err(AppendError::NoRoom(_))), "{refused:?}");
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(append(&mut opened, &[b'y'; 2000]).unwrap(), TreeSize::new(2));
    drop(opened);
    assert_eq!(open(dir.path()).journal.size(), TreeSize::new(2));
}

#[test]
fn a_frame_larger_than_a_segment_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(dir.path());
    append(&mut opened, &vec![b'x'; 60_000]).unwrap();
    append(&mut opened, &[b'y'; 100]).unwrap();
    assert_eq!(opened.journal.capacity % 4096, 0);
    drop(opened);
    assert_eq!(open(dir.path()).journal.size(), TreeSize::new(2));
}
