//! `countersign policy check`: a policy folder as a bundle.

use crate::output::{OutputArguments, answer_is_no, could_not};
use clap::{Args, Subcommand};
use domain::policy::Bundle;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check the TOML files of a folder, and show the digest of the bundle they make
    Check {
        /// The folder
        dir: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let Action::Check { dir, output } = &arguments.action;
    let files = match read(dir) {
        Ok(files) => files,
        Err(problem) => return could_not(problem),
    };
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    match Bundle::compile(&files) {
        Ok(bundle) => {
            let digest = bundle.digest();
            let answer = json!({"digest": digest, "name": bundle.name, "agents": bundle.agents.len(), "effects": bundle.effects.len()});
            output.data(&answer, || {
                let (agents, effects) = (bundle.agents.len(), bundle.effects.len());
                format!("{digest}  {}  {agents} agents, {effects} effects", bundle.name)
            })
        }
        Err(error) => answer_is_no(error),
    }
}

fn read(dir: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, text));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!("{} holds no TOML file", dir.display()));
    }
    Ok(files)
}
