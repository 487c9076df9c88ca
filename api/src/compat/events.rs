//! `GET /v1/events`: the predecessor's event names, as a view over ours; never stored.

use super::{may_read, ok, view};
use crate::app::App;
use crate::error::ApiError;
use crate::ingest;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::event::decision::{DecisionRecorded, Ruling, Stage};
use domain::event::job::JobEnded;
use domain::event::proposal::Proposal;
use domain::event::result::Evidence;
use domain::event::{Event, EventData};
use proof::index::LeafIndex;
use serde::Deserialize;
use serde_json::{Value, json};

/// Events looked at for one answer.
const SCAN_MAX: usize = 20_000;
const CHUNK: u64 = 256;

/// An event as the predecessor shows it.
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) payload: Value,
}

/// Which part of the stream.
#[derive(Debug, Deserialize)]
pub(crate) struct Window {
    #[serde(default)]
    limit: Option<i64>,
    #[serde(default)]
    after: Option<String>,
}

/// Oldest first: the newest `limit`, or the oldest `limit` after an id.
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(window): Query<Window>,
) -> Result<Response, ApiError> {
    may_read(&app, &headers)?;
    let limit = usize::try_from(window.limit.unwrap_or(200).clamp(1, 1000)).unwrap_or(1);
    let shown = tokio::task::spawn_blocking(move || match window.after.as_deref() {
        Some(id) => forward(&app, after(id)?, limit),
        None => newest(&app, limit),
    });
    let events: Vec<Value> = shown
        .await
        .map_err(ApiError::internal)??
        .into_iter()
        .map(|event| json!({"id": event.id, "type": event.kind, "payload": event.payload}))
        .collect();
    ok(&json!({"events": events}))
}

/// The leaf index after an id such as `1700000000000-12`.
fn after(id: &str) -> Result<u64, ApiError> {
    let seq = id.split_once('-').and_then(|(ms, seq)| ms.parse::<u64>().ok().and(seq.parse::<u64>().ok()));
    match (seq, id) {
        (Some(seq), _) => Ok(seq.saturating_add(1)),
        (None, "0" | "") => Ok(0),
        (None, _) => Err(ApiError::detail(
            StatusCode::UNPROCESSABLE_ENTITY,
            json!([{"type": "value_error", "loc": ["query", "after"], "msg": "expected an id like 1700000000000-12"}]),
        )),
    }
}

