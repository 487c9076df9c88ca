//! Results: outputs are redacted before anything is written (law 9), by the runner already and here once more.

use crate::error::ApiError;
use domain::event::result::JobResult;
use proof::commitment::Commitment;

/// The commitments that a result makes, with their places.
pub(crate) fn commitments(result: &JobResult) -> Vec<(String, Commitment)> {
    let outputs = result.actions.iter().enumerate();
    outputs
        .filter_map(|(i, action)| {
            let commitment = action.output.as_ref()?.commitment()?;
            Some((format!("/actions/{i}/output"), commitment.clone()))
        })
        .collect()
}

/// Refuses a signed result whose text holds a secret: it cannot be redacted without breaking the signature.
pub(crate) fn refuse_secrets(result: &JobResult, bodies: &[schemas::commit::Opened]) -> Result<(), ApiError> {
    let value = serde_json::to_value(result).map_err(ApiError::internal)?;
    super::refuse_secrets(&value)?;
    super::refuse_secret_bodies(bodies)
}
