//! `countersign doctor`: what is wrong, and what would be right.

use crate::output::{OutputArguments, colour, paint};
use clap::Args;
use ledger::keys::{KeyFolder, KeyRole};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./countersign-data")]
    data: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let dir = &arguments.data;
    let mut checks = vec![confinement()];
    if data_exists(dir) {
        checks.extend(key_files(dir));
        checks.push(disk(dir));
        checks.push(opens(dir));
    } else {
        let found = format!("no ledger in {}; `countersign init` makes one", dir.display());
        checks.push(Check { name: "ledger", ok: false, found });
    }
    let bad = checks.iter().filter(|check| !check.ok).count();
    let colour = colour();
    let printed = arguments.output.data(&checks, || {
        let line = |check: &Check| {
            let mark = if check.ok { paint(colour, "32", "ok  ") } else { paint(colour, "31", "bad ") };
            format!("{mark} {:<14} {}", check.name, check.found)
        };
        checks.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    if printed == ExitCode::SUCCESS && bad > 0 { ExitCode::from(2) } else { printed }
}

fn data_exists(dir: &Path) -> bool {
    crate::data_folder::exists(dir)
}

fn confinement() -> Check {
    // The kernel says so itself: what it does not list it does not enforce.
    let modules = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let found = if modules.is_empty() {
        "the kernel's security modules cannot be read; the runner refuses by itself what it cannot confine".into()
    } else {
        format!("security modules {modules}")
    };
    Check { name: "confinement", ok: modules.is_empty() || modules.contains("landlock"), found }
}

fn key_files(dir: &Path) -> Vec<Check> {
    let folder = KeyFolder::of(dir);
    let mut checks = Vec::new();
    for (name, role) in
        [("event key", KeyRole::Event), ("checkpoint key", KeyRole::Checkpoint), ("root key", KeyRole::Root)]
    {
        let path = folder.path(role);
        if role == KeyRole::Root && !path.exists() {
            checks.push(Check { name, ok: true, found: "not on this machine, as it should be".into() });
            continue;
        }
        let mode = std::fs::metadata(&path).map(|m| m.permissions().mode() & 0o777);
        let (ok, found) = match (mode, folder.read(role)) {
            (Ok(0o600), Ok(key)) => (true, key.verifier().to_string()),
            (Ok(mode), Ok(_)) => (false, format!("{} has mode {mode:o}, expected 600", path.display())),
            (_, Err(error)) => (false, error.to_string()),
            (Err(error), _) => (false, error.to_string()),
        };
        checks.push(Check { name, ok, found });
    }
    checks
}

fn disk(dir: &Path) -> Check {
    match ledger::fsync_probe(dir, 200) {
        Ok(probe) => Check {
            name: "fdatasync",
            ok: true,
            found: format!("p50 {:.3} ms, p99 {:.3} ms", ms(probe.0), ms(probe.1)),
        },
        Err(error) => Check { name: "fdatasync", ok: false, found: error.to_string() },
    }
}

/// Milliseconds with their fraction.
pub(crate) fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn opens(dir: &Path) -> Check {
    match crate::data_folder::open(dir) {
        Ok(folder) => {
            let head = folder.ledger.head();
            Check {
                name: "ledger",
                ok: true,
                found: format!("{} · {} events · root {}", folder.ledger.origin(), head.size, head.root),
            }
        }
        Err(problem) => Check { name: "ledger", ok: false, found: problem },
    }
}
