//! Proposals about which several gates speak: the strictest ruling wins, and the trace shows all that was wrong.

use crate::material::{action, effects, patch, plain, publish, read};
use crate::world::{World, decision, types};
use domain::event::decision::Ruling::{self, Allow, Deny, NeedMoreEvidence, RequireHuman};
use domain::event::proposal::{Finding, Proposal};
use domain::reason::Reason as R;
use serde_json::json;

type Row<'a> = (&'a str, &'a str, Proposal, Ruling, &'a [R]);

#[test]
fn the_strictest_ruling_wins_and_every_reason_is_there() {
    let no_evidence = |mut p: Proposal| {
        p.truth_account.observations.clear();
        p
    };
    let rows: [Row<'_>; 11] = [
        ("nothing wrong", "key_casey", read("p"), Allow, &[]),
        ("nothing wrong, signed work", "key_casey", patch("p"), Allow, &[]),
        (
            "tool and irreversibility",
            "key_jordan",
            publish("p"),
            RequireHuman,
            &[R::ToolRequiresHuman, R::Irreversible],
        ),
        (
            "a human would be asked, but on what grounds?",
            "key_jordan",
            no_evidence(publish("p")),
            NeedMoreEvidence,
            &[R::EvidenceMissing, R::ToolRequiresHuman, R::Irreversible],
        ),
        (
            "risk and reversibility",
            "key_casey",
            Proposal { risk_score: Some(1.0), reversibility_class: None, ..patch("p") },
            RequireHuman,
            &[R::RiskAboveAgentMax, R::Irreversible],
        ),
        (
            "denied outweighs lacking evidence",
            "key_casey",
            no_evidence(Proposal { effects: effects(&["WRITE_PATCH", "MERGE"]), ..patch("p") }),
            Deny,
            &[R::EvidenceMissing, R::EffectOutOfScope, R::RiskAboveAgentMax, R::HumanOnlyEffect],
        ),
        (
            "forbidden and irreversible is not a human's to allow",
            "key_ops",
            Proposal {
                reversibility_class: Some("IRREVERSIBLE".into()),
                ..plain("p", "Human", &["READ_SECRETS", "DEPLOY"])
            },
            Deny,
            &[R::ForbiddenEffect, R::EffectOutOfScope, R::HumanOnlyEffect, R::Irreversible],
        ),
        (
            "deploying without a class",
            "key_ops",
            plain("p", "Human", &["DEPLOY", "RUN_TESTS"]),
            RequireHuman,
            &[R::HumanOnlyEffect, R::Irreversible],
        ),
        (
            "the envelope and a stranger's effect",
            "key_casey",
            Proposal { deployment_envelope: Some(json!([])), ..plain("p", "Casey", &["READ_REPO", "OTHER"]) },
            Deny,
            &[
                R::UnknownEffect,
                R::EvidenceMissing,
                R::EffectOutOfScope,
                R::RiskAboveAgentMax,
                R::Irreversible,
                R::EnvelopeInvalid,
            ],
        ),
        (
            "a tool nobody knows, in a mode nobody knows",
            "key_casey",
            Proposal { actions: vec![action("rm", &[])], execution_mode: Some("now".into()), ..read("p") },
            Deny,
            &[R::ToolNotInManifest, R::ExecutionModeUnknown],
        ),
        (
            "for another agent, with a tool of a wider scope",
            "key_casey",
            Proposal { deployment_envelope: None, ..publish("p") },
            Deny,
            &[R::AgentKeyMismatch, R::ToolRequiresHuman, R::Irreversible, R::WriteScopeExceeded],
        ),
    ];
    let world = World::dev();
    for (what, key, mut proposal, ruling, reasons) in rows {
        if what.starts_with("the envelope") {
            proposal.truth_account.observations.clear();
        }
        let group = world.clone().propose(key, proposal).unwrap();
        let ruled = decision(&group);
        assert_eq!((ruled.ruling, &ruled.reasons[..]), (ruling, reasons), "{what}");
        assert_eq!(ruled.required.is_some(), ruling == RequireHuman, "{what}");
        assert_eq!(ruled.allowed_effects.is_empty(), ruling != Allow, "{what}");
        let last = types(&group).pop().unwrap();
        let expected = match ruling {
            Allow => "job.created",
            RequireHuman => "approval.requested",
            NeedMoreEvidence | Deny => "decision.recorded",
        };
        assert_eq!(last, expected, "{what}");
    }
}

#[test]
fn everything_wrong_at_once() {
    let mut world = World::with(|bundle| {
        bundle.effects.get_mut("MERGE").unwrap().evidence = ["review".to_owned()].into();
    });
    let mut proposal = plain("p", "Jordan", &["READ_SECRETS", "OTHER", "MERGE"]);
    proposal.truth_account.observations[0].cites = vec![99];
    proposal.truth_account.claims = vec![domain::event::proposal::Claim {
        confidence: None,
        claim: domain::content::Content::Inline(json!("surely")),
    }];
    proposal.actions = vec![action("rm", &[]), action("publish", &[]), action("echo", &[])];
    proposal.execution_mode = Some("draft".into());
    proposal.reversibility_class = Some("REVERSIBLE".into());
    proposal.deployment_envelope = Some(json!({"model_id": "m", "autonomy_budget": {"max_steps": 1}}));
    let findings = vec![Finding { place: "/summary".into(), kind: "private_key".into() }];
    let group = world.propose_with("key_casey", proposal, findings).unwrap();
    assert_eq!(decision(&group).ruling, Deny);
    assert_eq!(
        decision(&group).reasons,
        [
            R::ForbiddenEffect,
            R::UnknownEffect,
            R::ToolNotInManifest,
            R::EffectUndeclared,
            R::ToolInputInvalid,
            R::ClaimConfidenceInvalid,
            R::EvidenceKindMissing,
            R::CitedEventMissing,
            R::EffectOutOfScope,
            R::AgentKeyMismatch,
            R::RiskAboveAgentMax,
            R::HumanOnlyEffect,
            R::ToolRequiresHuman,
            R::SecretInCommand,
            R::ModeUnsupported,
            R::RollbackProofMissing,
            R::WriteScopeExceeded,
            R::RuntimeExceeded,
        ]
    );
}

#[test]
fn what_lacked_evidence_can_be_put_forward_again() {
    let mut world = World::dev();
    let mut blind = patch("p-1");
    blind.truth_account.observations.clear();
    world.propose("key_casey", blind).unwrap();
    world.propose("key_casey", plain("p-deny", "Casey", &["MERGE"])).unwrap();
    let again = |name: &str, earlier: &str| Proposal { supersedes: Some(crate::material::id(earlier)), ..patch(name) };
    let group = world.propose("key_casey", again("p-2", "p-1")).unwrap();
    assert_eq!(decision(&group).ruling, Allow);
    assert_eq!(group[0].event.header.causes, [world.groups[6].events[0].event.header.seq]);
    for (earlier, reason) in [
        ("p-deny", R::ContentConflict),
        ("p-2", R::ContentConflict),
        ("p-9", R::ProposalUnknown),
        ("p-3", R::ProposalUnknown),
    ] {
        assert_eq!(world.propose("key_casey", again("p-3", earlier)).unwrap_err().reason, reason, "{earlier}");
    }
}
