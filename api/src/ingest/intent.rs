//! Intents.

use super::committer;
use crate::app::App;
use crate::error::ApiError;
use domain::event::EventData;
use domain::event::intent::Intent;
use domain::event::proposal::Seed;
use domain::id::IntentId;
use proof::commitment::Commitment;
use schemas::commit::{Earlier, Opened};
use schemas::intent::SubmitIntent;

/// An intent and the bodies it commits to.
pub(crate) fn intent(app: &App, mut input: SubmitIntent) -> Result<(Intent, Vec<Opened>), ApiError> {
    let (id, earlier) = match input.intent_id.take() {
        Some(id) => (id.clone(), earlier(app, &id)?),
        None => {
            let seed = Seed::new(ledger::keys::entropy().map_err(ApiError::internal)?);
            (IntentId::new(seed.uuid("intent")).map_err(ApiError::internal)?, Earlier::new())
        }
    };
    committer(input.personal, earlier, |to| input.commit(id, to))
}

/// The commitments that an intent makes, with their places.
pub(crate) fn commitments(intent: &Intent) -> Vec<(String, Commitment)> {
    let constraints = intent.constraints.as_ref().and_then(|c| c.commitment());
    let places = [("/goal", intent.goal.commitment()), ("/constraints", constraints)];
    places.into_iter().filter_map(|(place, c)| c.map(|c| (place.to_owned(), c.clone()))).collect()
}

fn earlier(app: &App, id: &IntentId) -> Result<Earlier, ApiError> {
    let Some(seq) = app.ledger.with_state(|state| state.intent(id))? else {
        return Ok(Earlier::new());
    };
    match super::event_at(app, seq)?.data {
        EventData::IntentCreated(e) => {
            let found = commitments(&e.intent);
            super::salts(app, found.iter().map(|(place, c)| (place.clone(), c)))
        }
        _ => Ok(Earlier::new()),
    }
}
