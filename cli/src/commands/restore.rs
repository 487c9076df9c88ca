//! `countersign restore`: a new data folder from a backup, and never a fork by accident.

use super::backup::{Teller, as_json, failed, report_flaws};
use crate::data_folder::Problem;
use crate::output::{OutputArguments, could_not};
use clap::Args;
use ledger::backup::{Acceptance, Known, RestoreOptions, Restored, restore};
use ledger::keys::{KeyFolder, KeyRole};
use proof::Receipt;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of the backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// The data folder to make; empty, or not there
    #[arg(long, value_name = "NEW")]
    data: PathBuf,
    /// Folder of the ledger's key files, copied last; without it the new folder has none
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A signed checkpoint or a receipt that somebody has kept; the backup must reach it and agree with it
    #[arg(long, value_name = "FILE")]
    known: Vec<PathBuf>,
    /// Go on without the events that are lost, and log why
    #[arg(long, value_name = "WHY", requires_all = ["root", "keys"])]
    accept_loss: Option<String>,
    /// The root key, which signs that decision
    #[arg(long, value_name = "FILE", requires = "accept_loss")]
    root: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(problem) => return could_not(problem),
    };
    let mut teller = Teller::new(&arguments.output);
    let restored = restore(&arguments.backup, &arguments.data, &options, &mut |progress| teller.tell(progress));
    teller.end();
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => return failed(&error),
    };
    report_flaws(&arguments.output, &restored.copied);
    let missing = missing_keys(&arguments.data);
    if !missing.is_empty() {
        let files: Vec<String> = missing.iter().map(|path| path.display().to_string()).collect();
        arguments.output.note(format_args!("before the ledger can be served, put in place: {}", files.join(", ")));
    }
    let Restored { copied, lost, logged, was_done } = &restored;
    let more = [("lost", json!(lost)), ("logged", json!(logged)), ("was_done", json!(was_done))];
    let answer = as_json(copied, more);
    arguments.output.data(&answer, || text(&arguments.data, &restored))
}

fn text(data: &Path, restored: &Restored) -> String {
    let copied = &restored.copied;
    let mut text = format!(
        "restored {}\nledger   {}\nevents   {}\nroot     {}",
        data.display(),
        copied.origin,
        copied.size,
        copied.root
    );
    if restored.was_done {
        text.push_str("\nan interrupted restore had made it; this run has finished it");
    }
    if restored.lost > 0 {
        text.push_str(&format!("\nlost     {} events that others hold proof of", restored.lost));
    }
    if let Some(logged) = restored.logged {
        text.push_str(&format!("\nlogged   `ledger.restored` as event {logged}"));
    }
    text
}

fn options(arguments: &Arguments) -> Result<RestoreOptions, Problem> {
    let known = arguments.known.iter().map(|file| known(file)).collect::<Result<_, _>>()?;
    let accept_loss = match (&arguments.accept_loss, &arguments.root) {
        (Some(why), Some(file)) => {
            let root = ledger::keys::read(file).map_err(|e| e.to_string())?;
            Some(Acceptance { why: why.clone(), root })
        }
        _ => None,
    };
    // A log that waits for its witnesses must not publish a head because it was restored.
    let publish = api::witness::remembered_mode(&arguments.backup).unwrap_or_default().publish();
    Ok(RestoreOptions { known, keys: arguments.keys.clone(), publish, accept_loss })
}

/// A checkpoint that somebody has kept: a file of its own, or the one in a receipt.
fn known(file: &Path) -> Result<Known, Problem> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let note = Receipt::parse_any(text.as_bytes()).map_or(text, |receipt| receipt.checkpoint);
    Ok(Known { file: file.to_owned(), note })
}

/// Key files without which the ledger does not open.
fn missing_keys(data: &Path) -> Vec<PathBuf> {
    let folder = KeyFolder::of(data);
    let salt = data.join("keys").join("api-salt");
    let files = [folder.path(KeyRole::Event), folder.path(KeyRole::Checkpoint), salt];
    files.into_iter().filter(|file| !file.exists()).collect()
}
