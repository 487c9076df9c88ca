//! Effects and tools that always need a human.

use super::{GateInput, GateName, GateReport};
use crate::effect::Effect;
use crate::event::decision::Ruling;
use crate::reason::Reason;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::HumanOnly);
    let rules = &input.policy.bundle().effects;
    let effects: Vec<&Effect> =
        input.effects().iter().filter(|e| rules.get(*e).is_some_and(|rule| rule.human_only)).collect();
    if !effects.is_empty() {
        report.raise(Ruling::RequireHuman, Reason::HumanOnlyEffect);
    }
    report.list("effects", effects);

    let manifest = input.policy.manifest();
    let tools: Vec<_> = input
        .actions
        .iter()
        .map(|action| &action.tool)
        .filter(|name| manifest.tools.get(*name).is_some_and(|tool| tool.requires_human))
        .collect();
    if !tools.is_empty() {
        report.raise(Ruling::RequireHuman, Reason::ToolRequiresHuman);
    }
    report.list("tools", tools);
    report
}
