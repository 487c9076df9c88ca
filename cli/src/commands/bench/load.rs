//! Load: clients over HTTP/1.1 on kept-alive connections, or in process.
//!
//! The HTTP client here is as small as can be, since it shares two cores with the server it measures.

use domain::command::{Caller, Command};
use domain::content::Text;
use domain::event::intent::Intent;
use ledger::Ledger;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) events: Option<u64>,
    pub(crate) until: Option<Instant>,
    pub(crate) start: Instant,
    pub(crate) rate: Option<u64>,
}

/// What one client saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) errors: u64,
}

/// Hands out turns: which event is next, and when it was due.
#[derive(Debug)]
pub(crate) struct Turns {
    plan: Plan,
    next: AtomicU64,
}

impl Turns {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self { plan, next: AtomicU64::new(0) })
    }

    /// The next turn, of `count` events. At a fixed rate its latency counts from when it was due, so a stalled server
    /// cannot hide its stall.
    async fn take(&self, count: u64) -> Option<(Range<u64>, Instant)> {
        let first = self.next.fetch_add(count, Ordering::Relaxed);
        let last = self.plan.events.map_or(first + count, |events| events.min(first + count));
        if first >= last {
            return None;
        }
        let due = match self.plan.rate {
            Some(rate) => self.plan.start + Duration::from_nanos(first.saturating_mul(1_000_000_000 / rate.max(1))),
            None => Instant::now(),
        };
        if self.plan.until.is_some_and(|until| due >= until) {
            return None;
        }
        if self.plan.rate.is_some() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some((first..last, due))
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

/// One client over HTTP.
pub(crate) async fn http(target: Target, turns: Arc<Turns>) -> std::io::Result<Seen> {
    let mut stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(64 * 1024);
    while let Some((events, due)) = turns.take(target.batch).await {
        let count = events.end - events.start;
        let (path, body) = if target.batch == 1 {
            ("intents", body(&target.run, events.start))
        } else {
            ("batch", batch_body(&target.run, events))
        };
        let (key, length) = (&target.key, body.len());
        let request = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-countersign-key: {key}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let (status, head) = answer(&mut stream, &mut buffer).await?;
        let latency = due.elapsed();
        let done = if target.batch == 1 {
            u64::from(status == *b"201")
        } else {
            created_lines(buffer.get(head..).unwrap_or_default())
        };
        seen.latencies.extend((0..count).map(|_| latency));
        seen.errors += count.saturating_sub(done);
    }
    Ok(seen)
}

/// Lines of a batch's answer that say 201.
fn created_lines(body: &[u8]) -> u64 {
    let created = body.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"status\":201,"));
    u64::try_from(created.count()).unwrap_or(0)
}

/// Reads one answer with a content length; gives its status, and where its body starts.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<([u8; 3], usize)> {
    let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    buffer.clear();
    let head = loop {
        if stream.read_buf(buffer).await? == 0 {
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
        if stream.read_buf(buffer).await? == 0 {
            return Err(broken("the server closed the connection"));
        }
    }
    let status = buffer.get(9..12).and_then(|s| <[u8; 3]>::try_from(s).ok());
    status.map(|status| (status, head + 4)).ok_or_else(|| broken("no status"))
}

/// One client in process; with a batch it queues that many before it waits for the first.
pub(crate) async fn in_process(ledger: Ledger, by: Caller, run: Arc<str>, batch: u64, turns: Arc<Turns>) -> Seen {
    let mut seen = Seen::default();
    while let Some((events, due)) = turns.take(batch).await {
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
            let done = match queued {
                Ok(queued) => queued.committed().await.is_ok(),
                Err(_) => false,
            };
            seen.latencies.push(due.elapsed());
            seen.errors += u64::from(!done);
        }
    }
    seen
}
