//! Requests and answers, within bounds.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use schemas::problem::Problem;
use schemas::{KEY_HEADER, SIGNED_MEDIA_TYPE};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// Largest answer that is read whole.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Longest wait for an answer, beyond what a long poll asks for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An API key; its value shows in no message.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a request gave nothing.
#[derive(Debug)]
pub enum Error {
    /// The server said no.
    Refused(Box<Problem>),
    /// The server could not be reached, or did not answer in time.
    Unreachable(String),
    /// The answer is not what the route promises.
    Unexpected(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(problem) => {
                write!(f, "{} ({}): {}", problem.title, problem.reason, problem.detail)?;
                match &problem.pointer {
                    Some(pointer) => write!(f, " at {pointer}"),
                    None => Ok(()),
                }
            }
            Self::Unreachable(why) => write!(f, "the server cannot be reached: {why}"),
            Self::Unexpected(what) => write!(f, "unexpected answer: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The stable reason code, if the server said no.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.reason),
            Self::Unreachable(_) | Self::Unexpected(_) => None,
        }
    }
}

/// A server, by its base URL. Clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    key: Option<Key>,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// Percent-encodes one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8000`.
    pub fn new(base: &str, key: Option<Key>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { base: base.trim_end_matches('/').to_owned(), key, pool }
    }

    /// The same server with another key.
    #[must_use]
    pub fn with_key(&self, key: Option<Key>) -> Self {
        Self { key, ..self.clone() }
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Fetches JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        parse(&self.bytes(path).await?)
    }

    pub(crate) async fn bytes(&self, path: &str) -> Result<Vec<u8>, Error> {
        Ok(self.exchange(Method::GET, path, None, Vec::new()).await?.1)
    }

    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Error> {
        self.send(Method::POST, path, "application/json", encode(body)?).await
    }

    pub(crate) async fn post_signed<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        self.send(Method::POST, path, SIGNED_MEDIA_TYPE, encode(body)?).await
    }

    pub(crate) async fn post_signed_optional<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<Option<T>, Error> {
        let (status, bytes) = self.exchange(Method::POST, path, Some(SIGNED_MEDIA_TYPE), encode(body)?).await?;
        if status == StatusCode::NO_CONTENT { Ok(None) } else { parse(&bytes).map(Some) }
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        parse(&self.exchange(method, path, Some(media_type), body).await?.1)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        media_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let response = self.request(method, path, media_type, "application/json", body).await?;
        let status = response.status();
        let collected = tokio::time::timeout(TIMEOUT, Limited::new(response.into_body(), ANSWER_BYTES).collect()).await;
        let bytes = collected
            .map_err(|_| Error::Unreachable("the answer did not end in time".into()))?
            .map_err(|e| Error::Unreachable(e.to_string()))?
            .to_bytes()
            .to_vec();
        if status.is_success() { Ok((status, bytes)) } else { Err(refused(status, &bytes)) }
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        media_type: Option<&str>,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<Response<hyper::body::Incoming>, Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base)).header(ACCEPT, accept);
        if let Some(media_type) = media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        if let Some(Key(key)) = &self.key {
            request = request.header(KEY_HEADER, key);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|e| Error::Unreachable(e.to_string()))?;
        let answer = tokio::time::timeout(TIMEOUT, self.pool.request(request)).await;
        answer.map_err(|_| Error::Unreachable("no answer in time".into()))?.map_err(|e| Error::Unreachable(chain(&e)))
    }
}

/// An error with its causes: the outermost alone says only that connecting failed.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

pub(crate) fn refused(status: StatusCode, bytes: &[u8]) -> Error {
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) => Error::Refused(Box::new(problem)),
        Err(_) => {
            let text: String = String::from_utf8_lossy(bytes).chars().take(200).collect();
            Error::Unexpected(format!("{status}: {text}"))
        }
    }
}

fn encode<B: Serialize>(body: &B) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|e| Error::Unexpected(e.to_string()))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::Unexpected(e.to_string()))
}
