//! Effects and tools that the bundle and the manifest do not know, and tools with effects that were not declared.

use super::{GateInput, GateName, GateReport};
use crate::effect::Effect;
use crate::event::decision::Ruling;
use crate::reason::Reason;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::UnknownEffects);
    let known = &input.policy.bundle().effects;
    if input.effects().is_empty() {
        report.raise(Ruling::Deny, Reason::NoEffects);
    }
    let unknown: Vec<&Effect> = input.effects().iter().filter(|e| !known.contains_key(*e)).collect();
    if !unknown.is_empty() {
        report.raise(Ruling::Deny, Reason::UnknownEffect);
    }
    report.list("unknown", unknown);

    let (mut strangers, mut undeclared, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
    for (i, action) in input.actions.iter().enumerate() {
        let Some(tool) = input.policy.manifest().tools.get(&action.tool) else {
            strangers.push(action.tool.to_string());
            continue;
        };
        undeclared.extend(tool.effects.iter().filter(|e| !input.effects().contains(*e)).map(ToString::to_string));
        if let Err(problem) = tool.check_inputs(action) {
            unfit.push(format!("actions[{i}] {}: {problem}", action.tool));
        }
    }
    for (list, reason) in [
        (&strangers, Reason::ToolNotInManifest),
        (&undeclared, Reason::EffectUndeclared),
        (&unfit, Reason::ToolInputInvalid),
    ] {
        if !list.is_empty() {
            report.raise(Ruling::Deny, reason);
        }
    }
    report.list("tools_not_in_manifest", strangers);
    report.list("undeclared", undeclared);
    report.list("inputs", unfit);
    report
}
