//! The predecessor's surface, so that its own clients run unmodified: compact JSON, its status codes, its `detail`
//! strings. A view over the same commands and events; deleting this folder takes nothing from the product.
//!
//! Where its behaviour was a weakness ours is the safe one; `docs/compatibility.md` says so row by row.

mod approvals;
mod catalog;
mod events;
mod health;
mod intent;
mod jobs;
mod keys;
mod proposals;
mod results;
mod view;

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use crate::request;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{delete, get, post};
use domain::event::key::{NewKey, Scope};
use domain::reason::Reason;
use serde_json::{Value, json};

/// The compatible routes.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health::health))
        .route("/v1/agents", get(catalog::agents))
        .route("/v1/tools", get(catalog::tools))
        .route("/v1/events", get(events::list))
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/pending-approvals", get(approvals::pending))
        .route("/v1/intent", post(intent::submit))
        .route("/v1/govern/proposal", post(proposals::submit))
        .route("/v1/approve/{id}", post(approvals::approve))
        .route("/v1/deny/{id}", post(approvals::deny))
        .route("/v1/runner/result", post(results::report))
        .route("/v1/admin/keys", post(keys::create).get(keys::list))
        .route("/v1/admin/keys/{id}/disable", post(keys::disable))
        .route("/v1/admin/keys/{id}/enable", post(keys::enable))
        .route("/v1/admin/keys/{id}", delete(keys::delete))
}

/// A body in the predecessor's shape; an empty one is `null`.
fn body(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    request::json(bytes).map_err(|error| {
        let loc = json!(["body", error.offset.unwrap_or(0)]);
        let detail = json!([{"type": "json_invalid", "loc": loc, "msg": "JSON decode error", "input": {},
            "ctx": {"error": error.detail}}]);
        ApiError::detail(StatusCode::UNPROCESSABLE_ENTITY, detail)
    })
}

/// The members that must be there, in the predecessor's words when they are not.
fn require_members(value: &Value, names: &[&str]) -> Result<(), ApiError> {
    let Value::Object(members) = value else {
        let detail = json!([{"type": "model_attributes_type", "loc": ["body"],
            "msg": "Input should be a valid dictionary or object to extract fields from", "input": value}]);
        return Err(ApiError::detail(StatusCode::UNPROCESSABLE_ENTITY, detail));
    };
    let missing: Vec<Value> = names
        .iter()
        .filter(|name| !members.contains_key(**name))
        .map(|name| json!({"type": "missing", "loc": ["body", name], "msg": "Field required", "input": {}}))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(ApiError::detail(StatusCode::UNPROCESSABLE_ENTITY, missing)) }
}

/// The caller's key with a scope, refused in the predecessor's words.
fn require_key(app: &App, headers: &HeaderMap, scope: Scope) -> Result<NewKey, ApiError> {
    let key = auth::key_of(app, headers).map_err(|error| {
        let text = match error.reason {
            code if code == Reason::KeyRequired.code() => "API key required",
            code if code == Reason::KeyDisabled.code() => "API key is disabled",
            code if code == Reason::KeyExpired.code() => "API key has expired",
            _ => "Invalid API key",
        };
        ApiError::detail(error.status, text)
    })?;
    if key.scopes.contains(&scope) {
        return Ok(key);
    }
    Err(ApiError::detail(StatusCode::FORBIDDEN, format!("Key not authorized for endpoint: {}", scope.as_str())))
}

/// Reads are open where the operator says so, as the predecessor's clients expect.
fn may_read(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    auth::may_read(app, headers).map_err(ApiError::into_compat)
}

/// A compact JSON answer.
fn ok(value: &Value) -> Result<Response, ApiError> {
    crate::native::json(StatusCode::OK, value)
}

/// A list as Python prints one of strings.
fn python_list<T: AsRef<str>>(items: &[T]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("'{}'", item.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}
