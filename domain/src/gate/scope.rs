//! The agent's scope, and whether the key that spoke may speak for it.

use super::{GateInput, GateName, GateReport, speaks_for_others};
use crate::effect::Effect;
use crate::event::decision::Ruling;
use crate::reason::Reason;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::AgentScope);
    report.fact("profile", input.profile.name.as_str());

    let outside: Vec<&Effect> =
        input.effects().iter().filter(|e| !input.profile.allowed_effects.contains(*e)).collect();
    if !outside.is_empty() {
        report.raise(Ruling::Deny, Reason::EffectOutOfScope);
    }
    report.list("outside_scope", outside);

    // An agent's key never names another agent; services and runners name none. The actor says so when it is not itself.
    if let Some(other) = &input.actor.on_behalf_of {
        report.fact("on_behalf_of", other.as_str());
        if !speaks_for_others(input.actor.kind) {
            report.raise(Ruling::Deny, Reason::AgentKeyMismatch);
        }
    }
    report
}
