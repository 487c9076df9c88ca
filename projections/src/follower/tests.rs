//! What only shows from inside: a row that goes bad under a running follower.

use std::time::Duration;

use super::{Follower, Options};
use crate::error::{Closed, ReadError};
use crate::history::Kind;
use crate::log::{Log, put_aside};
use crate::store::{Phase, Store};

/// Long enough for any machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

fn until(store: &Store, done: impl FnMut(&crate::Status) -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut status = store.watch();
        tokio::time::timeout(PATIENCE, status.wait_for(done)).await.unwrap().unwrap();
    });
}

/// Puts something into the rows that no fold wrote.
fn spoil(store: &Store, key: &[u8]) {
    store.with_db(|db| db.insert(key, b"no json")).unwrap();
}

#[test]
fn damage_that_a_reader_finds_is_mended() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(100);
    let (store, follower, _) = Follower::start(&dir, log.clone(), Options::default()).unwrap();
    until(&store, |now| now.position == log.size());
    spoil(&store, b"jobs\0job/bad");
    assert!(matches!(store.row("jobs", "job/bad"), Err(ReadError::Damaged(_))));
    until(&store, |now| now.replaced == 1 && now.position == log.size());
    assert_eq!(put_aside(&dir).len(), 1);
    assert_eq!(store.row("jobs", "job/bad"), Ok(None));
    assert!(crate::scan_check(&store, &log, |_| ()).unwrap().is_clean());
    follower.stop();
}

#[test]
fn damage_that_a_fold_finds_is_mended() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(100);
    log.write(|history| history.propose("spoilt", Kind::Publish));
    let (store, follower, _) = Follower::start(&dir, log.clone(), Options::default()).unwrap();
    until(&store, |now| now.position == log.size());
    spoil(&store, b"proposals\0proposal/spoilt");
    log.write(|history| history.expire(&"spoilt".parse().unwrap()));
    until(&store, |now| now.replaced == 1 && now.position == log.size());
    assert!(crate::scan_check(&store, &log, |_| ()).unwrap().is_clean());
    follower.stop();
}

#[test]
fn damage_that_keeps_coming_back_ends_the_follower() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(10);
    let (store, follower, _) = Follower::start(&dir, log.clone(), Options::default()).unwrap();
    for replaced in 0..super::REPLACEMENTS_MAX {
        until(&store, |now| now.replaced == replaced && now.position == log.size());
        spoil(&store, b"jobs\0job/bad");
        assert!(store.row("jobs", "job/bad").is_err());
    }
    until(&store, |now| now.replaced == super::REPLACEMENTS_MAX && now.position == log.size());
    spoil(&store, b"jobs\0job/bad");
    assert!(store.row("jobs", "job/bad").is_err());
    until(&store, |now| matches!(&now.phase, Phase::Closed(Closed::Failed(_))));
    follower.stop();
}
