//! Restarts: clean ones, killed ones, and stores that are not this log's.

use countersign_projections::{OpenError, Opened, Store, scan_check};
use proof::TreeSize;

use crate::history::History;
use crate::log::{Log, copy_of, fold, open, put_aside};

#[test]
fn a_restart_resumes_at_the_same_digest() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(120);
    let (store, mut writer, opened) = open(&dir, &log);
    assert_eq!(opened, Opened::Fresh);
    writer.step(&log, 50).unwrap();
    let (position, digests) = (writer.position(), writer.digests());
    assert_eq!(digests, log.digests_at(position));
    writer.flush().unwrap();
    drop((store, writer));

    let (store, mut writer, opened) = open(&dir, &log);
    assert_eq!(opened, Opened::Resumed);
    assert_eq!((writer.position(), writer.digests()), (position, digests));
    fold(&mut writer, &log, 7);
    assert_eq!(writer.digests(), log.digests_at(log.size()));
    assert!(scan_check(&store, &log, |_| ()).unwrap().is_clean());
    assert!(put_aside(&dir).is_empty());
}

#[test]
fn a_kill_between_batches_resumes_or_rebuilds_to_the_same_digest() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(150);
    let (_store, mut writer, _) = open(&dir, &log);
    let mut copies = Vec::new();
    for n in 0.. {
        if writer.step(&log, 23).unwrap().events == 0 {
            break;
        }
        // Some batches reach the disk on their own, some never do.
        if n % 3 == 0 {
            writer.flush().unwrap();
        }
        copies.push(copy_of(&dir, &home.path().join(format!("killed-{n}"))));
    }
    assert!(copies.len() > 5, "{}", copies.len());
    for killed in copies {
        let (store, mut writer, _) = open(&killed, &log);
        assert_eq!(writer.digests(), log.digests_at(writer.position()));
        fold(&mut writer, &log, 64);
        assert_eq!(writer.digests(), log.digests_at(log.size()));
        assert!(scan_check(&store, &log, |_| ()).unwrap().is_clean());
    }
}

#[test]
fn a_flushed_batch_survives_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(80);
    let (_store, mut writer, _) = open(&dir, &log);
    fold(&mut writer, &log, 16);
    writer.flush().unwrap();
    let killed = copy_of(&dir, &home.path().join("killed"));
    let (_, after, opened) = open(&killed, &log);
    assert_eq!(opened, Opened::Resumed);
    assert_eq!(after.position(), log.size());
}

#[test]
fn a_store_of_another_log_or_another_history_is_put_aside() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(60);
    let (store, mut writer, _) = open(&dir, &log);
    fold(&mut writer, &log, 16);
    drop((store, writer));

    let other = Log::of(History::named("ledger.example/other"));
    let (store, writer, opened) = open(&dir, &other);
    let Opened::Replaced { why, kept_at } = opened else { panic!("{opened:?}") };
    assert!(why.contains("another log"), "{why}");
    assert_eq!(put_aside(&dir), std::slice::from_ref(&kept_at));
    assert_eq!(writer.position(), TreeSize::ZERO);
    assert_eq!(store.status().replaced, 1);
    drop((store, writer));

    // Back in its place it serves its own log again, but not one that goes another way.
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(kept_at, &dir).unwrap();
    let (store, writer, opened) = open(&dir, &log);
    assert_eq!(opened, Opened::Resumed);
    drop((store, writer));
    let fork = Log::of(History::new());
    fork.write(|history| (0..200).for_each(|n| history.intent(&format!("other-{n}"))));
    let (_, _, opened) = open(&dir, &fork);
    let Opened::Replaced { why, .. } = opened else { panic!("{opened:?}") };
    assert!(why.contains("another history"), "{why}");
}

#[test]
fn a_store_beyond_the_log_is_put_aside() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(60);
    let (store, mut writer, _) = open(&dir, &log);
    fold(&mut writer, &log, 16);
    drop((store, writer));
    let (_, mut writer, opened) = open(&dir, &Log::of(History::new()));
    let Opened::Replaced { why, .. } = opened else { panic!("{opened:?}") };
    assert!(why.contains("beyond"), "{why}");
    fold(&mut writer, &Log::of(History::new()), 16);
}

#[test]
fn two_stores_on_one_directory_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(10);
    let (_store, _writer, _) = open(&dir, &log);
    assert!(matches!(Store::open(&dir, &log), Err(OpenError::Locked(_))));
    assert!(put_aside(&dir).is_empty());
}
