//! `GET /health`.

use crate::app::App;
use crate::error::ApiError;
use crate::witness::age_ms;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

/// Whether mutations are accepted. The store words are the predecessor's: there is one store here, the log.
/// `head_age_ms` is the time since the published checkpoint was put on the site.
pub(crate) async fn health(State(app): State<App>) -> Result<Response, ApiError> {
    let damaged = app.ledger.damaged();
    let up = app.ledger.stopped().is_none() && damaged.is_none();
    let word = if up { "connected" } else { "disconnected" };
    let head = app.ledger.head();
    let published = app.ledger.published().borrow().clone();
    let mut answer = json!({
        "ok": up, "version": "2.0.0", "redis": word, "postgres": word, "persistence_available": up,
        "quarantine_tier": 0, "countersign": env!("CARGO_PKG_VERSION"), "origin": app.ledger.origin(),
        "size": head.size, "projections": app.models.position().get(),
        "published": published.as_ref().map(|head| head.size),
        "damaged": damaged,
        "head_age_ms": published.as_ref().map(|head| age_ms(head.at)),
    });
    if let (Some(witnessing), Some(answer)) = (&app.options.witnessing, answer.as_object_mut()) {
        answer.insert("witnessed".into(), witnessing.health(&app.ledger));
    }
    let status = if up { axum::http::StatusCode::OK } else { axum::http::StatusCode::SERVICE_UNAVAILABLE };
    crate::native::json(status, &answer)
}
