//! The thread: it catches up, follows, attests, mends, stops.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_projections::{
    Closed, Follower, OpenError, Opened, Options, Phase, Source, SourceError, Store, WaitError, scan_check,
};
use domain::event::projection::ProjectionDigest;
use domain::event::{Event, EventData};
use proof::{LeafIndex, TreeSize};
use tokio::sync::watch;

use crate::history::{History, Kind};
use crate::log::Log;

/// Long enough for any machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

fn options(attest_every: u64) -> Options {
    Options { batch_events: 10, attest_every: NonZeroU64::new(attest_every), ..Options::default() }
}

fn start(dir: &Path, log: &Log, attest_every: u64) -> (Store, Follower) {
    let (store, follower, _) = Follower::start(dir, log.clone(), options(attest_every)).unwrap();
    (store, follower)
}

fn wait(store: &Store, at_least: TreeSize) -> TreeSize {
    block_on(store.wait_for(at_least, PATIENCE)).unwrap()
}

fn attestations(log: &Log) -> Vec<Event> {
    let is = |event: &&Event| matches!(event.data, EventData::ProjectionAttested(_));
    log.write(|history| history.events.iter().filter(is).cloned().collect())
}

#[test]
fn it_catches_up_and_then_follows() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("views");
    let log = Log::of_length(100);
    let (store, follower) = start(&dir, &log, 0);
    wait(&store, log.size());
    for n in 0..20 {
        log.write(|history| history.propose(&format!("live-{n}"), Kind::Read));
        wait(&store, log.size());
        let row = store.proposal(&format!("live-{n}").parse().unwrap()).unwrap();
        assert!(row.is_some_and(|row| row.job_id.is_some()));
    }
    assert!(scan_check(&store, &log, |_| ()).unwrap().is_clean());
    follower.stop();
    assert_eq!(store.status().phase, Phase::Closed(Closed::Stopped));
    let beyond = block_on(store.wait_for(TreeSize::new(u64::MAX), PATIENCE));
    assert_eq!(beyond, Err(WaitError::Closed(Closed::Stopped)));
    drop(store);

    let (store, _follower, opened) = Follower::start(&dir, log.clone(), options(0)).unwrap();
    assert_eq!(opened, Opened::Resumed);
    assert_eq!(store.position(), log.size());
}

#[test]
fn a_wait_for_what_does_not_come_ends() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(5);
    let (store, _follower) = start(&home.path().join("views"), &log, 0);
    wait(&store, log.size());
    let beyond = log.size().next_index().size_after();
    let timed_out = block_on(store.wait_for(beyond, Duration::from_millis(10)));
    assert_eq!(timed_out, Err(WaitError::TimedOut { position: log.size() }));
}

#[test]
fn digests_are_stated_at_their_position_and_beget_no_more() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of(History::new());
    let (store, follower) = start(&home.path().join("views"), &log, 20);
    for n in 0..100 {
        log.write(|history| history.propose(&format!("p-{n}"), Kind::Secrets));
        wait(&store, log.size());
    }
    // Whatever is still to be stated is stated now; then nothing more comes by itself.
    let mut position = wait(&store, log.size());
    while position != log.size() {
        position = wait(&store, log.size());
    }
    follower.stop();
    let stated = attestations(&log);
    // 200 events and the few before them, by twenties; each wait may let two more in.
    assert!((8..=11).contains(&stated.len()), "{}", stated.len());
    for event in stated {
        let EventData::ProjectionAttested(e) = event.data else {
            continue;
        };
        assert_eq!(e.projections, log.digests_at(e.position));
    }
}

#[test]
fn history_is_not_stated_once_more() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(200);
    let (store, follower) = start(&home.path().join("views"), &log, 20);
    // The one statement that is due after so many events is the last of it.
    let stated = log.size().next_index().size_after();
    wait(&store, stated);
    follower.stop();
    assert_eq!(attestations(&log).len(), 1);
}

#[test]
fn a_leaf_that_is_no_event_ends_it_and_readers_are_told() {
    let home = tempfile::tempdir().unwrap();
    let log = Log::of_length(20);
    let (store, _follower) = start(&home.path().join("views"), &log, 0);
    let good = wait(&store, log.size());
    log.write(|history| {
        history.intent("last");
        let leaf = history.leaves.last_mut().unwrap();
        let spoilt = String::from_utf8_lossy(leaf).replace("intent.created", "intent.imagined");
        *leaf = Arc::new(spoilt.into_bytes());
    });
    let told = block_on(store.wait_for(log.size(), PATIENCE));
    let Err(WaitError::Closed(Closed::Failed(why))) = told else { panic!("{told:?}") };
    assert!(why.contains("intent.imagined"), "{why}");
    assert_eq!(store.position(), good);
    assert!(store.proposals(1, None).is_ok());
}

#[test]
fn it_ends_when_the_ledger_goes_away() {
    struct Gone;
    impl Source for Gone {
        fn committed(&self) -> watch::Receiver<TreeSize> {
            watch::channel(TreeSize::new(5)).1
        }
        fn read(&self, from: LeafIndex, max: usize) -> Result<Vec<Arc<Vec<u8>>>, SourceError> {
            Log::of(History::new()).read(from, max)
        }
        fn attest(&self, _: TreeSize, _: Vec<ProjectionDigest>) -> Result<(), SourceError> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    let (store, _follower, _) = Follower::start(&home.path().join("views"), Gone, options(0)).unwrap();
    let end = block_on(store.wait_for(TreeSize::new(u64::MAX), PATIENCE));
    assert_eq!(end, Err(WaitError::Closed(Closed::Stopped)));
}

#[test]
fn a_log_without_genesis_has_no_read_models() {
    struct Empty;
    impl Source for Empty {
        fn committed(&self) -> watch::Receiver<TreeSize> {
            watch::channel(TreeSize::ZERO).1
        }
        fn read(&self, _: LeafIndex, _: usize) -> Result<Vec<Arc<Vec<u8>>>, SourceError> {
            Ok(Vec::new())
        }
        fn attest(&self, _: TreeSize, _: Vec<ProjectionDigest>) -> Result<(), SourceError> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    let refused = Follower::start(home.path(), Empty, Options::default());
    assert!(matches!(refused, Err(OpenError::EmptyLog)));
}
