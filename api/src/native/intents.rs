//! `POST /api/v1/intents`.

use super::{Body, duplicate_of, is_signed, json};
use crate::app::App;
use crate::error::ApiError;
use crate::{auth, ingest, request};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::authored::StatementKind;
use domain::command::Command;
use domain::event::intent::Intent;
use domain::id::IntentId;
use ledger::{Committed, SubmitError};
use schemas::intent::IntentAccepted;

/// States an intent, plain or signed.
pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let value = request::json(&body)?;
    let (command, bodies) = if is_signed(&headers) {
        let signed = ingest::signed::signed(value)?;
        let (by, _) = ingest::signed::signer(&signed.envelope)?;
        let (intent, _): (Intent, _) =
            ingest::signed::statement(&signed.envelope, StatementKind::Intent, app.ledger.origin())?;
        let bodies = ingest::signed::bodies(&signed.bodies, &ingest::intent::commitments(&intent))?;
        ingest::refuse_secrets(&serde_json::to_value(&intent).map_err(ApiError::internal)?)?;
        ingest::refuse_secret_bodies(&bodies)?;
        (Command::CreateIntent { by, intent, authored: Some(signed.envelope) }, bodies)
    } else {
        let by = auth::optional(&app, &headers)?;
        ingest::refuse_secrets(&value)?;
        let (intent, bodies) = ingest::intent::intent(&app, request::typed(value)?)?;
        (Command::CreateIntent { by, intent, authored: None }, bodies)
    };
    let intent_id = match &command {
        Command::CreateIntent { intent, .. } => intent.intent_id.clone(),
        _ => return Err(ApiError::internal("not an intent")),
    };
    ingest::store_for(&app, &command, bodies).await?;
    let (status, accepted) = answer(&app, intent_id, app.ledger.submit(command).await)?;
    json(status, &accepted)
}

/// The answer, out of what became of a submission; the same intent again gets the same one.
pub(crate) fn answer(
    app: &App,
    intent_id: IntentId,
    submitted: Result<Committed, SubmitError>,
) -> Result<(StatusCode, IntentAccepted), ApiError> {
    let (status, seq, receipt) = match submitted {
        Ok(done) => {
            let seq =
                done.events.first().map(|event| event.header.seq).ok_or_else(|| ApiError::internal("no event"))?;
            (StatusCode::CREATED, seq, done.receipt)
        }
        Err(error) => match duplicate_of(&error) {
            Some(seq) => (StatusCode::OK, seq, app.ledger.receipt(&[seq])?),
            None => return Err(error.into()),
        },
    };
    Ok((status, IntentAccepted { intent_id, seq, receipt }))
}
