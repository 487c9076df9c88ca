//! Keys: who makes them, what they are good for, when they stop, and which roles they must not share.

use crate::material::{ORIGIN, api_key, default_bundle, effects, id, patch, plain, public_key, read, secret, vkey};
use crate::world::{World, by, by_signature, decision, genesis_keys};
use domain::authored::StatementKind;
use domain::command::{Caller, Command, KeyChange, RejectionKind};
use domain::event::PrincipalKind;
use domain::event::key::{NewKey, Scope};
use domain::event::ledger::{Genesis, Profile};
use domain::event::proposal::Proposal;
use domain::event::runner::NewRunner;
use domain::reason::Reason;
use domain::state::key::KeyStatus;
use proof::key::SecretKey;
use proof::note::{KeyKind, VerifierKey};

fn change(world: &mut World, by_key: &str, key: &str, change: KeyChange) -> Result<(), Reason> {
    let command = Command::ChangeKey { by: by(by_key), key_id: id(key), change };
    world.run(command).map(|_| ()).map_err(|no| no.reason)
}

#[test]
fn a_key_stops_and_starts_with_its_events() {
    let mut world = World::dev();
    let mut n = 0;
    let mut submit = |world: &mut World| {
        n += 1;
        world.propose("key_casey", read(&format!("p-{n}"))).map(|_| ()).map_err(|no| (no.kind, no.reason))
    };
    assert_eq!(submit(&mut world), Ok(()));
    change(&mut world, "key_ops", "key_casey", KeyChange::Disable).unwrap();
    assert_eq!(submit(&mut world), Err((RejectionKind::Forbidden, Reason::KeyDisabled)));
    assert_eq!(change(&mut world, "key_ops", "key_casey", KeyChange::Disable), Err(Reason::AlreadyExists));
    change(&mut world, "key_ops", "key_casey", KeyChange::Enable).unwrap();
    assert_eq!(change(&mut world, "key_ops", "key_casey", KeyChange::Enable), Err(Reason::AlreadyExists));
    assert_eq!(submit(&mut world), Ok(()));
    change(&mut world, "key_ops", "key_casey", KeyChange::Delete).unwrap();
    assert_eq!(submit(&mut world), Err((RejectionKind::Unauthenticated, Reason::KeyUnknown)));
    for again in [KeyChange::Enable, KeyChange::Disable, KeyChange::Delete] {
        assert_eq!(change(&mut world, "key_ops", "key_casey", again), Err(Reason::KeyUnknown), "{again:?}");
    }
    assert_eq!(world.state.key("key_casey").unwrap().status, KeyStatus::Deleted);
    // Deleted for good: neither its id nor its secret comes back.
    let again = api_key("key_casey", PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]);
    assert_eq!(world.enrol(again.clone()).unwrap_err().reason, Reason::AlreadyExists);
    let renamed = NewKey { key_id: id("key_casey_2"), ..again };
    assert_eq!(world.enrol(renamed).unwrap_err().reason, Reason::AlreadyExists);
}

#[test]
fn a_public_key_stops_too() {
    let mut world = World::dev();
    let casey = world.casey.public().key_id().to_string();
    assert!(world.propose_signed(read("p-1")).is_ok());
    change(&mut world, "key_ops", &casey, KeyChange::Disable).unwrap();
    assert_eq!(world.propose_signed(read("p-2")).unwrap_err().reason, Reason::KeyDisabled);
    change(&mut world, "key_ops", &casey, KeyChange::Delete).unwrap();
    assert_eq!(world.propose_signed(read("p-2")).unwrap_err().reason, Reason::KeyUnknown);
}

#[test]
fn a_key_expires_by_the_logs_time() {
    let mut world = World::dev();
    let mut key = api_key("key_short", PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate]);
    key.expires = Some(world.now.plus_ms(60_000));
    world.enrol(key).unwrap();
    world.now = world.now.plus_ms(59_999);
    assert!(world.propose("key_short", read("p-1")).is_ok());
    world.now = world.now.plus_ms(1);
    assert_eq!(world.propose("key_short", read("p-2")).unwrap_err().reason, Reason::KeyExpired);
    // The log moves on, and then the clock falls behind: what the log has seen counts, as it will for a verifier.
    world.propose("key_casey", read("p-3")).unwrap();
    world.now = domain::time::Timestamp::from_ms(world.now.as_ms() - 30_000);
    assert_eq!(world.propose("key_short", read("p-4")).unwrap_err().reason, Reason::KeyExpired);
    let group = world.propose("key_casey", read("p-5")).unwrap();
    assert_eq!(group[0].event.header.time, world.state.time(), "time does not go back");
}

