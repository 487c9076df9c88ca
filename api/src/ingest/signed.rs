//! Signed commands: the envelope as it came, and bodies that must open its commitments.

use crate::error::ApiError;
use axum::http::StatusCode;
use domain::authored::{self, StatementKind};
use domain::command::Caller;
use domain::limits;
use domain::reason::Reason;
use proof::commitment::Commitment;
use proof::dsse::Envelope;
use schemas::Signed;
use schemas::body::Body;
use schemas::commit::Opened;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a signed command.
pub(crate) fn signed(value: Value) -> Result<Signed, ApiError> {
    crate::request::typed(value)
}

/// The statement's body; its signature is checked when it is submitted.
pub(crate) fn statement<T: DeserializeOwned>(
    envelope: &Envelope,
    kind: StatementKind,
    origin: &str,
) -> Result<(T, domain::authored::SeenHead), ApiError> {
    let statement = authored::read::<T>(envelope, kind, origin).map_err(ApiError::from)?;
    Ok((statement.body, statement.checkpoint))
}

/// Who signed: the one key that the envelope names.
pub(crate) fn signer(envelope: &Envelope) -> Result<(Caller, proof::key::KeyId), ApiError> {
    match envelope.signatures.as_slice() {
        [one] => {
            let key_id = one.keyid.to_string().parse().map_err(ApiError::internal)?;
            Ok((Caller::key(key_id), one.keyid))
        }
        many => {
            let detail = format!("the envelope has {} signatures, expected 1", many.len());
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, detail).at("/envelope/signatures"))
        }
    }
}

/// Matches bodies with the commitments that the statement makes: each must be opened by one, and none may be left over.
pub(crate) fn bodies(given: &[Body], wanted: &[(String, Commitment)]) -> Result<Vec<Opened>, ApiError> {
    let refuse = |place: String, detail: &str| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, detail).at(place)
    };
    let mut opened: BTreeMap<String, Opened> = BTreeMap::new();
    for (i, body) in given.iter().enumerate() {
        let place = format!("/bodies/{i}");
        let bytes = body.bytes().map_err(|_| refuse(place.clone(), "`base64` is not standard base64 with padding"))?;
        if bytes.len() > limits::BODY_BYTES {
            return Err(ApiError::too_large(format!("{} bytes, at most {}", bytes.len(), limits::BODY_BYTES)).at(place));
        }
        let commitment = Commitment::new(&body.salt, &bytes, &body.media_type);
        if !wanted.iter().any(|(_, want)| *want == commitment) {
            return Err(refuse(place, "the statement commits to no such body"));
        }
        opened.insert(commitment.sha256.to_string(), Opened { commitment, salt: body.salt.clone(), bytes });
    }
    if let Some((place, _)) = wanted.iter().find(|(_, want)| !opened.contains_key(&want.sha256.to_string())) {
        return Err(refuse(place.clone(), "the body of this commitment is missing"));
    }
    Ok(opened.into_values().collect())
}
