//! `POST /api/v1/clock`: the clock leapt ahead, and an admin says that it is right.

use super::keys::recorded;
use super::{Body, json};
use crate::app::App;
use crate::error::ApiError;
use crate::{auth, request};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::command::{Caller, Command};
use domain::event::key::Scope;
use domain::time::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    time: Timestamp,
}

/// Confirms the clock: the time that the admin read elsewhere must be about what it shows.
pub(crate) async fn confirm(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let by = auth::require(&app, &headers, Scope::AdminKeys)?;
    let confirmation: Confirmation = request::typed(request::json(&body)?)?;
    let command = Command::ConfirmClock { by: Caller::key(by.key_id), time: confirmation.time };
    json(StatusCode::OK, &recorded(app.ledger.submit(command).await?)?)
}
