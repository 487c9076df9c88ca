//! One table per gate, in report order: what the gate alone says of a proposal that is otherwise fine.

use crate::material::{action, default_bundle, effects, patch, plain, publish, read, seen};
use crate::world::{World, decision};
use domain::content::{Content, Text};
use domain::event::decision::Ruling::{self, Allow, Deny, NeedMoreEvidence, RequireHuman};
use domain::event::proposal::{Claim, Finding, Observation, Proposal};
use domain::gate::{GateName, GateReport};
use domain::reason::Reason;
use proof::commitment::{Commitment, Salt};
use serde_json::json;

/// What one gate reports of a proposal submitted with a key.
pub(crate) fn report(
    world: &World,
    key: &str,
    proposal: Proposal,
    findings: Vec<Finding>,
    gate: GateName,
) -> GateReport {
    let group = world.clone().propose_with(key, proposal, findings).unwrap();
    let found = decision(&group).gates.iter().find(|report| report.gate == gate).cloned();
    found.expect("every gate reports")
}

pub(crate) type Change = fn(&mut Proposal);
pub(crate) type Row<'a> = (&'a str, Change, Ruling, &'a [Reason]);

pub(crate) fn table(gate: GateName, key: &str, base: &Proposal, rows: &[Row<'_>]) {
    let world = World::dev();
    for (what, change, ruling, reasons) in rows {
        let mut proposal = base.clone();
        change(&mut proposal);
        let report = report(&world, key, proposal, Vec::new(), gate);
        assert_eq!((report.ruling, &report.reasons[..]), (*ruling, *reasons), "{gate:?}: {what}");
    }
}

#[test]
fn every_gate_reports_in_order() {
    let group = World::dev().propose("key_casey", read("p")).unwrap();
    let order: Vec<_> = decision(&group).gates.iter().map(|report| report.gate).collect();
    assert_eq!(
        order,
        [
            GateName::ForbiddenEffects,
            GateName::UnknownEffects,
            GateName::Evidence,
            GateName::AgentScope,
            GateName::Risk,
            GateName::HumanOnly,
            GateName::ArtifactFindings,
            GateName::Reversibility,
            GateName::Budget,
        ]
    );
}

#[test]
fn forbidden_effects() {
    table(
        GateName::ForbiddenEffects,
        "key_casey",
        &plain("p", "Casey", &["READ_REPO"]),
        &[
            ("an ordinary one", |_| {}, Allow, &[]),
            ("secrets", |p| p.effects = effects(&["READ_SECRETS"]), Deny, &[Reason::ForbiddenEffect]),
            (
                "secrets among others",
                |p| p.effects = effects(&["READ_REPO", "READ_SECRETS"]),
                Deny,
                &[Reason::ForbiddenEffect],
            ),
            ("another spelling is another effect", |p| p.effects = effects(&["read_secrets"]), Allow, &[]),
        ],
    );
    let world = World::with(|bundle| bundle.effects.get_mut("MERGE").unwrap().forbidden = true);
    let merge = plain("p", "Human", &["MERGE"]);
    assert_eq!(report(&world, "key_ops", merge, Vec::new(), GateName::ForbiddenEffects).ruling, Deny, "by policy");
}

#[test]
fn unknown_effects_and_tools() {
    table(
        GateName::UnknownEffects,
        "key_casey",
        &read("p"),
        &[
            ("known", |_| {}, Allow, &[]),
            (
                "no effect",
                |p| {
                    p.effects.clear();
                    p.actions.clear();
                },
                Deny,
                &[Reason::NoEffects],
            ),
            ("an unknown one", |p| p.effects = effects(&["READ_REPO", "OTHER"]), Deny, &[Reason::UnknownEffect]),
            (
                "a tool nobody knows",
                |p| p.actions[0].tool = crate::material::id("rm"),
                Deny,
                &[Reason::ToolNotInManifest],
            ),
            (
                "a tool does more than declared",
                |p| p.actions.push(patch("q").actions[0].clone()),
                Deny,
                &[Reason::EffectUndeclared],
            ),
            ("more declared than done", |p| p.effects = effects(&["READ_REPO", "MERGE"]), Allow, &[]),
            (
                "an input too many",
                |p| {
                    p.actions[0].inputs.insert("mode".into(), json!("x"));
                },
                Deny,
                &[Reason::ToolInputInvalid],
            ),
            ("an input missing", |p| p.actions[0].inputs.clear(), Deny, &[Reason::ToolInputInvalid]),
            (
                "all at once",
                |p| {
                    p.effects.clear();
                    p.actions = vec![action("rm", &[]), action("read_file", &[])];
                },
                Deny,
                &[Reason::NoEffects, Reason::ToolNotInManifest, Reason::EffectUndeclared, Reason::ToolInputInvalid],
            ),
        ],
    );
}

#[test]
fn evidence() {
    table(
        GateName::Evidence,
        "key_casey",
        &patch("p"),
        &[
            ("something was seen", |_| {}, Allow, &[]),
            (
                "nothing was seen",
                |p| p.truth_account.observations.clear(),
                NeedMoreEvidence,
                &[Reason::EvidenceMissing],
            ),
            (
                "blanks were seen",
                |p| p.truth_account.observations = vec![seen(" \n")],
                NeedMoreEvidence,
                &[Reason::EvidenceMissing],
            ),
            (
                "nothing was seen, nothing changes",
                |p| {
                    let account = p.truth_account.claims.clone();
                    *p = read("p");
                    p.truth_account.observations.clear();
                    p.truth_account.claims = account;
                },
                Allow,
                &[],
            ),
            (
                "an observation beside the log",
                |p| {
                    let commit = Commitment::new(&Salt::new([9; 32]), b"long", "text/plain");
                    p.truth_account.observations = vec![Observation { text: Text::Committed { commit }, ..seen("") }];
                },
                Allow,
                &[],
            ),
            (
                "an empty one beside the log",
                |p| {
                    let commit = Commitment::new(&Salt::new([9; 32]), b"", "text/plain");
                    p.truth_account.observations = vec![Observation { text: Text::Committed { commit }, ..seen("") }];
                },
                NeedMoreEvidence,
                &[Reason::EvidenceMissing],
            ),
            ("a sure claim", |p| p.truth_account.claims = vec![sure(Some(1.0)), sure(Some(0.0))], Allow, &[]),
            (
                "a claim without confidence",
                |p| p.truth_account.claims = vec![sure(Some(0.5)), sure(None)],
                NeedMoreEvidence,
                &[Reason::ClaimConfidenceInvalid],
            ),
            (
                "a claim surer than sure",
                |p| p.truth_account.claims = vec![sure(Some(1.1))],
                NeedMoreEvidence,
                &[Reason::ClaimConfidenceInvalid],
            ),
            (
                "a negative one",
                |p| p.truth_account.claims = vec![sure(Some(-0.1))],
                NeedMoreEvidence,
                &[Reason::ClaimConfidenceInvalid],
            ),
            ("an event that is there", |p| p.truth_account.observations[0].cites = vec![0, 5], Allow, &[]),
            (
                "an event that is not",
                |p| p.truth_account.observations[0].cites = vec![0, 6],
                NeedMoreEvidence,
                &[Reason::CitedEventMissing],
            ),
            (
                "all at once",
                |p| {
                    p.truth_account.observations = vec![seen("")];
                    p.truth_account.claims = vec![sure(None)];
                },
                NeedMoreEvidence,
                &[Reason::EvidenceMissing, Reason::ClaimConfidenceInvalid],
            ),
        ],
    );
    let world = World::with(|bundle| {
        bundle.effects.get_mut("WRITE_PATCH").unwrap().evidence = ["test_run".to_owned(), "diff".to_owned()].into();
    });
    for (kinds, reasons) in [(&["test_run", "diff"][..], &[][..]), (&["diff"], &[Reason::EvidenceKindMissing])] {
        let mut proposal = patch("p");
        proposal.truth_account.observations =
            kinds.iter().map(|kind| Observation { kind: Some((*kind).into()), ..seen("it") }).collect();
        assert_eq!(report(&world, "key_casey", proposal, Vec::new(), GateName::Evidence).reasons, reasons, "{kinds:?}");
    }
}

fn sure(confidence: Option<f64>) -> Claim {
    Claim { confidence, claim: Content::Inline(json!({"text": "it is safe"})) }
}

#[test]
fn agent_scope_and_key_binding() {
    let world = World::dev();
    let rows: [(&str, &str, &str, &[&str], Ruling, &[Reason]); 10] = [
        ("an agent for itself", "key_casey", "Casey", &["READ_REPO"], Allow, &[]),
        ("beyond its profile", "key_casey", "Casey", &["MERGE"], Deny, &[Reason::EffectOutOfScope]),
        ("an agent for another", "key_casey", "Jordan", &["READ_REPO"], Deny, &[Reason::AgentKeyMismatch]),
        ("an agent as a human", "key_casey", "Human", &["DEPLOY"], Deny, &[Reason::AgentKeyMismatch]),
        (
            "an agent for another, beyond",
            "key_casey",
            "Jordan",
            &["DEPLOY"],
            Deny,
            &[Reason::EffectOutOfScope, Reason::AgentKeyMismatch],
        ),
        ("a service", "key_legacy", "Casey", &["READ_REPO"], Deny, &[Reason::AgentKeyMismatch]),
        ("a human for an agent", "key_lee", "Casey", &["READ_REPO"], Allow, &[]),
        (
            "an admin for an agent, within its limits",
            "key_ops",
            "Riley",
            &["WRITE_PATCH"],
            Deny,
            &[Reason::EffectOutOfScope],
        ),
        ("an agent nobody listed", "key_ops", "Mallory", &["READ_REPO"], Allow, &[]),
        ("an agent nobody listed, beyond", "key_ops", "Mallory", &["RUN_TESTS"], Deny, &[Reason::EffectOutOfScope]),
    ];
    for (what, key, agent, tags, ruling, reasons) in rows {
        let report = report(&world, key, plain("p", agent, tags), Vec::new(), GateName::AgentScope);
        assert_eq!((report.ruling, &report.reasons[..]), (ruling, reasons), "{what}");
    }
}

#[test]
fn risk() {
    table(
        GateName::Risk,
        "key_casey",
        &plain("p", "Casey", &["WRITE_PATCH"]),
        &[
            ("nothing declared: the floor", |_| {}, Allow, &[]),
            ("equal to the cap", |p| p.risk_score = Some(0.6), Allow, &[]),
            ("above", |p| p.risk_score = Some(0.61), RequireHuman, &[Reason::RiskAboveAgentMax]),
            (
                "declared lower than it is",
                |p| {
                    p.effects = effects(&["MERGE"]);
                    p.risk_score = Some(0.0);
                },
                RequireHuman,
                &[Reason::RiskAboveAgentMax],
            ),
            (
                "the floor and its addition",
                |p| {
                    p.effects = effects(&["CREATE_PR"]);
                    p.reversibility_class = Some("IRREVERSIBLE".into());
                },
                Allow,
                &[],
            ),
            (
                "the floor and its addition, above",
                |p| {
                    p.effects = effects(&["NETWORK_CALL"]);
                    p.reversibility_class = Some("IRREVERSIBLE".into());
                },
                RequireHuman,
                &[Reason::RiskAboveAgentMax],
            ),
            (
                "an unknown effect counts whole",
                |p| p.effects = effects(&["OTHER"]),
                RequireHuman,
                &[Reason::RiskAboveAgentMax],
            ),
        ],
    );
    // 0.1 and 0.2 make 0.3, which is what an agent that nobody listed may take.
    let mut proposal = plain("p", "Mallory", &["READ_REPO"]);
    proposal.reversibility_class = Some("IRREVERSIBLE".into());
    let exact = report(&World::dev(), "key_ops", proposal, Vec::new(), GateName::Risk);
    assert_eq!((exact.ruling, &exact.facts["floor"], &exact.facts["max"]), (Allow, &json!(0.3), &json!(0.3)));
}

#[test]
fn human_only() {
    table(
        GateName::HumanOnly,
        "key_ops",
        &plain("p", "Human", &["READ_REPO"]),
        &[
            ("neither", |_| {}, Allow, &[]),
            ("an effect", |p| p.effects = effects(&["DEPLOY"]), RequireHuman, &[Reason::HumanOnlyEffect]),
            ("a tool", |p| p.actions = publish("q").actions, RequireHuman, &[Reason::ToolRequiresHuman]),
            (
                "both",
                |p| {
                    p.effects = effects(&["MERGE"]);
                    p.actions = publish("q").actions;
                },
                RequireHuman,
                &[Reason::HumanOnlyEffect, Reason::ToolRequiresHuman],
            ),
        ],
    );
}

#[test]
fn artifact_findings() {
    let finding = |place: &str| Finding { place: place.into(), kind: "aws_access_key".into() };
    let world = World::dev();
    for (findings, ruling, reasons) in [
        (vec![], Allow, &[][..]),
        (vec![finding("/summary")], Deny, &[Reason::SecretInCommand]),
        (vec![finding("/summary"), finding("/artifacts/0/content")], Deny, &[Reason::SecretInCommand]),
    ] {
        let report = report(&world, "key_casey", read("p"), findings, GateName::ArtifactFindings);
        assert_eq!((report.ruling, &report.reasons[..]), (ruling, reasons));
    }
}

#[test]
fn the_default_policy_is_the_one_that_was_reviewed() {
    // The digest stands in every decision; whoever changes the default policy changes it here, on purpose.
    let bundle = default_bundle();
    assert_eq!(bundle.effects.len(), 12);
    assert_eq!(
        bundle.agents.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
        ["Casey", "Jordan", "Riley", "Human"]
    );
    assert_eq!(bundle.digest(), domain::policy::Bundle::parse(&bundle.to_bytes()).unwrap().digest());
}
