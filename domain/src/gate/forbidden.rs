//! Effects that nobody may have: `READ_SECRETS` by law, others by policy.

use super::{GateInput, GateName, GateReport};
use crate::effect::Effect;
use crate::event::decision::Ruling;
use crate::reason::Reason;

pub(super) fn run(input: &GateInput<'_>) -> GateReport {
    let mut report = GateReport::new(GateName::ForbiddenEffects);
    let rules = &input.policy.bundle().effects;
    let forbidden = |e: &&Effect| e.as_str() == Effect::READ_SECRETS || rules.get(*e).is_some_and(|r| r.forbidden);
    let hit: Vec<&Effect> = input.effects().iter().filter(forbidden).collect();
    if !hit.is_empty() {
        report.raise(Ruling::Deny, Reason::ForbiddenEffect);
    }
    report.list("forbidden", hit);
    report
}
