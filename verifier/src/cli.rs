//! The command line, shared by `countersign-verify` and `countersign verify`.

mod args;
mod progress;
mod watch;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use domain::policy::Bundle;

use crate::consistency::{Exhibit, verify_consistency};
use crate::diff::{MAX_EVIDENCE_BYTES, verify_diff, verify_evidence};
use crate::log::MAX_CHECKPOINT_BYTES;
use crate::overview::verify_overview;
use crate::receipt::{MAX_RECEIPT_BYTES, verify_receipts};
use crate::report::{CommandName, Report, Verdict};
use crate::source::{Location, read_file};
use crate::story::verify_story;
use crate::trust::policy::MAX_POLICY_BYTES;
use crate::trust::{Options, Trust, TrustPolicy, parse_log_key};

use crate::whatif::verify_whatif;

use args::{Args, Command, DiffArgs, Format, LogArgs, Output, TrustArgs};
use progress::Progress;

/// Bytes of a policy bundle, or of one file of it.
const MAX_BUNDLE_BYTES: u64 = 16 * 1024 * 1024;

/// Runs the verifier. The first argument is the name of the program, as it should stand in help texts.
///
/// Exit codes: 0 valid (or help was asked for), 1 could not run, 2 invalid, 3 not enough evidence.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Nothing can be done about a terminal that is gone.
            let _ = error.print();
            return if error.use_stderr() { Verdict::Error.into() } else { ExitCode::SUCCESS };
        }
    };
    let output = args.command.output();
    let report = answer(&args.command, output);
    match print(&report, output) {
        Ok(()) => report.verdict.into(),
        Err(_) => Verdict::Error.into(),
    }
}

fn answer(command: &Command, output: Output) -> Report {
    let (name, source) = command.describe();
    try_answer(command, output).unwrap_or_else(|detail| Report::error(name, &source, detail))
}

/// The report, or a sentence about why there is none.
fn try_answer(command: &Command, output: Output) -> Result<Report, String> {
    match command {
        Command::Log { log: args, structure_only: true } => log(CommandName::Structure, args, output),
        Command::Log { log: args, structure_only: false } => log(CommandName::Log, args, output),
        Command::Replay { log: args, html: None } => log(CommandName::Replay, args, output),
        Command::Replay { log: args, html: Some(file) } => page(CommandName::Replay, args, Some(file), output),
        Command::Audit { log: args, html } => page(CommandName::Audit, args, html.as_deref(), output),
        Command::Story { proposal, log: args } => {
            survey(args, output, |location, options| verify_story(location, proposal, options))
        }
        Command::Whatif(args) => {
            let bundle = bundle(&args.bundle)?;
            survey(&args.log(), output, |location, options| verify_whatif(location, bundle, options))
        }
        Command::Watch(args) => watch::run(args, &options(&args.trust, None)?),
        Command::Diff(args) => diff(args),
        Command::Evidence { file, trust, .. } => {
            let bytes = read(file, MAX_EVIDENCE_BYTES)?;
            Ok(verify_evidence(&file.display().to_string(), &bytes, &options(trust, None)?))
        }
        Command::Receipt(args) => {
            let options = options(&args.trust, None)?;
            let event_key = args.event_key.as_deref().map(parse_log_key).transpose()?;
            Ok(verify_receipts(&args.files, &options, event_key.as_ref()))
        }
        Command::Consistency(args) => {
            let options = options(&args.trust, None)?;
            let location = args.log.as_deref().map(Location::open).transpose().map_err(|error| error.to_string())?;
            let (old, new) = (exhibit(&args.old)?, exhibit(&args.new)?);
            let old = Exhibit { name: &old.0, bytes: &old.1 };
            let new = Exhibit { name: &new.0, bytes: &new.1 };
            Ok(verify_consistency(old, new, location.as_ref(), &options))
        }
    }
}

fn log(command: CommandName, args: &LogArgs, output: Output) -> Result<Report, String> {
    survey(args, output, |location, options| crate::log::run(command, location, options))
}

/// Replays a log with an overview, and writes a page about it if that is wanted.
fn page(command: CommandName, args: &LogArgs, html: Option<&Path>, output: Output) -> Result<Report, String> {
    let report = survey(args, output, |location, options| verify_overview(command, location, options))?;
    if let Some(file) = html {
        std::fs::write(file, report.to_html()).map_err(|error| format!("`{}`: {error}", file.display()))?;
    }
    Ok(report)
}

