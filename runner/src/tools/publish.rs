//! `publish {source, name?, sha256?, replace?}`: releases one file, as `released/<name>` of the project.
//!
//! The source is looked for in what `build` made and then in the project. An approval is worth most when it names the
//! very bytes: with `sha256`, no other file is released, whatever was built since.

use super::Job;
use crate::action::{Failure, Outcome, Refusal};
use crate::path::RelativePath;
use crate::root::Root;
use crate::workspace::{WorkCopy, artifact};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let source = RelativePath::new("source", job.required("source")?)?;
    let name = job.text("name").unwrap_or_else(|| source.split().1);
    let target = RelativePath::released("name", name)?;
    let limits = &job.executor.config.limits;
    let file = find(job, &source)?;
    let executable =
        file.metadata().map_err(|e| Refusal::runner(source.as_str(), e))?.permissions().mode() & 0o111 != 0;
    let copy = WorkCopy::of(&job.executor.work, job.project(), std::slice::from_ref(&target), limits)?;
    let before = copy.root().state(&target)?;
    let content = copy.store(&target, file, limits.bytes, executable)?;
    if let Some(expected) = job.text("sha256").filter(|expected| !expected.eq_ignore_ascii_case(&content.sha256)) {
        let detail = format!("`{source}` has the SHA-256 {}, and {expected} is to be released", content.sha256);
        return Err(Refusal::new(Failure::InputRefused, detail));
    }
    if before.is_some_and(|before| before.content != content) && !job.flag("replace") {
        let detail = format!("`{target}` is there already with other content, and `replace` is not set");
        return Err(Refusal::new(Failure::AlreadyReleased, detail));
    }
    // Putting back reads the released file once more and compares its digest.
    let mut outcome = job.conclude(&copy, &format!("released `{source}` as `{target}`"))?;
    outcome.artifacts = vec![artifact(&target, &content)];
    Ok(outcome)
}

fn find(job: &Job<'_>, source: &RelativePath) -> Result<File, Refusal> {
    if let Ok(built) = Root::open(&job.build_outputs())
        && let Some(file) = built.file(source)?
    {
        return Ok(file);
    }
    let missing =
        || Refusal::new(Failure::NotFound, format!("`{source}` is neither among the build outputs nor in the project"));
    job.project().file(source)?.ok_or_else(missing)
}