#[test]
fn a_key_is_good_for_its_scopes_only() {
    let mut world = World::dev();
    let erase = |key: &str| Command::EraseBlob { by: by(key), sha256: proof::hash::sha256(b"x"), why: "asked".into() };
    assert_eq!(world.run(erase("key_lee")).unwrap_err().reason, Reason::ScopeMissing);
    assert_eq!(world.propose("key_max", read("p")).unwrap_err().reason, Reason::ScopeMissing);
    assert_eq!(change(&mut world, "key_lee", "key_casey", KeyChange::Disable), Err(Reason::ScopeMissing));
    let anonymous =
        Command::EraseBlob { by: Caller::anonymous(), sha256: proof::hash::sha256(b"x"), why: "asked".into() };
    let no = world.run(anonymous).unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Unauthenticated, Reason::KeyRequired));
}

#[test]
fn a_keys_own_limits_hold() {
    let mut world = World::with(|bundle| {
        for tag in ["READ_CONFIG", "NETWORK_CALL"] {
            bundle.agents[0].allowed_effects.extend(effects(&[tag]));
        }
    });
    let narrow = NewKey {
        effect_scopes: Some(effects(&["READ_REPO", "WRITE_PATCH"])),
        max_risk: 0.4,
        ..api_key("key_narrow", PrincipalKind::Agent, "Casey", &[Scope::ProposalCreate])
    };
    world.enrol(narrow).unwrap();
    let risky = |risk| Proposal { risk_score: risk, ..patch("p") };
    let mut partly = patch("p");
    partly.reversibility_class = Some("PARTIALLY_REVERSIBLE".into());
    for (what, proposal, reason) in [
        ("within", patch("p"), None),
        ("at the cap", risky(Some(0.4)), None),
        ("the floor and its addition are at the cap", partly.clone(), None),
        ("above the cap", risky(Some(0.41)), Some(Reason::KeyRiskCap)),
        (
            "the floor is above, whatever is declared",
            Proposal { reversibility_class: Some("IRREVERSIBLE".into()), ..partly.clone() },
            Some(Reason::KeyRiskCap),
        ),
        ("another effect", plain("p", "Casey", &["RUN_TESTS"]), Some(Reason::KeyEffectScope)),
        ("another effect that only reads", plain("p", "Casey", &["READ_CONFIG"]), Some(Reason::KeyEffectScope)),
        ("another effect, too risky", plain("p", "Casey", &["NETWORK_CALL"]), Some(Reason::KeyEffectScope)),
        // What nobody can have is recorded and denied.
        ("secrets", plain("p", "Casey", &["READ_SECRETS"]), None),
        ("unknown", plain("p", "Casey", &["OTHER"]), None),
    ] {
        let outcome = world.clone().propose("key_narrow", proposal).map_err(|no| (no.kind, no.reason));
        assert_eq!(outcome.err(), reason.map(|reason| (RejectionKind::Forbidden, reason)), "{what}");
    }
}

#[test]
fn only_root_enrols_public_keys() {
    let mut world = World::dev();
    let key = public_key(&secret(50), PrincipalKind::Human, "ann", &[Scope::ProposalApprove]);
    let plain = Command::CreateKey { by: by("key_ops"), key: key.clone(), authored: None };
    assert_eq!(world.run(plain).unwrap_err().reason, Reason::RootRequired);
    // Signed, but by somebody else.
    let authored = Some(world.signed(StatementKind::Key, &key, &world.sam));
    let forged = Command::CreateKey { by: by("key_ops"), key: key.clone(), authored };
    assert_eq!(world.run(forged).unwrap_err().reason, Reason::SignatureInvalid);
    // Root enrolled another key.
    let other = NewKey { max_risk: 0.5, ..key.clone() };
    let authored = Some(world.signed(StatementKind::Key, &other, &world.root));
    let swapped = Command::CreateKey { by: Caller::anonymous(), key: key.clone(), authored };
    assert_eq!(world.run(swapped).unwrap_err().reason, Reason::StatementMismatch);
    let group = world.enrol(key.clone()).unwrap();
    assert_eq!(group[0].event.header.actor.kind, PrincipalKind::Root);
    assert_eq!(world.enrol(key).unwrap_err().reason, Reason::AlreadyExists);
}

