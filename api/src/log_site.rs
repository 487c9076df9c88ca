//! `/log/…`: the static log site, as any web server could serve it from the same folder. Its checkpoint is at most about
//! a second behind the committed head, which `/api/v1/head` has.

pub(crate) mod gzip;

use crate::app::App;
use crate::error::ApiError;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use proof::tile::{BundleCoord, TileCoord};
use std::path::PathBuf;

/// Immutable for a year, as full tiles and blobs are.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The published checkpoint: the tiles it needs lie beside it.
pub(crate) async fn checkpoint(State(app): State<App>) -> Result<Response, ApiError> {
    let bytes = read(app.site.join("checkpoint")).await?;
    Ok(answer(bytes, "text/plain; charset=utf-8", "no-cache"))
}

/// The last checkpoint that enough witnesses cosigned, with their cosignatures. It lies beside the published one, and its
/// tiles are the same.
pub(crate) async fn witnessed(State(app): State<App>) -> Result<Response, ApiError> {
    let bytes = read(app.site.join("witnessed").join("checkpoint")).await?;
    Ok(answer(bytes, "text/plain; charset=utf-8", "no-cache"))
}

/// The checkpoint key as a vkey line.
pub(crate) async fn vkey(State(app): State<App>) -> Result<Response, ApiError> {
    let line = app.ledger.with_state(|state| state.ledger().map(|info| info.genesis.checkpoint.clone()));
    let line = line.ok_or_else(|| ApiError::internal("no genesis"))?;
    Ok(answer(format!("{line}\n").into_bytes(), "text/plain; charset=utf-8", "no-cache"))
}

/// A tile or an entry bundle.
pub(crate) async fn tile(State(app): State<App>, Path(rest): Path<String>) -> Result<Response, ApiError> {
    // Only the canonical spelling of a coordinate is a path here, so no path can lead out of the folder.
    let path = format!("tile/{rest}");
    let known = TileCoord::parse(&path).is_ok() || BundleCoord::parse(&path).is_ok();
    if !known {
        return Err(ApiError::not_found(format!("`{path}` is not the address of a tile")));
    }
    Ok(answer(read(app.site.join(path)).await?, "application/octet-stream", FOR_EVER))
}

/// A public blob.
pub(crate) async fn blob(State(app): State<App>, Path(sha256): Path<String>) -> Result<Response, ApiError> {
    let hash: proof::hash::Hash =
        sha256.parse().map_err(|_| ApiError::not_found("a blob's address is 64 lower-case hex digits"))?;
    match app.ledger.blobs().get(&hash).map_err(ApiError::internal)? {
        Some(bytes) => Ok(answer(bytes, "application/json", FOR_EVER)),
        None => Err(ApiError::not_found(format!("there is no blob `{hash}`"))),
    }
}

async fn read(path: PathBuf) -> Result<Vec<u8>, ApiError> {
    tokio::fs::read(&path).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::not_found("the log's site has no such file"),
        _ => ApiError::internal(error),
    })
}

fn answer(bytes: Vec<u8>, media_type: &'static str, cache: &'static str) -> Response {
    let mut response = (StatusCode::OK, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
