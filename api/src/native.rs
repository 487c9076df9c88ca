//! The native routes, `/api/v1`: typed, with receipts in their answers and problem documents for refusals.

pub(crate) mod approvals;
pub(crate) mod batch;
pub(crate) mod blobs;
pub(crate) mod clock;
pub(crate) mod head;
pub(crate) mod intents;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod proposals;
pub(crate) mod receipts;
pub(crate) mod stream;

use crate::error::ApiError;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::command::RejectionKind;
use ledger::SubmitError;
use proof::index::LeafIndex;
use schemas::SIGNED_MEDIA_TYPE;
use serde::Serialize;

/// A JSON answer.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Whether the body is a signed command.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(SIGNED_MEDIA_TYPE))
}

/// A body within its bounds; the router has cut off longer ones already.
pub(crate) type Body = Bytes;

/// Where the same command stands in the log already, if that is why it was refused.
pub(crate) fn duplicate_of(error: &SubmitError) -> Option<LeafIndex> {
    match error {
        SubmitError::Rejected(no) => match no.kind {
            RejectionKind::Duplicate(first) => Some(first),
            _ => None,
        },
        _ => None,
    }
}
