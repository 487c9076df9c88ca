//! `GET /api/v1/receipts/events/{seq}`, `GET /api/v1/receipts/proposals/{id}`. No key: whoever can read the public log can
//! make them.

use crate::app::App;
use crate::error::ApiError;
use crate::ingest;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::id::ProposalId;
use domain::reason::Reason;
use proof::index::LeafIndex;
use proof::receipt::Receipt;
use serde::Deserialize;

/// In which encoding.
#[derive(Debug, Deserialize)]
pub(crate) struct Encoding {
    #[serde(default)]
    encoding: Option<String>,
}

/// A receipt of one event.
pub(crate) async fn event(
    State(app): State<App>,
    Path(seq): Path<u64>,
    Query(encoding): Query<Encoding>,
) -> Result<Response, ApiError> {
    let index = LeafIndex::new(seq);
    let size = app.ledger.head().size;
    if !size.contains(index) {
        return Err(ApiError::not_found(format!("the log has {size} events, there is none at {seq}")));
    }
    encode(&app.ledger.receipt(&[index])?, &encoding)
}

/// A receipt of a proposal's whole story so far, under one checkpoint.
pub(crate) async fn proposal(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(encoding): Query<Encoding>,
) -> Result<Response, ApiError> {
    app.catch_up(Some(app.ledger.head().size.get())).await?;
    let id = super::proposals::proposal_id(&id)?;
    encode(&app.ledger.receipt(&story(&app, &id)?)?, &encoding)
}

/// Leaf indices of everything that happened to a proposal and its job.
pub(crate) fn story(app: &App, id: &ProposalId) -> Result<Vec<LeafIndex>, ApiError> {
    let row = app.models.row("proposals", &format!("proposal/{id}")).map_err(ApiError::internal)?;
    let groups = row.as_ref().and_then(|row| row.get("groups")).and_then(serde_json::Value::as_array);
    let groups: Vec<u64> = groups.into_iter().flatten().filter_map(serde_json::Value::as_u64).collect();
    let submitted = app.ledger.with_state(|state| state.submitted(id))?;
    let Some(submitted) = submitted else {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            Reason::ProposalUnknown,
            format!("there is no proposal `{id}`"),
        ));
    };
    let mut indices = group(app, submitted)?;
    for seq in groups {
        indices.extend(group(app, LeafIndex::new(seq))?);
    }
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

/// The events of one command.
pub(crate) fn group(app: &App, first: LeafIndex) -> Result<Vec<LeafIndex>, ApiError> {
    let size = app.ledger.head().size;
    let first = ingest::event_at(app, first)?.header.group;
    let mut indices = vec![first];
    let mut at = first.next();
    while size.contains(at) && ingest::event_at(app, at)?.header.group == first {
        indices.push(at);
        at = at.next();
    }
    Ok(indices)
}

fn encode(receipt: &Receipt, encoding: &Encoding) -> Result<Response, ApiError> {
    let refuse =
        |detail: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, detail).at("/encoding");
    let (media_type, body) = match encoding.encoding.as_deref() {
        None | Some("json") => ("application/json", receipt.to_json()),
        Some("tlog-proof") => {
            let text = receipt.to_tlog_proof().map_err(|e| refuse(e.to_string()))?;
            ("text/plain; charset=utf-8", text.into_bytes())
        }
        Some(other) => {
            return Err(refuse(format!("`{other}` is not known here, expected `json` or `tlog-proof`")));
        }
    };
    Ok(([(header::CONTENT_TYPE, media_type)], body).into_response())
}
