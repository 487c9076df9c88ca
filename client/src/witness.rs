//! Speaking to a witness (C2SP tlog-witness): one post of text, and whatever it answers.

use crate::http::{Error, chain};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONNECTION, CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// Largest answer: cosignatures of several kinds of key.
const ANSWER_BYTES: usize = 64 * 1024;
/// The longest that an exchange may take, whatever the caller waits.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client of any number of witnesses. Clones share it.
#[derive(Clone, Debug)]
pub struct WitnessClient {
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// What a witness answered. What it means is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The media type, as it was sent; empty if none was.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl WitnessClient {
    /// A client. Plain HTTP only.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        // Witnesses are asked about once a second and may end a connection between two requests: each has its own.
        Self { pool: Pool::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector) }
    }

    /// Posts a request to `<url>/add-checkpoint`.
    ///
    /// # Errors
    /// If there is no answer, or one that does not end.
    pub async fn add_checkpoint(&self, url: &str, request: String) -> Result<WitnessAnswer, Error> {
        tokio::time::timeout(TIMEOUT, self.exchange(url, request))
            .await
            .map_err(|_| Error::Unreachable("no answer in time".into()))?
    }

    async fn exchange(&self, url: &str, request: String) -> Result<WitnessAnswer, Error> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/add-checkpoint", url.trim_end_matches('/')))
            .header(CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(request)))
            .map_err(|e| Error::Unreachable(e.to_string()))?;
        let response = self.pool.request(request).await.map_err(|e| Error::Unreachable(chain(&e)))?;
        let status = response.status().as_u16();
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|e| Error::Unreachable(e.to_string()))?.to_bytes().to_vec();
        Ok(WitnessAnswer { status, media_type, body })
    }
}

impl Default for WitnessClient {
    fn default() -> Self {
        Self::new()
    }
}
