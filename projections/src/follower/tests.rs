//! What only shows from inside: a row that goes bad under a running follower.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::event::projection::ProjectionDigest;
use proof::{LeafIndex, TreeSize};
use tokio::sync::watch;

use super::{Follower, Options};
use crate::error::{Closed, ReadError};
use crate::history::Kind;
use crate::log::{Log, put_aside};
use crate::source::{Source, SourceError};
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

/// A log that cannot be read so many times.
struct Flaky {
    log: Log,
    refusals: AtomicU32,
}

impl Flaky {
    fn new(log: &Log, refusals: u32) -> Self {
        Self { log: log.clone(), refusals: AtomicU32::new(refusals) }
    }
}

impl Source for Flaky {
    fn committed(&self) -> watch::Receiver<TreeSize> {
        self.log.committed()
    }

    fn read(&self, from: LeafIndex, max: usize) -> Result<Vec<Arc<Vec<u8>>>, SourceError> {
        // The genesis alone is always there: a store cannot be opened without.
        let left = self.refusals.load(Ordering::SeqCst);
        if max > 1 && left > 0 {
            self.refusals.store(left - 1, Ordering::SeqCst);
            return Err(SourceError::new("it cannot be read now"));
        }
        self.log.read(from, max)
    }

    fn attest(&self, position: TreeSize, projections: Vec<ProjectionDigest>) -> Result<(), SourceError> {
        self.log.attest(position, projections)
    }
}

#[test]
fn a_log_that_could_not_be_read_is_read_again() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(100);
    let (store, follower, _) =
        Follower::start(&home.path().join("views"), Flaky::new(&log, 2), Options::default()).unwrap();
    until(&store, |now| now.position == log.size());
    assert!(crate::scan_check(&store, &log, |_| ()).unwrap().is_clean());
    follower.stop();
}

#[test]
fn a_follower_that_waits_for_the_log_can_be_stopped() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(10);
    let (store, follower, _) =
        Follower::start(&home.path().join("views"), Flaky::new(&log, u32::MAX), Options::default()).unwrap();
    follower.stop();
    assert_eq!(store.status().phase, Phase::Closed(Closed::Stopped));
}

/// What a full disk says.
fn no_space() -> sled::Error {
    sled::Error::Io(std::io::ErrorKind::StorageFull.into())
}

#[test]
fn files_that_the_disk_refused_are_opened_again_and_not_set_aside() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(100);
    let (store, follower, _) = Follower::start(&dir, log.clone(), Options::default()).unwrap();
    until(&store, |now| now.position == log.size());
    // Only what is on the disk outlives the opening: nothing of this, unless it was flushed.
    let refused = store.with_db(|_| Err::<(), _>(no_space()));
    assert!(matches!(refused, Err(ReadError::Damaged(_))), "{refused:?}");
    log.write(|history| history.propose("afterwards", Kind::Read));
    until(&store, |now| now.position == log.size() && store.troubles().borrow().is_none());
    assert_eq!((store.status().replaced, put_aside(&dir).len()), (0, 0));
    assert!(crate::scan_check(&store, &log, |_| ()).unwrap().is_clean());
    follower.stop();
    drop(store);
    let (store, _writer, opened) = Store::open(&dir, &log).unwrap();
    assert_eq!((opened, store.position()), (crate::Opened::Resumed, log.size()));
}
