//! `POST /api/v1/proposals`, `GET /api/v1/proposals[/{id}]`.

use super::{Body, duplicate_of, is_signed, json};
use crate::app::App;
use crate::error::ApiError;
use crate::{auth, ingest, request};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::authored::StatementKind;
use domain::command::{Caller, Command};
use domain::event::key::Scope;
use domain::event::proposal::{Finding, Proposal};
use domain::event::{Event, EventData};
use domain::id::ProposalId;
use ledger::{Committed, SubmitError};
use proof::index::LeafIndex;
use proof::receipt::Receipt;
use schemas::commit::Opened;
use schemas::proposal::{ProposalBody, ProposalRuled, SubmitProposal};
use serde::Deserialize;
use serde_json::Value;

/// Submits a proposal, plain or signed; the answer is the ruling.
pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let value = request::json(&body)?;
    let (command, bodies) = if is_signed(&headers) {
        signed(&app, value)?
    } else {
        let key = auth::require(&app, &headers, Scope::ProposalCreate)?;
        plain(&app, Caller::key(key.key_id), value)?
    };
    let (status, ruled) = rule(&app, command, bodies).await?;
    json(status, &ruled)
}

/// A proposal as an API key submits it. What looks like a secret is cut out, and its place and kind are recorded.
pub(crate) fn plain(app: &App, by: Caller, value: Value) -> Result<(Command, Vec<Opened>), ApiError> {
    let (value, findings) = cut_secrets(value);
    let input: SubmitProposal = request::typed(value)?;
    let (proposal, bodies) = ingest::proposal::proposal(app, input)?;
    Ok((Command::SubmitProposal { by, proposal: Box::new(proposal), findings, authored: None }, bodies))
}

pub(crate) fn cut_secrets(value: Value) -> (Value, Vec<Finding>) {
    let (value, found) = inspect::json::redact_value(value);
    let report =
        |found: inspect::json::Located| Finding { place: found.pointer, kind: found.finding.kind.name().to_owned() };
    (value, found.into_iter().map(report).collect())
}

fn signed(app: &App, value: Value) -> Result<(Command, Vec<Opened>), ApiError> {
    let signed = ingest::signed::signed(value)?;
    let (by, _) = ingest::signed::signer(&signed.envelope)?;
    let (proposal, _): (Proposal, _) =
        ingest::signed::statement(&signed.envelope, StatementKind::Proposal, app.ledger.origin())?;
    let wanted: Vec<_> = proposal.commitments().into_iter().map(|(place, c)| (place, c.clone())).collect();
    let bodies = ingest::signed::bodies(&signed.bodies, &wanted)?;
    let text = serde_json::to_value(&proposal).map_err(ApiError::internal)?;
    let mut findings = ingest::secrets(&text);
    for body in &bodies {
        let place = wanted.iter().find(|(_, c)| *c == body.commitment).map(|(place, _)| place.clone());
        let found = ingest::secrets(&Value::String(String::from_utf8_lossy(&body.bytes).into_owned()));
        findings.extend(found.into_iter().map(|f| Finding { place: place.clone().unwrap_or_default(), kind: f.kind }));
    }
    if findings.is_empty() {
        let authored = Some(signed.envelope);
        return Ok((Command::SubmitProposal { by, proposal: Box::new(proposal), findings, authored }, bodies));
    }
    // The envelope holds the secret, so it is not kept: its signature is checked here and now, and what is recorded is
    // the redacted proposal, which the findings deny.
    let whole = Command::SubmitProposal {
        by: by.clone(),
        proposal: Box::new(proposal),
        findings: Vec::new(),
        authored: Some(signed.envelope),
    };
    app.ledger.with_state(|state| domain::decide::check_signature(state, &whole)).map_err(ApiError::from)?;
    let (redacted, _) = inspect::json::redact_value(text);
    let proposal: Proposal = request::typed(redacted)?;
    Ok((Command::SubmitProposal { by, proposal: Box::new(proposal), findings, authored: None }, Vec::new()))
}

/// Submits and reads the ruling out of what became of it; the same command again gets the same answer.
pub(crate) async fn rule(
    app: &App,
    command: Command,
    bodies: Vec<Opened>,
) -> Result<(StatusCode, ProposalRuled), ApiError> {
    ingest::store_for(app, &command, bodies).await?;
    answer(app, app.ledger.submit(command).await)
}

