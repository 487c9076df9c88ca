//! Running a program of the project: a copy, a home, a spec, and the record of what it did.

use super::Job;
use crate::action::{Failure, JSON, LogArtifact, Outcome, Output, Refusal, Status};
use crate::capture::Captured;
use crate::confine::{ProcessLimits, Spec, Stopped};
use crate::digest;
use crate::path::RelativePath;
use crate::supervise::{Ran, supervise};
use crate::workspace::WorkCopy;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The configured command, or the default one for a cargo project.
pub(super) fn command(job: &Job<'_>, configured: Option<&[String]>, cargo: &[&str]) -> Result<Vec<String>, Refusal> {
    if let Some(command) = configured {
        return Ok(command.to_vec());
    }
    match RelativePath::found("Cargo.toml".to_owned()) {
        Some(manifest) if job.project().file(&manifest)?.is_some() => {
            Ok(cargo.iter().map(|&part| part.to_owned()).collect())
        }
        _ => Err(Refusal::new(Failure::NotFound, "no command is configured and there is no `Cargo.toml`")),
    }
}

/// Runs a command on a copy of the whole project. The copy comes back with what the program made.
pub(super) fn run(job: &Job<'_>, command: &[String]) -> Result<(WorkCopy, Outcome), Refusal> {
    let executor = job.executor;
    let config = &executor.config;
    let copy = WorkCopy::whole(&executor.work, job.project(), &executor.excluded, &config.limits, &job.pace)?;
    let spec = spec(job, &copy, command)?;
    job.pace.check()?;
    let ran = supervise(&config.executable, &spec, config.limits.stream_bytes, &job.pace.cancel)?;
    Ok((copy, outcome(command, ran)))
}

fn spec(job: &Job<'_>, copy: &WorkCopy, command: &[String]) -> Result<Spec, Refusal> {
    let config = &job.executor.config;
    let Some((program, arguments)) = command.split_first() else {
        return Err(Refusal::new(Failure::NotFound, "the configured command is empty"));
    };
    let home = copy.home();
    let directory = copy.root().path();
    Ok(Spec {
        program: program.clone(),
        arguments: arguments.to_vec(),
        directory: directory.to_owned(),
        own: copy.folder().to_owned(),
        environment: environment(job, &home, directory)?,
        writable: vec![directory.to_owned(), home],
        readable: config.toolchain.readable(),
        limits: ProcessLimits {
            files: config.limits.program_files,
            file_bytes: config.limits.program_file_bytes,
            processes: config.limits.program_processes,
            memory_bytes: config.limits.program_memory_bytes,
        },
        permit_weaker: config.permit_weaker_confinement,
        timeout_ms: u64::try_from(job.pace.left().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The program's whole environment. Cargo gets a home of its own that only links to the downloaded crates, so that its
/// locks are private and the real one's credentials stay out of reach.
fn environment(job: &Job<'_>, home: &Path, directory: &Path) -> Result<BTreeMap<String, String>, Refusal> {
    let toolchain = &job.executor.config.toolchain;
    let failed = |e: std::io::Error| Refusal::runner("the program's home", e);
    let (temporary, cargo) = (home.join("tmp"), home.join("cargo"));
    std::fs::create_dir(&temporary).map_err(failed)?;
    std::fs::create_dir(&cargo).map_err(failed)?;
    for (name, folder) in toolchain.crates() {
        symlink(folder, cargo.join(name)).map_err(failed)?;
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut environment = toolchain.environment.clone();
    environment.extend([
        ("PATH".to_owned(), toolchain.search_path()),
        ("HOME".to_owned(), text(home)),
        ("TMPDIR".to_owned(), text(&temporary)),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("CARGO_HOME".to_owned(), text(&cargo)),
        ("CARGO_NET_OFFLINE".to_owned(), "true".to_owned()),
        ("CARGO_TARGET_DIR".to_owned(), text(&directory.join("target"))),
    ]);
    Ok(environment)
}

fn outcome(command: &[String], ran: Ran) -> Outcome {
    let ended = ran.ended;
    let shown = command.join(" ");
    let (failure, detail) = match (ended.stopped, ended.exit_code, ended.signal) {
        (Some(Stopped::Deadline), ..) => (Some(Failure::TimedOut), format!("`{shown}` was killed at its deadline")),
        (Some(Stopped::HungUp), ..) => {
            (Some(Failure::Cancelled), format!("`{shown}` was killed because it was cancelled"))
        }
        (None, Some(0), _) => (None, format!("`{shown}` succeeded")),
        (None, Some(code), _) => (Some(Failure::ProgramFailed), format!("`{shown}` ended with exit code {code}")),
        (None, None, signal) => {
            let signal = signal.map_or_else(|| "an unknown signal".to_owned(), |number| format!("signal {number}"));
            (Some(Failure::ProgramFailed), format!("`{shown}` was ended by {signal}"))
        }
    };
    let left = match (ended.killed, ended.survivors) {
        (0, 0) => String::new(),
        (killed, 0) if ended.stopped.is_none() => {
            format!("; it left {killed} processes behind, which were killed")
        }
        (_, 0) => String::new(),
        (_, survivors) => format!("; {survivors} processes could not be killed"),
    };
    let mut outcome = Outcome::completed(format!("{detail}{left}"));
    outcome.status = if failure.is_some() { Status::Failed } else { Status::Completed };
    outcome.failure = failure;
    outcome.exit_code = ended.exit_code;
    outcome.signal = ended.signal;
    outcome.confinement = Some(ended.layers);
    outcome.count(&ran.stdout.findings);
    outcome.count(&ran.stderr.findings);
    outcome.logs = vec![log("stdout", &ran.stdout), log("stderr", &ran.stderr)];
    let record = json!({
        "exit_code": ended.exit_code,
        "signal": ended.signal,
        "stderr": ran.stderr.text,
        "stdout": ran.stdout.text,
    });
    outcome.output = Output { bytes: record.to_string().into_bytes(), media_type: JSON };
    outcome
}

fn log(source: &str, captured: &Captured) -> LogArtifact {
    let digested = digest::of(captured.text.as_bytes());
    LogArtifact {
        source: source.to_owned(),
        sha256: digested.sha256,
        length: digested.length,
        dropped: captured.dropped,
    }
}
