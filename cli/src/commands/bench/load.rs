//! Load: clients over HTTP/1.1 on kept-alive connections, or in process.
//!
//! The HTTP client here is as small as can be, since it shares two cores with the server it measures.

use domain::command::{Caller, Command};
use domain::content::Text;
use domain::event::intent::Intent;
use ledger::Ledger;
use std::net::SocketAddr;
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

    /// The next turn. At a fixed rate its latency counts from when it was due, so a stalled server cannot hide its stall.
    async fn take(&self) -> Option<(u64, Instant)> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        if self.plan.events.is_some_and(|events| turn >= events) {
            return None;
        }
        let due = match self.plan.rate {
            Some(rate) => self.plan.start + Duration::from_nanos(turn.saturating_mul(1_000_000_000 / rate.max(1))),
            None => Instant::now(),
        };
        if self.plan.until.is_some_and(|until| due >= until) {
            return None;
        }
        if self.plan.rate.is_some() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some((turn, due))
    }
}

/// The intent of a turn, as JSON.
fn body(run: &str, turn: u64) -> String {
    format!(
        "{{\"intent_id\":\"bench-{run}-{turn}\",\"from\":\"bench\",\"mode\":\"build\",\"goal\":\"measure the append path, event {turn}\"}}"
    )
}

/// One client over HTTP.
pub(crate) async fn http(
    address: SocketAddr,
    key: Arc<str>,
    run: Arc<str>,
    turns: Arc<Turns>,
) -> std::io::Result<Seen> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Some((turn, due)) = turns.take().await {
        let body = body(&run, turn);
        let request = format!(
            "POST /api/v1/intents HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-countersign-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let status = answer(&mut stream, &mut buffer).await?;
        seen.latencies.push(due.elapsed());
        seen.errors += u64::from(status != *b"201");
    }
    Ok(seen)
}

/// Reads one answer with a content length; gives its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<[u8; 3]> {
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
    status.ok_or_else(|| broken("no status"))
}

/// One client in process.
pub(crate) async fn in_process(ledger: Ledger, by: Caller, run: Arc<str>, turns: Arc<Turns>) -> Seen {
    let mut seen = Seen::default();
    while let Some((turn, due)) = turns.take().await {
        let Ok(intent_id) = format!("bench-{run}-{turn}").parse() else {
            continue;
        };
        let intent = Intent {
            intent_id,
            from: Some("bench".into()),
            mode: Some("build".into()),
            goal: Text::Inline(format!("measure the append path, event {turn}")),
            constraints: None,
        };
        let done = ledger.submit(Command::CreateIntent { by: by.clone(), intent, authored: None }).await;
        seen.latencies.push(due.elapsed());
        seen.errors += u64::from(done.is_err());
    }
    seen
}
