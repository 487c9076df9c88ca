//! `GET /v1/agents`, `GET /v1/tools`.

use super::{may_read, ok};
use crate::app::App;
use crate::error::ApiError;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

pub(crate) async fn agents(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    may_read(&app, &headers)?;
    let policy = app.ledger.policy();
    let agents: Vec<Value> = policy
        .bundle()
        .agents
        .iter()
        .map(|agent| {
            json!({"name": agent.name, "allowed_effects": agent.allowed_effects, "max_risk": agent.max_risk,
                "description": agent.description})
        })
        .collect();
    ok(&json!({"agents": agents}))
}

pub(crate) async fn tools(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    may_read(&app, &headers)?;
    let policy = app.ledger.policy();
    let manifest = policy.manifest();
    let tools: Vec<Value> = manifest
        .tools
        .iter()
        .map(|(name, tool)| {
            json!({"tool": name, "description": tool.description, "effects": tool.effects,
                "requires_human": tool.requires_human, "timeout_seconds": tool.timeout_seconds})
        })
        .collect();
    let hash = policy.manifest_digest();
    ok(
        &json!({"version": manifest.version, "manifest_hash": hash, "path": format!("/log/blob/{hash}"), "tools": tools}),
    )
}
