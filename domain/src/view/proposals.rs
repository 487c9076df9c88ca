//! Proposals and how they were ruled. `proposal/<id>` is the row, `order/<seq>` its place, `job/<id>` finds it by its
//! job. A row's `groups` are the first leaf indices of all commands that belong to the proposal's story.

use super::{Projection, RowChange, Rows, order_key};
use crate::event::{Event, EventData};
use serde_json::{Map, Value, json};

/// The read model.
pub const PROJECTION: Projection = Projection { name: "proposals", version: 1, fold };

fn fold(rows: &dyn Rows, event: &Event) -> Vec<RowChange> {
    let h = &event.header;
    let change = |id: &str, set: &dyn Fn(&mut Map<String, Value>)| {
        let key = format!("proposal/{id}");
        let Some(Value::Object(mut row)) = rows.row(&key) else {
            return Vec::new();
        };
        set(&mut row);
        row.insert("updated".into(), json!(h.time));
        if let Some(Value::Array(groups)) = row.get_mut("groups")
            && groups.last() != Some(&json!(h.group))
        {
            groups.push(json!(h.group));
        }
        vec![RowChange::Put(key, Value::Object(row))]
    };
    let by_job = |job_id: &str, set: &dyn Fn(&mut Map<String, Value>)| match rows.row(&format!("job/{job_id}")) {
        Some(Value::String(id)) => change(&id, set),
        _ => Vec::new(),
    };
    match &event.data {
        EventData::ProposalSubmitted(e) => {
            let p = &e.proposal;
            let row = json!({
                "proposal_id": p.proposal_id, "intent_id": p.intent_id, "agent": p.agent, "summary": p.summary,
                "effects": p.effects, "actor": h.actor, "session": h.session, "submitted": h.seq, "time": h.time,
                "updated": h.time, "status": "submitted", "groups": [h.group],
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
        EventData::ApprovalGranted(e) | EventData::ApprovalDenied(e) => change(e.answer.proposal_id.as_str(), &|_| {}),
        EventData::JobCreated(e) => {
            let mut changes = change(e.job.proposal_id.as_str(), &|row| {
                row.insert("job_id".into(), json!(e.job.job_id));
            });
            changes.push(RowChange::Put(format!("job/{}", e.job.job_id), json!(e.job.proposal_id)));
            changes
        }
        EventData::JobLeased(e) => by_job(e.job_id.as_str(), &|_| {}),
        EventData::JobLeaseExpired(e) => by_job(e.job_id.as_str(), &|_| {}),
        EventData::JobCompleted(e) | EventData::JobFailed(e) | EventData::JobRejected(e) | EventData::JobUnknown(e) => {
            change(e.proposal_id.as_str(), &|row| {
                row.insert("job".into(), json!(event.data.type_name()));
            })
        }
        _ => Vec::new(),
    }
}
