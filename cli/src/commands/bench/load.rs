//! Load: clients over HTTP/1.1 on kept-alive connections, or in process.
//!
//! The HTTP client here is as small as can be, since it shares two cores with the server it measures.

use super::curve::Curve;
use super::pace::Turns;
use domain::command::{Caller, Command};
use domain::content::Text;
use domain::event::intent::Intent;
use ledger::Ledger;
use ledger::metrics::Histogram;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What all clients saw: of fixed size, however long the run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) latency: Histogram,
    events: AtomicU64,
    errors: AtomicU64,
    curve: Option<Curve>,
}

impl Seen {
    /// Nothing yet; rows go to the curve.
    pub(crate) fn new(curve: Option<Curve>) -> Self {
        Self { curve, ..Self::default() }
    }

    /// So many events were answered after so long, so many of them well.
    pub(crate) fn answered(&self, events: u64, well: u64, latency: Duration) {
        self.latency.add_times(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX), events);
        self.errors.fetch_add(events.saturating_sub(well), Ordering::Relaxed);
        let before = self.events.fetch_add(events, Ordering::Relaxed);
        if let Some(curve) = &self.curve {
            curve.reached(before + events);
        }
    }

    /// Events that were answered.
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Those of them that were not created.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Ends the curve.
    pub(crate) fn finish(&self) -> Result<(), String> {
        self.curve.as_ref().map_or(Ok(()), Curve::finish)
    }
}

/// The intent of a turn, as JSON.
fn body(run: &str, turn: u64) -> String {
    format!(
        "{{\"intent_id\":\"bench-{run}-{turn}\",\"from\":\"bench\",\"mode\":\"build\",\"goal\":\"measure the append path, event {turn}\"}}"
    )
}

/// The intents of several turns, a line each.
fn batch_body(run: &str, turns: Range<u64>) -> String {
    let mut lines = String::new();
    for turn in turns {
        lines.push_str("{\"intent\":");
        lines.push_str(&body(run, turn));
        lines.push_str("}\n");
    }
    lines
}

/// What a client over HTTP needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) key: Arc<str>,
    pub(crate) run: Arc<str>,
    /// Events of one request.
    pub(crate) batch: u64,
}

/// One client over HTTP that creates intents.
pub(crate) async fn http(target: Target, turns: Arc<Turns>, seen: Arc<Seen>) -> std::io::Result<()> {
    let mut connection = Connection::open(target.address, &target.key).await?;
    while let Some((events, due)) = turns.take().await {
        let count = events.end - events.start;
        let well = if target.batch == 1 {
            let (status, _) = connection.post("/api/v1/intents", &body(&target.run, events.start)).await?;
            u64::from(status == *b"201")
        } else {
            let (_, lines) = connection.post("/api/v1/batch", &batch_body(&target.run, events)).await?;
            created_lines(lines)
        };
        seen.answered(count, well, due.elapsed());
    }
    Ok(())
}

/// Lines of a batch's answer that say 201.
fn created_lines(body: &[u8]) -> u64 {
    let created = body.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"status\":201,"));
    u64::try_from(created.count()).unwrap_or(0)
}

/// A kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    key: Arc<str>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr, key: &Arc<str>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, key: key.clone(), buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Posts JSON; gives the answer's status and body.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> std::io::Result<([u8; 3], &[u8])> {
        let (key, length) = (&self.key, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-countersign-key: {key}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let (status, head) = self.answer().await?;
        Ok((status, self.buffer.get(head..).unwrap_or_default()))
    }

    /// Reads one answer with a content length; gives its status, and where its body starts.
    async fn answer(&mut self) -> std::io::Result<([u8; 3], usize)> {
        let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let buffer = &mut self.buffer;
        buffer.clear();
        let head = loop {
            if self.stream.read_buf(buffer).await? == 0 {
                return Err(broken("the server closed the connection"));
            }
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end;
            }
        };
        let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default()).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|n| n.parse().ok()).ok_or_else(|| broken("no content length"))?;
        while buffer.len() < head + 4 + length {
            if self.stream.read_buf(buffer).await? == 0 {
                return Err(broken("the server closed the connection"));
            }
        }
        let status = buffer.get(9..12).and_then(|s| <[u8; 3]>::try_from(s).ok());
        status.map(|status| (status, head + 4)).ok_or_else(|| broken("no status"))
    }
}

/// One client in process; with a batch it queues that many before it waits for the first.
pub(crate) async fn in_process(ledger: Ledger, by: Caller, run: Arc<str>, turns: Arc<Turns>, seen: Arc<Seen>) {
    while let Some((events, due)) = turns.take().await {
        let mut queued = Vec::new();
        for turn in events {
            let Ok(intent_id) = format!("bench-{run}-{turn}").parse() else { continue };
            let intent = Intent {
                intent_id,
                from: Some("bench".into()),
                mode: Some("build".into()),
                goal: Text::Inline(format!("measure the append path, event {turn}")),
                constraints: None,
            };
            queued.push(ledger.queue(Command::CreateIntent { by: by.clone(), intent, authored: None }));
        }
        for queued in queued {
            let well = match queued {
                Ok(queued) => queued.committed().await.is_ok(),
                Err(_) => false,
            };
            seen.answered(1, u64::from(well), due.elapsed());
        }
    }
}
