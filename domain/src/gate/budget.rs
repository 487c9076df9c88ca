//! The deployment envelope and what it leaves: an invalid one is denied, never replaced.

use super::{GateInput, GateName, GateReport};
use crate::envelope::{AutonomyBudget, WriteScope};
use crate::event::decision::Ruling;
use crate::reason::Reason;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::Budget);
    let envelope = match &input.envelope {
        Ok(envelope) => envelope,
        Err(problem) => {
            report.raise(Ruling::Deny, Reason::EnvelopeInvalid);
            report.fact("problem", problem.to_string());
            return report;
        }
    };
    let budget = &envelope.autonomy_budget;
    let tools = &input.policy.manifest().tools;
    let needed = input.actions.iter().filter_map(|a| tools.get(&a.tool)).map(|t| t.write_scope).max();
    let allowed = budget.max_write_scope.min(input.profile.max_write_scope);
    report.fact("write_scope", format!("{allowed:?}").to_lowercase());
    if needed.unwrap_or(WriteScope::None) > allowed {
        report.raise(Ruling::Deny, Reason::WriteScopeExceeded);
    }
    let multiplier = multiplier(input.proposal.cleanup_cost.as_deref());
    report.fact("multiplier", multiplier);
    let calls = u32::try_from(input.actions.len()).unwrap_or(u32::MAX);
    if calls > scaled(budget, multiplier) {
        report.raise(Ruling::Deny, Reason::RuntimeExceeded);
    }
    report
}

/// Share of a budget that a cleanup cost leaves; an unknown word counts as medium.
pub(crate) fn multiplier(cleanup_cost: Option<&str>) -> f64 {
    match cleanup_cost {
        None | Some("LOW") => 1.0,
        Some("HIGH") => 0.5,
        Some(_) => 0.8,
    }
}

/// Tool calls that steps and calls leave, in whole ones. Counted in tenths, since the multipliers are.
fn scaled(budget: &AutonomyBudget, multiplier: f64) -> u32 {
    let tenths = if multiplier >= 1.0 {
        10
    } else if multiplier >= 0.8 {
        8
    } else {
        5
    };
    budget.max_steps.min(budget.max_tool_calls) * tenths / 10
}
