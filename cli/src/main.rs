//! `countersign`: the one everyday binary. This file only dispatches; each subcommand has a file of its own.

mod commands;
mod cosigning;
mod data_folder;
mod output;
mod scrubbing;
mod server;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A commit allocates and frees many small pieces on several threads: this allocator takes a fifth less of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Let agents act only under explicit, provable authority.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start server and runner on an embedded ledger, making one if there is none
    Up(commands::serve::UpArguments),
    /// Start the server alone
    Serve(commands::serve::ServeArguments),
    /// Lease jobs, verify their warrants, run them and report
    Runner(runner::cli::Arguments),
    /// Verify a log, its decisions or a receipt, offline
    #[command(disable_help_flag = true)]
    Verify(commands::verify::Arguments),
    /// Make a ledger: keys, genesis, data folder
    Init(commands::init::Arguments),
    /// Watch agents change a real project under governance, and prove afterwards what happened
    Demo(commands::demo::Arguments),
    /// Submit a proposal
    Propose(commands::propose::Arguments),
    /// Say yes to a proposal that waits for a human
    Approve(commands::answer::Arguments),
    /// Say no to a proposal that waits for a human
    Deny(commands::answer::Arguments),
    /// Follow the log
    Tail(commands::tail::Arguments),
    /// Get a receipt for an event or a proposal
    Receipt(commands::receipt::Arguments),
    /// Show, export, create and enrol keys
    Keys(commands::keys::Arguments),
    /// Check a policy folder and show its digest
    Policy(commands::policy::Arguments),
    /// Throw the read models away and make them again from the log
    Rebuild(commands::rebuild::Arguments),
    /// What lies beside the log, and what of it may be erased
    Bodies(commands::bodies::Arguments),
    /// Copy the log and its bodies, verified, or bring a copy up to date; the server may run
    Backup(commands::backup::Arguments),
    /// Make a data folder from a backup
    Restore(commands::restore::Arguments),
    /// Measure on this machine
    Bench(commands::bench::Arguments),
    /// Cosign the heads of logs, as long as each extends the one before
    Witness(commands::witness::Arguments),
    /// Say how a server is
    Status(commands::status::Arguments),
    /// Look at this machine and a data folder, and say what is wrong
    Doctor(commands::doctor::Arguments),
}

fn main() -> ExitCode {
    // A child that confines itself must do so before anything else happens.
    runner::confined_main_if_requested();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error),
    };
    match arguments.command {
        Command::Up(a) => commands::serve::up(&a),
        Command::Serve(a) => commands::serve::serve(&a),
        Command::Runner(a) => runner::cli::run(&a),
        Command::Verify(a) => commands::verify::run(&a),
        Command::Init(a) => commands::init::run(&a),
        Command::Demo(a) => commands::demo::run(&a),
        Command::Propose(a) => commands::propose::run(&a),
        Command::Approve(a) => commands::answer::run(&a, domain::event::approval::Verb::Grant),
        Command::Deny(a) => commands::answer::run(&a, domain::event::approval::Verb::Deny),
        Command::Tail(a) => commands::tail::run(&a),
        Command::Receipt(a) => commands::receipt::run(&a),
        Command::Keys(a) => commands::keys::run(&a),
        Command::Policy(a) => commands::policy::run(&a),
        Command::Rebuild(a) => commands::rebuild::run(&a),
        Command::Bodies(a) => commands::bodies::run(&a),
        Command::Backup(a) => commands::backup::run(&a),
        Command::Restore(a) => commands::restore::run(&a),
        Command::Bench(a) => commands::bench::run(&a),
        Command::Witness(a) => commands::witness::run(&a),
        Command::Status(a) => commands::status::run(&a),
        Command::Doctor(a) => commands::doctor::run(&a),
    }
}
