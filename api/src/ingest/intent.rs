//! Intents.

use super::{Committer, StoredBody};
use crate::app::App;
use crate::error::ApiError;
use domain::event::EventData;
use domain::event::intent::Intent;
use domain::id::IntentId;
use schemas::intent::SubmitIntent;
use std::collections::BTreeMap;

/// An intent and the bodies it commits to.
pub(crate) fn intent(
    app: &App,
    input: SubmitIntent,
) -> Result<(Intent, Vec<StoredBody>), ApiError> {
    let (intent_id, earlier) = match input.intent_id {
        Some(id) => {
            let earlier = earlier(app, &id)?;
            (id, earlier)
        }
        None => {
            let seed = domain::event::proposal::Seed::new(
                ledger::keys::entropy().map_err(ApiError::internal)?,
            );
            (
                IntentId::new(seed.uuid("intent")).map_err(ApiError::internal)?,
                BTreeMap::new(),
            )
        }
    };
    let mut committer = Committer::new(input.personal, earlier);
    let goal = committer.text("/goal", input.goal)?;
    let constraints = input
        .constraints
        .map(|value| committer.content("/constraints", value))
        .transpose()?;
    let label = |place: &str, text: Option<String>| match text {
        Some(text) if text.len() > 256 => Err(ApiError::from(
            domain::command::Rejection::malformed("at most 256 bytes".into()),
        )
        .at(place)),
        other => Ok(other),
    };
    let (from, mode) = (label("/from", input.from)?, label("/mode", input.mode)?);
    Ok((
        Intent {
            intent_id,
            from,
            mode,
            goal,
            constraints,
        },
        committer.bodies,
    ))
}

fn earlier(app: &App, id: &IntentId) -> Result<super::Earlier, ApiError> {
    let Some(seq) = app
        .ledger
        .with_state(|state| state.intent(id).map(|seen| seen.seq))
    else {
        return Ok(BTreeMap::new());
    };
    match super::event_at(app, seq)?.data {
        EventData::IntentCreated(e) => {
            let constraints = e.intent.constraints.as_ref().and_then(|c| c.commitment());
            let places = [
                ("/goal", e.intent.goal.commitment()),
                ("/constraints", constraints),
            ];
            super::salts(
                app,
                places
                    .into_iter()
                    .filter_map(|(place, c)| c.map(|c| (place.to_owned(), c))),
            )
        }
        _ => Ok(BTreeMap::new()),
    }
}
