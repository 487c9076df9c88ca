//! The predecessor's shapes, made from ours.

use super::python_list;
use domain::content::Text;
use domain::event::decision::Ruling;
use domain::event::job::Job;
use domain::event::proposal::Proposal;
use domain::gate::{GateName, GateReport};
use domain::id::JobId;
use domain::reason::Reason;
use proof::index::LeafIndex;
use serde_json::{Value, json};

/// `<ms>-<seq>`: valid for Redis, ordered, and the same every time.
pub(super) fn stream_id(ms: u64, seq: LeafIndex) -> String {
    format!("{ms}-{seq}")
}

/// The eight members of a `GovernanceDecision`, nulls included.
pub(super) fn governance_decision(
    proposal: &Proposal,
    gates: &[GateReport],
    ruling: Ruling,
    job_id: Option<&JobId>,
) -> Value {
    let reversibility = gates.iter().find(|report| report.gate == GateName::Reversibility);
    let blocked = reversibility.filter(|report| report.ruling > Ruling::Allow);
    let safe_alternative = blocked.map(safe_alternative);
    let gate = blocked.map(|report| {
        json!({"allowed": false, "reason": reversibility_text(proposal, report),
            "safe_alternative": safe_alternative, "downgrade_to_proposal": true})
    });
    let human = ruling == Ruling::RequireHuman;
    let allowed_effects = match ruling {
        Ruling::Allow => json!(proposal.effects),
        Ruling::RequireHuman => json!(proposal.effects.iter().filter(|e| e.as_str() != "DEPLOY").collect::<Vec<_>>()),
        Ruling::NeedMoreEvidence | Ruling::Deny => Value::Null,
    };
    json!({
        "proposal_id": proposal.proposal_id,
        "decision": ruling,
        "reasons": reasons(proposal, gates, ruling),
        "required_approvals": human.then(|| json!(["mac"])),
        "allowed_effects": allowed_effects,
        "job_id": job_id,
        "reversibility_gate": gate,
        "safe_alternative": safe_alternative,
    })
}

/// Every reason as a sentence; the ones that the predecessor had, in its words.
pub(super) fn reasons(proposal: &Proposal, gates: &[GateReport], ruling: Ruling) -> Vec<String> {
    if ruling == Ruling::Allow {
        let text = gates
            .iter()
            .find(|report| report.gate == GateName::Reversibility)
            .map(|report| reversibility_text(proposal, report))
            .unwrap_or_default();
        return vec![
            format!("Allowed by policy. Agent '{}' within scope.", proposal.agent),
            format!("Reversibility Gate: {text}"),
        ];
    }
    gates
        .iter()
        .flat_map(|report| report.reasons.iter().map(move |reason| sentence(proposal, report, *reason)))
        .collect()
}

fn sentence(proposal: &Proposal, report: &GateReport, reason: Reason) -> String {
    let list = |name: &str| -> Vec<String> {
        let items = report.facts.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    match reason {
        Reason::ForbiddenEffect => {
            let hit = list("forbidden");
            format!("{} is forbidden.", hit.join(", "))
        }
        Reason::EffectOutOfScope => {
            format!("Agent '{}' not allowed effects: {}", proposal.agent, python_list(&list("outside_scope")))
        }
        Reason::RiskAboveAgentMax => {
            let number = |name: &str| report.facts.get(name).and_then(Value::as_f64);
            let risk = number("declared").unwrap_or(0.0).max(number("floor").unwrap_or(0.0));
            let max = number("max").unwrap_or(0.0);
            format!("Risk {risk} exceeds agent '{}' max {max}. Requires human review.", proposal.agent)
        }
        Reason::HumanOnlyEffect => {
            format!("{} requires human approval.", list("effects").join(", "))
        }
        _ if report.gate == GateName::Reversibility => {
            format!("Reversibility Gate: {}", reversibility_text(proposal, report))
        }
        other => format!("{} ({})", other.text(), other.code()),
    }
}

fn reversibility_text(proposal: &Proposal, report: &GateReport) -> String {
    let class = proposal.reversibility_class.as_deref();
    match report.reasons.first() {
        None => match class {
            _ if !report.facts.contains_key("class") => "Read-only action; reversibility gate bypassed.".into(),
            Some("REVERSIBLE") => "REVERSIBLE action with valid rollback_proof.".into(),
            Some("PARTIALLY_REVERSIBLE") => {
                let mode = proposal.execution_mode.as_deref().unwrap_or("commit");
                format!("PARTIALLY_REVERSIBLE action allowed in {mode} mode.")
            }
            _ => "IRREVERSIBLE action approved by human.".into(),
        },
        Some(Reason::Irreversible) => "IRREVERSIBLE action requires explicit human approval.".into(),
        Some(Reason::ReversibilityUndeclared) => "Non-read action missing reversibility_class declaration.".into(),
        Some(Reason::ReversibilityUnknown) => {
            format!("Invalid reversibility_class: {}", class.unwrap_or_default())
        }
        Some(Reason::RollbackProofMissing) if class == Some("REVERSIBLE") => {
            "REVERSIBLE action requires rollback_proof.".into()
        }
        Some(Reason::RollbackProofMissing) => "PARTIALLY_REVERSIBLE commit requires rollback_proof.".into(),
        Some(other) => other.text().into(),
    }
}

fn safe_alternative(report: &GateReport) -> &'static str {
    if report.ruling == Ruling::RequireHuman {
        "approval_required"
    } else if report.facts.get("class").and_then(Value::as_str) == Some("PARTIALLY_REVERSIBLE") {
        "draft"
    } else {
        "proposal"
    }
}

/// A text as the predecessor shows it: a committed one stays where it is.
pub(super) fn text(text: &Text) -> String {
    match text {
        Text::Inline(text) => text.clone(),
        Text::Committed { commit } => format!("[{} bytes beside the log, sha256 {}]", commit.length, commit.sha256),
    }
}

/// A job record with the members that the predecessor's runner reads.
pub(super) fn job_spec(job: &Job) -> Value {
    use domain::envelope::WriteScope;
    let envelope = &job.deployment_envelope;
    let scope = envelope.autonomy_budget.max_write_scope;
    let first = job.actions.first();
    let retry_limit = match job.cleanup_cost.as_deref() {
        None => Value::Null,
        Some("LOW") => json!(5),
        Some("HIGH") => json!(1),
        Some(_) => json!(3),
    };
    json!({
        "job_id": job.job_id, "proposal_id": job.proposal_id,
        "tool": first.map(|action| &action.tool), "inputs": first.map(|action| &action.inputs),
        "actions": job.actions,
        "sandbox": {
            "network": if scope <= WriteScope::Sandbox { "deny" } else { "allow" },
            "fs": if scope == WriteScope::None { "ro" } else { "rw" },
            "write_scope": scope,
        },
        "timeout_seconds": job.timeout_ms / 1000,
        "manifest_hash": job.manifest, "envelope_hash": job.envelope_hash, "deployment_envelope": envelope,
        "autonomy_budget": envelope.autonomy_budget, "safety_mode": envelope.safety_mode, "model_id": envelope.model_id,
        "reversibility_class": job.reversibility_class, "rollback_proof": job.rollback_proof,
        "execution_mode": job.execution_mode, "human_approved": job.human_approved, "cleanup_cost": job.cleanup_cost,
        "budget_multiplier": job.budget_multiplier, "retry_limit": retry_limit, "effect_schema_version": "1.0.0",
    })
}
