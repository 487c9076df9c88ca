//! `POST /api/v1/batch`: many commands in one request, NDJSON in and out. A line is `{"intent": …}` or `{"proposal": …}`,
//! as the single routes take them; its answer is the line of the same number, `{"status": …, "body": …}`.
//!
//! The lines are decided in their order. Each stands for itself: one that is refused stops no other.

use super::{Body, intents, proposals};
use crate::app::App;
use crate::error::ApiError;
use crate::{auth, ingest, request};
use axum::body::to_bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::command::{Caller, Command};
use domain::event::key::Scope;
use domain::id::IntentId;
use ledger::Queued;
use schemas::commit::Opened;
use serde::Serialize;
use serde_json::{Value, json};

/// Lines of one request.
const LINES: usize = 1024;

/// A line on its way.
enum Line {
    Intent(IntentId, Queued),
    Proposal(Queued),
    Refused(ApiError),
}

/// A line that can be queued.
struct Ready {
    command: Command,
    bodies: Vec<Opened>,
}

pub(crate) async fn submit(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let key = auth::require(&app, &headers, Scope::ProposalCreate)?;
    let by = Caller::key(key.key_id);
    let texts: Vec<&[u8]> = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if texts.len() > LINES {
        return Err(ApiError::too_large(format!("{} lines, at most {LINES}", texts.len())));
    }
    let mut ready: Vec<Result<Ready, ApiError>> = texts.iter().map(|text| read(&app, &by, text)).collect();
    let bodies =
        ready.iter_mut().filter_map(|line| line.as_mut().ok()).flat_map(|line| line.bodies.drain(..)).collect();
    ingest::store(&app, &by, bodies).await?;
    let mut lines = Vec::with_capacity(ready.len());
    for line in ready {
        lines.push(match line {
            Ok(ready) => queue(&app, ready.command),
            Err(error) => Line::Refused(error),
        });
    }
    let mut out = Vec::new();
    for line in lines {
        answer(&app, line, &mut out).await?;
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], out).into_response())
}

fn read(app: &App, by: &Caller, text: &[u8]) -> Result<Ready, ApiError> {
    let Value::Object(mut members) = request::json(text)? else { return Err(neither()) };
    match (members.remove("intent"), members.remove("proposal"), members.is_empty()) {
        (Some(intent), None, true) => {
            ingest::refuse_secrets(&intent)?;
            let (intent, bodies) = ingest::intent::intent(app, request::typed(intent)?)?;
            Ok(Ready { command: Command::CreateIntent { by: by.clone(), intent, authored: None }, bodies })
        }
        (None, Some(proposal), true) => {
            let (command, bodies) = proposals::plain(app, by.clone(), proposal)?;
            Ok(Ready { command, bodies })
        }
        _ => Err(neither()),
    }
}

fn neither() -> ApiError {
    let detail = "a line is an object with the one member `intent` or `proposal`";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, domain::reason::Reason::Malformed, detail)
}

fn queue(app: &App, command: Command) -> Line {
    let intent_id = match &command {
        Command::CreateIntent { intent, .. } => Some(intent.intent_id.clone()),
        _ => None,
    };
    match (app.ledger.queue(command), intent_id) {
        (Ok(queued), Some(id)) => Line::Intent(id, queued),
        (Ok(queued), None) => Line::Proposal(queued),
        (Err(error), _) => Line::Refused(error.into()),
    }
}

async fn answer(app: &App, line: Line, out: &mut Vec<u8>) -> Result<(), ApiError> {
    let answered = match line {
        Line::Intent(id, queued) => {
            intents::answer(app, id, queued.committed().await).and_then(|(status, body)| encode(status, &body))
        }
        Line::Proposal(queued) => {
            proposals::answer(app, queued.committed().await).and_then(|(status, body)| encode(status, &body))
        }
        Line::Refused(error) => Err(error),
    };
    let bytes = match answered {
        Ok(bytes) => bytes,
        Err(error) => {
            let response = error.into_response();
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), 64 * 1024).await.map_err(ApiError::internal)?;
            let body: Value = serde_json::from_slice(&body).map_err(ApiError::internal)?;
            json!({"status": status, "body": body}).to_string().into_bytes()
        }
    };
    out.extend_from_slice(&bytes);
    out.push(b'\n');
    Ok(())
}

fn encode<T: Serialize>(status: StatusCode, body: &T) -> Result<Vec<u8>, ApiError> {
    let body = serde_json::to_string(body).map_err(ApiError::internal)?;
    Ok(format!("{{\"status\":{},\"body\":{body}}}", status.as_u16()).into_bytes())
}
