//! The runner's command line, shared by `countersign runner` and `countersign-runner`.

use crate::executor::{Config, Executor};
use crate::identity::{HeadFile, load_or_create};
use crate::service::Service;
use crate::toolchain::Toolchain;
use crate::warrant::Pins;
use clap::Args;
use client::Client;
use domain::manifest::Manifest;
use proof::note::VerifierKey;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of the runner.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// The root key to trust, as a vkey line; nothing else is trusted
    #[arg(long, value_name = "VKEY", required_unless_present = "show_key")]
    root: Option<String>,
    /// The runner's own folder: its key, the last head it saw, its work
    #[arg(long, value_name = "DIR", default_value = "./countersign-runner-data")]
    data: PathBuf,
    /// The project that jobs work on
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// The runner's name, as root registered it
    #[arg(long, value_name = "ID", default_value = "local")]
    runner_id: String,
    /// The tool manifest; the default one otherwise
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// End when this process ends, which started this one
    #[arg(long, value_name = "PID")]
    parent_death: Option<i32>,
    /// Print the runner's public key, to be registered, and end
    #[arg(long)]
    show_key: bool,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
}

/// Runs until told to stop. 0: told to stop; 1: could not go on.
pub fn run(arguments: &Arguments) -> ExitCode {
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            ExitCode::from(1)
        }
    }
}

/// Asks the kernel to end this process when the one that started it ends.
fn die_with(parent: i32) -> Result<(), String> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|e| e.to_string())?;
    // If it has ended already, nobody will be told, and this process has another parent now.
    if getppid() == Pid::from_raw(parent) { Ok(()) } else { Err("the process that started this one has ended".into()) }
}

fn start(arguments: &Arguments) -> Result<(), String> {
    if let Some(parent) = arguments.parent_death {
        die_with(parent)?;
    }
    let make = |path: &PathBuf| std::fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()));
    make(&arguments.data)?;
    let key = load_or_create(&arguments.data, &arguments.runner_id).map_err(|e| e.to_string())?;
    if arguments.show_key {
        return writeln!(std::io::stdout(), "{}", key.verifier()).map_err(|e| e.to_string());
    }
    let pins = Pins {
        root: VerifierKey::parse(arguments.root.as_deref().unwrap_or_default()).map_err(|e| format!("--root: {e}"))?,
        runner_id: arguments.runner_id.parse().map_err(|e| format!("--runner-id: {e}"))?,
        key: *key.verifier().key(),
    };
    let manifest = match &arguments.manifest {
        Some(path) => std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?,
        None => include_bytes!("../../policy/default/manifest.json").to_vec(),
    };
    let manifest = Manifest::parse(&manifest).map_err(|e| e.to_string())?;
    let own = crate::Manifest::parse(&manifest.to_bytes()).map_err(|e| e.to_string())?;
    let mut config = Config::new(&arguments.project, &arguments.data, own);
    config.toolchain = Toolchain::detect();
    let executor = Executor::open(config).map_err(|e| e.to_string())?;
    let client = Client::new(&arguments.url, None);
    let heads = HeadFile::of(&arguments.data);
    let service = Service::new(client, pins, key.secret().clone(), manifest, executor, heads, arguments.quiet);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        service.run(stop).await.map_err(|e| e.to_string())
    })
}
