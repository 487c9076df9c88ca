//! The follower on a real ledger: journal, sequencer, site and all.

use std::num::NonZeroU64;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_projections::{Follower, Opened, Options, Store, rebuild, scan_check};
use domain::command::{Caller, Command};
use domain::event::{Event, EventData};
use domain::replay::command_of;
use domain::view::{self, Folded};
use ledger::Ledger;
use proof::note::SignerKey;
use proof::{KeyName, Leaf, LeafIndex, SecretKey};

use crate::history::{self, History, Kind};

const PATIENCE: Duration = Duration::from_mins(1);

/// Opens the ledger in `dir`, which has the keys and the policy of the histories.
fn open(dir: &Path) -> (Ledger, JoinHandle<()>) {
    let key = |name: &str, byte| SignerKey::new(KeyName::new(name).unwrap(), SecretKey::from_seed([byte; 32]));
    let options = ledger::Options::new(key("event", 2), key(history::ORIGIN, 3));
    let (ledger, sequencer, _) = ledger::open(dir, options, Some(History::new().policy().clone())).unwrap();
    (ledger, std::thread::spawn(move || sequencer.run()))
}

fn wait(store: &Store, ledger: &Ledger) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(store.wait_for(ledger.head().size, PATIENCE)).unwrap();
}

fn events(ledger: &Ledger) -> Vec<Event> {
    let leaves = ledger.read(LeafIndex::new(0), 10_000).unwrap();
    leaves.iter().map(|leaf| Event::parse(Leaf::parse(leaf).unwrap().payload).unwrap()).collect()
}

#[test]
fn it_follows_attests_and_resumes() {
    let home = tempfile::tempdir().unwrap();
    let (data, views) = (home.path().join("data"), home.path().join("data/projections"));
    std::fs::create_dir(&data).unwrap();
    let (ledger, sequencer) = open(&data);
    let genesis = command_of(&History::new().events[0]).unwrap().command;
    ledger.submit_blocking(genesis).unwrap();
    let options = Options { attest_every: NonZeroU64::new(25), ..Options::default() };
    let (store, follower, opened) = Follower::start(&views, ledger.clone(), options).unwrap();
    assert_eq!(opened, Opened::Fresh);
    for n in 0..60 {
        let by = Caller::key("key_admin".parse().unwrap());
        let proposal = Box::new(history::proposal(&format!("p-{n}"), Kind::Plain));
        let findings = Vec::new();
        let submit = Command::SubmitProposal { by, proposal, findings, authored: None };
        let committed = ledger.submit_blocking(submit).unwrap();
        assert_eq!(committed.events.len(), 3);
        wait(&store, &ledger);
    }
    assert_eq!(store.jobs(100, None, Some("ready")).unwrap().jobs.len(), 60);
    follower.stop();
    assert!(scan_check(&store, &ledger, |_| ()).unwrap().is_clean());
    drop(store);

    // What was stated is what anybody folds from the log.
    let events = events(&ledger);
    let mut stated = 0;
    for event in &events {
        let EventData::ProjectionAttested(e) = &event.data else {
            continue;
        };
        let mut folded = view::ALL.map(Folded::new);
        for earlier in events.iter().take(usize::try_from(e.position.get()).unwrap()) {
            for one in &mut folded {
                one.apply(earlier);
            }
        }
        assert_eq!(e.projections, folded.map(|one| one.attested()));
        stated += 1;
    }
    assert!((5..=7).contains(&stated), "{stated}");

    ledger.stop();
    sequencer.join().unwrap();
    drop(ledger);
    let (ledger, sequencer) = open(&data);
    let (store, follower, opened) = Follower::start(&views, ledger.clone(), Options::default()).unwrap();
    assert_eq!(opened, Opened::Resumed);
    wait(&store, &ledger);
    follower.stop();
    drop(store);
    let rebuilt = rebuild(&views, &ledger, |_| ()).unwrap();
    assert_eq!(rebuilt.position, ledger.head().size);
    ledger.stop();
    sequencer.join().unwrap();
}
