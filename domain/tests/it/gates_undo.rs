//! The last two gates: whether an act can be undone, and what its envelope leaves.

use crate::gates::{report, table};
use crate::material::{patch, publish, read};
use crate::world::World;
use domain::event::decision::Ruling::{self, Allow, Deny, RequireHuman};
use domain::event::proposal::Proposal;
use domain::gate::GateName;
use domain::reason::Reason;
use serde_json::{Value, json};

fn way_back(proof: &Value) -> Ruling {
    let mut proposal = patch("p");
    proposal.rollback_proof = Some(proof.clone());
    report(&World::dev(), "key_casey", proposal, Vec::new(), GateName::Reversibility).ruling
}

#[test]
fn reversibility() {
    table(
        GateName::Reversibility,
        "key_casey",
        &patch("p"),
        &[
            ("reversible, with proof", |_| {}, Allow, &[]),
            ("reversible, without", |p| p.rollback_proof = None, Deny, &[Reason::RollbackProofMissing]),
            (
                "reversible, without, as a draft",
                |p| {
                    p.rollback_proof = None;
                    mode(p, "draft");
                },
                Deny,
                &[Reason::RollbackProofMissing],
            ),
            ("partially, with proof", |p| class(p, "PARTIALLY_REVERSIBLE"), Allow, &[]),
            (
                "partially, without",
                |p| {
                    class(p, "PARTIALLY_REVERSIBLE");
                    p.rollback_proof = None;
                },
                Deny,
                &[Reason::RollbackProofMissing],
            ),
            (
                "partially, without, as a draft",
                |p| {
                    class(p, "PARTIALLY_REVERSIBLE");
                    p.rollback_proof = None;
                    mode(p, "draft");
                },
                Allow,
                &[],
            ),
            ("irreversible", |p| class(p, "IRREVERSIBLE"), RequireHuman, &[Reason::Irreversible]),
            (
                "irreversible, with a proof all the same",
                |p| {
                    class(p, "IRREVERSIBLE");
                    mode(p, "draft");
                },
                RequireHuman,
                &[Reason::Irreversible],
            ),
            ("a class nobody knows", |p| class(p, "reversible"), Deny, &[Reason::ReversibilityUnknown]),
            ("no class", |p| p.reversibility_class = None, Deny, &[Reason::ReversibilityUndeclared]),
            (
                "no class, and a human looks anyway",
                |p| {
                    p.reversibility_class = None;
                    p.risk_score = Some(0.9);
                },
                RequireHuman,
                &[Reason::Irreversible],
            ),
            ("a mode nobody knows", |p| mode(p, "COMMIT"), Deny, &[Reason::ExecutionModeUnknown]),
            ("a mode the tool does not have", |p| mode(p, "preview"), Deny, &[Reason::ModeUnsupported]),
            (
                "no class, odd mode",
                |p| {
                    p.reversibility_class = None;
                    mode(p, "");
                },
                Deny,
                &[Reason::ExecutionModeUnknown, Reason::ReversibilityUndeclared],
            ),
        ],
    );
    table(
        GateName::Reversibility,
        "key_casey",
        &read("p"),
        &[
            ("reads only", |_| {}, Allow, &[]),
            ("reads only, reversible without proof", |p| class(p, "REVERSIBLE"), Allow, &[]),
            (
                "reads only, says it is irreversible",
                |p| class(p, "IRREVERSIBLE"),
                RequireHuman,
                &[Reason::Irreversible],
            ),
            ("reads only, a class nobody knows", |p| class(p, ""), Deny, &[Reason::ReversibilityUnknown]),
            ("reads only, a mode nobody knows", |p| mode(p, "yolo"), Deny, &[Reason::ExecutionModeUnknown]),
        ],
    );
}

fn class(proposal: &mut Proposal, class: &str) {
    proposal.reversibility_class = Some(class.into());
}

fn mode(proposal: &mut Proposal, mode: &str) {
    proposal.execution_mode = Some(mode.into());
}

