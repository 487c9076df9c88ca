//! `countersign bench`: figures a reader can compare, with the disk's own beside them.

mod append;
mod histogram;
mod load;

use crate::output::{OutputArguments, could_not};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Durable signed events: submitted over HTTP, receipt in the answer
    Append(AppendArguments),
}

/// Options of `bench append`.
#[derive(Debug, Args)]
pub(crate) struct AppendArguments {
    /// The data folder; a new ledger is made in it if there is none
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// How many events
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    pub(crate) events: Option<u64>,
    /// For how long
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<u64>,
    /// Events a second that are offered, whatever is answered; otherwise each client sends when it is answered
    #[arg(long, value_name = "EVENTS_PER_S")]
    pub(crate) rate: Option<u64>,
    /// Clients at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) clients: usize,
    /// Events of one request
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) batch: u64,
    /// Without HTTP
    #[arg(long)]
    pub(crate) in_process: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let What::Append(append) = &arguments.what;
    crate::commands::log_to_stderr(true);
    append::run(append).unwrap_or_else(could_not)
}
