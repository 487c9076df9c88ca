//! `POST /v1/approve/{id}`, `POST /v1/deny/{id}`, `GET /v1/pending-approvals`.

use super::{body, events, may_read, ok, require_key};
use crate::app::App;
use crate::error::ApiError;
use crate::native::approvals::{answer_challenge, open_challenge, plain};
use crate::native::proposals::proposal_id;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::command::Caller;
use domain::event::approval::Verb;
use domain::event::key::Scope;
use domain::reason::Reason;
use serde::Deserialize;
use serde_json::json;

/// Approves by key: the weaker kind, and recorded as such. The body may be empty.
pub(crate) async fn approve(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    body(&bytes)?;
    let key = require_key(&app, &headers, Scope::ProposalApprove)?;
    let proposal_id = proposal_id(&id).map_err(ApiError::into_compat)?;
    let challenge = open_challenge(&app, &proposal_id).map_err(not_pending)?;
    let by = Caller::key(key.key_id);
    let answer = plain(&app, &by, proposal_id.clone(), Verb::Grant, challenge, None).await;
    let answer = answer.map_err(ApiError::into_compat)?;
    let accepted = answer_challenge(&app, by, answer, None).await.map_err(not_pending)?;
    let job_id = accepted.job_id;
    ok(&json!({"approved": true, "job_id": job_id, "proposal_id": proposal_id, "approved_by": key.principal.id}))
}

/// Why a human says no.
#[derive(Debug, Deserialize)]
pub(crate) struct Why {
    #[serde(default)]
    reason: Option<String>,
}

/// Denies by key.
pub(crate) async fn deny(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(why): Query<Why>,
) -> Result<Response, ApiError> {
    let key = require_key(&app, &headers, Scope::ProposalDeny)?;
    let proposal_id = proposal_id(&id).map_err(ApiError::into_compat)?;
    let reason = why.reason.unwrap_or_else(|| "Denied by human".into());
    crate::ingest::refuse_secrets(&json!(reason)).map_err(ApiError::into_compat)?;
    let challenge = open_challenge(&app, &proposal_id).map_err(not_pending)?;
    let by = Caller::key(key.key_id);
    let answer = plain(&app, &by, proposal_id.clone(), Verb::Deny, challenge, Some(reason.clone())).await;
    let answer = answer.map_err(ApiError::into_compat)?;
    answer_challenge(&app, by, answer, None).await.map_err(not_pending)?;
    ok(&json!({"denied": true, "proposal_id": proposal_id, "denied_by": key.principal.id, "reason": reason}))
}

/// Whatever is not pending, for whatever reason, was 404 there; one that somebody else answered meanwhile is 409.
fn not_pending(error: ApiError) -> ApiError {
    if error.reason == Reason::NotPending.code() || error.reason == Reason::ProposalUnknown.code() {
        return ApiError::detail(StatusCode::NOT_FOUND, "No pending proposal found");
    }
    error.into_compat()
}

/// What waits for a human, newest first.
pub(crate) async fn pending(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    may_read(&app, &headers)?;
    app.catch_up(Some(app.ledger.head().size.get())).await.map_err(ApiError::into_compat)?;
    let mut pending = Vec::new();
    for row in app.models.pending_approvals(1000).map_err(ApiError::internal)? {
        let Some(event) = events::at(&app, row.decision)? else {
            continue;
        };
        pending.push(json!({"id": event.id, "proposal_id": row.proposal_id, "payload": event.payload}));
    }
    pending.reverse();
    ok(&json!({"pending": pending}))
}
