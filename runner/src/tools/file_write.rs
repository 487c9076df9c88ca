//! `file_write {path, content}`: one file, new or in the place of the old one. Says what it changes as a unified diff.

use super::Job;
use crate::action::{Outcome, Refusal};
use crate::path::RelativePath;
use crate::workspace::WorkCopy;
use std::io::Read;

/// A diff takes time in the product of the numbers of lines; beyond this there is none.
const DIFF_LINES_MAX: usize = 2_000;

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let path = RelativePath::new_for_writing("path", job.required("path")?)?;
    let content = job.required("content")?;
    let limits = &job.executor.config.limits;
    let copy = WorkCopy::of(&job.executor.work, job.project(), std::slice::from_ref(&path), limits)?;
    let executable = copy.root().state(&path)?.is_some_and(|state| state.executable);
    let before = before(&copy, &path, limits.text_bytes)?;
    copy.store(&path, content.as_bytes(), limits.text_bytes, executable)?;
    let outcome = job.conclude(&copy, &format!("wrote `{path}`"))?;
    Ok(outcome.saying(diff(&path, before.as_deref(), content).as_bytes()))
}

/// What is there now: nothing when it is no text or very long.
fn before(copy: &WorkCopy, path: &RelativePath, most: u64) -> Result<Option<String>, Refusal> {
    let Some(file) = copy.root().file(path)? else {
        return Ok(Some(String::new()));
    };
    let mut content = Vec::new();
    file.take(most).read_to_end(&mut content).map_err(|e| Refusal::runner(path.as_str(), e))?;
    Ok(String::from_utf8(content).ok())
}

fn diff(path: &RelativePath, before: Option<&str>, after: &str) -> String {
    match before {
        Some(before) if before.lines().count().max(after.lines().count()) <= DIFF_LINES_MAX => {
            let mut options = diffy::DiffOptions::new();
            options.set_original_filename(format!("a/{path}")).set_modified_filename(format!("b/{path}"));
            options.create_patch(before, after).to_string()
        }
        _ => String::new(),
    }
}
