//! What is too long, too deep or no JSON is refused at the door; what is let in can be written, read and re-derived.

use crate::material::{action, id, patch, plain, publish, read, report, seen};
use crate::world::{World, by, decision, minted};
use domain::command::{Caller, Command};
use domain::content::{Content, Text};
use domain::event::approval::Verb;
use domain::event::intent::Intent;
use domain::event::proposal::{Claim, Finding, Proposal};
use domain::event::result::ResultStatus;
use domain::limits;
use domain::reason::Reason;
use proof::commitment::{Commitment, Salt};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!("bottom"), |inner, _| json!([inner]))
}

#[test]
fn a_proposal_has_bounds() {
    let rows: Vec<(&str, fn(&mut Proposal))> = vec![
        ("effects", |p| p.effects = (0..33).map(|n| domain::effect::Effect::new(format!("E{n}")).unwrap()).collect()),
        ("actions", |p| p.actions = vec![p.actions[0].clone(); 17]),
        ("artifacts", |p| p.artifacts = vec![BTreeMap::new(); 33]),
        ("observations", |p| p.truth_account.observations = vec![seen("x"); 33]),
        ("claims", |p| p.truth_account.claims = vec![Claim { confidence: None, claim: Content::Inline(json!(1)) }; 33]),
        ("cites", |p| p.truth_account.observations[0].cites = vec![0; 33]),
        ("risk below 0", |p| p.risk_score = Some(-0.1)),
        ("risk above 1", |p| p.risk_score = Some(1.1)),
        ("risk infinite", |p| p.risk_score = Some(f64::INFINITY)),
        ("risk not a number", |p| p.risk_score = Some(f64::NAN)),
        ("confidence not a number", |p| {
            p.truth_account.claims = vec![Claim { confidence: Some(f64::NAN), claim: Content::Inline(json!(1)) }];
        }),
        ("a number JSON cannot carry", |p| p.rollback_proof = Some(json!({"n": u64::MAX}))),
        ("another", |p| {
            p.actions[0].inputs.insert("n".into(), json!(9_007_199_254_740_993.0));
        }),
        ("a citation JSON cannot carry", |p| p.truth_account.observations[0].cites = vec![u64::MAX]),
        ("a length JSON cannot carry", |p| {
            let commit = Commitment { length: u64::MAX, ..Commitment::new(&Salt::new([1; 32]), b"", "text/plain") };
            p.summary = Text::Committed { commit };
        }),
        ("null for absent", |p| p.rollback_proof = Some(Value::Null)),
        ("null for absent too", |p| p.deployment_envelope = Some(Value::Null)),
        ("length", |p| p.summary = Text::Inline("x".repeat(limits::COMMAND_BYTES))),
        ("depth", |p| p.rollback_proof = Some(deep(limits::COMMAND_DEPTH))),
        ("depth of an input", |p| {
            p.actions[0].inputs.insert("options".into(), deep(limits::COMMAND_DEPTH));
        }),
    ];
    let world = World::dev();
    for (what, change) in rows {
        let mut proposal = read("p");
        change(&mut proposal);
        assert_eq!(world.clone().propose("key_casey", proposal).unwrap_err().reason, Reason::Malformed, "{what}");
    }
    let mut proposal = patch("p");
    proposal.rollback_proof = Some(deep(limits::COMMAND_DEPTH - 1));
    assert!(world.clone().propose("key_casey", proposal).is_ok(), "as deep as may be");
}

