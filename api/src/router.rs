//! Every route on one page.

use crate::app::App;
use crate::error::ApiError;
use crate::native::{approvals, batch, blobs, clock, head, intents, jobs, keys, metrics, proposals, receipts, stream};
use crate::{compat, cors, log_site, request};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};

/// The server.
pub fn router(app: App) -> Router {
    let native = Router::new()
        .route("/intents", post(intents::submit))
        .route("/batch", post(batch::submit))
        .route("/proposals", post(proposals::submit).get(proposals::list))
        .route("/proposals/{id}", get(proposals::get))
        .route("/proposals/{id}/bodies", get(proposals::bodies))
        .route("/approvals", post(approvals::submit).get(approvals::list))
        .route("/jobs", get(jobs::list))
        .route("/jobs/lease", post(jobs::lease))
        .route("/jobs/{id}", get(jobs::get))
        .route("/jobs/{id}/result", post(jobs::report).get(jobs::output))
        .route("/receipts/events/{seq}", get(receipts::event))
        .route("/receipts/proposals/{id}", get(receipts::proposal))
        .route("/stream", get(stream::stream))
        .route("/head", get(head::head))
        .route("/consistency", get(head::consistency))
        .route("/keys", post(keys::create))
        .route("/runners", post(keys::register_runner))
        .route("/clock", post(clock::confirm))
        .route("/bodies/{sha256}", get(blobs::get).delete(keys::erase));
    let log = Router::new()
        .route("/checkpoint", get(log_site::checkpoint))
        .route("/vkey", get(log_site::vkey))
        .route("/tile/{*rest}", get(log_site::tile).layer(axum::middleware::from_fn(log_site::gzip::bundles)))
        .route("/blob/{sha256}", get(log_site::blob));
    // The same log, under the head that witnesses cosigned.
    let witnessed = Router::new()
        .route("/checkpoint", get(log_site::witnessed))
        .route("/vkey", get(log_site::vkey))
        .route("/tile/{*rest}", get(log_site::tile).layer(axum::middleware::from_fn(log_site::gzip::bundles)))
        .route("/blob/{sha256}", get(log_site::blob));
    let log = log.nest("/witnessed", witnessed);
    Router::new()
        .nest("/api/v1", native)
        .nest("/log", log)
        .route("/metrics", get(metrics::metrics))
        .merge(compat::routes())
        .fallback(unknown)
        .layer(axum::middleware::from_fn(plain_errors))
        .layer(axum::middleware::from_fn_with_state(app.clone(), cors::cors))
        .layer(DefaultBodyLimit::max(request::BODY_BYTES))
        .with_state(app)
}

async fn unknown(method: Method, uri: Uri) -> ApiError {
    if uri.path().starts_with("/v1/") {
        return ApiError::detail(StatusCode::NOT_FOUND, "Not found");
    }
    ApiError::not_found(format!("{method} {} is not a route here", uri.path()))
}

/// The framework refuses oversized bodies, wrong methods and unreadable queries in plain text; clients get the same
/// shape for every refusal.
async fn plain_errors(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    use axum::response::IntoResponse;
    let compat = request.uri().path().starts_with("/v1/");
    let response = next.run(request).await;
    let status = response.status();
    let ours = response
        .headers()
        .get("content-type")
        .is_some_and(|t| t.as_bytes().contains(&b'/') && t != "text/plain; charset=utf-8");
    if !status.is_client_error() || ours {
        return response;
    }
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(format!("at most {} bytes", request::BODY_BYTES)),
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::edge(status, "METHOD_NOT_ALLOWED", "the route has other methods", "Method Not Allowed")
        }
        _ => ApiError::new(status, domain::reason::Reason::Malformed, "the path or the query cannot be read"),
    };
    if compat { error.into_compat().into_response() } else { error.into_response() }
}