/// The ruling, out of what became of a submission.
pub(crate) fn answer(
    app: &App,
    submitted: Result<Committed, SubmitError>,
) -> Result<(StatusCode, ProposalRuled), ApiError> {
    match submitted {
        Ok(done) => {
            let events: Vec<&Event> = done.events.iter().map(AsRef::as_ref).collect();
            Ok((StatusCode::CREATED, ruled(&events, done.receipt)?))
        }
        Err(error) => match duplicate_of(&error) {
            Some(first) => Ok((StatusCode::OK, ruled_before(app, first)?)),
            None => Err(error.into()),
        },
    }
}

fn ruled_before(app: &App, first: LeafIndex) -> Result<ProposalRuled, ApiError> {
    let mut events = Vec::new();
    let mut at = first;
    while app.ledger.head().size.contains(at) {
        let event = ingest::event_at(app, at)?;
        if event.header.group != first {
            break;
        }
        events.push(event);
        at = at.next();
    }
    let indices: Vec<LeafIndex> = events.iter().map(|event| event.header.seq).collect();
    let receipt = app.ledger.receipt(&indices)?;
    ruled(&events.iter().collect::<Vec<_>>(), receipt)
}

fn ruled(events: &[&Event], receipt: Receipt) -> Result<ProposalRuled, ApiError> {
    let (mut decision, mut job_id, mut asked) = (None, None, None);
    for event in events {
        match &event.data {
            EventData::DecisionRecorded(e) => decision = Some(e.clone()),
            EventData::JobCreated(e) => job_id = Some(e.job.job_id.clone()),
            EventData::ApprovalRequested(e) => asked = Some(e.clone()),
            _ => {}
        }
    }
    let first = events.first().ok_or_else(|| ApiError::internal("a proposal without an event"))?;
    let decision = decision.ok_or_else(|| ApiError::internal("a proposal without a decision"))?;
    Ok(ProposalRuled {
        proposal_id: decision.proposal_id,
        ruling: decision.ruling,
        reasons: decision.reasons,
        gates: decision.gates,
        job_id,
        challenge: asked.as_ref().map(|asked| asked.challenge.clone()),
        required: asked.map(|asked| asked.required),
        seq: first.header.seq,
        receipt,
    })
}

/// Paging of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    pub(crate) limit: Option<usize>,
    #[serde(default)]
    pub(crate) at_least: Option<u64>,
    #[serde(default)]
    pub(crate) before: Option<u64>,
}

impl Page {
    /// Rows of one answer, at most 1,000.
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(100).min(1000)
    }
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
    let found = app.models.proposals(page.limit(), before).map_err(ApiError::internal)?;
    json(StatusCode::OK, &serde_json::json!({"proposals": found.proposals, "next": found.next}))
}

/// One proposal.
pub(crate) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, ApiError> {
    auth::may_read(&app, &headers)?;
    app.catch_up(page.at_least).await?;
    match app.models.proposal(&proposal_id(&id)?).map_err(ApiError::internal)? {
        Some(row) => json(StatusCode::OK, &row),
        None => {
            let reason = domain::reason::Reason::ProposalUnknown;
            Err(ApiError::new(StatusCode::NOT_FOUND, reason, format!("there is no proposal `{id}`")))
        }
    }
}

/// The texts of a proposal that stand beside the log: an approver must be able to read what they sign for. For whoever may
/// approve, and for whoever has `log:read`.
pub(crate) async fn bodies(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let key = auth::key_of(&app, &headers)?;
    if !key.scopes.contains(&Scope::ProposalApprove) && !key.scopes.contains(&Scope::LogRead) {
        let detail = format!("key `{}` has neither `proposal:approve` nor `log:read`", key.key_id);
        return Err(ApiError::new(StatusCode::FORBIDDEN, domain::reason::Reason::ScopeMissing, detail));
    }
    let id = proposal_id(&id)?;
    let submitted = app.ledger.with_state(|state| state.submitted(&id))?;
    let Some(seq) = submitted else {
        let reason = domain::reason::Reason::ProposalUnknown;
        return Err(ApiError::new(StatusCode::NOT_FOUND, reason, format!("there is no proposal `{id}`")));
    };
    let EventData::ProposalSubmitted(submission) = ingest::event_at(&app, seq)?.data else {
        return Err(ApiError::internal("a proposal without its submission"));
    };
    let mut bodies = Vec::new();
    for (place, commitment) in submission.proposal.commitments() {
        let found = app.ledger.content().get(commitment)?;
        let text = found.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned());
        bodies.push(ProposalBody { place, commitment: commitment.clone(), text });
    }
    json(StatusCode::OK, &bodies)
}

/// Reads an id from a path.
pub(crate) fn proposal_id(text: &str) -> Result<ProposalId, ApiError> {
    ProposalId::new(text)
        .map_err(|e| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, domain::reason::Reason::Malformed, e.to_string()))
}
