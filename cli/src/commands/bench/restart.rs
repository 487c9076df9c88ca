//! `bench restart`: from the start of a server process to its first answer.

use super::figures;
use crate::data_folder;
use crate::output::OutputArguments;
use clap::Args;
use ledger::metrics::Histogram;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server that starts.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(1);

/// Options of `bench restart`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many starts
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroU32,
    #[command(flatten)]
    output: OutputArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    if !data_folder::exists(&arguments.data) {
        return Err(format!("no ledger in {}", arguments.data.display()));
    }
    let fsync = figures::Fsync::probe(&arguments.data)?;
    let (events, replayed, open) = opened(&arguments.data)?;
    let (answered, mut rss) = (Histogram::default(), 0);
    for _ in 0..arguments.runs.get() {
        let started = start_once(&arguments.data)?;
        answered.record(started.answered);
        rss = rss.max(started.rss_bytes);
    }
    let latency = figures::Latency::of(&answered.read());
    let open_ms = figures::milliseconds(open);
    let rate = figures::per_second(replayed, open);
    let answer = json!({
        "events_per_second": rate, "latency_ms": latency, "fsync_ms": fsync, "events": events, "errors": 0,
        "rss_bytes": rss, "runs": arguments.runs, "open_ms": open_ms, "replayed_events": replayed,
    });
    Ok(arguments.output.data(&answer, || {
        format!(
            "{events} events · first answer after {latency} ({} starts)\nopening alone {open_ms:.1} ms, {replayed} events replayed · {} MiB after the start",
            arguments.runs,
            rss / 1_048_576
        )
    }))
}

/// Opens the ledger in this process: its events, how many were replayed, and how long it took.
fn opened(dir: &Path) -> Result<(u64, u64, Duration), String> {
    let start = Instant::now();
    let folder = data_folder::open(dir)?;
    let took = start.elapsed();
    let size = folder.ledger.head().size.get();
    Ok((size, size.saturating_sub(folder.ledger.metrics().snapshot_size()), took))
}

struct Started {
    answered: Duration,
    rss_bytes: u64,
}

/// Starts a server, waits for its first answer, and tells it to end.
fn start_once(dir: &Path) -> Result<Started, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let address = free_address()?;
    let mut command = Command::new(program);
    command.args(["serve", "--quiet", "--listen", &address.to_string(), "--data"]).arg(dir);
    command.env_remove("COUNTERSIGN_API_KEY").env_remove("M87_API_KEY");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let mut server = Server(command.spawn().map_err(|e| format!("cannot start a server: {e}"))?);
    while !answers(address) {
        if let Some(status) = server.0.try_wait().map_err(|e| e.to_string())? {
            return Err(format!("the server ended with {status} before it answered"));
        }
        if start.elapsed() > PATIENCE {
            return Err("the server does not answer".into());
        }
        pause();
    }
    let answered = start.elapsed();
    let rss_bytes = figures::rss_bytes_of(server.0.id());
    server.stop()?;
    Ok(Started { answered, rss_bytes })
}

/// A port that is free now.
fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(|e| e.to_string())
}

/// Whether `GET /health` is answered, and well.
fn answers(address: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok::<_, std::io::Error>(status == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

#[expect(clippy::disallowed_methods, reason = "nobody announces that a port is open")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// A child that does not outlive this process's interest in it.
struct Server(Child);

impl Server {
    fn stop(mut self) -> Result<(), String> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|e| e.to_string())?;
        let status = self.0.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
