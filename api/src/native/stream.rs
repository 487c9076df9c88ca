//! `GET /api/v1/stream`: every event, in order, from a leaf index on. Server-Sent Events (`id` = leaf index,
//! `Last-Event-ID` resumes), or the same as NDJSON for whoever accepts `application/x-ndjson`.
//!
//! A subscriber reads from the log by index; the watch is only a doorbell. So a slow one can neither lose nor reorder,
//! and holds no memory of the server's.

use crate::app::App;
use crate::auth;
use crate::error::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::reason::Reason;
use proof::index::LeafIndex;
use serde::Deserialize;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;

/// Leaves of one read.
const CHUNK: usize = 64;
/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A subscriber that takes nothing for this long is closed; it resumes where it was.
const LAG: Duration = Duration::from_secs(30);

/// Where to begin, and whether to stay.
#[derive(Debug, Deserialize)]
pub(crate) struct From {
    /// First leaf index; `Last-Event-ID` goes before it.
    #[serde(default)]
    from: Option<u64>,
    /// End at the head instead of following.
    #[serde(default)]
    once: bool,
}

#[derive(Clone, Copy)]
enum Format {
    Sse,
    Ndjson,
}

/// Streams events.
pub(crate) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<From>,
) -> Result<Response, ApiError> {
    auth::may_read(&app, &headers)?;
    let accepts = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let format = if accepts.contains("application/x-ndjson") { Format::Ndjson } else { Format::Sse };
    let last = headers.get("last-event-id").map(|value| {
        let seq = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
        seq.ok_or_else(|| {
            ApiError::new(StatusCode::BAD_REQUEST, Reason::Malformed, "`Last-Event-ID` is not a leaf index")
        })
    });
    let from = match last.transpose()? {
        Some(last) => last.saturating_add(1),
        None => query.from.unwrap_or(0),
    };
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(feed(app, LeafIndex::new(from), query.once, format, sender));
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver)));
    let media_type = match format {
        Format::Sse => "text/event-stream",
        Format::Ndjson => "application/x-ndjson",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

type Sender = tokio::sync::mpsc::Sender<Result<Bytes, std::io::Error>>;

async fn feed(app: App, mut next: LeafIndex, once: bool, format: Format, sender: Sender) {
    let mut news = app.ledger.watch();
    loop {
        news.mark_unchanged();
        let reader = app.clone();
        let from = next;
        let leaves = match tokio::task::spawn_blocking(move || reader.ledger.read(from, CHUNK)).await {
            Ok(Ok(leaves)) => leaves,
            Ok(Err(error)) => return tracing::error!(%error, "cannot read for a subscriber"),
            Err(error) => return tracing::error!(%error, "a subscriber's reader failed"),
        };
        let caught_up = leaves.is_empty();
        let mut out = Vec::new();
        for leaf in leaves {
            frame(format, next, &leaf, &mut out);
            next = next.next();
        }
        if caught_up {
            if once {
                return;
            }
            match tokio::time::timeout(KEEP_ALIVE, news.changed()).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => return,
                Err(_) => match format {
                    Format::Sse => out.extend_from_slice(b":\n\n"),
                    Format::Ndjson => out.push(b'\n'),
                },
            }
        }
        match tokio::time::timeout(LAG, sender.send(Ok(Bytes::from(out)))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// One event: the leaf as it stands in the log, with its index.
fn frame(format: Format, seq: LeafIndex, leaf: &[u8], out: &mut Vec<u8>) {
    let json = |out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{{\"seq\":{seq},").as_bytes());
        out.extend_from_slice(leaf.get(1..).unwrap_or_default());
    };
    match format {
        Format::Sse => {
            out.extend_from_slice(format!("id: {seq}\nevent: event\ndata: ").as_bytes());
            json(out);
            out.extend_from_slice(b"\n\n");
        }
        Format::Ndjson => {
            json(out);
            out.push(b'\n');
        }
    }
}
