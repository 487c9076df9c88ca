//! Jobs and what became of them. `job/<id>` is the row, `order/<seq>` its place.

use super::{Projection, RowChange, Rows, order_key};
use crate::event::{Event, EventData};
use crate::id::JobId;
use serde_json::{Value, json};

/// The read model.
pub const PROJECTION: Projection = Projection { name: "jobs", version: 1, fold };

fn fold(rows: &dyn Rows, event: &Event) -> Vec<RowChange> {
    let h = &event.header;
    let change = |id: &JobId, set: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let key = format!("job/{id}");
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
        EventData::JobCreated(e) => {
            let row = json!({
                "job": e.job, "decision": e.decision, "approvals": e.approvals, "created": h.seq, "time": h.time,
                "updated": h.time, "session": h.session, "status": "ready", "attempt": 0,
            });
            vec![
                RowChange::Put(format!("job/{}", e.job.job_id), row),
                RowChange::Put(order_key(h.seq), json!(e.job.job_id)),
            ]
        }
        EventData::JobLeased(e) => change(&e.job_id, &|row| {
            row.insert("status".into(), json!("leased"));
            row.insert("attempt".into(), json!(e.attempt));
            row.insert("runner_id".into(), json!(e.lease.runner_id));
            row.insert("lease".into(), json!(h.seq));
            row.insert("expires".into(), json!(e.expires));
        }),
        EventData::JobLeaseExpired(e) => change(&e.job_id, &|row| {
            row.insert("status".into(), json!("ready"));
        }),
        EventData::ResultRecorded(e) => change(&e.result.job_id, &|row| {
            row.insert("result".into(), json!(e.result));
            row.insert("evidence".into(), json!(e.evidence));
            row.insert("result_seq".into(), json!(h.seq));
        }),
        EventData::JobCompleted(e) | EventData::JobFailed(e) | EventData::JobRejected(e) | EventData::JobUnknown(e) => {
            change(&e.job_id, &|row| {
                let status = event.data.type_name().strip_prefix("job.").unwrap_or_default();
                row.insert("status".into(), json!(status));
            })
        }
        _ => Vec::new(),
    }
}