#[test]
fn an_admin_makes_api_keys() {
    let mut world = World::dev();
    let make = |by: Caller, key: NewKey| Command::CreateKey { by, key, authored: None };
    let riley = api_key("key_riley", PrincipalKind::Agent, "Riley", &[Scope::ProposalCreate]);
    assert_eq!(world.run(make(Caller::anonymous(), riley.clone())).unwrap_err().reason, Reason::KeyRequired);
    assert_eq!(world.run(make(by("key_casey"), riley.clone())).unwrap_err().reason, Reason::ScopeMissing);
    world.run(make(by("key_ops"), riley.clone())).unwrap();
    assert_eq!(world.run(make(by("key_ops"), riley)).unwrap_err().reason, Reason::AlreadyExists);
    let itself = change(&mut world, "key_ops", "key_ops", KeyChange::Disable);
    assert_eq!(itself, Err(Reason::KeyDisabled), "nobody could undo it");
}

/// Keys that are refused whoever asks for them.
fn impossible_keys() -> Vec<(&'static str, NewKey)> {
    use PrincipalKind as K;
    let good = || api_key("key_x", K::Agent, "Casey", &[Scope::ProposalCreate]);
    let own = secret(60);
    vec![
        ("an agent that approves", api_key("key_x", K::Agent, "Casey", &[Scope::ProposalApprove])),
        ("a service that approves", api_key("key_x", K::Service, "bot", &Scope::ALL)),
        ("an agent that could make an approver", api_key("key_x", K::Agent, "Casey", &[Scope::AdminKeys])),
        ("a runner that could", api_key("key_x", K::Runner, "r", &[Scope::AdminKeys])),
        ("root by another name", api_key("key_x", K::Root, "me", &[])),
        ("the ledger by another name", api_key("key_x", K::Ledger, ORIGIN, &[])),
        ("nobody", api_key("key_x", K::Anonymous, "anonymous", &[])),
        (
            "an API key that looks like a public one",
            NewKey { key_id: id(&own.public().key_id().to_string()), ..good() },
        ),
        ("a public key under another id", NewKey { key_id: id("key_x"), ..public_key(&own, K::Human, "ann", &[]) }),
        ("more risk than there is", NewKey { max_risk: 1.1, ..good() }),
        ("no number", NewKey { max_risk: f64::NAN, ..good() }),
        ("a description without end", NewKey { description: Some("x".repeat(17_000)), ..good() }),
    ]
}

#[test]
fn some_keys_cannot_be_made() {
    let world = World::dev();
    for (what, key) in impossible_keys() {
        if key.max_risk.is_finite() {
            assert_eq!(world.clone().enrol(key.clone()).unwrap_err().reason, Reason::Malformed, "{what}");
        }
        let plain = Command::CreateKey { by: by("key_ops"), key, authored: None };
        assert_eq!(world.clone().run(plain).unwrap_err().reason, Reason::Malformed, "{what}, by an admin");
    }
}

#[test]
fn no_key_has_two_roles() {
    let mut world = World::dev();
    let (sam, runner) = (world.sam.clone(), world.runner.clone());
    for (what, key) in
        [("root", secret(1)), ("event", secret(2)), ("checkpoint", secret(3)), ("runner", runner.clone())]
    {
        let author = public_key(&key, PrincipalKind::Human, "ann", &[Scope::ProposalApprove]);
        assert_eq!(world.enrol(author).unwrap_err().reason, Reason::AlreadyExists, "{what} as an author");
        assert_eq!(world.register("runner-9", &key).unwrap_err().reason, Reason::AlreadyExists, "{what} as a runner");
    }
    assert_eq!(world.register("runner-9", &sam).unwrap_err().reason, Reason::AlreadyExists, "an author as a runner");
    assert_eq!(world.register("runner-1", &secret(61)).unwrap_err().reason, Reason::AlreadyExists, "a runner again");
    assert!(world.register("runner-9", &secret(61)).is_ok());
}

#[test]
fn only_root_registers_runners() {
    let mut world = World::dev();
    let runner = NewRunner { runner_id: id("runner-9"), public_key: secret(61).public(), description: None };
    let authored = world.signed(StatementKind::Runner, &runner, &secret(61));
    let no = world.run(Command::RegisterRunner { runner, authored }).unwrap_err();
    assert_eq!(no.reason, Reason::SignatureInvalid);
}

