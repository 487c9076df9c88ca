//! What every handler shares.

use domain::time::Timestamp;
use ledger::Ledger;
use ledger::clock::{Clock, SystemClock};
use projections::Store;
use std::sync::Arc;

/// How long a read waits for its read model.
const CATCH_UP: std::time::Duration = std::time::Duration::from_secs(5);

/// How a server behaves; the parts that a composition root decides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether reads on the compatible routes and of events need no key. The predecessor's clients send none.
    pub open_reads: bool,
    /// Origins that a browser may call from.
    pub allowed_origins: Vec<String>,
    /// How it stands with the log's witnesses, if it has any.
    pub witnessing: Option<crate::witness::Witnessing>,
}

impl Default for Options {
    fn default() -> Self {
        let allowed_origins = vec!["http://localhost:3000".into(), "http://127.0.0.1:3000".into()];
        Self { open_reads: false, allowed_origins, witnessing: None }
    }
}

/// What every handler shares.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// See [`App`].
#[expect(missing_debug_implementations, reason = "it holds the salt of the API keys")]
pub struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) models: Store,
    pub(crate) api_key_salt: [u8; 32],
    pub(crate) options: Options,
    pub(crate) site: std::path::PathBuf,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({:?})", self.0.ledger)
    }
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Puts a server together. `site` is the folder of the static log site.
    pub fn new(
        ledger: Ledger,
        models: Store,
        api_key_salt: [u8; 32],
        site: std::path::PathBuf,
        options: Options,
    ) -> Self {
        Self(Arc::new(Inner { ledger, models, api_key_salt, options, site }))
    }

    /// Waits, bounded, until the read models have folded `at_least` events: a client reads its own writes.
    pub(crate) async fn catch_up(&self, at_least: Option<u64>) -> Result<(), crate::error::ApiError> {
        let Some(at_least) = at_least else {
            return Ok(());
        };
        let wanted = proof::index::TreeSize::new(at_least.min(self.ledger.head().size.get()));
        if self.models.wait_for(wanted, CATCH_UP).await.is_ok() {
            return Ok(());
        }
        Err(crate::error::ApiError::edge(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "BEHIND",
            "the read models are behind",
            format!("they have folded {} events, {wanted} were asked for; come back", self.models.position()),
        ))
    }
}

/// The edge's clock: only to judge whether a key has expired before the sequencer judges it again.
pub(crate) fn now() -> Timestamp {
    SystemClock::default().wall()
}
