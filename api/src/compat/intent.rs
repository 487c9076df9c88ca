//! `POST /v1/intent`. A key is optional, as it was; one that is sent must be good.

use super::{body, ok, require_members};
use crate::app::App;
use crate::error::ApiError;
use crate::native::duplicate_of;
use crate::{auth, ingest, request};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::command::Command;
use schemas::intent::SubmitIntent;
use serde::Deserialize;
use serde_json::{Value, json};

/// The predecessor's request; unknown members are ignored.
#[derive(Debug, Deserialize)]
struct Request {
    intent_id: domain::id::IntentId,
    from: String,
    mode: String,
    goal: String,
    #[serde(default)]
    constraints: Option<Value>,
}

pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Result<Response, ApiError> {
    let value = body(&bytes)?;
    require_members(&value, &["intent_id", "from", "mode", "goal"])?;
    let by = auth::optional(&app, &headers).map_err(ApiError::into_compat)?;
    ingest::refuse_secrets(&value).map_err(ApiError::into_compat)?;
    let request: Request = request::typed(value).map_err(ApiError::into_compat)?;
    let intent_id = request.intent_id.clone();
    let input = SubmitIntent {
        intent_id: Some(request.intent_id),
        from: Some(request.from),
        mode: Some(request.mode),
        goal: request.goal,
        constraints: request.constraints.filter(|value| !value.is_null()),
        personal: false,
    };
    let (intent, bodies) = ingest::intent::intent(&app, input).map_err(ApiError::into_compat)?;
    ingest::store(&app, &by, bodies).await.map_err(ApiError::into_compat)?;
    match app.ledger.submit(Command::CreateIntent { by, intent, authored: None }).await {
        Ok(_) => {}
        Err(error) if duplicate_of(&error).is_some() => {}
        Err(error) => return Err(ApiError::from(error).into_compat()),
    }
    ok(&json!({"accepted": true, "intent_id": intent_id}))
}
