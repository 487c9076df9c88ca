//! `bench append`.

use super::AppendArguments;
use super::histogram::Latency;
use super::load::{self, Plan, Seen, Target, Turns};
use crate::data_folder::{self, Founding};
use crate::server::{Server, ServerOptions};
use domain::command::Caller;
use domain::event::ledger::Profile;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Syncs of the probe, before and after the run.
const PROBES: u32 = 500;

pub(crate) fn run(arguments: &AppendArguments) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let key = data_folder::new_api_key()?;
    let mut folder = if data_folder::exists(&arguments.data) {
        data_folder::open(&arguments.data)?
    } else {
        let founding = Founding { profile: Profile::Dev, root: None, origin: None, admin_key: &key };
        data_folder::create(&arguments.data, &founding)?
    };
    crate::server::ensure_admin_key(&arguments.data, &mut folder, &key)?;
    let admin = data_folder::admin_record(&folder.salt, &key)?;
    let before = ledger::fsync_probe(&arguments.data, PROBES).map_err(|e| e.to_string())?;
    let measured = runtime.block_on(measure(arguments, folder, &key, Caller::key(admin.key_id)))?;
    let after = ledger::fsync_probe(&arguments.data, PROBES).map_err(|e| e.to_string())?;
    let mean = |a: Duration, b: Duration| (a + b).as_secs_f64() * 500.0;
    let fsync = (mean(before.0, after.0), mean(before.1, after.1));

    let events = measured.latencies.len();
    let rate = f64::from(u32::try_from(events).unwrap_or(u32::MAX)) / measured.elapsed.as_secs_f64();
    let latency = Latency::of(measured.latencies);
    let answer = json!({
        "events_per_second": rate, "latency_ms": latency, "fsync_ms": {"p50": fsync.0, "p99": fsync.1},
        "events": events, "errors": measured.errors, "cpu_seconds": measured.cpu_seconds, "rss_bytes": rss_bytes(),
        "clients": arguments.clients, "batch": arguments.batch, "in_process": arguments.in_process, "rate": arguments.rate,
        "projection_lag_events": measured.lag,
    });
    let code = arguments.output.data(&answer, || {
        format!(
            "{rate:.0} events/s · {events} events, {} errors\nlatency   {latency}\nfdatasync p50 {:.3} · p99 {:.3} ms (the same minute)\nCPU       {:.1} s · {} MiB · read models {} events behind at the end",
            measured.errors, fsync.0, fsync.1, measured.cpu_seconds, rss_bytes() / 1_048_576, measured.lag
        )
    });
    Ok(if measured.errors > 0 { ExitCode::from(2) } else { code })
}

struct Measured {
    latencies: Vec<Duration>,
    errors: u64,
    elapsed: Duration,
    cpu_seconds: f64,
    lag: u64,
}

async fn measure(
    arguments: &AppendArguments,
    folder: data_folder::OpenFolder,
    key: &str,
    by: Caller,
) -> Result<Measured, String> {
    let server = Server::start(&arguments.data, folder, &ServerOptions::default()).await?;
    let run: Arc<str> = server.ledger.head().size.to_string().into();
    let start = Instant::now();
    let seconds = arguments.seconds.or_else(|| arguments.events.is_none().then_some(10));
    let until = seconds.map(|s| start + Duration::from_secs(s));
    let turns = Turns::new(Plan { events: arguments.events, until, start, rate: arguments.rate });
    let cpu = cpu_seconds();
    let mut clients = Vec::new();
    for _ in 0..arguments.clients.max(1) {
        let (run, turns) = (run.clone(), turns.clone());
        clients.push(if arguments.in_process {
            tokio::spawn(spawned(load::in_process(
                server.ledger.clone(),
                by.clone(),
                run,
                arguments.batch.max(1),
                turns,
            )))
        } else {
            let target = Target { address: server.address, key: key.into(), run, batch: arguments.batch.max(1) };
            tokio::spawn(async move { load::http(target, turns).await.map_err(|e| e.to_string()) })
        });
    }
    let (mut latencies, mut errors) = (Vec::new(), 0);
    for client in clients {
        let seen = client.await.map_err(|e| e.to_string())??;
        latencies.extend(seen.latencies);
        errors += seen.errors;
    }
    let elapsed = start.elapsed();
    let cpu_seconds = cpu_seconds() - cpu;
    let lag = server.ledger.head().size.get().saturating_sub(server.position());
    server.stop().await?;
    Ok(Measured { latencies, errors, elapsed, cpu_seconds, lag })
}

async fn spawned(work: impl Future<Output = Seen>) -> Result<Seen, String> {
    Ok(work.await)
}

/// CPU time of this process: server and load generator together.
fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of /proc/self/stat, in ticks of 10 ms; the command name before them may hold spaces.
    let stat = std::fs::read_to_string(Path::new("/proc/self/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = rest.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

/// Resident memory of this process.
fn rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
}
