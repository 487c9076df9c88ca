//! Proposals that are ruled as their names say, under the default policy.

use domain::event::decision::Ruling;
use serde_json::{Value, json};

/// The intent that all of them serve.
pub(super) const INTENT: &str = "bench";

/// Each with the ruling that it gets.
pub(super) const KINDS: [(&str, Ruling); 3] =
    [("allowed", Ruling::Allow), ("denied", Ruling::Deny), ("escalated", Ruling::RequireHuman)];

/// A proposal of this kind.
pub(super) fn proposal(kind: Ruling, id: &str) -> Value {
    let (effects, actions) = match kind {
        Ruling::Allow | Ruling::NeedMoreEvidence => {
            (json!(["READ_REPO"]), json!([{"tool": "read_file", "inputs": {"path": "README.md"}}]))
        }
        Ruling::Deny => (json!(["READ_SECRETS"]), json!([{"tool": "echo", "inputs": {"message": "the secrets"}}])),
        Ruling::RequireHuman => (
            json!(["WRITE_PATCH"]),
            json!([{"tool": "file_write", "inputs": {"path": "notes.txt", "content": "to be kept\n"}}]),
        ),
    };
    let irreversible = (kind == Ruling::RequireHuman).then_some("IRREVERSIBLE");
    json!({
        "proposal_id": id, "intent_id": INTENT, "agent": "Casey", "summary": "measure what a decision costs",
        "effects": effects, "actions": actions, "risk_score": 0.3,
        "truth_account": {
            "observations": ["the file is there", {"text": "nobody else works on it", "kind": "lock"}],
            "claims": [{"confidence": 0.9, "text": "it is safe to go on"}],
        },
        "reversibility_class": irreversible,
    })
}
