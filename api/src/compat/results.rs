//! `POST /v1/runner/result`: a result without a warrant. Accepted only for jobs without effects, and recorded as what
//! it is, an API key's word.

use super::{body, ok, require_key, require_members};
use crate::app::App;
use crate::error::ApiError;
use crate::{ingest, request};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::command::{Caller, Command};
use domain::event::EventData;
use domain::event::key::Scope;
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::id::{JobId, ProposalId};
use domain::reason::Reason;
use proof::hash::Hash;
use schemas::commit::Earlier;
use serde::Deserialize;
use serde_json::{Value, json};

/// Bytes of a result, as the predecessor counts them.
const RESULT_BYTES: usize = 65_536;
/// Longest text that is kept of one.
const TEXT_BYTES: usize = 8_000;

/// The predecessor's request; unknown members are ignored.
#[derive(Debug, Deserialize)]
struct Report {
    job_id: JobId,
    proposal_id: ProposalId,
    status: Status,
    #[serde(default)]
    output: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    completion_artifacts: Option<Artifacts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Completed,
    Failed,
    ManifestReject,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Artifacts {
    files: Vec<FileArtifact>,
    diffs: Vec<DiffArtifact>,
    logs: Vec<LogArtifact>,
    receipts: Vec<ReceiptArtifact>,
}

#[derive(Debug, Deserialize)]
struct FileArtifact {
    path: String,
    sha256: Hash,
}

#[derive(Debug, Deserialize)]
struct DiffArtifact {
    target: String,
    diff_hash: Hash,
}

#[derive(Debug, Deserialize)]
struct LogArtifact {
    source: String,
    sha256: Hash,
}

#[derive(Debug, Deserialize)]
struct ReceiptArtifact {
    action: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    proof: Option<String>,
}

impl Artifacts {
    fn into_list(self) -> Vec<Artifact> {
        let artifact = |kind: &str, path: String, sha256| Artifact { kind: kind.into(), path, sha256, length: 0 };
        let files = self.files.into_iter().map(|f| artifact("file", f.path, f.sha256));
        let diffs = self.diffs.into_iter().map(|d| artifact("diff", d.target, d.diff_hash));
        let logs = self.logs.into_iter().map(|l| artifact("log", l.source, l.sha256));
        let receipts = self.receipts.into_iter().map(|r| {
            let said = json!([r.action, r.timestamp, r.proof]);
            artifact("receipt", r.action, proof::hash::sha256(&proof::canonical::value_to_vec(&said)))
        });
        files.chain(diffs).chain(logs).chain(receipts).collect()
    }
}

pub(crate) async fn report(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Result<Response, ApiError> {
    let value = body(&bytes)?;
    require_members(&value, &["job_id", "proposal_id", "status"])?;
    let key = require_key(&app, &headers, Scope::RunnerResult)?;
    if bytes.len() > RESULT_BYTES {
        let detail = format!("Result too large ({} bytes)", bytes.len());
        return Err(ApiError::detail(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    // Law 9: what a tool printed is redacted before anything is written, and before anything is cut.
    let (value, _) = inspect::json::redact_value(value);
    let report: Report = request::typed(value).map_err(ApiError::into_compat)?;
    let artifacts = report.completion_artifacts.unwrap_or_default().into_list();
    let unproven = report.status == Status::Completed && artifacts.is_empty();
    let rejection = unproven.then_some("TASK_INCOMPLETE: no completion artifacts provided");
    let status = match (report.status, unproven) {
        (Status::Completed, false) => ResultStatus::Completed,
        _ => ResultStatus::Failed,
    };
    let answer = |status: &str, rejection: Option<&str>| {
        ok(&json!({"ok": true, "effective_status": status, "artifact_rejection": rejection}))
    };
    match standing(&app, &report.job_id)? {
        None => return Err(ApiError::detail(StatusCode::NOT_FOUND, "Job not found")),
        Some((proposal_id, _)) if proposal_id != report.proposal_id => {
            return Err(ApiError::detail(StatusCode::CONFLICT, "The job belongs to another proposal"));
        }
        // A second result of a finished job changes nothing, and was always answered with ok.
        Some((_, true)) => {
            return answer(if status == ResultStatus::Completed { "completed" } else { "failed" }, rejection);
        }
        Some((_, false)) => {}
    }
    let result = result(&app, &report.job_id, status, &report.output.unwrap_or_default(), artifacts, rejection)?;
    let (result, bodies) = result;
    let by = Caller::key(key.key_id);
    ingest::store(&app, &by, bodies).await.map_err(ApiError::into_compat)?;
    let command = Command::RecordResult { by, result, authored: None };
    app.ledger.submit(command).await.map_err(|error| {
        let error = ApiError::from(error);
        if error.reason == Reason::WarrantRequired.code() {
            return ApiError::detail(
                StatusCode::FORBIDDEN,
                "A result without a warrant is accepted only for tools without effects",
            );
        }
        error.into_compat()
    })?;
    answer(if status == ResultStatus::Completed { "completed" } else { "failed" }, rejection)
}

/// Whose a job is, and whether it has ended.
fn standing(app: &App, job_id: &JobId) -> Result<Option<(ProposalId, bool)>, ApiError> {
    let open = app.ledger.with_state(|state| state.job(job_id).map(|record| record.proposal_id.clone()));
    if let Some(proposal_id) = open {
        return Ok(Some((proposal_id, false)));
    }
    let Some(created) = app.ledger.with_state(|state| state.job_created(job_id))? else { return Ok(None) };
    match ingest::event_at(app, created)?.data {
        EventData::JobCreated(minted) => Ok(Some((minted.job.proposal_id, true))),
        _ => Err(ApiError::internal("a job that was not created")),
    }
}

fn result(
    app: &App,
    job_id: &JobId,
    status: ResultStatus,
    output: &serde_json::Map<String, Value>,
    artifacts: Vec<Artifact>,
    rejection: Option<&str>,
) -> Result<(JobResult, Vec<schemas::commit::Opened>), ApiError> {
    let tools = app.ledger.with_state(|state| {
        let job = state.job(job_id).map(|record| &record.job);
        job.map(|job| job.actions.iter().map(|action| action.tool.clone()).collect::<Vec<_>>())
    });
    let text = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
    let said = text("stdout").unwrap_or_else(|| Value::Object(output.clone()).to_string());
    let (said, bodies) = ingest::committer(false, Earlier::new(), |to| to.text("/output", cut(&said, TEXT_BYTES)))?;
    let exit_code = output.get("exit_code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
    let completed = status == ResultStatus::Completed;
    let detail = rejection.map(str::to_owned).or_else(|| text("error")).map(|text| cut(&text, 256));
    let actions = tools.into_iter().flatten().enumerate();
    let actions = actions
        .map(|(i, tool)| ActionResult {
            tool,
            completed,
            exit_code,
            output: (i == 0).then(|| said.clone()),
            detail: detail.clone(),
            duration_ms: 0,
        })
        .collect();
    let result = JobResult {
        job_id: job_id.clone(),
        attempt: 0,
        lease: None,
        status,
        actions,
        artifacts,
        confinement: None,
        detail: detail.filter(|_| !completed),
    };
    Ok((result, bodies))
}

/// At most `max` bytes, cut between characters, and saying so.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…(truncated)", text.get(..end).unwrap_or_default())
}
