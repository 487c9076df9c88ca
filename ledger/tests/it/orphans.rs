//! Bodies without an event: exactly they are swept, whatever happens between storing and committing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_ledger::clock::{Clock, SystemClock};
use countersign_ledger::content::{self, Sweep, SweepError, Swept};
use countersign_ledger::disk::SimulatedDisk;
use countersign_ledger::{Ledger, Options, Sequencer, SubmitError, open};
use domain::authored::{self, SeenHead, StatementKind};
use domain::command::{Caller, Command};
use domain::content::Text;
use domain::event::PrincipalKind;
use domain::event::intent::Intent;
use domain::event::key::{Credential, NewKey, Principal, Scope};
use domain::event::ledger::{Genesis, Profile};
use domain::manifest::Manifest;
use domain::policy::{Bundle, Policy};
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;
use proof::{Commitment, Hash, Salt, sha256};
use proptest::prelude::*;

const DIR: &str = "/data";
const ORIGIN: &str = "log.example/orphans";
const POLICY: [(&str, &str); 3] = [
    ("agents.toml", include_str!("../../../policy/default/agents.toml")),
    ("approvals.toml", include_str!("../../../policy/default/approvals.toml")),
    ("effects.toml", include_str!("../../../policy/default/effects.toml")),
];
const MANIFEST: &str = include_str!("../../../policy/default/manifest.json");

fn policy() -> Policy {
    Policy::new(Bundle::compile(&POLICY).unwrap(), Manifest::parse(MANIFEST.as_bytes()).unwrap())
}

fn key(seed: u8) -> SignerKey {
    SignerKey::new(KeyName::new(ORIGIN).unwrap(), SecretKey::from_seed([seed; 32]))
}

fn genesis(policy: &Policy) -> Command {
    let admin = NewKey {
        key_id: "key_admin".parse().unwrap(),
        credential: Credential::Api(sha256(b"admin")),
        principal: Principal { kind: PrincipalKind::Admin, id: "admin".parse().unwrap() },
        scopes: Scope::ALL.into_iter().collect(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    };
    let genesis = Genesis {
        origin: ORIGIN.into(),
        profile: Profile::Dev,
        root: key(1).verifier().to_string(),
        event: key(2).verifier().to_string(),
        checkpoint: key(3).verifier().to_string(),
        policy: policy.bundle_digest(),
        manifest: policy.manifest_digest(),
        keys: vec![admin],
    };
    let authored =
        authored::sign(StatementKind::Genesis, ORIGIN, SeenHead::empty(), &genesis, key(1).secret()).unwrap();
    Command::CreateLedger { genesis, authored }
}

fn opened(disk: &SimulatedDisk, begin_with: Option<Policy>) -> (Ledger, Sequencer) {
    let clock: Box<dyn Clock> = Box::new(SystemClock::new());
    let options =
        Options::new(key(2), key(3)).with_disk(Arc::new(disk.clone())).with_clock(clock).with_segment_bytes(64 * 1024);
    let (ledger, sequencer, _) = open(Path::new(DIR), options, begin_with).unwrap();
    (ledger, sequencer)
}

/// A ledger with a genesis, and its writer, which does not run yet.
fn founded() -> (SimulatedDisk, Ledger, Sequencer) {
    let disk = SimulatedDisk::new(1);
    let policy = policy();
    let (ledger, mut sequencer) = opened(&disk, Some(policy.clone()));
    let queued = ledger.queue(genesis(&policy)).unwrap();
    sequencer.step(false);
    drop(queued);
    assert_eq!(ledger.head().size.get(), 1);
    (disk, ledger, sequencer)
}

fn running(sequencer: Sequencer) -> JoinHandle<()> {
    std::thread::spawn(move || sequencer.run())
}

fn body(n: u8) -> (Commitment, Salt, Vec<u8>) {
    let (salt, bytes) = (Salt::new([n; 32]), vec![n; 2000]);
    (Commitment::new(&salt, &bytes, "text/plain; charset=utf-8"), salt, bytes)
}

fn name(n: u8) -> Hash {
    body(n).0.sha256
}

fn store(ledger: &Ledger, n: u8) {
    let (commitment, salt, bytes) = body(n);
    ledger.content().put(&commitment, &salt, &bytes).unwrap();
}

fn intent(n: u8) -> Command {
    let intent = Intent {
        intent_id: format!("intent-{n}").parse().unwrap(),
        from: None,
        mode: None,
        goal: Text::Committed { commit: body(n).0 },
        constraints: None,
    };
    Command::CreateIntent { by: Caller::key("key_admin".parse().unwrap()), intent, authored: None }
}

fn whole_round(sweep: &mut Sweep) -> Swept {
    let mut all = Swept::default();
    while !all.is_complete {
        let pass = sweep.pass(&|| false).unwrap();
        all.candidates += pass.candidates;
        all.removed += pass.removed;
        all.bytes += pass.bytes;
        all.is_complete = pass.is_complete;
    }
    all
}

#[derive(Clone, Debug)]
enum Happening {
    /// Stored, and no more: the process was killed, or the command was refused.
    Store(u8),
    /// Stored and committed.
    Commit(u8),
    Minutes(u64),
    Sweep,
    /// The machine stops, and starts again.
    Crash,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..20_u8).prop_map(Happening::Store),
        2 => (0..20_u8).prop_map(Happening::Commit),
        2 => (1..90_u64).prop_map(Happening::Minutes),
        2 => Just(Happening::Sweep),
        1 => Just(Happening::Crash),
    ]
}

