//! `/v1/admin/keys`.

use super::{body, ok, require_key, require_members};
use crate::app::App;
use crate::error::ApiError;
use crate::native::keys::new_api_key;
use crate::request;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::command::{Caller, Command, KeyChange, RejectionKind};
use domain::effect::Effect;
use domain::event::PrincipalKind;
use domain::event::key::{NewKey, Principal, Scope};
use domain::id::AnyKeyId;
use domain::reason::Reason;
use domain::state::key::KeyStatus;
use schemas::key::CreateKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The predecessor's request.
#[derive(Debug, Deserialize)]
struct Request {
    principal_type: String,
    principal_id: domain::id::PrincipalId,
    endpoint_scopes: BTreeSet<Scope>,
    #[serde(default)]
    effect_scopes: Option<BTreeSet<Effect>>,
    #[serde(default = "one")]
    max_risk: f64,
    #[serde(default)]
    description: Option<String>,
}

fn one() -> f64 {
    1.0
}

/// Its words for what a principal is, and ours.
const KINDS: [(&str, PrincipalKind); 5] = [
    ("adapter", PrincipalKind::Agent),
    ("runner", PrincipalKind::Runner),
    ("human", PrincipalKind::Human),
    ("admin", PrincipalKind::Admin),
    ("service", PrincipalKind::Service),
];

fn kind_name(kind: PrincipalKind) -> &'static str {
    KINDS.iter().find(|(_, ours)| *ours == kind).map_or(kind.as_str(), |(name, _)| name)
}

pub(crate) async fn create(State(app): State<App>, headers: HeaderMap, bytes: Bytes) -> Result<Response, ApiError> {
    let value = body(&bytes)?;
    require_members(&value, &["principal_type", "principal_id", "endpoint_scopes"])?;
    crate::ingest::refuse_secrets(&value).map_err(ApiError::into_compat)?;
    let request: Request = request::typed(value).map_err(ApiError::into_compat)?;
    let kind = KINDS.iter().find(|(name, _)| *name == request.principal_type).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| {
        let detail = json!([{"type": "literal_error", "loc": ["body", "principal_type"],
            "msg": "Input should be 'adapter', 'runner', 'human', 'admin' or 'service'", "input": request.principal_type}]);
        ApiError::detail(StatusCode::UNPROCESSABLE_ENTITY, detail)
    })?;
    let by = require_key(&app, &headers, Scope::AdminKeys)?;
    let input = CreateKey {
        principal: Principal { kind, id: request.principal_id },
        scopes: request.endpoint_scopes,
        effect_scopes: Some(request.effect_scopes.unwrap_or_default()),
        max_risk: request.max_risk,
        expires: None,
        description: request.description.map(|text| text.chars().take(256).collect()),
    };
    let (secret, key) = new_api_key(&app.api_key_salt, "m87_", input).map_err(ApiError::into_compat)?;
    let command = Command::CreateKey { by: Caller::key(by.key_id), key: key.clone(), authored: None };
    app.ledger.submit(command).await.map_err(|e| ApiError::from(e).into_compat())?;
    let mut shown = show(&key, KeyStatus::Enabled);
    if let Value::Object(members) = &mut shown {
        members.insert("key".into(), json!(secret));
    }
    ok(&shown)
}

fn show(key: &NewKey, status: KeyStatus) -> Value {
    json!({"key_id": key.key_id, "principal_type": kind_name(key.principal.kind), "principal_id": key.principal.id,
        "endpoint_scopes": key.scopes, "effect_scopes": key.effect_scopes.clone().unwrap_or_default(),
        "max_risk": key.max_risk, "enabled": status == KeyStatus::Enabled, "description": key.description})
}

pub(crate) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    require_key(&app, &headers, Scope::AdminKeys)?;
    let alive: Vec<_> = app.ledger.with_state(|state| {
        let alive = state.keys().filter(|record| record.status != KeyStatus::Deleted);
        alive.map(|record| (record.key.clone(), record.status, record.created)).collect()
    });
    let mut keys = Vec::with_capacity(alive.len());
    for (key, status, created) in alive {
        let mut shown = show(&key, status);
        if let Value::Object(members) = &mut shown {
            members.insert("created_at".into(), json!(crate::ingest::event_at(&app, created)?.header.time));
        }
        keys.push(shown);
    }
    ok(&json!({"keys": keys}))
}

pub(crate) async fn disable(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    change(&app, &headers, &id, KeyChange::Disable, "disabled").await
}

pub(crate) async fn enable(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    change(&app, &headers, &id, KeyChange::Enable, "enabled").await
}

pub(crate) async fn delete(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    change(&app, &headers, &id, KeyChange::Delete, "deleted").await
}

async fn change(app: &App, headers: &HeaderMap, id: &str, change: KeyChange, word: &str) -> Result<Response, ApiError> {
    let by = require_key(app, headers, Scope::AdminKeys)?;
    let unknown = || ApiError::detail(StatusCode::NOT_FOUND, "Key not found");
    let key_id = AnyKeyId::new(id).map_err(|_| unknown())?;
    let command = Command::ChangeKey { by: Caller::key(by.key_id), key_id: key_id.clone(), change };
    match app.ledger.submit(command).await {
        Ok(_) => {}
        Err(ledger::SubmitError::Rejected(no)) if no.reason == Reason::AlreadyExists => {}
        Err(ledger::SubmitError::Rejected(no)) if no.kind == RejectionKind::NotFound => return Err(unknown()),
        Err(error) => return Err(ApiError::from(error).into_compat()),
    }
    let mut answer = serde_json::Map::new();
    answer.insert(word.into(), json!(true));
    answer.insert("key_id".into(), json!(key_id));
    ok(&Value::Object(answer))
}
