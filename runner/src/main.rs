//! The runner's own executable: an executor's machine carries nothing else.

use clap::Parser;
use countersign_runner::cli;
use std::process::ExitCode;

/// Lease jobs, verify their warrants, run them in confinement, and sign the results.
#[derive(Debug, Parser)]
#[command(name = "countersign-runner", version, about, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    runner: cli::Arguments,
}

fn main() -> ExitCode {
    // A child that confines itself must do so before anything else happens.
    countersign_runner::confined_main_if_requested();
    match CommandLine::try_parse() {
        Ok(arguments) => cli::run(&arguments.runner),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()))
        }
    }
}
