//! `POST /api/v1/keys`, `POST /api/v1/runners`, `DELETE /api/v1/bodies/{sha256}`.

use super::{Body, is_signed, json};
use crate::app::App;
use crate::auth::{self, api_key_hash};
use crate::error::ApiError;
use crate::{ingest, request};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::authored::StatementKind;
use domain::command::{Caller, Command};
use domain::event::key::{Credential, NewKey, Scope};
use domain::event::runner::NewRunner;
use domain::reason::Reason;
use ledger::Committed;
use ledger::keys::entropy;
use proof::hash::Hash;
use schemas::key::{CreateKey, KeyCreated, Recorded};

/// Makes an API key, or enrols a public key with root's statement.
pub(crate) async fn create(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let value = request::json(&body)?;
    if is_signed(&headers) {
        let signed = ingest::signed::signed(value)?;
        let (by, _) = ingest::signed::signer(&signed.envelope)?;
        let (key, _): (NewKey, _) =
            ingest::signed::statement(&signed.envelope, StatementKind::Key, app.ledger.origin())?;
        ingest::refuse_secrets(&serde_json::to_value(&key).map_err(ApiError::internal)?)?;
        let key_id = key.key_id.clone();
        let done = app.ledger.submit(Command::CreateKey { by, key, authored: Some(signed.envelope) }).await?;
        return json(StatusCode::CREATED, &KeyCreated { key_id, key: None, receipt: done.receipt });
    }
    let by = auth::require(&app, &headers, Scope::AdminKeys)?;
    ingest::refuse_secrets(&value)?;
    let input: CreateKey = request::typed(value)?;
    if input.description.as_ref().is_some_and(|text| text.len() > 256) {
        let refusal = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, "at most 256 bytes");
        return Err(refusal.at("/description"));
    }
    let (secret, key) = new_api_key(&app.api_key_salt, "cs_", input)?;
    let key_id = key.key_id.clone();
    let done = app.ledger.submit(Command::CreateKey { by: Caller::key(by.key_id), key, authored: None }).await?;
    json(StatusCode::CREATED, &KeyCreated { key_id, key: Some(secret), receipt: done.receipt })
}

/// Makes the secret and its record. The secret is shown once and stored nowhere.
pub(crate) fn new_api_key(salt: &[u8; 32], prefix: &str, input: CreateKey) -> Result<(String, NewKey), ApiError> {
    let bytes = entropy().map_err(ApiError::internal)?;
    let secret = format!("{prefix}{}", hex::encode(bytes));
    let name: [u8; 8] = entropy().map_err(ApiError::internal)?.first_chunk().copied().unwrap_or_default();
    let key_id = format!("key_{}", hex::encode(name)).parse().map_err(ApiError::internal)?;
    let key = NewKey {
        key_id,
        credential: Credential::Api(api_key_hash(salt, &secret)),
        principal: input.principal,
        scopes: input.scopes,
        effect_scopes: input.effect_scopes,
        max_risk: input.max_risk,
        expires: input.expires,
        description: input.description,
    };
    Ok((secret, key))
}

/// Registers a runner with root's statement.
pub(crate) async fn register_runner(State(app): State<App>, body: Body) -> Result<Response, ApiError> {
    let signed = ingest::signed::signed(request::json(&body)?)?;
    let (runner, _): (NewRunner, _) =
        ingest::signed::statement(&signed.envelope, StatementKind::Runner, app.ledger.origin())?;
    ingest::refuse_secrets(&serde_json::to_value(&runner).map_err(ApiError::internal)?)?;
    let done = app.ledger.submit(Command::RegisterRunner { runner, authored: signed.envelope }).await?;
    json(StatusCode::CREATED, &recorded(done)?)
}

/// Erases a body and its salt. The event is on stable storage before the body goes.
pub(crate) async fn erase(
    State(app): State<App>,
    headers: HeaderMap,
    Path(sha256): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let by = auth::require(&app, &headers, Scope::AdminErase)?;
    let refuse = |detail: &str| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, detail);
    let hash: Hash = sha256.parse().map_err(|_| refuse("the path must end in 64 lower-case hex digits"))?;
    let why = String::from_utf8(body.to_vec()).map_err(|_| refuse("the body is the reason, in UTF-8"))?;
    ingest::refuse_secrets(&serde_json::Value::String(why.clone()))?;
    if !app.ledger.content().contains(&hash).map_err(ApiError::internal)? {
        return Err(ApiError::new(StatusCode::NOT_FOUND, Reason::BlobUnknown, format!("there is no body `{hash}`")));
    }
    let command = Command::EraseBlob { by: Caller::key(by.key_id), sha256: hash, why };
    let done = app.ledger.submit(command).await?;
    app.ledger.content().erase(&hash).map_err(ApiError::internal)?;
    json(StatusCode::OK, &recorded(done)?)
}

pub(crate) fn recorded(done: Committed) -> Result<Recorded, ApiError> {
    let first = done.events.first().ok_or_else(|| ApiError::internal("a command without an event"))?;
    Ok(Recorded { seq: first.header.seq, receipt: done.receipt })
}
