//! `GET /health`.

use crate::app::App;
use crate::error::ApiError;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

/// Whether mutations are accepted. The store words are the predecessor's: there is one store here, the log.
pub(crate) async fn health(State(app): State<App>) -> Result<Response, ApiError> {
    let up = app.ledger.stopped().is_none();
    let word = if up { "connected" } else { "disconnected" };
    let head = app.ledger.head();
    let answer = json!({
        "ok": up, "version": "2.0.0", "redis": word, "postgres": word, "persistence_available": up,
        "quarantine_tier": 0, "countersign": env!("CARGO_PKG_VERSION"), "origin": app.ledger.origin(),
        "size": head.size, "projections": app.models.position().get(),
    });
    let status = if up { axum::http::StatusCode::OK } else { axum::http::StatusCode::SERVICE_UNAVAILABLE };
    crate::native::json(status, &answer)
}
