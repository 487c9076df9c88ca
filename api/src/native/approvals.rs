//! `POST /api/v1/approvals`, `GET /api/v1/approvals`.

use super::proposals::Page;
use super::{Body, is_signed, json};
use crate::app::App;
use crate::error::ApiError;
use crate::ingest;
use crate::{auth, request};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::authored::StatementKind;
use domain::command::{Caller, Command};
use domain::event::approval::{Answer, Challenge, Verb};
use domain::event::decision::DecisionRecorded;
use domain::event::proposal::ProposalSubmitted;
use domain::event::{Event, EventData};
use domain::gate;
use domain::id::ProposalId;
use domain::reason::Reason;
use domain::state::proposal::ProposalState;
use proof::index::LeafIndex;
use schemas::approval::{AnswerAccepted, PendingApproval, SubmitAnswer};
use schemas::commit::Earlier;
use std::sync::Arc;

/// Grants or denies, plain or signed.
pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let value = request::json(&body)?;
    let (by, answer, authored) = if is_signed(&headers) {
        let signed = ingest::signed::signed(value)?;
        let (by, _) = ingest::signed::signer(&signed.envelope)?;
        let (answer, _): (Answer, _) =
            ingest::signed::statement(&signed.envelope, StatementKind::Answer, app.ledger.origin())?;
        let reason = answer.reason.as_ref().and_then(|text| text.commitment());
        let wanted: Vec<_> = reason.map(|c| ("/reason".to_owned(), c.clone())).into_iter().collect();
        let bodies = ingest::signed::bodies(&signed.bodies, &wanted)?;
        ingest::refuse_secrets(&serde_json::to_value(&answer).map_err(ApiError::internal)?)?;
        ingest::refuse_secret_bodies(&bodies)?;
        let authored = Some(signed.envelope);
        let command = Command::AnswerApproval { by: by.clone(), answer: answer.clone(), authored: authored.clone() };
        ingest::store_for(&app, &command, bodies).await?;
        (by, answer, authored)
    } else {
        let key = auth::key_of(&app, &headers)?;
        ingest::refuse_secrets(&value)?;
        let input: SubmitAnswer = request::typed(value)?;
        let challenge = open_challenge(&app, &input.proposal_id)?;
        if challenge.nonce != input.nonce {
            let detail = "`nonce` is not that of the open challenge";
            return Err(ApiError::new(StatusCode::CONFLICT, Reason::ChallengeMismatch, detail).at("/nonce"));
        }
        let by = Caller::key(key.key_id);
        let answer = plain(&app, &by, input.proposal_id, input.verb, challenge, input.reason).await?;
        (by, answer, None)
    };
    let accepted = answer_challenge(&app, by, answer, authored).await?;
    json(StatusCode::CREATED, &accepted)
}

/// An unsigned answer to the challenge that is open.
pub(crate) async fn plain(
    app: &App,
    by: &Caller,
    proposal_id: ProposalId,
    verb: Verb,
    challenge: Challenge,
    reason: Option<String>,
) -> Result<Answer, ApiError> {
    let (reason, bodies) =
        ingest::committer(false, Earlier::new(), |to| reason.map(|text| to.text("/reason", text)).transpose())?;
    ingest::store(app, by, bodies).await?;
    Ok(Answer { proposal_id, verb, challenge, reason })
}

/// The challenge that is open for a proposal.
pub(crate) fn open_challenge(app: &App, id: &ProposalId) -> Result<Challenge, ApiError> {
    let found = app.ledger.with_state(|state| {
        let challenge = state.proposal(id).and_then(|record| match &record.state {
            ProposalState::Waiting(_, ask) => Some(ask.challenge.clone()),
            _ => None,
        });
        (challenge, state.submitted(id))
    });
    match (found.0, found.1?) {
        (Some(challenge), _) => Ok(challenge),
        (None, Some(_)) => {
            let detail = format!("proposal `{id}` is not waiting for a human");
            Err(ApiError::new(StatusCode::CONFLICT, Reason::NotPending, detail))
        }
        (None, None) => {
            let detail = format!("there is no proposal `{id}`");
            Err(ApiError::new(StatusCode::NOT_FOUND, Reason::ProposalUnknown, detail))
        }
    }
}

pub(crate) async fn answer_challenge(
    app: &App,
    by: Caller,
    answer: Answer,
    authored: Option<proof::dsse::Envelope>,
) -> Result<AnswerAccepted, ApiError> {
    let (proposal_id, verb) = (answer.proposal_id.clone(), answer.verb);
    let done = app.ledger.submit(Command::AnswerApproval { by, answer, authored }).await?;
    let job = |event: &Arc<Event>| match &event.data {
        EventData::JobCreated(e) => Some(e.job.job_id.clone()),
        _ => None,
    };
    let first = done.events.first().ok_or_else(|| ApiError::internal("an answer without an event"))?;
    let (seq, job_id) = (first.header.seq, done.events.iter().find_map(job));
    Ok(AnswerAccepted { proposal_id, verb, seq, job_id, receipt: done.receipt })
}

/// What waits for a human, oldest first, with what the human should look at.
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(page): Query<Page>,
) -> Result<Response, ApiError> {
    auth::may_read(&app, &headers)?;
    app.catch_up(page.at_least).await?;
    let mut pending = Vec::new();
    for row in app.models.pending_approvals(page.limit()).map_err(ApiError::internal)? {
        let grants = row.grants.iter().map(serde_json::to_value).collect::<Result<_, _>>();
        pending.push(PendingApproval {
            proposal_id: row.proposal_id,
            required: row.required,
            grants: grants.map_err(ApiError::internal)?,
            preview: preview(&app, row.decision)?,
            decision: row.decision,
            challenge: row.challenge,
        });
    }
    json(StatusCode::OK, &serde_json::json!({"pending": pending}))
}

/// What the challenge's digest is of, made again from the log.
fn preview(app: &App, decision: LeafIndex) -> Result<serde_json::Value, ApiError> {
    let ruled = ingest::event_at(app, decision)?;
    let submitted = ingest::event_at(app, ruled.header.group)?;
    match (&submitted.data, &ruled.data) {
        (
            EventData::ProposalSubmitted(ProposalSubmitted { proposal, .. }),
            EventData::DecisionRecorded(DecisionRecorded { gates, .. }),
        ) => Ok(gate::preview(proposal, &gate::effective_actions(proposal), gates)),
        _ => Err(ApiError::internal("the decision is not in its proposal's group")),
    }
}
