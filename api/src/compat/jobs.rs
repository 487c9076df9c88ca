//! `GET /v1/jobs`.

use super::{may_read, ok, view};
use crate::app::App;
use crate::error::ApiError;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use projections::JobRow;
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
    let looked_at = if which.status.is_some() { 1000 } else { limit };
    let found = app.models.jobs(looked_at, None, None).map_err(ApiError::internal)?;
    let mut jobs: Vec<Value> = found.jobs.iter().map(entry).collect();
    if let Some(wanted) = which.status.as_deref() {
        jobs.retain(|job| job.get("status").and_then(Value::as_str) == Some(wanted));
    }
    jobs.truncate(limit);
    jobs.reverse();
    ok(&json!({"jobs": jobs}))
}

fn entry(row: &JobRow) -> Value {
    let mut spec = view::job_spec(&row.job);
    let Value::Object(members) = &mut spec else {
        return spec;
    };
    members.insert("stream_id".into(), json!(view::stream_id(row.time.as_ms(), row.created)));
    let actions = row.result.as_ref().map(|r| r.actions.as_slice()).unwrap_or_default();
    let output: Vec<String> = actions.iter().filter_map(|a| a.output.as_ref()).map(view::text).collect();
    let status = match row.status.as_str() {
        "completed" => {
            members.insert("output".into(), json!(output.join("\n")));
            "completed"
        }
        "failed" | "rejected" | "unknown" => {
            let detail = row.result.as_ref().and_then(|r| r.detail.clone());
            members.insert("error".into(), json!(detail.unwrap_or_else(|| "failed".into())));
            "failed"
        }
        "leased" => "running",
        _ => "pending",
    };
    members.insert("status".into(), json!(status));
    spec
}