#[test]
fn other_commands_have_the_same_bounds() {
    let mut world = World::dev();
    let intent = |goal: &str, constraints| Intent {
        intent_id: id("i"),
        from: None,
        mode: None,
        goal: Text::Inline(goal.into()),
        constraints: Some(Content::Inline(constraints)),
    };
    for intent in [
        intent(&"x".repeat(limits::COMMAND_BYTES), json!({})),
        intent("x", json!({"n": u64::MAX})),
        intent("x", deep(limits::COMMAND_DEPTH)),
    ] {
        let command = Command::CreateIntent { by: Caller::anonymous(), intent, authored: None };
        assert_eq!(world.run(command).unwrap_err().reason, Reason::Malformed);
    }

    world.propose("key_jordan", publish("p-1")).unwrap();
    let mut answer = world.answer_to("p-1", Verb::Grant);
    answer.reason = Some(Text::Inline("x".repeat(limits::COMMAND_BYTES)));
    assert_eq!(world.answer("key_lee", answer.clone()).unwrap_err().reason, Reason::Malformed);
    let commit = Commitment { length: u64::MAX, ..Commitment::new(&Salt::new([1; 32]), b"", "text/plain") };
    answer.reason = Some(Text::Committed { commit });
    assert_eq!(world.answer("key_lee", answer).unwrap_err().reason, Reason::Malformed);

    let job = minted(&world.propose("key_casey", plain("p-2", "Casey", &["READ_REPO"])).unwrap()).unwrap().clone();
    let mut result = report(&job, None, 0, ResultStatus::Completed);
    result.actions[0].duration_ms = u64::MAX;
    let command = Command::RecordResult { by: by("key_legacy"), result, authored: None };
    assert_eq!(world.run(command).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn how_a_number_is_spelt_decides_nothing() {
    // `3.0` is `3` in the log, so it must be `3` when the gates look: a verifier sees nothing else.
    for (lines, fits) in
        [(json!(3), true), (json!(3.0), true), (json!(-0.0), true), (json!(3.5), false), (json!(1e21), false)]
    {
        let mut world = World::dev();
        let mut proposal = read("p");
        proposal.actions[0].inputs.insert("lines".into(), lines.clone());
        let group = world.propose("key_casey", proposal).unwrap();
        assert_eq!(minted(&group).is_some(), fits, "{lines}");
        world.replay();
    }
    let mut world = World::dev();
    let mut proposal = patch("p");
    proposal.deployment_envelope = Some(json!({"model_id": "m", "autonomy_budget": {"max_steps": 7.0}}));
    proposal.truth_account.claims = vec![Claim { confidence: Some(1.0), claim: Content::Inline(json!({"n": 2.0})) }];
    let group = world.propose("key_casey", proposal).unwrap();
    assert_eq!(minted(&group).unwrap().deployment_envelope.autonomy_budget.max_steps, 7);
}

#[test]
fn the_end_of_time_is_no_special_case() {
    let mut world = World::dev();
    world.now = domain::time::Timestamp::from_ms(u64::MAX);
    world.propose("key_jordan", publish("p-1")).unwrap();
    assert_eq!(world.says("key_lee", Verb::Grant, "p-1").unwrap_err().reason, Reason::ChallengeExpired);
    let group = world.run(Command::ExpireApproval { proposal_id: id("p-1") }).unwrap();
    assert_eq!(decision(&group).reasons, [Reason::ApprovalExpired]);
    world.propose("key_casey", read("p-2")).unwrap();
    assert!(world.lease().is_ok());
    world.replay();
}

#[test]
fn the_longest_trace_fits_into_a_leaf() {
    let mut world = World::dev();
    let mut proposal = plain("p", "Casey", &[]);
    let tag = |n: usize| domain::effect::Effect::new(format!("{n:02}{}", "E".repeat(62))).unwrap();
    proposal.effects = (0..32).map(tag).collect();
    let tool = |n: usize| action(&format!("{n:02}{}", "t".repeat(126)), &[]);
    proposal.actions =
        (0..12).map(tool).chain((0..4).map(|_| action("publish", &[("\u{7f}\u{7f}", json!(1))]))).collect();
    // An error message quotes this with every character escaped: seven bytes for one.
    proposal.deployment_envelope = Some(json!({"model_id": "m", "autonomy_budget": "\u{7f}".repeat(2_000)}));
    proposal.truth_account.observations = (0..32)
        .map(|n| domain::event::proposal::Observation { cites: vec![9_007_199_254_740_991 - n; 8], ..seen("") })
        .collect();
    proposal.truth_account.claims = vec![Claim { confidence: None, claim: Content::Inline(json!(1)) }; 32];
    let findings = (0..100).map(|n| Finding { place: format!("/artifacts/{n}/{}", "x".repeat(300)), kind: "k".into() });
    let group = world.propose_with("key_casey", proposal, findings.collect()).unwrap();
    let longest = group.iter().map(|sealed| sealed.payload.len()).max().unwrap();
    assert!(longest < 40_000, "{longest}");
    let problem = decision(&group).gates.last().unwrap().facts["problem"].as_str().unwrap().to_owned();
    assert!(problem.len() <= limits::FACT_BYTES && problem.ends_with('…'), "{problem}");
}

#[test]
fn more_findings_than_are_kept_deny_all_the_same() {
    let mut world = World::dev();
    let finding = |n: usize| Finding { place: format!("/{n}"), kind: "k".into() };
    let group = world.propose_with("key_casey", read("p"), (0..1_000).map(finding).collect()).unwrap();
    assert_eq!(decision(&group).reasons, [Reason::SecretInCommand]);
    let long = vec![Finding { place: "/".repeat(limits::COMMAND_BYTES), kind: "k".into() }];
    assert_eq!(world.propose_with("key_casey", read("q"), long).unwrap_err().reason, Reason::Malformed);
}