/// Opens a log, and shows how far whatever is done with it has come.
fn survey(
    args: &LogArgs,
    output: Output,
    verify: impl FnOnce(&Location, &Options<'_>) -> Report,
) -> Result<Report, String> {
    let progress = Progress::new();
    let show = |done, total| progress.show(done, total);
    let mut options = options(&args.trust, args.threads)?;
    if !output.quiet && io::stderr().is_terminal() {
        options.progress = Some(&show);
    }
    let location = Location::open(&args.source).map_err(|error| error.to_string())?;
    let report = verify(&location, &options);
    progress.clear();
    Ok(report)
}

/// Compares two copies; writes what convicts, if they part.
fn diff(args: &DiffArgs) -> Result<Report, String> {
    let options = options(&args.trust, None)?;
    let open = |name: &str| Location::open(name).map_err(|error| error.to_string());
    let report = verify_diff(&open(&args.a)?, &open(&args.b)?, &options);
    if let Some(fork) = &report.fork {
        let default = || PathBuf::from(format!("countersign-fork-{}.json", fork.index));
        let file = args.evidence.clone().unwrap_or_else(default);
        std::fs::write(&file, format!("{}\n", fork.evidence))
            .map_err(|error| format!("they part at event {}, but `{}`: {error}", fork.index, file.display()))?;
    }
    Ok(report)
}

/// A policy bundle: a folder of TOML files, or the canonical blob.
fn bundle(path: &Path) -> Result<Bundle, String> {
    let failed = |error: &dyn std::fmt::Display| format!("`{}`: {error}", path.display());
    if !path.is_dir() {
        return Bundle::parse(&read(path, MAX_BUNDLE_BYTES)?).map_err(|error| failed(&error));
    }
    let mut files = Vec::new();
    for file in path.read_dir().map_err(|error| failed(&error))? {
        let file = file.map_err(|error| failed(&error))?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let text = String::from_utf8(read(&file, MAX_BUNDLE_BYTES)?).map_err(|error| failed(&error))?;
            files.push((file.display().to_string(), text));
        }
    }
    files.sort();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let compiled = Bundle::compile(&files).map_err(|error| failed(&error))?;
    // Read back from its blob, so that numbers are spelt as a ledger would read them.
    Bundle::parse(&compiled.to_bytes()).map_err(|error| failed(&error))
}

fn options<'p>(args: &TrustArgs, threads: Option<std::num::NonZero<usize>>) -> Result<Options<'p>, String> {
    let trust = match (&args.key, &args.policy) {
        (Some(key), _) => Trust::Key(Box::new(parse_log_key(key)?)),
        (None, Some(file)) => Trust::Policy(Box::new(policy(file)?)),
        (None, None) => Trust::SelfAsserted,
    };
    let root = args.root.as_deref().map(parse_log_key).transpose()?;
    Ok(Options { trust, root, threads, progress: None })
}

fn policy(file: &Path) -> Result<TrustPolicy, String> {
    let name = file.display();
    let bytes = read(file, MAX_POLICY_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| format!("`{name}`: {error}"))?;
    TrustPolicy::parse(&text).map_err(|error| format!("`{name}` is no trust policy: {error}"))
}

fn exhibit(file: &Path) -> Result<(String, Vec<u8>), String> {
    let bytes = read(file, MAX_RECEIPT_BYTES.max(MAX_CHECKPOINT_BYTES))?;
    Ok((file.display().to_string(), bytes))
}

fn read(file: &Path, max_bytes: u64) -> Result<Vec<u8>, String> {
    let bytes = read_file(file, max_bytes).map_err(|error| error.to_string())?;
    bytes.ok_or_else(|| format!("`{}` is not there", file.display()))
}

fn print(report: &Report, output: Output) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let text = match (output.format, output.quiet) {
        (Format::Json, _) => format!("{}\n", report.to_json()),
        (Format::Text, true) => return Ok(()),
        (Format::Text, false) => report.to_text(stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none()),
    };
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

impl Command {
    const fn output(&self) -> Output {
        match self {
            Self::Log { log: args, .. }
            | Self::Replay { log: args, .. }
            | Self::Audit { log: args, .. }
            | Self::Story { log: args, .. } => args.output,
            Self::Whatif(args) => args.output,
            Self::Watch(args) => args.output,
            Self::Diff(args) => args.output,
            Self::Evidence { output, .. } => *output,
            Self::Receipt(args) => args.output,
            Self::Consistency(args) => args.output,
        }
    }

    fn describe(&self) -> (CommandName, String) {
        let join = |files: &[PathBuf]| {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            names.join(", ")
        };
        match self {
            Self::Log { log: args, .. } => (CommandName::Log, args.source.clone()),
            Self::Replay { log: args, .. } => (CommandName::Replay, args.source.clone()),
            Self::Audit { log: args, .. } => (CommandName::Audit, args.source.clone()),
            Self::Story { log: args, .. } => (CommandName::Story, args.source.clone()),
            Self::Whatif(args) => (CommandName::Whatif, args.source.clone()),
            Self::Watch(args) => (CommandName::Watch, args.source.clone()),
            Self::Diff(args) => (CommandName::Diff, format!("{} and {}", args.a, args.b)),
            Self::Evidence { file, .. } => (CommandName::Evidence, file.display().to_string()),
            Self::Receipt(args) => (CommandName::Receipt, join(&args.files)),
            Self::Consistency(args) => (CommandName::Consistency, join(&[args.old.clone(), args.new.clone()])),
        }
    }
}
