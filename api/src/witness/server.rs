//! The witness's routes (C2SP tlog-witness): `POST /add-checkpoint`, `GET /<address>/checkpoint`, `GET /vkey`.

use super::listener::Bounded;
use super::store::{CosignError, Witness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use proof::hash::Hash;
use proof::limits::MAX_ADD_CHECKPOINT_BYTES;
use proof::witness::{AddCheckpoint, Refusal, SIZE_MEDIA_TYPE};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

const TEXT: &str = "text/plain; charset=utf-8";
/// The longest that a request's body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Serves a witness until `stop` resolves, then lets open requests finish.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    witness: Arc<Witness>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{address}/checkpoint", get(checkpoint))
        .route("/vkey", get(vkey))
        .with_state(witness);
    axum::serve(Bounded::new(listener), router).with_graceful_shutdown(stop).await
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Response {
    let text = match read(body).await {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    let request = match AddCheckpoint::parse(&text) {
        Ok(request) => request,
        Err(error) => return refusal(&Refusal::Malformed(error)),
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // The head is on stable storage before anybody is answered, and a disk may take its time.
    let cosigned = tokio::task::spawn_blocking(move || witness.cosign(&request, now)).await;
    match cosigned {
        Ok(Ok(line)) => plain(StatusCode::OK, line),
        Ok(Err(CosignError::Refused(why))) => refusal(&why),
        Ok(Err(CosignError::Failed(why))) => failed(&why),
        Err(error) => failed(&error),
    }
}

async fn read(body: Body) -> Result<String, Response> {
    let late = |_| plain(StatusCode::REQUEST_TIMEOUT, "the request did not end in time\n");
    let bytes = tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_ADD_CHECKPOINT_BYTES)).await.map_err(late)?;
    let bytes = bytes.map_err(|_| {
        plain(StatusCode::PAYLOAD_TOO_LARGE, format!("expected at most {MAX_ADD_CHECKPOINT_BYTES} bytes\n"))
    })?;
    String::from_utf8(bytes.into()).map_err(|_| plain(StatusCode::BAD_REQUEST, "expected UTF-8\n"))
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(address): Path<String>) -> Response {
    let note = address.parse::<Hash>().ok().and_then(|address| witness.checkpoint(&address));
    match note {
        Some(note) => plain(StatusCode::OK, note.to_string()),
        None => plain(StatusCode::NOT_FOUND, "nothing was cosigned for such a log\n"),
    }
}

async fn vkey(State(witness): State<Arc<Witness>>) -> Response {
    plain(StatusCode::OK, format!("{}\n", witness.vkey()))
}

fn refusal(why: &Refusal) -> Response {
    if let Refusal::OtherSize { last } = why {
        return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE_MEDIA_TYPE)], format!("{last}\n")).into_response();
    }
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    plain(status, format!("{why}\n"))
}

/// Something failed that is not the log's fault. The cause goes to our log.
fn failed(cause: &dyn std::fmt::Display) -> Response {
    tracing::error!(%cause, "nothing was cosigned");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed; nothing was cosigned\n")
}

fn plain(status: StatusCode, body: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], body.into()).into_response()
}
