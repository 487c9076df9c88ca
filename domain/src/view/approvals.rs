//! Proposals that wait for a human. `<proposal id>` is the row; it goes when the waiting ends.

use super::{Projection, RowChange, Rows};
use crate::event::decision::Stage;
use crate::event::{Event, EventData};
use serde_json::{Value, json};

/// The read model.
pub const PROJECTION: Projection = Projection { name: "approvals", version: 1, fold };

fn fold(rows: &dyn Rows, event: &Event) -> Vec<RowChange> {
    let h = &event.header;
    match &event.data {
        EventData::ApprovalRequested(e) => {
            let id = e.challenge.proposal_id.to_string();
            let row = json!({
                "proposal_id": id, "challenge": e.challenge, "required": e.required, "decision": e.decision,
                "requested": h.seq, "time": h.time, "session": h.session, "grants": [],
            });
            vec![RowChange::Put(id, row)]
        }
        EventData::ApprovalGranted(e) => match rows.row(e.answer.proposal_id.as_str()) {
            Some(Value::Object(mut row)) => {
                if let Some(Value::Array(grants)) = row.get_mut("grants") {
                    grants.push(json!({"by": h.actor, "at": h.seq, "strength": e.strength}));
                }
                vec![RowChange::Put(e.answer.proposal_id.to_string(), Value::Object(row))]
            }
            _ => Vec::new(),
        },
        EventData::DecisionRecorded(e) if e.stage != Stage::Submission => {
            vec![RowChange::Delete(e.proposal_id.to_string())]
        }
        _ => Vec::new(),
    }
}
