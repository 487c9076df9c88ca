//! Risk: the declared score or the computed floor, whichever is higher, against what the agent may take alone.
//!
//! Floor = the greatest `risk_floor` of the declared effects, plus the bundle's addition for the declared
//! reversibility class, at most 1.

use super::{GateInput, GateName, GateReport};
use crate::effect::Effect;
use crate::event::decision::Ruling;
use crate::policy::Bundle;
use crate::reason::Reason;

/// The least risk that an act counts for. Rounded to nine digits, so that 0.1 and 0.2 make 0.3 as the policy's author
/// reckons, and what equals a cap passes it.
pub fn floor<'a>(effects: impl IntoIterator<Item = &'a Effect>, class: Option<&str>, bundle: &Bundle) -> f64 {
    let of_effect = |e: &Effect| bundle.effects.get(e).map_or(1.0, |rule| rule.risk_floor);
    let base = effects.into_iter().map(of_effect).fold(0.0, f64::max);
    let added = match class {
        Some("IRREVERSIBLE") => bundle.risk_irreversible,
        Some("PARTIALLY_REVERSIBLE") => bundle.risk_partially_reversible,
        _ => 0.0,
    };
    f64::min(((base + added) * 1e9).round() / 1e9, 1.0)
}

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::Risk);
    let bundle = input.policy.bundle();
    let floor = floor(input.effects(), input.proposal.reversibility_class.as_deref(), bundle);
    let declared = input.proposal.risk_score;
    let risk = declared.map_or(floor, |d| f64::max(d, floor));
    report.fact("floor", floor);
    if let Some(declared) = declared {
        report.fact("declared", declared);
    }
    report.fact("max", input.profile.max_risk);
    // A number that compares with nothing escalates too.
    if risk.partial_cmp(&input.profile.max_risk).is_none_or(std::cmp::Ordering::is_gt) {
        report.raise(Ruling::RequireHuman, Reason::RiskAboveAgentMax);
    }
    report
}
