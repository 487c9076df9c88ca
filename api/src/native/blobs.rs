//! `GET /api/v1/bodies/{sha256}`: a body beside the log, as it was stored.

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::event::key::Scope;
use domain::reason::Reason;
use ledger::content::BodyReader;
use proof::hash::Hash;
use std::io::Read;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes of one piece, of which a few are in memory at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Streams a body: its length needs no memory here. What is damaged does not come to its end.
pub(crate) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    Path(sha256): Path<String>,
) -> Result<Response, ApiError> {
    auth::require(&app, &headers, Scope::LogRead)?;
    let malformed = "the path must end in 64 lower-case hex digits";
    let name: Hash =
        sha256.parse().map_err(|_| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Malformed, malformed))?;
    let store = app.ledger.content().clone();
    let opened = tokio::task::spawn_blocking(move || store.open_body(&name));
    let Some(reader) = opened.await.map_err(ApiError::internal)?? else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, Reason::BlobUnknown, format!("there is no body `{name}`")));
    };
    let length = reader.length();
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    tokio::task::spawn_blocking(move || send(reader, &sender));
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver)));
    let headers = response.headers_mut();
    // Somebody else's bytes: a browser must not take them for a page.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn send(mut reader: BodyReader, sender: &tokio::sync::mpsc::Sender<std::io::Result<Bytes>>) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = reader.read(&mut piece).map(|count| {
            piece.truncate(count);
            Bytes::from(piece)
        });
        let over = match &read {
            Ok(piece) if piece.is_empty() => return,
            Ok(_) => false,
            Err(error) => {
                tracing::error!(%error, "a body could not be sent to its end");
                true
            }
        };
        // Whoever asked may have gone away.
        if sender.blocking_send(read).is_err() || over {
            return;
        }
    }
}
