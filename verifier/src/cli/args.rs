//! What may be typed.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Verifies a Countersign log, its receipts and its heads, offline, from files and public keys.
///
/// Exit codes: 0 valid, 1 could not run, 2 invalid, 3 not enough evidence.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every signature, hash and link of a log, its tiles and its head.
    Log {
        #[command(flatten)]
        log: LogArgs,
        /// Check form, chain, tiles and head only: fast, but no event's signature is checked, nor what it says.
        #[arg(long)]
        structure_only: bool,
    },
    /// Check a log, and derive every decision and every event of it again.
    Replay {
        #[command(flatten)]
        log: LogArgs,
        /// Write the report as a page of HTML too: it needs no network, and prints well.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Make every proof there is, and show them on one page.
    Audit {
        #[command(flatten)]
        log: LogArgs,
        /// Write the report as a page of HTML too: it needs no network, and prints well.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Tell the life of one proposal: each claim with its event, whose word it is, and a receipt of all.
    Story {
        /// The proposal's id.
        #[arg(value_name = "ID")]
        proposal: String,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Replay a log, and say which proposals another policy would have ruled otherwise.
    Whatif(WhatifArgs),
    /// Watch a log: check what is new, and that it extends what was seen before, again and again.
    Watch(WatchArgs),
    /// Find where two copies of a log part, and write what convicts its key.
    Diff(DiffArgs),
    /// Judge an evidence file that `diff` wrote. Exits with 2 if it convicts the log's key, with 3 if it does not.
    Evidence {
        /// The evidence.
        file: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
        #[command(flatten)]
        output: Output,
    },
    /// Say what receipts prove (JSON or `.tlog-proof`), under a key that you know.
    Receipt(ReceiptArgs),
    /// Check that a newer head extends an older one.
    Consistency(ConsistencyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// A data folder, a static log site, or the URL of a server (`http://host:port`).
    #[arg(value_name = "DIR|URL")]
    pub(super) source: String,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    /// Threads that check signatures; one a core if not given.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZero<usize>>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct WhatifArgs {
    /// A data folder, a static log site, or the URL of a server (`http://host:port`).
    #[arg(value_name = "DIR|URL")]
    pub(super) source: String,
    /// The other policy bundle: a folder of TOML files, or a bundle's blob.
    #[arg(long = "policy", value_name = "DIR")]
    pub(super) bundle: PathBuf,
    /// The log's checkpoint key.
    #[arg(long, value_name = "VKEY", conflicts_with = "trust_policy")]
    key: Option<String>,
    /// A C2SP `tlog-policy` file, which `--policy` names elsewhere.
    #[arg(long, value_name = "FILE")]
    trust_policy: Option<PathBuf>,
    /// The root key that the log's genesis must name.
    #[arg(long, value_name = "VKEY")]
    root: Option<String>,
    /// Threads that check signatures; one a core if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    #[command(flatten)]
    pub(super) output: Output,
}

impl WhatifArgs {
    /// The same as for the other commands that go through a log.
    pub(super) fn log(&self) -> LogArgs {
        let trust = TrustArgs { key: self.key.clone(), policy: self.trust_policy.clone(), root: self.root.clone() };
        LogArgs { source: self.source.clone(), trust, threads: self.threads, output: self.output }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// The URL of a server (`http://host:port`), a static log site, or a data folder.
    #[arg(value_name = "URL|DIR")]
    pub(super) source: String,
    /// Where to remember how far the log was checked.
    #[arg(long, value_name = "FILE")]
    pub(super) state: PathBuf,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub(super) interval: NonZero<u32>,
    /// Look once, and end.
    #[arg(long)]
    pub(super) once: bool,
    /// Seconds that the log may go without growing.
    #[arg(long, value_name = "SECONDS")]
    pub(super) stale: Option<u32>,
    /// A shell command that gets the report as JSON on its standard input, when something is wrong or watched.
    #[arg(long, value_name = "COMMAND")]
    pub(super) alert: Option<String>,
    /// Tell of every event by this principal or agent. May be given several times.
    #[arg(long, value_name = "ID")]
    pub(super) principal: Vec<String>,
    /// Tell of every proposal with this effect. May be given several times.
    #[arg(long, value_name = "EFFECT")]
    pub(super) effect: Vec<String>,
    /// Believe the key that the log names itself, if nothing is known of the log yet.
    #[arg(long)]
    pub(super) trust_first_use: bool,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// One copy.
    #[arg(value_name = "A")]
    pub(super) a: String,
    /// The other copy.
    #[arg(value_name = "B")]
    pub(super) b: String,
    /// Where to write what convicts, if they part; `countersign-fork-<event>.json` if not given.
    #[arg(long, value_name = "FILE")]
    pub(super) evidence: Option<PathBuf>,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReceiptArgs {
    /// Receipts.
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    /// The ledger's event key, to check the event's own signature too.
    #[arg(long, value_name = "VKEY")]
    pub(super) event_key: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct ConsistencyArgs {
    /// The older checkpoint, or a receipt.
    pub(super) old: PathBuf,
    /// The newer checkpoint, or a receipt.
    pub(super) new: PathBuf,
    /// Where the log is, to prove that the one extends the other.
    #[arg(long, value_name = "DIR|URL")]
    pub(super) log: Option<String>,
    #[command(flatten)]
    pub(super) trust: TrustArgs,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct TrustArgs {
    /// The log's checkpoint key, as `countersign keys show --checkpoint` or `GET /log/vkey` prints it.
    #[arg(long, value_name = "VKEY", conflicts_with = "policy")]
    pub(super) key: Option<String>,
    /// A C2SP `tlog-policy` file: logs, witnesses, and how many of them must have signed.
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// The root key that the log's genesis must name.
    #[arg(long, value_name = "VKEY")]
    pub(super) root: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Output {
    /// How to print the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Print no text and no progress; the exit code tells. JSON is printed nevertheless.
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object.
    Json,
}
