//! `countersign bench`: figures a reader can compare, with the disk's own beside them.

mod append;
mod curve;
mod decide;
mod figures;
mod folder;
mod govern;
mod load;
mod pace;
mod plot;
mod proposals;
mod restart;
mod verify;

use crate::output::could_not;
use clap::{Args, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Durable signed events: submitted over HTTP, receipt in the answer
    Append(append::Arguments),
    /// What governance costs alone: deciding one proposal, in memory
    Decide(decide::Arguments),
    /// Proposals through governance over HTTP: proposal, decision and job, all durable
    Govern(govern::Arguments),
    /// The verifier over a data folder: its structure, and every event derived again
    Verify(verify::Arguments),
    /// From the start of a server process to its first answer
    Restart(restart::Arguments),
    /// Draw what `bench append --curve` wrote
    Plot(plot::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    crate::commands::log_to_stderr(true);
    let done = match &arguments.what {
        What::Append(a) => append::run(a),
        What::Decide(a) => decide::run(a),
        What::Govern(a) => govern::run(a),
        What::Verify(a) => verify::run(a),
        What::Restart(a) => restart::run(a),
        What::Plot(a) => plot::run(a),
    };
    done.unwrap_or_else(could_not)
}
