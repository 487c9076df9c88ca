//! `countersign witness`: cosigns the heads of other logs, as long as each extends the one before.

use crate::commands::serve::told_to_stop;
use crate::data_folder::Problem;
use crate::output::{could_not, print_line};
use api::witness::Witness;
use clap::Args;
use ledger::durable::{Mode, Staging, ensure_dir};
use ledger::keys;
use ledger::lock::DirLock;
use proof::VerifierKey;
use proof::note::SignerKey;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long open requests may take to end.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The witness's folder: its key, and what it cosigned last
    #[arg(long, value_name = "DIR", default_value = "./countersign-witness")]
    data: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8100")]
    listen: String,
    /// A log to witness, by its checkpoint key (`countersign keys show --checkpoint`, or `GET /log/vkey`)
    #[arg(long, value_name = "VKEY")]
    log: Vec<String>,
    /// A file of such keys, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// The name of the witness's key, when it is made; by default one is made up
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    crate::commands::log_to_stderr(arguments.quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return could_not(error),
    };
    match runtime.block_on(serve_until_told(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => could_not(problem),
    }
}

async fn serve_until_told(arguments: &Arguments) -> Result<(), Problem> {
    let dir = &arguments.data;
    let told = told_to_stop()?;
    let logs = logs(arguments)?;
    // Held until the end: two witnesses on one folder would each cosign what the other must not.
    let _lock = DirLock::acquire(dir).map_err(|e| e.to_string())?;
    let staging = Staging::open(dir).map_err(|e| e.to_string())?;
    let signer = key(dir, &staging, arguments.name.as_deref())?;
    let witness = Arc::new(Witness::open(dir, staging, signer, logs).map_err(|e| e.to_string())?);
    let listener = TcpListener::bind(&arguments.listen)
        .await
        .map_err(|e| format!("cannot listen on {}: {e}", arguments.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    if !arguments.quiet {
        print_line(&format!("witness vkey: {}", witness.vkey())).map_err(|e| e.to_string())?;
        print_line(&format!("listening on http://{address}")).map_err(|e| e.to_string())?;
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = tokio::spawn(api::witness::serve(listener, witness, async {
        // Whether told or dropped: stop.
        let _ = stopped.await;
    }));
    tokio::select! {
        () = told => {}
        ended = &mut serving => return Err(format!("the witness has ended by itself: {ended:?}")),
    }
    let _ = stop.send(());
    // A connection that says nothing does not hold the end up; what is being written is written to its end.
    if tokio::time::timeout(LAST_REQUESTS, &mut serving).await.is_err() {
        serving.abort();
    }
    Ok(())
}

/// The logs to witness.
fn logs(arguments: &Arguments) -> Result<Vec<VerifierKey>, Problem> {
    let parse = |line: &str| VerifierKey::parse(line).map_err(|error| format!("`{line}` is no vkey: {error}"));
    let mut logs = arguments.log.iter().map(|line| parse(line.trim())).collect::<Result<Vec<_>, _>>()?;
    if let Some(file) = &arguments.log_file {
        let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            logs.push(parse(line).map_err(|error| format!("{}: {error}", file.display()))?);
        }
    }
    if logs.is_empty() {
        return Err("no log to witness: name its checkpoint key with `--log VKEY` or `--log-file FILE`".into());
    }
    Ok(logs)
}

/// The witness's key, made if there is none.
fn key(dir: &Path, staging: &Staging, name: Option<&str>) -> Result<SignerKey, Problem> {
    let path = dir.join("keys").join("witness.key");
    if path.exists() {
        let key = keys::read(&path).map_err(|e| e.to_string())?;
        return match name {
            Some(name) if name != key.name().as_str() => {
                Err(format!("the key in {} has the name `{}`, not `{name}`", path.display(), key.name()))
            }
            _ => Ok(key),
        };
    }
    if dir.join("logs").exists() {
        return Err(format!(
            "{} is missing, and the folder holds what it cosigned; put it back, or begin in another folder",
            path.display()
        ));
    }
    let name = match name {
        Some(name) => name.to_owned(),
        None => made_up_name()?,
    };
    ensure_dir(&dir.join("keys"), Mode::Private).map_err(|e| e.to_string())?;
    let key = keys::generate(&name).map_err(|e| e.to_string())?;
    keys::write(staging, &path, &key).map_err(|e| e.to_string())?;
    Ok(key)
}

fn made_up_name() -> Result<String, Problem> {
    let entropy = keys::entropy().map_err(|e| e.to_string())?;
    let name: String = hex::encode(entropy).chars().take(12).collect();
    Ok(format!("countersign.witness/{name}"))
}
