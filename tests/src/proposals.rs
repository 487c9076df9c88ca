//! Proposals that would be ruled as their names say.

use schemas::intent::SubmitIntent;
use schemas::proposal::SubmitProposal;
use serde_json::{Value, json};

/// An intent.
///
/// # Panics
/// If the name cannot be one.
pub fn intent(id: &str, goal: &str) -> SubmitIntent {
    serde_json::from_value(json!({"intent_id": id, "goal": goal})).unwrap()
}

/// A proposal with nothing but what it must have, as JSON.
pub fn bare(agent: &str, id: &str, effects: &[&str], actions: &Value) -> Value {
    json!({
        "proposal_id": id, "intent_id": "the-intent", "agent": agent, "summary": format!("what {id} is about"),
        "effects": effects, "actions": actions,
        "truth_account": {"observations": ["it was seen"], "claims": []},
    })
}

/// The same, typed.
///
/// # Panics
/// If it does not fit the wire type.
pub fn proposal(agent: &str, id: &str, effects: &[&str], actions: &Value) -> SubmitProposal {
    serde_json::from_value(bare(agent, id, effects, actions)).unwrap()
}

/// Says how it would be undone.
#[must_use]
pub fn undoable(mut proposal: SubmitProposal) -> SubmitProposal {
    proposal.reversibility_class = Some("REVERSIBLE".into());
    proposal.rollback_proof = Some(json!({"description": "by hand", "manual_steps": ["put it back"]}));
    proposal
}

/// Reads a file: allowed to Casey.
pub fn read(id: &str, path: &str) -> SubmitProposal {
    proposal("Casey", id, &["READ_REPO"], &json!([{"tool": "read_file", "inputs": {"path": path}}]))
}

/// Says something: allowed to Casey, by an `echo` of a read-only proposal.
pub fn echo(id: &str, message: &str) -> SubmitProposal {
    proposal("Casey", id, &["READ_REPO"], &json!([{"tool": "echo", "inputs": {"message": message}}]))
}

/// Writes a file: allowed to Casey.
pub fn write(id: &str, path: &str, content: &str) -> SubmitProposal {
    let actions = json!([{"tool": "file_write", "inputs": {"path": path, "content": content}}]);
    undoable(proposal("Casey", id, &["WRITE_PATCH"], &actions))
}

/// Applies a patch: allowed to Casey.
pub fn patch(id: &str, patch: &str) -> SubmitProposal {
    let actions = json!([{"tool": "apply_patch", "inputs": {"patch": patch}}]);
    undoable(proposal("Casey", id, &["WRITE_PATCH"], &actions))
}

/// Runs the tests: allowed to Casey.
pub fn tests(id: &str) -> SubmitProposal {
    undoable(proposal("Casey", id, &["RUN_TESTS"], &json!([{"tool": "run_tests", "inputs": {}}])))
}

/// Reads secrets: denied, always.
pub fn secrets(id: &str) -> SubmitProposal {
    proposal("Casey", id, &["READ_SECRETS"], &json!([{"tool": "echo", "inputs": {"message": "the secrets"}}]))
}

/// Writes a file and cannot take it back: needs a human.
pub fn irreversible(id: &str, path: &str, content: &str) -> SubmitProposal {
    let mut proposal = write(id, path, content);
    proposal.reversibility_class = Some("IRREVERSIBLE".into());
    proposal.rollback_proof = None;
    proposal
}
