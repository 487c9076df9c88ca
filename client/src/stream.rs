//! Following the log.

use crate::http::{Client, Error, refused};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use proof::index::LeafIndex;
use schemas::event::StreamedEvent;

/// Largest line of the stream: one leaf and its index.
const LINE_BYTES: usize = 128 * 1024;

/// Events as they come.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Events {
    pub(crate) async fn open(client: &Client, from: LeafIndex, once: bool) -> Result<Self, Error> {
        let path = format!("/api/v1/stream?from={from}&once={once}");
        let response = client.request(Method::GET, &path, None, "application/x-ndjson", Vec::new()).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Self { body: response.into_body(), buffer: Vec::new() });
        }
        let bytes = response.into_body().collect().await.map_err(|e| Error::Unreachable(e.to_string()))?.to_bytes();
        Err(refused(status, &bytes))
    }

    /// The next event; nothing when the stream has ended. Ask again from the index after the last one to resume.
    pub async fn next(&mut self) -> Result<Option<StreamedEvent>, Error> {
        loop {
            while let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = line.trim_ascii();
                if !line.is_empty() {
                    return serde_json::from_slice(line).map(Some).map_err(|e| Error::Unexpected(e.to_string()));
                }
            }
            if self.buffer.len() > LINE_BYTES {
                return Err(Error::Unexpected("a line of the stream is too long".into()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::Unreachable(error.to_string())),
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            }
        }
    }
}