#[test]
fn a_way_back_has_content() {
    for (proof, ruling) in [
        (json!({"description": "undo it", "rollback_tool": "apply_patch"}), Allow),
        (json!({"description": "undo it", "manual_steps": "git revert"}), Allow),
        (json!({"description": "undo it", "manual_steps": ["", "git revert"]}), Allow),
        (json!({"description": "undo it", "rollback_tool": null, "manual_steps": ["git revert"]}), Allow),
        (json!({"description": "undo it"}), Deny),
        (json!({"description": " ", "rollback_tool": "apply_patch"}), Deny),
        (json!({"rollback_tool": "apply_patch"}), Deny),
        (json!({"description": "undo it", "rollback_tool": "undo", "manual_steps": "git revert"}), Deny),
        (json!({"description": "undo it", "rollback_tool": 7, "manual_steps": "git revert"}), Deny),
        (json!({"description": "undo it", "manual_steps": [" ", 7]}), Deny),
        (json!({}), Deny),
        (json!([]), Deny),
        (json!("git revert"), Deny),
        (json!(true), Deny),
    ] {
        assert_eq!(way_back(&proof), ruling, "{proof}");
    }
}

#[test]
fn budget() {
    table(
        GateName::Budget,
        "key_casey",
        &patch("p"),
        &[
            ("the default envelope", |_| {}, Allow, &[]),
            ("a narrow one", |p| envelope(p, json!({"max_write_scope": "none"})), Deny, &[Reason::WriteScopeExceeded]),
            (
                "a wide one, beyond the agent",
                |p| {
                    envelope(p, json!({"max_write_scope": "prod"}));
                    p.actions = publish("q").actions;
                },
                Deny,
                &[Reason::WriteScopeExceeded],
            ),
            (
                "too few calls",
                |p| {
                    envelope(p, json!({"max_tool_calls": 1}));
                    p.actions.push(p.actions[0].clone());
                },
                Deny,
                &[Reason::RuntimeExceeded],
            ),
            (
                "too few steps",
                |p| {
                    envelope(p, json!({"max_steps": 1}));
                    p.actions.push(p.actions[0].clone());
                },
                Deny,
                &[Reason::RuntimeExceeded],
            ),
            (
                "just enough",
                |p| {
                    envelope(p, json!({"max_steps": 2}));
                    p.actions.push(p.actions[0].clone());
                },
                Allow,
                &[],
            ),
            (
                "half of it, for what cleaning up costs",
                |p| {
                    envelope(p, json!({"max_steps": 3}));
                    p.cleanup_cost = Some("HIGH".into());
                    p.actions.push(p.actions[0].clone());
                },
                Deny,
                &[Reason::RuntimeExceeded],
            ),
            ("an invalid one", |p| envelope(p, json!({"max_steps": 0})), Deny, &[Reason::EnvelopeInvalid]),
            ("one without a model", |p| p.deployment_envelope = Some(json!({})), Deny, &[Reason::EnvelopeInvalid]),
            (
                "both",
                |p| {
                    envelope(p, json!({"max_write_scope": "none", "max_steps": 1}));
                    p.actions.push(p.actions[0].clone());
                },
                Deny,
                &[Reason::WriteScopeExceeded, Reason::RuntimeExceeded],
            ),
        ],
    );
}

fn envelope(proposal: &mut Proposal, budget: Value) {
    proposal.deployment_envelope = Some(json!({"model_id": "m", "autonomy_budget": budget}));
}

#[test]
fn open_weights_are_kept_to_the_sandbox() {
    let mut proposal = publish("p");
    proposal.deployment_envelope =
        Some(json!({"model_id": "llama", "model_source": "open", "autonomy_budget": {"max_write_scope": "staging"}}));
    let report = report(&World::dev(), "key_jordan", proposal, Vec::new(), GateName::Budget);
    assert_eq!(report.reasons, [Reason::WriteScopeExceeded]);
}