/// What should be in the store.
#[derive(Default)]
struct Model {
    minutes: u64,
    /// When each was stored last, and whether an event names it.
    bodies: BTreeMap<u8, (u64, bool)>,
    /// Orphans that were removed. Their removal is not synced, so a crash may bring them back; then they are orphans
    /// still, as old as before.
    removed: BTreeMap<u8, u64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn exactly_the_orphans_go(happenings in prop::collection::vec(happening(), 1..40), per_pass in 1..8_usize) {
        let (disk, mut ledger, sequencer) = founded();
        let mut writer = running(sequencer);
        let mut sweep = Sweep::new(ledger.clone()).with_candidates_max(per_pass);
        let mut model = Model::default();
        for happening in happenings {
            match happening {
                Happening::Store(n) => {
                    store(&ledger, n);
                    model.bodies.entry(n).or_insert((0, false)).0 = model.minutes;
                }
                Happening::Commit(n) => {
                    store(&ledger, n);
                    match ledger.submit_blocking(intent(n)) {
                        Ok(_) | Err(SubmitError::Rejected(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                    model.bodies.insert(n, (model.minutes, true));
                }
                Happening::Minutes(minutes) => {
                    disk.pass_time(Duration::from_secs(60 * minutes));
                    model.minutes += minutes;
                }
                Happening::Sweep => {
                    let before = model.bodies.len();
                    let (minutes, removed) = (model.minutes, &mut model.removed);
                    model.bodies.retain(|n, (at, named)| {
                        let stays = *named || minutes < *at + 60;
                        if !stays {
                            removed.insert(*n, *at);
                        }
                        stays
                    });
                    let swept = whole_round(&mut sweep);
                    prop_assert_eq!(swept.removed, u64::try_from(before - model.bodies.len()).unwrap());
                    prop_assert_eq!(swept.bytes, 2032 * swept.removed);
                }
                Happening::Crash => {
                    disk.crash();
                    ledger.stop();
                    writer.join().unwrap();
                    let (again, sequencer) = opened(&disk, None);
                    ledger = again;
                    writer = running(sequencer);
                    sweep = Sweep::new(ledger.clone()).with_candidates_max(per_pass);
                    for (n, at) in std::mem::take(&mut model.removed) {
                        if ledger.content().contains(&name(n)).unwrap() {
                            model.bodies.entry(n).or_insert((at, false));
                        }
                    }
                }
            }
            let mut stored: Vec<Hash> = ledger.content().iter().map(Result::unwrap).collect();
            let mut expected: Vec<Hash> = model.bodies.keys().map(|n| name(*n)).collect();
            stored.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(stored, expected);
        }
        ledger.stop();
        writer.join().unwrap();
    }
}

#[test]
fn what_waits_in_the_queue_for_longer_than_an_hour_is_not_swept() {
    let (disk, ledger, sequencer) = founded();
    store(&ledger, 1);
    store(&ledger, 2);
    let queued = ledger.queue(intent(1)).unwrap();
    disk.pass_time(Duration::from_secs(7200));
    let sweeping = std::thread::spawn({
        let ledger = ledger.clone();
        move || content::sweep(&ledger)
    });
    // The writer, which stood still for two hours, goes on only once the sweep waits for it.
    while ledger.metrics().waiting() < 2 {
        assert!(!sweeping.is_finished(), "it waits for nobody");
        std::thread::yield_now();
    }
    let writer = running(sequencer);
    let swept = sweeping.join().unwrap().unwrap();
    drop(queued);
    assert_eq!((swept.candidates, swept.removed, swept.bytes), (2, 1, 2032));
    assert!(ledger.content().contains(&name(1)).unwrap() && !ledger.content().contains(&name(2)).unwrap());
    ledger.stop();
    writer.join().unwrap();
}

#[test]
fn an_orphan_that_is_stored_again_while_it_is_swept_stays() {
    let (disk, ledger, sequencer) = founded();
    let writer = running(sequencer);
    for round in 0..20_u64 {
        let numbers: Vec<u8> = (0..12).collect();
        let first = u8::try_from(round * 12).unwrap();
        for n in &numbers {
            store(&ledger, first + n);
        }
        disk.pass_time(Duration::from_secs(7200));
        std::thread::scope(|scope| {
            scope.spawn(|| content::sweep(&ledger).unwrap());
            for n in &numbers {
                let ledger = &ledger;
                scope.spawn(move || {
                    store(ledger, first + n);
                    ledger.submit_blocking(intent(first + n)).unwrap();
                });
            }
        });
        for n in &numbers {
            assert!(ledger.content().contains(&name(first + n)).unwrap(), "body {n} of round {round}");
        }
    }
    ledger.stop();
    writer.join().unwrap();
}

#[test]
fn without_a_writer_nothing_is_removed() {
    let (disk, ledger, sequencer) = founded();
    store(&ledger, 1);
    disk.pass_time(Duration::from_secs(7200));
    drop(sequencer);
    assert!(matches!(content::sweep(&ledger), Err(SweepError::Writer(SubmitError::Stopped(_)))));
    assert!(ledger.content().contains(&name(1)).unwrap());
}

#[test]
fn the_sweeper_looks_at_once_and_ends_when_it_is_dropped() {
    let (disk, ledger, sequencer) = founded();
    store(&ledger, 1);
    disk.pass_time(Duration::from_secs(7200));
    let writer = running(sequencer);
    let sweeper = content::Sweeper::start(ledger.clone()).unwrap();
    while ledger.content().contains(&name(1)).unwrap() {
        std::thread::yield_now();
    }
    drop(sweeper);
    ledger.stop();
    writer.join().unwrap();
}
