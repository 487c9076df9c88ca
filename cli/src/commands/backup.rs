//! `countersign backup`: a copy of the log that proves itself. The server may run meanwhile.

use crate::output::{OutputArguments, answer_is_no, could_not};
use clap::Args;
use ledger::backup::{BackupError, BackupOptions, Copied, Progress, back_up};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two lines of progress.
const TELL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of the backup; made if it is not there, brought up to date if it is
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    /// Copy the secret keys, too: whoever reads the backup can then sign as the ledger
    #[arg(long)]
    with_keys: bool,
    /// Read and compare what is in the backup already, rather than believe a file of the right length
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let start = Instant::now();
    let options = BackupOptions { with_keys: arguments.with_keys, all: arguments.all };
    let mut teller = Teller::new(&arguments.output);
    let copied = back_up(&arguments.data, &arguments.backup, options, &mut |progress| teller.tell(progress));
    teller.end();
    let copied = match copied {
        Ok(copied) => copied,
        Err(error) => return failed(&error),
    };
    if arguments.with_keys {
        arguments.output.note(
            "the secret keys are in the backup now: whoever reads it can sign as this ledger, and with a root key beside the \
             data enrol whom they like. Guard it as you guard the server",
        );
    }
    report_flaws(&arguments.output, &copied);
    let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answer = as_json(&copied, [("elapsed_ms", json!(elapsed))]);
    let printed = arguments.output.data(&answer, || {
        let more = copied.size.get().saturating_sub(copied.from.get());
        let verb = if copied.complete { "backed up" } else { "NOT backed up: the backup stays as it was" };
        format!(
            "{verb}\nledger   {}\nevents   {} ({more} new)\nroot     {}\ncopied   {} files, {} bytes ({} bodies)\nerased   {} bodies\ntime     {:.1} s",
            copied.origin,
            copied.size,
            copied.root,
            copied.files,
            copied.bytes,
            copied.bodies,
            copied.erased,
            start.elapsed().as_secs_f64()
        )
    });
    if printed == ExitCode::SUCCESS && !copied.is_clean() { ExitCode::from(2) } else { printed }
}

/// A refusal is an answer; anything else is what could not be done.
pub(super) fn failed(error: &BackupError) -> ExitCode {
    if error.is_refusal() { answer_is_no(error) } else { could_not(error) }
}

/// Says which files of the source were not copied.
pub(super) fn report_flaws(output: &OutputArguments, copied: &Copied) {
    for file in &copied.damaged {
        output.note(format_args!("damaged: {}; not copied", file.display()));
    }
    for file in &copied.missing {
        output.note(format_args!("missing: {}; lost, or erased a moment ago", file.display()));
    }
}

/// What was copied, and more.
pub(super) fn as_json<const N: usize>(copied: &Copied, more: [(&str, Value); N]) -> Value {
    let Copied { origin, from, size, root, files, bytes, bodies, erased, damaged, missing, complete } = copied;
    let members = [
        ("origin", json!(origin)),
        ("complete", json!(complete)),
        ("from", json!(from)),
        ("size", json!(size)),
        ("root", json!(root)),
        ("files", json!(files)),
        ("bytes", json!(bytes)),
        ("bodies", json!(bodies)),
        ("erased", json!(erased)),
        ("damaged", names(damaged)),
        ("missing", names(missing)),
    ];
    members.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Paths as text, whatever they are made of.
fn names(files: &BTreeSet<PathBuf>) -> Value {
    files.iter().map(|file| file.to_string_lossy().into_owned()).collect()
}

/// Says on standard error how far a long copy has come.
pub(super) struct Teller {
    quiet: bool,
    terminal: bool,
    last: Instant,
    told: bool,
}

impl Teller {
    pub(super) fn new(output: &OutputArguments) -> Self {
        Self { quiet: output.quiet, terminal: std::io::stderr().is_terminal(), last: Instant::now(), told: false }
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        if self.quiet || self.last.elapsed() < TELL {
            return;
        }
        (self.last, self.told) = (Instant::now(), true);
        let (start, end) = if self.terminal { ("\r", "") } else { ("", "\n") };
        let _ = write!(std::io::stderr(), "{start}{} of {} events{end}", progress.done, progress.of);
    }

    pub(super) fn end(&self) {
        if self.told && self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}
