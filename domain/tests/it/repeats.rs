//! The same thing said twice, and the same name for two things.

use crate::material::{id, patch, publish, read};
use crate::world::{World, by, decision, types};
use domain::command::{Caller, Command, RejectionKind};
use domain::content::{Content, Text};
use domain::event::decision::Ruling;
use domain::event::intent::Intent;
use domain::event::ledger::Profile;
use domain::event::proposal::{Finding, Proposal};
use domain::event::{EventData, PrincipalKind};
use domain::reason::Reason;
use serde_json::json;

fn intent(goal: &str) -> Intent {
    Intent {
        intent_id: id("intent-1"),
        from: Some("Human".into()),
        mode: Some("fix".into()),
        goal: Text::Inline(goal.into()),
        constraints: Some(Content::Inline(json!({"max_risk": 0.5, "no_deploy": true}))),
    }
}

fn state_intent(by: Caller, goal: &str) -> Command {
    Command::CreateIntent { by, intent: intent(goal), authored: None }
}

#[test]
fn a_proposal_again_gets_the_first_answer() {
    for proposal in [read("p-1"), publish("p-1"), Proposal { effects: domain::effect::Effects::new(), ..read("p-1") }] {
        let key = if proposal.agent.as_str() == "Jordan" { "key_jordan" } else { "key_casey" };
        let mut world = World::dev();
        let first = world.propose(key, proposal.clone()).unwrap()[0].event.header.seq;
        world.propose("key_casey", patch("p-between")).unwrap();
        for _ in 0..2 {
            let no = world.propose(key, proposal.clone()).unwrap_err();
            assert_eq!((no.kind, no.reason), (RejectionKind::Duplicate(first), Reason::AlreadyExists));
        }
    }
}

#[test]
fn other_content_or_another_principal_conflicts() {
    let mut world = World::dev();
    world.propose("key_jordan", publish("p-1")).unwrap();
    let mut other = publish("p-1");
    other.actions[0].inputs.insert("path".into(), json!("target/evil"));
    let summary = Proposal { summary: Text::Inline("as agreed?".into()), ..publish("p-1") };
    for (what, key, proposal) in [
        ("another input", "key_jordan", other),
        ("another summary", "key_jordan", summary),
        ("another principal", "key_ops", publish("p-1")),
        ("another agent", "key_casey", read("p-1")),
    ] {
        let no = world.propose(key, proposal).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::ContentConflict), "{what}");
    }
    // What waits is still what was put forward first.
    let group = world.says("key_lee", domain::event::approval::Verb::Grant, "p-1").unwrap();
    assert_eq!(crate::world::minted(&group).unwrap().actions, publish("p-1").actions);
}

#[test]
fn the_same_principal_may_use_another_key() {
    let mut world = World::dev();
    let first = world.propose_signed(read("p-1")).unwrap()[0].event.header.seq;
    let no = world.propose("key_casey", read("p-1")).unwrap_err();
    assert_eq!(no.kind, RejectionKind::Duplicate(first));
}

#[test]
fn an_intent_is_stated_once() {
    let mut world = World::dev();
    let first = world.run(state_intent(by("key_lee"), "fix it")).unwrap()[0].event.header.seq;
    assert_eq!(world.run(state_intent(by("key_lee"), "fix it")).unwrap_err().kind, RejectionKind::Duplicate(first));
    for (by, goal) in [(by("key_lee"), "break it"), (by("key_ops"), "fix it"), (Caller::anonymous(), "fix it")] {
        assert_eq!(world.run(state_intent(by, goal)).unwrap_err().reason, Reason::ContentConflict);
    }
    let group = world.propose("key_casey", read("p-1")).unwrap();
    assert_eq!(group[0].event.header.causes, [first], "a proposal names the intent it serves");
}

