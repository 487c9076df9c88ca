//! Whether and how an act could be undone. An irreversible one needs a human, always; a declared way back must have
//! content.

use super::{GateInput, GateName, GateReport};
use crate::event::decision::Ruling;
use crate::event::proposal::ExecutionMode;
use crate::id::ToolName;
use crate::reason::Reason;
use serde_json::Value;

/// `human_anyway`: another gate sends the proposal to a human already. Then an undeclared class counts as
/// irreversible; otherwise it is denied, for nobody would look at it.
pub(super) fn run(input: &GateInput<'_>, human_anyway: bool) -> GateReport {
    let mut report = GateReport::new(GateName::Reversibility);
    let mode = input.mode();
    if mode.is_none() {
        report.raise(Ruling::Deny, Reason::ExecutionModeUnknown);
    }
    let tools = &input.policy.manifest().tools;
    let unfit = input.actions.iter().filter(|action| {
        mode.is_some_and(|mode| tools.get(&action.tool).is_some_and(|tool| !tool.modes.contains(&mode)))
    });
    let unfit: Vec<&ToolName> = unfit.map(|action| &action.tool).collect();
    if !unfit.is_empty() {
        report.raise(Ruling::Deny, Reason::ModeUnsupported);
    }
    report.list("mode_unsupported_by", unfit);
    let class = input.proposal.reversibility_class.as_deref();
    // An act that changes nothing needs no class; but one that is declared counts, for whoever declared it may know.
    if input.read_only && matches!(class, None | Some("REVERSIBLE" | "PARTIALLY_REVERSIBLE")) {
        return report;
    }
    let undoable = has_way_back(input);
    report.fact("class", class.map_or(Value::Null, Value::from));
    report.fact("rollback_proof", undoable);
    match class {
        Some("REVERSIBLE") if !undoable => report.raise(Ruling::Deny, Reason::RollbackProofMissing),
        Some("PARTIALLY_REVERSIBLE") if !undoable && mode == Some(ExecutionMode::Commit) => {
            report.raise(Ruling::Deny, Reason::RollbackProofMissing);
        }
        Some("REVERSIBLE" | "PARTIALLY_REVERSIBLE") => {}
        Some("IRREVERSIBLE") => report.raise(Ruling::RequireHuman, Reason::Irreversible),
        Some(_) => report.raise(Ruling::Deny, Reason::ReversibilityUnknown),
        None if human_anyway => report.raise(Ruling::RequireHuman, Reason::Irreversible),
        None => report.raise(Ruling::Deny, Reason::ReversibilityUndeclared),
    }
    report
}

/// A rollback proof says in words how, and names either a tool of the manifest or steps for a person.
fn has_way_back(input: &GateInput<'_>) -> bool {
    let Some(Value::Object(proof)) = &input.proposal.rollback_proof else {
        return false;
    };
    let words = |name: &str| proof.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    let tool = match proof.get("rollback_tool") {
        None | Some(Value::Null) => false,
        Some(Value::String(name)) => match input.policy.manifest().tools.get(name.as_str()) {
            Some(_) => true,
            // A tool that does not exist is no way back, whatever else is said.
            None => return false,
        },
        Some(_) => return false,
    };
    let steps = match proof.get("manual_steps") {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(steps)) => steps.iter().any(|s| s.as_str().is_some_and(|text| !text.trim().is_empty())),
        _ => false,
    };
    words("description") && (tool || steps)
}
