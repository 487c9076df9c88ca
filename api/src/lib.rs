//! The HTTP server.
//!
//! In scope: reading requests within bounds, finding out who calls, turning what they sent into a command, and answering
//! with receipts. Cut by audience: `native/` is ours, `compat/` is the predecessor's surface and deletable,
//! `log_site` is the public log, [`witness`] both sides of cosigning heads. Out of scope: deciding (`domain`), storing (`ledger`), rows (`projections`).
//!
//! **Invariant:** errors of the layers below become statuses in `error` only; what a client sent passes `ingest` before it
//! is stored.

mod app;
mod auth;
mod compat;
mod cors;
mod error;
mod ingest;
mod log_site;
mod native;
mod request;
mod router;
mod warrant;
pub mod witness;

pub use app::{App, Options};
pub use auth::api_key_hash;
pub use router::router;

use std::future::Future;
use tokio::net::TcpListener;

/// Serves until `stop` resolves, then lets open requests finish.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(app)).with_graceful_shutdown(stop).await
}
