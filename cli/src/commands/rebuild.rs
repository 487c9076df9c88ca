//! `countersign rebuild`: the read models from nothing. No server may have the folder open.

use crate::output::{OutputArguments, could_not};
use clap::Args;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let folder = match crate::data_folder::open(&arguments.data) {
        Ok(folder) => folder,
        Err(problem) => return could_not(problem),
    };
    let show = std::io::stderr().is_terminal() && !arguments.output.quiet;
    let progress = |progress: projections::Progress| {
        if show {
            let _ = write!(std::io::stderr(), "\r{} of {} events", progress.done, progress.of);
        }
    };
    let rebuilt = match projections::rebuild(&arguments.data.join("projections"), &folder.ledger, progress) {
        Ok(rebuilt) => rebuilt,
        Err(error) => return could_not(error),
    };
    if show {
        let _ = writeln!(std::io::stderr());
    }
    let answer = json!({"position": rebuilt.position, "projections": rebuilt.projections, "kept_at": rebuilt.kept_at});
    arguments.output.data(&answer, || {
        let mut text = format!("rebuilt from {} events", rebuilt.position);
        for model in &rebuilt.projections {
            text.push_str(&format!("\n  {:<10} v{}  {}", model.name, model.version, model.digest));
        }
        if let Some(path) = &rebuilt.kept_at {
            text.push_str(&format!("\nthe earlier rows lie in {}", path.display()));
        }
        text
    })
}
