//! `bench append`.

use super::curve::Curve;
use super::figures::{self, Fsync, Latency};
use super::folder::{self, Measured};
use super::load::{self, Seen, Target};
use super::pace::{Plan, Turns};
use crate::output::OutputArguments;
use crate::server::{Server, ServerOptions};
use clap::Args;
use serde_json::json;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Options of `bench append`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder; a new ledger is made in it if there is none
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many events
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    events: Option<u64>,
    /// For how long
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Events a second that are offered, whatever is answered; otherwise each client sends when it is answered
    #[arg(long, value_name = "EVENTS_PER_S")]
    rate: Option<NonZeroU64>,
    /// Clients at once
    #[arg(long, value_name = "N", default_value = "64")]
    clients: NonZeroUsize,
    /// Events of one request
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZeroU64,
    /// Without HTTP
    #[arg(long)]
    in_process: bool,
    /// Write how the run went, a row every 1 %, as CSV; `bench plot` draws it
    #[arg(long, value_name = "FILE", requires = "events")]
    curve: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let measured = folder::open_or_found(&arguments.data)?;
    let curve = match (&arguments.curve, arguments.events) {
        (Some(path), Some(events)) => Some(Curve::create(path, events)?),
        _ => None,
    };
    let fsync = Fsync::probe(&arguments.data)?;
    let seen = Arc::new(Seen::new(curve));
    let ran = runtime.block_on(measure(arguments, measured, &seen))?;
    seen.finish()?;
    let fsync = fsync.and_now(&arguments.data)?;

    let (events, errors) = (seen.events(), seen.errors());
    let rate = figures::per_second(events, ran.elapsed);
    let latency = Latency::of(&seen.latency.read());
    let (rss, peak) = (figures::rss_bytes(), figures::peak_rss_bytes());
    let answer = json!({
        "events_per_second": rate, "latency_ms": latency, "fsync_ms": fsync, "events": events, "errors": errors,
        "cpu_seconds": ran.cpu_seconds, "rss_bytes": rss, "peak_rss_bytes": peak, "seconds": ran.elapsed.as_secs_f64(),
        "clients": arguments.clients, "batch": arguments.batch, "in_process": arguments.in_process,
        "rate": arguments.rate, "pacer_late_ms": ran.late, "projection_lag_events": ran.lag,
    });
    let code = arguments.output.data(&answer, || {
        format!(
            "{rate:.0} events/s · {events} events, {errors} errors\nlatency   {latency}\nfdatasync p50 {:.3} · p99 {:.3} ms (the same minute)\nCPU       {:.1} s · {} MiB, at most {} MiB · read models {} events behind at the end",
            fsync.p50,
            fsync.p99,
            ran.cpu_seconds,
            rss / 1_048_576,
            peak / 1_048_576,
            ran.lag
        )
    });
    Ok(if errors > 0 { ExitCode::from(2) } else { code })
}

struct Ran {
    elapsed: Duration,
    cpu_seconds: f64,
    lag: u64,
    late: Option<Latency>,
}

async fn measure(arguments: &Arguments, measured: Measured, seen: &Arc<Seen>) -> Result<Ran, String> {
    let Measured { folder, key, admin } = measured;
    let server = Server::start(&arguments.data, folder, &ServerOptions::default()).await?;
    let run: Arc<str> = server.ledger.head().size.to_string().into();
    let seconds = arguments.seconds.or_else(|| arguments.events.is_none().then_some(10));
    let start = Instant::now();
    let turns = Turns::start(Plan {
        events: arguments.events,
        until: seconds.map(|s| start + Duration::from_secs(s)),
        start,
        rate: arguments.rate,
        batch: arguments.batch,
        clients: arguments.clients.get(),
    })?;
    let cpu = figures::cpu_seconds();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..arguments.clients.get() {
        let (run, turns, seen) = (run.clone(), turns.clone(), seen.clone());
        if arguments.in_process {
            let (ledger, by) = (server.ledger.clone(), admin.clone());
            clients.spawn(async move {
                load::in_process(ledger, by, run, turns, seen).await;
                Ok(())
            });
        } else {
            let batch = arguments.batch.get();
            let target = Target { address: server.address, key: key.as_str().into(), run, batch };
            clients.spawn(load::http(target, turns, seen));
        }
    }
    while let Some(ended) = clients.join_next().await {
        ended.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    }
    let elapsed = start.elapsed();
    let cpu_seconds = figures::cpu_seconds() - cpu;
    let lag = server.ledger.head().size.get().saturating_sub(server.position());
    server.stop().await?;
    let late = arguments.rate.map(|_| Latency::of(&turns.late()));
    Ok(Ran { elapsed, cpu_seconds, lag, late })
}
