//! `build {}`: the project's build command, confined, on a copy. What it made is kept for `publish`.
//!
//! ```text
//! <runner data>/build/<path as in the work copy>     such as build/target/release/app
//! ```
//!
//! The files directly in the folders of outputs are kept, without hidden ones and cargo's `.d` files, and only those of the
//! last successful build: a new one takes the place of the old one as a whole.

use super::{Job, program};
use crate::action::{Artifact, Failure, Mode, Outcome, Refusal, Status};
use crate::digest;
use crate::path::RelativePath;
use crate::root::Root;
use crate::workspace::{WorkCopy, artifact, remove_tree};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::PoisonError;

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let commands = &job.executor.config.commands;
    let command = program::command(job, commands.build.as_deref(), &["cargo", "build", "--release"])?;
    let (copy, mut outcome) = program::run(job, &command)?;
    if outcome.status == Status::Completed {
        outcome.artifacts = keep(job, &copy)?;
    }
    Ok(outcome)
}

fn keep(job: &Job<'_>, copy: &WorkCopy) -> Result<Vec<Artifact>, Refusal> {
    let failed = |e: std::io::Error| Refusal::runner("the build outputs", e);
    let default = ["target/release".to_owned()];
    let folders = job.executor.config.commands.build_outputs.as_deref().unwrap_or(&default);
    let _changing = job.executor.changing.lock().unwrap_or_else(PoisonError::into_inner);
    let place = job.build_outputs();
    let (next, old) = (place.with_extension("next"), place.with_extension("old"));
    remove_tree(&next);
    remove_tree(&old);
    DirBuilder::new().mode(0o700).create(&next).map_err(failed)?;
    let mut room = job.executor.config.limits.bytes;
    let mut artifacts = Vec::new();
    for path in outputs(copy.root(), folders)? {
        job.pace.check()?;
        artifacts.push(keep_file(copy.root(), &path, &next, &mut room)?);
    }
    if job.action.mode != Mode::Commit {
        remove_tree(&next);
        return Ok(artifacts);
    }
    match fs::rename(&place, &old) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::rename(&next, &place).map_err(failed)?;
    File::open(&job.executor.config.data).and_then(|data| data.sync_all()).map_err(failed)?;
    remove_tree(&old);
    Ok(artifacts)
}

fn outputs(copy: &Root, folders: &[String]) -> Result<Vec<RelativePath>, Refusal> {
    let mut found = Vec::new();
    for folder in folders {
        let folder = RelativePath::new("build_outputs", folder)?;
        for entry in copy.entries(Some(folder.as_str()))?.named {
            let wanted = entry.kind.is_file() && !entry.name.starts_with('.') && !is_dependency_list(&entry.name);
            found.extend(RelativePath::found(format!("{folder}/{}", entry.name)).filter(|_| wanted));
        }
    }
    Ok(found)
}

/// Cargo's `.d` files, which name paths of the work copy.
fn is_dependency_list(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "d")
}

fn keep_file(copy: &Root, path: &RelativePath, next: &Path, room: &mut u64) -> Result<Artifact, Refusal> {
    let failed = |e: std::io::Error| Refusal::runner(path.as_str(), e);
    let Some(made) = copy.file(path)? else {
        return Err(Refusal::new(Failure::NotFound, format!("`{path}` vanished")));
    };
    let executable = made.metadata().map_err(failed)?.permissions().mode() & 0o111 != 0;
    let place = next.join(path.as_path());
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut kept = File::create_new(&place).map_err(failed)?;
    let content = digest::copy(&mut made.take(room.saturating_add(1)), &mut kept).map_err(failed)?;
    if content.length > *room {
        return Err(Refusal::new(Failure::TooLarge, "the build made more than may be kept"));
    }
    *room = room.saturating_sub(content.length);
    kept.set_permissions(Permissions::from_mode(if executable { 0o700 } else { 0o600 })).map_err(failed)?;
    kept.sync_all().map_err(failed)?;
    Ok(artifact(path, &content))
}
