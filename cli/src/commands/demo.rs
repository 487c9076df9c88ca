//! `countersign demo`: agents change a real project under governance; then, with the server gone, it is proven what
//! happened.

mod project;
mod scene;
mod stage;

use crate::output::{colour, could_not, paint};
use clap::Args;
use scene::Outcome;
use stage::Stage;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Leave everything to look at
    #[arg(long)]
    keep: bool,
    /// Where to play; a temporary folder otherwise
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Exit code 0: everything went as governance demands, and the offline verifier agrees.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match play(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => could_not(problem),
    }
}

fn play(arguments: &Arguments) -> Result<(), String> {
    crate::commands::log_to_stderr(true);
    let (dir, temporary) = place(arguments)?;
    // Kept before anything can fail: a play that goes wrong is the one to look at.
    let temporary = match temporary {
        Some(temporary) if arguments.keep => {
            let _ = temporary.keep();
            None
        }
        other => other,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let played = runtime.block_on(act(&dir));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    let outcome = played?;
    prove(&dir, &outcome)?;
    if temporary.is_none() {
        stage::say(&format!("everything is left in {}", dir.display()));
    }
    Ok(())
}

fn place(arguments: &Arguments) -> Result<(PathBuf, Option<tempfile::TempDir>), String> {
    match &arguments.dir {
        Some(dir) => {
            if dir.exists() && std::fs::read_dir(dir).map_err(|e| e.to_string())?.next().is_some() {
                return Err(format!("{} is not empty", dir.display()));
            }
            std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
            Ok((dir.canonicalize().map_err(|e| e.to_string())?, None))
        }
        None => {
            let temporary =
                tempfile::Builder::new().prefix("countersign-demo-").tempdir().map_err(|e| e.to_string())?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

async fn act(dir: &Path) -> Result<Outcome, String> {
    stage::title("a project whose test fails");
    let project = project::make(dir)?;
    if project::tests_pass(&project)? {
        return Err("the project's test should fail at first, but it passes".into());
    }
    stage::say("cargo test: 1 failed, as it should");
    let stage = Stage::set(dir, &project).await?;
    // However the play ends, server and runner end too.
    let outcome = scene::play(&stage, dir, &project).await;
    stage.strike().await?;
    let outcome = outcome?;
    if !project::tests_pass(&project)? {
        return Err("the project's test still fails".into());
    }
    stage::say("cargo test: 1 passed");
    Ok(outcome)
}

/// The server is gone. What follows reads files only.
fn prove(dir: &Path, outcome: &Outcome) -> Result<(), String> {
    stage::title("the server is gone; what happened is proven from files");
    let data = dir.join("data");
    let vkey = outcome.checkpoint_key.as_str();
    let data = data.to_string_lossy().into_owned();
    let receipt = outcome.receipt.to_string_lossy().into_owned();
    let runs: [&[&str]; 3] = [
        &["log", &data, "--key", vkey, "--root", &outcome.root_key],
        &["replay", &data, "--key", vkey, "--root", &outcome.root_key],
        &["receipt", &receipt, "--key", vkey],
    ];
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    for arguments in runs {
        let on = colour();
        stage::say(&paint(
            on,
            "1",
            &format!("$ countersign-verify {}", arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ")),
        ));
        let status =
            std::process::Command::new(&program).arg("verify").args(arguments).status().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("`countersign-verify {}` ended with {status}", arguments.first().unwrap_or(&"")));
        }
    }
    stage::say(&format!("released/ holds the built file; its SHA-256 {} stands in the log", outcome.released));
    Ok(())
}
