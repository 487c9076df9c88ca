//! `countersign bodies`: what lies beside the log. It only looks; erasing is `DELETE /api/v1/bodies/{sha256}`, since it is an
//! event first.

use crate::data_folder;
use crate::output::{OutputArguments, could_not};
use clap::{Args, Subcommand};
use domain::time::Timestamp;
use ledger::clock::{Clock, SystemClock};
use ledger::content::{Erasable, Report, Tally};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Count what is stored, erased and orphaned, and list what may be erased, with no server running
    Report(ReportArguments),
}

/// Options of `bodies report`.
#[derive(Debug, Args)]
struct ReportArguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    /// List bodies of proposals and jobs that are over, once they are so old
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    older_than: u64,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let What::Report(arguments) = &arguments.what;
    crate::commands::log_to_stderr(arguments.output.quiet);
    match look(arguments, SystemClock::default().wall()) {
        Ok(report) => arguments.output.data(&report, || text(&report, arguments.older_than)),
        Err(problem) => could_not(problem),
    }
}

fn look(arguments: &ReportArguments, now: Timestamp) -> Result<Report, String> {
    if !data_folder::exists(&arguments.data) {
        return Err(format!("no ledger in {}", arguments.data.display()));
    }
    let folder = data_folder::open(&arguments.data)?;
    let older_than = Duration::from_secs(arguments.older_than.saturating_mul(24 * 60 * 60));
    ledger::content::report(&folder.ledger, now, older_than).map_err(|e| e.to_string())
}

fn text(report: &Report, days: u64) -> String {
    let tally = |name: &str, tally: Tally| format!("{name:<9} {:>9}  {:>15} bytes", tally.count, tally.bytes);
    let mut lines = vec![
        tally("stored", report.stored),
        format!("{:<9} {:>9}", "erased", report.erased),
        tally("orphaned", report.orphaned),
        tally("erasable", report.erasable_total),
    ];
    if report.erasable.is_empty() {
        return lines.join("\n");
    }
    lines.push(format!("\nerasable: bodies of what is over, recorded at least {days} days ago"));
    let mut sums: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for body in &report.erasable {
        let sum = sums.entry((body.kind, agent(body))).or_default();
        sum.count += 1;
        sum.bytes += body.bytes;
    }
    for ((kind, agent), sum) in sums {
        lines.push(format!(
            "  {kind:<20} {:<20} {:>6}  {:>13} bytes",
            crate::output::printable(agent),
            sum.count,
            sum.bytes
        ));
    }
    lines.push(format!("\n  {:>10}  {:<64}  {:>10}  subject", "seq", "sha256", "bytes"));
    for body in &report.erasable {
        let subject = crate::output::printable(&body.subject);
        lines.push(format!("  {:>10}  {}  {:>10}  {subject}", body.seq.to_string(), body.sha256, body.bytes));
    }
    lines.join("\n")
}

fn agent(body: &Erasable) -> &str {
    body.agent.as_deref().unwrap_or("-")
}