#[test]
fn nobody_known_may_state_an_intent_in_dev_only() {
    let mut dev = World::dev();
    let group = dev.run(state_intent(Caller::anonymous(), "fix it")).unwrap();
    assert_eq!(group[0].event.header.actor.kind, PrincipalKind::Anonymous);
    let mut prod = World::founded(Profile::Prod, crate::material::default_bundle());
    assert_eq!(prod.run(state_intent(Caller::anonymous(), "fix it")).unwrap_err().reason, Reason::KeyRequired);
    // Nobody known cannot have signed it.
    let authored = Some(dev.signed(domain::authored::StatementKind::Intent, &intent("x"), &dev.sam));
    let command = Command::CreateIntent { by: Caller::anonymous(), intent: intent("x"), authored };
    let context = domain::decide::Context {
        now: dev.now,
        seed: domain::event::proposal::Seed::new([0; 32]),
        policy: &dev.policy,
    };
    assert_eq!(domain::decide::decide(&dev.state, &command, &context).unwrap_err().reason, Reason::KeyRequired);
    assert_eq!(dev.run(command).unwrap_err().reason, Reason::KeyRequired);
}

#[test]
fn a_seed_used_twice_mints_nothing_twice() {
    let mut world = World::dev();
    world.propose("key_casey", read("p-1")).unwrap();
    world.seed -= 1;
    let no = world.propose("key_casey", read("p-2")).unwrap_err();
    assert_eq!((no.kind, no.reason), (RejectionKind::Conflict, Reason::AlreadyExists));
    world.seed -= 1;
    let denied = Proposal { effects: domain::effect::Effects::new(), ..read("p-2") };
    assert_eq!(
        decision(&world.propose("key_casey", denied).unwrap()).ruling,
        Ruling::Deny,
        "where none is minted, none is reused"
    );
}

#[test]
fn a_secret_does_not_come_along_with_a_signature() {
    let mut world = World::dev();
    let proposal = read("p-1");
    let authored = Some(world.signed(domain::authored::StatementKind::Proposal, &proposal, &world.casey));
    let by = crate::world::by_signature(&world.casey);
    let finding = Finding { place: "/summary".into(), kind: "jwt".into() };
    let command = |authored| Command::SubmitProposal {
        by: by.clone(),
        proposal: Box::new(proposal.clone()),
        findings: vec![finding.clone()],
        authored,
    };
    for authored in [authored, None] {
        let mut world = world.clone();
        let group = world.run(command(authored)).unwrap();
        assert_eq!(types(&group), ["proposal.submitted", "decision.recorded"]);
        let EventData::ProposalSubmitted(submitted) = &group[0].event.data else { panic!() };
        assert!(submitted.authored.is_none(), "the envelope holds what was found");
        assert_eq!(decision(&group).reasons, [Reason::SecretInCommand]);
    }
    // Without a finding there is no such way around signing.
    let bare = Command::SubmitProposal { by, proposal: Box::new(read("p-2")), findings: Vec::new(), authored: None };
    assert_eq!(world.run(bare).unwrap_err().reason, Reason::SignatureInvalid);
}

#[test]
fn erasing_is_counted_and_public_blobs_stay() {
    let mut world = World::dev();
    let erase = |sha256| Command::EraseBlob { by: by("key_ops"), sha256, why: "asked for".into() };
    let body = proof::hash::sha256(b"a body");
    for version in [1, 2] {
        assert_eq!(world.run(erase(body)).unwrap()[0].event.header.version, version);
    }
    for public in [world.policy.bundle_digest(), world.policy.manifest_digest()] {
        let no = world.run(erase(public)).unwrap_err();
        assert_eq!((no.kind, no.reason), (RejectionKind::NotFound, Reason::BlobUnknown));
    }
    let long = Command::EraseBlob { by: by("key_ops"), sha256: body, why: "x".repeat(1025) };
    assert_eq!(world.run(long).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn read_models_are_attested_up_to_what_there_is() {
    let mut world = World::dev();
    let digest = domain::view::Folded::new(domain::view::ALL[0]).attested();
    let size = world.state.size();
    let attest = |position| Command::AttestProjections { position, projections: vec![digest.clone()] };
    assert!(world.run(attest(size)).is_ok());
    let ahead = proof::index::TreeSize::new(world.state.size().get() + 1);
    assert_eq!(world.run(attest(ahead)).unwrap_err().reason, Reason::Malformed);
}
