use super::*;
use crate::disk::RealDisk;
use domain::event::Subject;
use domain::event::decision::Ruling;
use std::collections::BTreeMap;
use std::fs;

fn record(n: u64) -> Record {
    let end = if n.is_multiple_of(3) { End::Ruled(Ruling::Deny) } else { End::Stated };
    (ClosedKey::of(&Subject::of("proposal", n)), Closed { begun: LeafIndex::new(n), end })
}

fn written(dir: &Path, numbers: impl Iterator<Item = u64>) -> Run {
    let sorted: BTreeMap<_, _> = numbers.map(record).collect();
    let staging = Staging::open(dir).unwrap();
    let count = on_disk(sorted.len());
    Run::write(&staging, &dir.join("a.run"), count, &mut sorted.into_iter().map(Ok)).unwrap()
}

#[test]
fn what_was_written_is_found_and_nothing_else() {
    for count in [0, 1, 127, 128, 129, 5_000] {
        let dir = tempfile::tempdir().unwrap();
        let run = written(dir.path(), 0..count);
        for n in 0..count {
            let (key, closed) = record(n);
            assert_eq!(run.find(&key).unwrap(), Some(closed));
        }
        assert!((count..count + 2_000).all(|n| run.find(&record(n).0).unwrap().is_none()));
        let again = Run::open(&RealDisk, run.path(), Some(run.digest())).unwrap();
        assert_eq!(again.records().map(Result::unwrap).count(), in_memory(count));
        let keys: Vec<_> = again.records().map(|record| record.unwrap().0).collect();
        assert!(keys.is_sorted());
    }
}

#[test]
fn keys_that_begin_alike_are_told_apart_across_pages() {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::open(dir.path()).unwrap();
    let key = |n: u64| {
        let mut bytes = [7; KEY_BYTES];
        bytes[16..].copy_from_slice(&n.to_be_bytes());
        ClosedKey::new(bytes)
    };
    let all = (0..1_000).map(|n| Ok((key(n), Closed { begun: LeafIndex::new(n), end: End::Failed })));
    let run = Run::write(&staging, &dir.path().join("a.run"), 1_000, &mut all.into_iter()).unwrap();
    for n in 0..1_000 {
        assert_eq!(run.find(&key(n)).unwrap().unwrap().begun.get(), n);
    }
    assert!(run.find(&key(1_000)).unwrap().is_none());
}

#[test]
fn every_byte_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let run = written(dir.path(), 0..300);
    let good = fs::read(run.path()).unwrap();
    let bad = dir.path().join("bad.run");
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(&bad, &bytes).unwrap();
        let found =
            Run::open(&RealDisk, &bad, Some(run.digest())).and_then(|run| run.records().collect::<Result<Vec<_>, _>>());
        assert!(found.is_err(), "byte {at} of {}", good.len());
    }
    for length in [0, 10, good.len() - 1, good.len() / 2] {
        fs::write(&bad, &good[..length]).unwrap();
        assert!(Run::open(&RealDisk, &bad, Some(run.digest())).is_err());
    }
    assert!(Run::open(&RealDisk, run.path(), Some(Hash::ZERO)).is_err(), "another run is not this one");
}

#[test]
fn a_run_that_would_be_short_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let staging = Staging::open(dir.path()).unwrap();
    let path = dir.path().join("a.run");
    assert!(Run::write(&staging, &path, 2, &mut std::iter::once(Ok(record(1)))).is_err());
    assert!(!path.exists());
}
