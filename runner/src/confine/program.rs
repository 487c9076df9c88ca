//! The program to be: confines itself, says so, and execs.

use super::channel::{inherited, receive, send};
use super::{Layers, Spec, apply};
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What it tells the warden. The end of the socket after `Confined` means that the exec succeeded.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    /// All is in place.
    Confined(Layers),
    /// It will not run.
    Failed { reason: String, unconfined: bool },
}

/// Runs as the program; comes back only with an exit code for a failure.
pub(super) fn main() -> i32 {
    let Ok(warden) = inherited() else { return 2 };
    let failed = match become_program(&warden) {
        Ok(never) => match never {},
        Err(failed) => failed,
    };
    let _nobody_left = send(&warden, &failed);
    2
}

fn become_program(warden: &std::os::unix::net::UnixStream) -> Result<std::convert::Infallible, Progress> {
    let unconfined = |what: &str, error: &dyn std::fmt::Display| Progress::Failed {
        reason: format!("{what}: {error}"),
        unconfined: true,
    };
    let io = |error: io::Error| unconfined("the confined program", &error);
    let mut reader = BufReader::new(warden.try_clone().map_err(io)?);
    let spec: Spec = receive(&mut reader).map_err(io)?.ok_or_else(|| unconfined("the warden", &"is gone"))?;
    let null = std::fs::File::open("/dev/null").map_err(io)?;
    rustix::stdio::dup2_stdin(&null).map_err(|e| unconfined("standard input", &e))?;
    let layers = apply::all(&spec).map_err(|reason| Progress::Failed { reason, unconfined: true })?;
    // Only now: the mounts have changed what the path leads to.
    std::env::set_current_dir(&spec.directory).map_err(io)?;
    send(warden, &Progress::Confined(layers)).map_err(io)?;
    let error = Command::new(&spec.program).args(&spec.arguments).env_clear().envs(&spec.environment).exec();
    Err(Progress::Failed { reason: format!("running `{}`: {error}", spec.program), unconfined: false })
}