fn forward(app: &App, from: u64, limit: usize) -> Result<Vec<Shown>, ApiError> {
    let size = app.ledger.head().size.get();
    let mut found = Vec::new();
    let last = from.saturating_add(u64::try_from(SCAN_MAX).unwrap_or(u64::MAX)).min(size);
    for seq in from..last {
        found.extend(at(app, LeafIndex::new(seq))?);
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

fn newest(app: &App, limit: usize) -> Result<Vec<Shown>, ApiError> {
    let size = app.ledger.head().size.get();
    let floor = size.saturating_sub(u64::try_from(SCAN_MAX).unwrap_or(0));
    let mut found: Vec<Shown> = Vec::new();
    let mut end = size;
    while end > floor && found.len() < limit {
        let start = end.saturating_sub(CHUNK).max(floor);
        let mut chunk = Vec::new();
        for seq in start..end {
            chunk.extend(at(app, LeafIndex::new(seq))?);
        }
        chunk.append(&mut found);
        found = chunk;
        end = start;
    }
    let surplus = found.len().saturating_sub(limit);
    Ok(found.split_off(surplus))
}

/// The event at a leaf index, if the predecessor has a name for it.
pub(super) fn at(app: &App, seq: LeafIndex) -> Result<Option<Shown>, ApiError> {
    let event = ingest::event_at(app, seq)?;
    let Some((kind, payload)) = show(app, &event)? else {
        return Ok(None);
    };
    Ok(Some(Shown { id: view::stream_id(event.header.time.as_ms(), seq), kind, payload }))
}

fn show(app: &App, event: &Event) -> Result<Option<(&'static str, Value)>, ApiError> {
    let actor = &event.header.actor;
    Ok(Some(match &event.data {
        EventData::IntentCreated(e) => {
            let intent = &e.intent;
            let constraints = intent.constraints.as_ref().and_then(|c| c.inline());
            let payload = json!({"intent_id": intent.intent_id, "from": intent.from, "mode": intent.mode,
                "goal": view::text(&intent.goal), "constraints": constraints});
            ("intent.created", payload)
        }
        EventData::DecisionRecorded(e) if e.stage == Stage::Submission => {
            return decision(app, event, e).map(Some);
        }
        EventData::ApprovalGranted(e) => {
            ("proposal.approved", json!({"proposal_id": e.answer.proposal_id, "approved_by": actor.id}))
        }
        EventData::ApprovalDenied(e) => {
            let reason = e.answer.reason.as_ref().map_or_else(|| "Denied by human".into(), view::text);
            let payload = json!({"proposal_id": e.answer.proposal_id, "denied_by": actor.id, "reason": reason});
            ("proposal.denied_by_human", payload)
        }
        EventData::JobCreated(e) => {
            let job = &e.job;
            let payload = json!({"job_id": job.job_id, "proposal_id": job.proposal_id,
                "tool": job.actions.first().map(|action| &action.tool), "envelope_hash": job.envelope_hash,
                "safety_mode": job.deployment_envelope.safety_mode});
            ("job.created", payload)
        }
        EventData::JobCompleted(e) => ("job.completed", ended(app, event, e)?),
        EventData::JobFailed(e) | EventData::JobRejected(e) | EventData::JobUnknown(e) => {
            ("job.failed", ended(app, event, e)?)
        }
        _ => return Ok(None),
    }))
}

fn decision(app: &App, event: &Event, e: &DecisionRecorded) -> Result<(&'static str, Value), ApiError> {
    let submitted = ingest::event_at(app, event.header.group)?;
    let EventData::ProposalSubmitted(submission) = &submitted.data else {
        return Err(ApiError::internal("a decision without its proposal"));
    };
    let proposal: &Proposal = &submission.proposal;
    let mut payload = view::governance_decision(proposal, &e.gates, e.ruling, None);
    if let Value::Object(members) = &mut payload {
        members.insert("agent".into(), json!(proposal.agent));
        members.insert("principal_id".into(), json!(submitted.header.actor.id));
        members.insert("summary".into(), json!(view::text(&proposal.summary)));
        members.insert("risk_score".into(), json!(proposal.risk_score));
    }
    let kind = match e.ruling {
        Ruling::Allow => "proposal.allowed",
        Ruling::RequireHuman => "proposal.needs_approval",
        Ruling::NeedMoreEvidence => "proposal.needs_evidence",
        Ruling::Deny => "proposal.denied",
    };
    Ok((kind, payload))
}

/// A job's end. `output` and `error` are strings, which the predecessor's clients read, though it sent objects.
fn ended(app: &App, event: &Event, e: &JobEnded) -> Result<Value, ApiError> {
    let recorded = match e.result {
        Some(seq) => match ingest::event_at(app, seq)?.data {
            EventData::ResultRecorded(recorded) => Some(recorded),
            _ => None,
        },
        None => None,
    };
    let result = recorded.as_ref().map(|recorded| &recorded.result);
    let outputs = result.into_iter().flat_map(|r| &r.actions).filter_map(|action| action.output.as_ref());
    let output: Vec<String> = outputs.map(view::text).collect();
    let failed = !matches!(event.data, EventData::JobCompleted(_));
    let error = failed.then(|| {
        let detail = result.and_then(|r| r.detail.clone());
        detail.or_else(|| e.reason.map(|reason| reason.text().to_owned())).unwrap_or_else(|| "failed".into())
    });
    let row = app.models.job(&e.job_id).map_err(ApiError::internal)?;
    let job = row.as_ref().map(|row| &row.job);
    Ok(json!({
        "job_id": e.job_id, "proposal_id": e.proposal_id,
        "status": if failed { "failed" } else { "completed" },
        "tool": job.and_then(|job| job.actions.first()).map(|action| &action.tool), "output": output.join("\n"), "error": error,
        "manifest_hash": job.map(|job| job.manifest), "envelope_hash": job.map(|job| job.envelope_hash),
        "autonomy_budget": job.map(|job| &job.deployment_envelope.autonomy_budget),
        "has_artifacts": result.is_some_and(|r| !r.artifacts.is_empty()), "result": result,
        "evidence": recorded.as_ref().map_or(Evidence::None, |recorded| recorded.evidence),
        "received_at": event.header.time,
    }))
}
