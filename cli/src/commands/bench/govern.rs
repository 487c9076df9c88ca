//! `bench govern`: proposals that are allowed, through HTTP. Each answer means that proposal, decision and job are on
//! stable storage.
//!
//! With results, each client is a runner too: it proposes, leases a job, and reports a signed result. It does not verify
//! the warrants: that is a runner's own work, on its own machine.

mod cycle;

use super::figures::{self, Fsync, Latency};
use super::folder::{self, Measured};
use super::load::{Connection, Seen};
use super::pace::{Plan, Turns};
use super::proposals::{self, INTENT};
use crate::data_folder::Problem;
use crate::output::OutputArguments;
use crate::server::{Server, ServerOptions};
use clap::Args;
use domain::command::Command;
use domain::content::Text;
use domain::event::decision::Ruling;
use domain::event::intent::Intent;
use serde_json::json;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Options of `bench govern`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder; a new ledger is made in it if there is none
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// For how long
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u64,
    /// Clients at once
    #[arg(long, value_name = "N", default_value = "64")]
    clients: NonZeroUsize,
    /// Also lease each job and report a signed result
    #[arg(long)]
    with_results: bool,
    #[command(flatten)]
    output: OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let mut measured = folder::open_or_found(&arguments.data)?;
    state_intent(&mut measured)?;
    let runners = if arguments.with_results {
        let manifest = measured.folder.ledger.policy().manifest().clone();
        let origin = measured.folder.ledger.origin().to_owned();
        let register = |n| cycle::register(&arguments.data, &mut measured.folder, n, &origin, &manifest);
        (0..arguments.clients.get()).map(register).collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    let fsync = Fsync::probe(&arguments.data)?;
    let seen = Arc::new(Seen::new(None));
    let ran = runtime.block_on(measure(arguments, measured, runners, &seen))?;
    let fsync = fsync.and_now(&arguments.data)?;

    let (proposals, errors) = (seen.events(), seen.errors());
    let rate = figures::per_second(proposals, ran.elapsed);
    let (latency, rss) = (Latency::of(&seen.latency.read()), figures::rss_bytes());
    let answer = json!({
        "proposals_per_second": rate, "events_per_second": figures::per_second(ran.events, ran.elapsed),
        "latency_ms": latency, "fsync_ms": fsync, "proposals": proposals, "events": ran.events, "errors": errors,
        "cpu_seconds": ran.cpu_seconds, "rss_bytes": rss, "clients": arguments.clients,
        "with_results": arguments.with_results, "projection_lag_events": ran.lag,
    });
    let code = arguments.output.data(&answer, || {
        format!(
            "{rate:.0} proposals/s · {proposals} proposals, {} events, {errors} errors\nlatency   {latency}\nfdatasync p50 {:.3} · p99 {:.3} ms (the same minute)\nCPU       {:.1} s · {} MiB · read models {} events behind at the end",
            ran.events,
            fsync.p50,
            fsync.p99,
            ran.cpu_seconds,
            rss / 1_048_576,
            ran.lag
        )
    });
    Ok(if errors > 0 { ExitCode::from(2) } else { code })
}

/// The intent that every proposal serves, unless an earlier run stated it.
fn state_intent(measured: &mut Measured) -> Result<(), Problem> {
    let intent_id = INTENT.parse().map_err(|_| "intent id".to_owned())?;
    if measured.folder.ledger.with_state(|state| state.intent(&intent_id)).map_err(|e| e.to_string())?.is_some() {
        return Ok(());
    }
    let goal = Text::Inline("measure what governance costs".into());
    let intent = Intent { intent_id, from: None, mode: None, goal, constraints: None };
    let create = Command::CreateIntent { by: measured.admin.clone(), intent, authored: None };
    crate::server::submit(&mut measured.folder, create)
}

struct Ran {
    elapsed: Duration,
    cpu_seconds: f64,
    events: u64,
    lag: u64,
}

async fn measure(
    arguments: &Arguments,
    measured: Measured,
    runners: Vec<cycle::Runner>,
    seen: &Arc<Seen>,
) -> Result<Ran, Problem> {
    let Measured { folder, key, .. } = measured;
    let server = Server::start(&arguments.data, folder, &ServerOptions::default()).await?;
    let before = server.ledger.head().size.get();
    let (run, key): (Arc<str>, Arc<str>) = (before.to_string().into(), key.into());
    let start = Instant::now();
    let turns = Turns::start(Plan {
        events: None,
        until: Some(start + Duration::from_secs(arguments.seconds)),
        start,
        rate: None,
        batch: NonZeroU64::MIN,
        clients: arguments.clients.get(),
    })?;
    let cpu = figures::cpu_seconds();
    let mut clients = tokio::task::JoinSet::new();
    if runners.is_empty() {
        for _ in 0..arguments.clients.get() {
            let (run, key, turns, seen) = (run.clone(), key.clone(), turns.clone(), seen.clone());
            let address = server.address;
            clients.spawn(async move { propose(address, &key, &run, &turns, &seen).await.map_err(|e| e.to_string()) });
        }
    }
    for runner in runners {
        let client = client::Client::new(&server.url(), Some(client::Key::new(&*key)));
        let (run, turns, seen) = (run.clone(), turns.clone(), seen.clone());
        clients.spawn(async move { runner.work(&client, &run, &turns, &seen).await });
    }
    while let Some(ended) = clients.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    let elapsed = start.elapsed();
    let cpu_seconds = figures::cpu_seconds() - cpu;
    let size = server.ledger.head().size.get();
    let lag = size.saturating_sub(server.position());
    server.stop().await?;
    Ok(Ran { elapsed, cpu_seconds, events: size.saturating_sub(before), lag })
}

/// One client that only proposes.
async fn propose(
    address: SocketAddr,
    key: &Arc<str>,
    run: &str,
    turns: &Turns,
    seen: &Seen,
) -> Result<(), std::io::Error> {
    let mut connection = Connection::open(address, key).await?;
    while let Some((turn, due)) = turns.take().await {
        let id = format!("bench-{run}-{}", turn.start);
        let proposal = proposals::proposal(Ruling::Allow, &id).to_string();
        let (status, body) = connection.post("/api/v1/proposals", &proposal).await?;
        let allowed = status == *b"201" && body.windows(ALLOWED.len()).any(|part| part == ALLOWED);
        seen.answered(1, u64::from(allowed), due.elapsed());
    }
    Ok(())
}

/// As it stands in the answer to a proposal that minted a job.
const ALLOWED: &[u8] = b"\"ruling\":\"ALLOW\"";
