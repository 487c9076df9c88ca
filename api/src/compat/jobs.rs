//! `GET /v1/jobs`.

use super::{may_read, ok, view};
use crate::app::App;
use crate::error::ApiError;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::content::Text;
use domain::event::job::Job;
use domain::event::result::JobResult;
use domain::time::Timestamp;
use proof::index::LeafIndex;
use serde::Deserialize;
use serde_json::{Value, json};

/// Which jobs.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    limit: Option<i64>,
    #[serde(default)]
    status: Option<String>,
}

/// The newest `limit`, oldest first, with their status.
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    may_read(&app, &headers)?;
    app.catch_up(Some(app.ledger.head().size.get())).await.map_err(ApiError::into_compat)?;
    let limit = usize::try_from(which.limit.unwrap_or(100).clamp(1, 1000)).unwrap_or(1);
    let mut jobs = Vec::new();
    for row in app.models.jobs(limit).map_err(ApiError::internal)? {
        let entry = entry(&row)?;
        if which.status.as_deref().is_none_or(|wanted| entry.get("status").and_then(Value::as_str) == Some(wanted)) {
            jobs.push(entry);
        }
    }
    jobs.reverse();
    ok(&json!({"jobs": jobs}))
}

fn entry(row: &Value) -> Result<Value, ApiError> {
    let part = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    let job: Job = serde_json::from_value(part("job")).map_err(ApiError::internal)?;
    let created: LeafIndex = serde_json::from_value(part("created")).map_err(ApiError::internal)?;
    let time: Timestamp = serde_json::from_value(part("time")).map_err(ApiError::internal)?;
    let result: Option<JobResult> = serde_json::from_value(part("result")).map_err(ApiError::internal)?;
    let mut spec = view::job_spec(&job);
    let Value::Object(members) = &mut spec else { return Ok(spec) };
    members.insert("stream_id".into(), json!(view::stream_id(time.as_ms(), created)));
    let actions = result.as_ref().map(|r| r.actions.as_slice()).unwrap_or_default();
    let output: Vec<String> = actions.iter().filter_map(|a| a.output.as_ref()).map(|t: &Text| view::text(t)).collect();
    match row.get("status").and_then(Value::as_str) {
        Some("completed") => {
            members.insert("status".into(), json!("completed"));
            members.insert("output".into(), json!(output.join("\n")));
        }
        Some("failed" | "rejected" | "unknown") => {
            let detail = result.and_then(|r| r.detail).unwrap_or_else(|| "failed".into());
            members.insert("status".into(), json!("failed"));
            members.insert("error".into(), json!(detail));
        }
        Some("leased") => {
            members.insert("status".into(), json!("running"));
        }
        _ => {
            members.insert("status".into(), json!("pending"));
        }
    }
    Ok(spec)
}
