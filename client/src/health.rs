//! How a server says it is.

use crate::http::{Client, Error};
use http_body_util::{BodyExt, Limited};
use hyper::{Method, StatusCode};
use serde_json::Value;

/// Largest answer.
const ANSWER_BYTES: usize = 1024 * 1024;

impl Client {
    /// What `/health` says, also if it says that the server is not well.
    ///
    /// # Errors
    /// If there is no answer, or one of another kind.
    pub async fn health(&self) -> Result<Value, Error> {
        let response = self.request(Method::GET, "/health", None, "application/json", Vec::new()).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|e| Error::Unreachable(e.to_string()))?.to_bytes();
        if !matches!(status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE) {
            return Err(Error::Unexpected(status.to_string()));
        }
        serde_json::from_slice(&body).map_err(|e| Error::Unexpected(e.to_string()))
    }
}
