//! `ledger.restored`: root says that the log goes on from an older copy.

use crate::material::{ORIGIN, read, secret};
use crate::world::World;
use domain::authored::StatementKind;
use domain::command::{Command, RejectionKind};
use domain::event::ledger::{Profile, Restoration};
use domain::event::{EventData, PrincipalKind};
use domain::reason::Reason;
use proof::checkpoint::Checkpoint;
use proof::hash::sha256;
use proof::index::TreeSize;
use proof::key::{KeyName, SecretKey};
use proof::note::SignerKey;

/// A head of `size` events by this key under this name.
fn head(origin: &str, size: u64, key: &SecretKey) -> String {
    let signer = SignerKey::new(KeyName::new(origin).unwrap(), key.clone());
    Checkpoint { origin: origin.into(), size: TreeSize::new(size), root: sha256(b"elsewhere") }.sign(&signer)
}

fn lost(world: &World, more: u64) -> String {
    head(ORIGIN, world.state.size().get() + more, &secret(3))
}

#[test]
fn root_goes_on_from_an_older_copy_and_says_so() {
    for known in [false, true] {
        let mut world = World::dev();
        let known = known.then(|| lost(&world, 7));
        let restoration = world.restoration(known);
        let group = world.run(world.restored(&restoration)).unwrap();
        let [event] = group.as_slice() else { panic!("one event") };
        let header = &event.event.header;
        assert_eq!((header.subject.as_str(), header.version), ("ledger", 2));
        assert_eq!(header.actor.kind, PrincipalKind::Root);
        let EventData::LedgerRestored(said) = &event.event.data else { panic!() };
        assert_eq!(said.restoration, restoration);
        // The log goes on, and may be restored again.
        world.propose("key_casey", read("p-1")).unwrap();
        let again = world.restored(&world.restoration(None));
        assert_eq!(world.run(again).unwrap()[0].event.header.version, 3);
        world.replay();
    }
}

#[test]
fn only_root_says_so() {
    let mut world = World::dev();
    let restoration = world.restoration(None);
    for other in [world.sam.clone(), world.runner.clone(), secret(2), secret(3)] {
        let authored = world.signed(StatementKind::Restoration, &restoration, &other);
        let no = world.run(Command::RestoreLedger { restoration: restoration.clone(), authored }).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Unauthenticated, Reason::SignatureInvalid));
    }
    // What root signed for something else says nothing of this.
    let authored = world.signed(StatementKind::Genesis, &restoration, &world.root);
    let no = world.run(Command::RestoreLedger { restoration: restoration.clone(), authored }).unwrap_err();
    assert_eq!(no.reason, Reason::StatementMismatch);
    // Nor what root said of another copy.
    let authored = world.signed(StatementKind::Restoration, &restoration, &world.root);
    let other = Restoration { why: "another reason".into(), ..restoration };
    let no = world.run(Command::RestoreLedger { restoration: other, authored }).unwrap_err();
    assert_eq!(no.reason, Reason::StatementMismatch);
}

#[test]
fn it_is_the_first_event_behind_the_copy() {
    let mut world = World::dev();
    let early = world.restored(&world.restoration(None));
    world.propose("key_casey", read("p-1")).unwrap();
    let no = world.run(early).unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::StatementMismatch));
    // The head that root saw is that of the copy, root and all.
    let mut other = world.restoration(None);
    other.root = sha256(b"another history");
    assert_eq!(world.run(world.restored(&other)).unwrap_err().reason, Reason::StatementMismatch);
}

#[test]
fn a_log_that_has_not_begun_cannot_be_restored() {
    let mut world = World::empty(crate::material::default_bundle());
    let command = world.restored(&world.restoration(None));
    assert_eq!(world.run(command).unwrap_err().reason, Reason::Malformed);
    let (genesis, authored) = world.genesis(Profile::Prod, Vec::new());
    world.run(Command::CreateLedger { genesis, authored }).unwrap();
    let command = world.restored(&world.restoration(None));
    assert!(world.run(command).is_ok(), "in a `prod` ledger, too");
}

#[test]
fn why_is_said_in_a_few_words() {
    let mut world = World::dev();
    for (why, fits) in [("", false), (" \n", false), (&*"x".repeat(1025), false), (&*"x".repeat(1024), true)] {
        let restoration = Restoration { why: why.into(), ..world.restoration(None) };
        let outcome = world.clone().run(world.restored(&restoration));
        assert_eq!(outcome.map_err(|no| no.reason).err(), (!fits).then_some(Reason::Malformed), "{} bytes", why.len());
    }
    assert!(world.propose("key_casey", read("p-1")).is_ok());
}

#[test]
fn what_is_known_is_a_longer_head_of_this_log() {
    let world = World::dev();
    let size = world.state.size().get();
    let mut two = lost(&world, 1);
    two.push_str(head(ORIGIN, size + 1, &secret(9)).lines().last().unwrap());
    two.push('\n');
    for (what, known, fits) in [
        ("one event is lost", lost(&world, 1), true),
        ("somebody else has signed, too", two, true),
        ("nothing is lost", lost(&world, 0), false),
        ("another key", head(ORIGIN, size + 1, &secret(9)), false),
        ("another log", head("elsewhere.example/log", size + 1, &secret(3)), false),
        ("no note", "a head".into(), false),
        ("nothing", String::new(), false),
        ("too long", format!("{}{}", lost(&world, 1), "x".repeat(20_000)), false),
    ] {
        let restoration = world.restoration(Some(known));
        let outcome = world.clone().run(world.restored(&restoration)).map_err(|no| no.reason);
        assert_eq!(outcome.is_ok(), fits, "{what}: {outcome:?}");
        assert!(fits || outcome.err() == Some(Reason::Malformed), "{what}");
    }
}
