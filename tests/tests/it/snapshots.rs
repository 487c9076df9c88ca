//! A ledger that was opened from a snapshot is the ledger that wrote it: what is over is recognised, what is damaged is made
//! again from the log, and what somebody else wrote is not believed.

use countersign_tests::founding::{HandClock, InProcess, SNAPSHOT_EVERY, api_key};
use domain::command::{Command, RejectionKind};
use domain::content::Text;
use domain::event::PrincipalKind;
use domain::event::intent::Intent;
use domain::event::key::{NewKey, Scope};
use domain::state::State;
use ledger::SubmitError;
use proof::LeafIndex;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Enough for several segments of the small size that these ledgers have.
const INTENTS: u64 = 900;
const LIMIT: Duration = Duration::from_secs(20);

fn keys() -> Vec<NewKey> {
    vec![api_key("key_ops", PrincipalKind::Admin, "ops", &Scope::ALL)]
}

fn intent(n: u64, goal: &str) -> Command {
    let intent = Intent {
        intent_id: format!("intent-{n}").parse().unwrap(),
        from: None,
        mode: None,
        goal: Text::Inline(format!("{goal} {n}")),
        constraints: None,
    };
    Command::CreateIntent { by: InProcess::caller("key_ops"), intent, authored: None }
}

/// A ledger that has snapshots, runs, and a journal that has forgotten its beginning.
fn grown(dir: &Path, clock: &HandClock) -> InProcess {
    let mut world = InProcess::found(dir, keys(), clock);
    for n in 0..INTENTS {
        world.submit(intent(n, "want")).unwrap();
    }
    // The publisher writes once a second, and only what it has written can be given up.
    let limit = Instant::now() + LIMIT;
    let mut more = INTENTS;
    while world.ledger.journal_first() == LeafIndex::new(0) {
        assert!(Instant::now() < limit, "the journal keeps everything");
        world.submit(intent(more, "want")).unwrap();
        more += 1;
    }
    world
}

fn files(dir: &Path, folder: &str) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Whatever was there before is recognised, and what follows follows.
fn is_whole(world: &mut InProcess) {
    let size = world.ledger.head().size;
    for n in [0, 1, INTENTS / 2, INTENTS - 1] {
        let SubmitError::Rejected(again) = world.submit(intent(n, "want")).unwrap_err() else { panic!("{n}") };
        assert_eq!(again.kind, RejectionKind::Duplicate(LeafIndex::new(n + 1)), "{again}");
        let SubmitError::Rejected(other) = world.submit(intent(n, "else")).unwrap_err() else { panic!("{n}") };
        assert_eq!(other.kind, RejectionKind::Conflict);
    }
    assert_eq!(world.ledger.head().size, size, "a refusal is no event");
    let done = world.submit(intent(size.get() + 1_000_000, "want")).unwrap();
    assert_eq!(done.events[0].header.seq, size.next_index());
}

#[test]
fn a_start_replays_only_what_is_behind_the_last_snapshot() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let world = grown(dir.path(), &clock);
    let (head, frozen) = (world.ledger.head(), world.ledger.with_state(|state| state.freeze().unwrap()));
    world.close();
    assert!(files(dir.path(), "snapshots").len() <= 2, "old snapshots go");
    let mut again = InProcess::open(dir.path(), &clock);
    assert_eq!(again.recovered.discarded_snapshots(), [""; 0]);
    let replayed = again.recovered.replayed();
    assert!(replayed <= 3 * SNAPSHOT_EVERY, "{replayed} events of {}", head.size);
    assert_eq!(again.ledger.head(), head);
    assert_eq!(again.ledger.with_state(|state| state.freeze().unwrap()), frozen);
    assert!(again.ledger.with_state(State::recently_closed) < 100, "what is over is not in memory");
    is_whole(&mut again);
    again.close();
}

#[test]
fn what_is_damaged_is_made_again_from_the_log() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let world = grown(dir.path(), &clock);
    let (head, frozen) = (world.ledger.head(), world.ledger.with_state(|state| state.freeze().unwrap()));
    world.close();
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let damages: [(&str, &dyn Fn()); 4] = [
        ("the last snapshot", &|| flip(files(dir.path(), "snapshots").last().unwrap())),
        ("every snapshot", &|| files(dir.path(), "snapshots").iter().for_each(|file| flip(file))),
        ("every run, cut", &|| {
            for file in files(dir.path(), "closed") {
                let bytes = fs::read(&file).unwrap();
                fs::write(&file, &bytes[..bytes.len() / 3]).unwrap();
            }
        }),
        ("all of it, gone", &|| {
            fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
            fs::remove_dir_all(dir.path().join("closed")).unwrap();
        }),
    ];
    let mut size = head.size;
    for (what, damage) in damages {
        damage();
        let mut again = InProcess::open(dir.path(), &clock);
        let discarded = again.recovered.discarded_snapshots().len();
        assert_eq!(discarded > 0, !what.ends_with("gone"), "{what}: {discarded} discarded");
        assert_eq!(again.ledger.head().size, size, "{what}");
        if size == head.size {
            assert_eq!(again.ledger.with_state(|state| state.freeze().unwrap()), frozen);
        }
        is_whole(&mut again);
        size = again.ledger.head().size;
        again.close();
    }
    let location = verifier::Location::open(dir.path().to_str().unwrap()).unwrap();
    let report = verifier::verify_replay(&location, &verifier::Options::default());
    assert_eq!(report.verdict, verifier::Verdict::Valid, "{report:?}");
}

#[test]
fn a_snapshot_by_another_key_is_not_believed() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let world = grown(dir.path(), &clock);
    world.close();
    let path = files(dir.path(), "snapshots").pop().unwrap();
    let envelope: proof::dsse::Envelope = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    // An intruder who can write, but holds no key, makes an admin of everybody.
    let text = String::from_utf8(envelope.payload.clone()).unwrap().replacen("\"admin\"", "\"agent\"", 1);
    assert_ne!(text.as_bytes(), envelope.payload);
    let theirs = proof::SecretKey::from_seed([9; 32]);
    let mut forged = proof::dsse::Envelope::sign(&envelope.payload_type, text.as_bytes(), &theirs);
    forged.signatures[0].keyid = envelope.signatures[0].keyid;
    fs::write(&path, serde_json::to_vec(&forged).unwrap()).unwrap();
    let mut again = InProcess::open(dir.path(), &clock);
    assert_eq!(again.recovered.discarded_snapshots().len(), 1);
    is_whole(&mut again);
    again.close();
}

#[test]
fn a_journal_that_ends_before_the_snapshot_does_not_open() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::new());
    let world = grown(dir.path(), &clock);
    world.close();
    // As a disk leaves it that lied about a sync: the published checkpoint is old, the last segment empty.
    let last = files(dir.path(), "journal").into_iter().rfind(|path| path.extension().is_some_and(|e| e == "seg"));
    let last = last.unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes[512..].fill(0);
    fs::write(&last, bytes).unwrap();
    fs::remove_file(dir.path().join("public/checkpoint")).unwrap();
    let error = InProcess::try_open(dir.path(), &clock).unwrap_err().to_string();
    assert!(error.contains("journal"), "{error}");
}
