//! `POST /api/v1/jobs/lease`, `POST /api/v1/jobs/{id}/result`, `GET /api/v1/jobs[/{id}[/result]]`.

use super::proposals::Page;
use super::{Body, json};
use crate::app::App;
use crate::error::ApiError;
use crate::warrant;
use crate::{auth, ingest, request};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::authored::StatementKind;
use domain::command::Command;
use domain::content::Text;
use domain::event::job::LeaseRequest;
use domain::event::key::Scope;
use domain::event::result::JobResult;
use domain::event::{EventData, PrincipalKind};
use domain::id::JobId;
use domain::reason::Reason;
use ledger::SubmitError;
use projections::JobRow;
use proof::index::LeafIndex;
use schemas::job::{JobOutput, ResultAccepted};
use serde::Deserialize;
use std::time::Duration;

/// Longest wait of a lease request.
const WAIT_MS_MAX: u64 = 30_000;

/// How long to wait for work.
#[derive(Debug, Deserialize)]
pub(crate) struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

/// Leases the oldest job that fits, waiting for one if asked to. 204: none came.
pub(crate) async fn lease(State(app): State<App>, Query(wait): Query<Wait>, body: Body) -> Result<Response, ApiError> {
    let signed = ingest::signed::signed(request::json(&body)?)?;
    let (_, key_id) = ingest::signed::signer(&signed.envelope)?;
    let (lease, seen): (LeaseRequest, _) =
        ingest::signed::statement(&signed.envelope, StatementKind::Lease, app.ledger.origin())?;
    let command = Command::LeaseJob { request: lease, key_id, seen: seen.size, authored: signed.envelope };
    // A stranger learns at once that it is one, and holds no connection.
    app.ledger.with_state(|state| domain::decide::check_signature(state, &command))?;
    let deadline = tokio::time::Instant::now() + Duration::from_millis(wait.wait_ms.min(WAIT_MS_MAX));
    let mut news = app.ledger.watch();
    loop {
        news.mark_unchanged();
        let ready = app.ledger.with_state(|state| state.ready_jobs().next().is_some());
        if ready || wait.wait_ms == 0 {
            match app.ledger.submit(command.clone()).await {
                Ok(done) => {
                    let first = done.events.first().ok_or_else(|| ApiError::internal("a lease without an event"))?;
                    return json(StatusCode::OK, &warrant::warrant(&app, first, seen.size)?);
                }
                Err(SubmitError::Rejected(no)) if no.reason == Reason::NoJob => {}
                Err(error) => return Err(error.into()),
            }
        }
        match tokio::time::timeout_at(deadline, news.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }
}

/// Records what the runner says it did.
pub(crate) async fn report(State(app): State<App>, Path(id): Path<String>, body: Body) -> Result<Response, ApiError> {
    let signed = ingest::signed::signed(request::json(&body)?)?;
    let (by, _) = ingest::signed::signer(&signed.envelope)?;
    let (result, _): (JobResult, _) =
        ingest::signed::statement(&signed.envelope, StatementKind::Result, app.ledger.origin())?;
    if result.job_id.as_str() != id {
        let detail = format!("the statement is about job `{}`, the path about `{id}`", result.job_id);
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::StatementMismatch, detail));
    }
    let bodies = ingest::signed::bodies(&signed.bodies, &ingest::result::commitments(&result))?;
    ingest::result::refuse_secrets(&result, &bodies)?;
    let job_id = result.job_id.clone();
    let command = Command::RecordResult { by, result, authored: Some(signed.envelope) };
    ingest::store_for(&app, &command, bodies).await?;
    let done = app.ledger.submit(command).await?;
    let first = done.events.first().ok_or_else(|| ApiError::internal("a result without an event"))?;
    let last = done.events.last().unwrap_or(first);
    let status = last.data.type_name().strip_prefix("job.").unwrap_or_default().to_owned();
    json(StatusCode::CREATED, &ResultAccepted { job_id, status, seq: first.header.seq, receipt: done.receipt })
}

/// Newest first.
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Response, ApiError> {
    auth::may_read(&app, &headers)?;
    app.catch_up(page.at_least).await?;
    let before = page.before.map(LeafIndex::new);
    let found = app.models.jobs(page.limit(), before, None).map_err(ApiError::internal)?;
    json(StatusCode::OK, &serde_json::json!({"jobs": found.jobs, "next": found.next}))
}

/// One job.
pub(crate) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, ApiError> {
    auth::may_read(&app, &headers)?;
    app.catch_up(page.at_least).await?;
    json(StatusCode::OK, &row(&app, &job_id(&id)?)?)
}

fn job_id(text: &str) -> Result<JobId, ApiError> {
    JobId::new(text).map_err(|e| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, e.to_string()))
}

fn row(app: &App, id: &JobId) -> Result<JobRow, ApiError> {
    let found = app.models.job(id).map_err(ApiError::internal)?;
    found.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, Reason::JobUnknown, format!("there is no job `{id}`")))
}

/// What a job's tools printed and read. For the agent on whose limits it ran, and for whoever has `log:read`.
pub(crate) async fn output(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Response, ApiError> {
    let key = auth::key_of(&app, &headers)?;
    let job_id = job_id(&id)?;
    wait_for_end(&app, &job_id, wait.wait_ms.min(WAIT_MS_MAX)).await?;
    app.catch_up(Some(app.ledger.head().size.get())).await?;
    let row = row(&app, &job_id)?;
    let itself = key.principal.kind == PrincipalKind::Agent && key.principal.id.as_str() == row.job.agent.as_str();
    if !itself && !key.scopes.contains(&Scope::LogRead) {
        let detail = format!("key `{}` is neither the agent's nor has the scope `log:read`", key.key_id);
        return Err(ApiError::new(StatusCode::FORBIDDEN, Reason::ScopeMissing, detail));
    }
    let (status, result) = (row.status, row.result);
    let mut outputs = Vec::new();
    for action in result.iter().flat_map(|result| &result.actions) {
        outputs.push(match &action.output {
            None => None,
            Some(Text::Inline(text)) => Some(text.clone()),
            Some(Text::Committed { commit }) => {
                let body = app.ledger.content().get(commit).map_err(ApiError::internal)?;
                body.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned())
            }
        });
    }
    json(StatusCode::OK, &JobOutput { job_id, status, result, outputs })
}

/// Waits, bounded, until the job has ended.
async fn wait_for_end(app: &App, id: &JobId, wait_ms: u64) -> Result<(), ApiError> {
    let deadline = tokio::time::Instant::now() + Duration::from_millis(wait_ms);
    let mut news = app.ledger.watch();
    loop {
        news.mark_unchanged();
        let (open, created) = app.ledger.with_state(|state| (state.job(id).is_some(), state.job_created(id)));
        match (open, created?) {
            (true, _) => {}
            (false, Some(_)) => return Ok(()),
            (false, None) => {
                return Err(ApiError::new(
                    StatusCode::NOT_FOUND,
                    Reason::JobUnknown,
                    format!("there is no job `{id}`"),
                ));
            }
        }
        match tokio::time::timeout_at(deadline, news.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(()),
        }
    }
}

/// The job that a lease event is about.
pub(crate) fn leased(data: &EventData) -> Option<&JobId> {
    match data {
        EventData::JobLeased(e) => Some(&e.job_id),
        _ => None,
    }
}