fn found(world: &mut World, change: impl FnOnce(&mut Genesis)) -> Reason {
    let (mut genesis, _) = world.genesis(Profile::Prod, genesis_keys());
    change(&mut genesis);
    let authored = domain::authored::sign(
        StatementKind::Genesis,
        &genesis.origin,
        domain::authored::SeenHead::empty(),
        &genesis,
        &world.root,
    )
    .unwrap();
    world.run(Command::CreateLedger { genesis, authored }).expect_err("it founds no ledger").reason
}

#[test]
fn a_genesis_is_checked_like_what_comes_after_it() {
    let mut world = World::empty(default_bundle());
    let cosigner = |key: &SecretKey| {
        VerifierKey::with_kind(proof::key::KeyName::new("root").unwrap(), key.public(), KeyKind::Cosignature)
            .to_string()
    };
    for (what, key) in impossible_keys() {
        if key.max_risk.is_finite() {
            assert_eq!(found(&mut world, |g| g.keys.push(key)), Reason::Malformed, "{what}");
        }
    }
    assert_eq!(found(&mut world, |g| g.keys.push(g.keys[0].clone())), Reason::Malformed, "a key twice");
    let alias = NewKey { key_id: id("key_alias"), ..genesis_keys()[0].clone() };
    assert_eq!(found(&mut world, |g| g.keys.push(alias)), Reason::Malformed, "a key under two ids");
    let own = public_key(&secret(2), PrincipalKind::Human, "sam", &[]);
    assert_eq!(found(&mut world, |g| g.keys.push(own)), Reason::Malformed, "the event key as an author");
    assert_eq!(found(&mut world, |g| g.event = vkey("event", &secret(1))), Reason::Malformed, "root signs events");
    assert_eq!(found(&mut world, |g| g.checkpoint = vkey(ORIGIN, &secret(2))), Reason::Malformed, "one key for both");
    assert_eq!(found(&mut world, |g| g.checkpoint = vkey("other", &secret(3))), Reason::Malformed, "another origin");
    assert_eq!(found(&mut world, |g| g.event = "nonsense".into()), Reason::Malformed);
    assert_eq!(found(&mut world, |g| g.root = cosigner(&secret(1))), Reason::Malformed, "a witness as root");
    assert_eq!(found(&mut world, |g| g.root = vkey("root", &secret(77))), Reason::SignatureInvalid, "another's root");
    assert_eq!(found(&mut world, |g| g.policy = g.manifest), Reason::StatementMismatch, "another policy");
    assert_eq!(found(&mut world, |g| g.manifest = g.policy), Reason::StatementMismatch, "another manifest");
    let long = "x".repeat(200);
    let key = vkey(&long, &secret(3));
    assert_eq!(
        found(&mut world, |g| {
            g.origin = long;
            g.checkpoint = key;
        }),
        Reason::Malformed,
        "a long origin"
    );

    let mut world = World::dev();
    let (genesis, authored) = world.genesis(Profile::Dev, Vec::new());
    assert_eq!(world.run(Command::CreateLedger { genesis, authored }).unwrap_err().reason, Reason::AlreadyExists);
}

#[test]
fn a_signed_proposal_is_its_signers() {
    let mut world = World::dev();
    let proposal = read("p-1");
    let authored = Some(world.signed(StatementKind::Proposal, &proposal, &world.sam));
    let command =
        |by, authored| Command::SubmitProposal { by, proposal: Box::new(read("p-1")), findings: Vec::new(), authored };
    let as_casey = by_signature(&world.casey);
    assert_eq!(world.run(command(as_casey.clone(), authored.clone())).unwrap_err().reason, Reason::SignatureInvalid);
    assert_eq!(world.run(command(as_casey, None)).unwrap_err().reason, Reason::SignatureInvalid, "not signed at all");
    assert_eq!(world.run(command(by("key_casey"), authored.clone())).unwrap_err().reason, Reason::SignatureInvalid);
    assert_eq!(world.run(command(Caller::anonymous(), authored)).unwrap_err().reason, Reason::KeyRequired);
    let group = world.propose_signed(read("p-1")).unwrap();
    assert_eq!(decision(&group).ruling, domain::event::decision::Ruling::Allow);
}
