//! Proposals and how they were ruled. `proposal/<id>` is the row, `order/<seq>` its place.

use super::{Projection, RowChange, Rows, order_key};
use crate::event::{Event, EventData};
use serde_json::{Value, json};

/// The read model.
pub const PROJECTION: Projection = Projection { name: "proposals", version: 1, fold };

fn fold(rows: &dyn Rows, event: &Event) -> Vec<RowChange> {
    let h = &event.header;
    let change = |id: &str, set: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let key = format!("proposal/{id}");
        match rows.row(&key) {
            Some(Value::Object(mut row)) => {
                set(&mut row);
                row.insert("updated".into(), json!(h.time));
                vec![RowChange::Put(key, Value::Object(row))]
            }
            _ => Vec::new(),
        }
    };
    match &event.data {
        EventData::ProposalSubmitted(e) => {
            let p = &e.proposal;
            let row = json!({
                "proposal_id": p.proposal_id, "intent_id": p.intent_id, "agent": p.agent, "summary": p.summary,
                "effects": p.effects, "actor": h.actor, "session": h.session, "submitted": h.seq, "time": h.time,
                "updated": h.time, "status": "submitted",
            });
            vec![
                RowChange::Put(format!("proposal/{}", p.proposal_id), row),
                RowChange::Put(order_key(h.seq), json!(p.proposal_id)),
            ]
        }
        EventData::DecisionRecorded(e) => change(e.proposal_id.as_str(), &|row| {
            row.insert("ruling".into(), json!(e.ruling));
            row.insert("reasons".into(), json!(e.reasons));
            row.insert("decision".into(), json!(h.seq));
            row.insert("status".into(), json!(e.ruling));
        }),
        EventData::JobCreated(e) => change(e.job.proposal_id.as_str(), &|row| {
            row.insert("job_id".into(), json!(e.job.job_id));
        }),
        EventData::JobCompleted(e) | EventData::JobFailed(e) | EventData::JobRejected(e) | EventData::JobUnknown(e) => {
            change(e.proposal_id.as_str(), &|row| {
                row.insert("job".into(), json!(event.data.type_name()));
            })
        }
        _ => Vec::new(),
    }
}
