//! Reading a request's body: bounds first, then strict JSON, then the type, each refusal with its place.

use crate::error::ApiError;
use axum::http::StatusCode;
use domain::reason::Reason;
use proof::canonical::{JsonError, JsonErrorKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Largest request body: the bodies of one command in base64, and the command.
pub(crate) const BODY_BYTES: usize = domain::limits::BODIES_BYTES / 3 * 4 + 256 * 1024;

/// Reads JSON that I-JSON can carry. Syntax errors are 400; numbers and keys that do not survive are 422.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, ApiError> {
    proof::canonical::parse(bytes).map_err(|error| unreadable(&error, bytes))
}

fn unreadable(error: &JsonError, bytes: &[u8]) -> ApiError {
    let rest = bytes.get(error.offset()..).unwrap_or_default();
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let not_a_number = rest.starts_with(b"NaN") || rest.starts_with(b"Infinity");
    let unfit = matches!(
        error.kind(),
        JsonErrorKind::DuplicateKey(_)
            | JsonErrorKind::IntegerRange
            | JsonErrorKind::NotFinite
            | JsonErrorKind::LoneSurrogate
            | JsonErrorKind::Depth
    ) || not_a_number;
    let status = if unfit { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
    let detail = if not_a_number {
        format!("JSON cannot carry NaN or Infinity, at byte {}", error.offset())
    } else {
        error.to_string()
    };
    let mut refusal = ApiError::new(status, Reason::Malformed, detail);
    refusal.offset = Some(error.offset());
    refusal
}

/// Reads a wire type out of JSON. A wrong type is 422, with a JSON pointer to it.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                serde_path_to_error::Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                serde_path_to_error::Segment::Map { key } => pointer.push_str(&format!("/{key}")),
                serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
            }
        }
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, error.inner().to_string()).at(pointer)
    })
}
