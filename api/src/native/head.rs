//! `GET /api/v1/head`, `GET /api/v1/consistency`.

use super::json;
use crate::app::App;
use crate::error::ApiError;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use proof::index::TreeSize;
use schemas::job::Consistency;
use schemas::log::Head;
use serde::Deserialize;

/// The committed head. Public, as a log's head is.
pub(crate) async fn head(State(app): State<App>) -> Result<Response, ApiError> {
    let head = app.ledger.head();
    let profile = app.ledger.with_state(|state| state.ledger().map(|info| info.genesis.profile));
    let policy = app.ledger.policy();
    let answer = Head {
        origin: app.ledger.origin().to_owned(),
        profile: profile.ok_or_else(|| ApiError::internal("no genesis"))?,
        size: head.size,
        root: head.root,
        checkpoint: head.checkpoint.to_string(),
        policy: policy.bundle_digest(),
        manifest: policy.manifest_digest(),
    };
    json(StatusCode::OK, &answer)
}

/// Two sizes.
#[derive(Debug, Deserialize)]
pub(crate) struct Sizes {
    old: u64,
    new: u64,
}

/// Proof that the tree of `new` leaves extends that of `old`.
pub(crate) async fn consistency(State(app): State<App>, Query(sizes): Query<Sizes>) -> Result<Response, ApiError> {
    let size = app.ledger.head().size;
    if sizes.old > sizes.new || sizes.new > size.get() {
        let detail = format!("expected old ≤ new ≤ {size}");
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, domain::reason::Reason::Malformed, detail));
    }
    let (old, new) = (TreeSize::new(sizes.old), TreeSize::new(sizes.new));
    json(StatusCode::OK, &Consistency { old, new, path: app.ledger.consistency(old, new)? })
}
