//! `apply_patch {patch}`: a unified diff over one or more files, plain or from git. All of it fits exactly where it says,
//! or nothing is changed: no fuzz, no offset, no reversed patch, because what was approved is what is to happen.
//!
//! Files can be changed, created and deleted, and made executable or not. Renames, copies, links and binary patches are
//! refused.

use super::Job;
use crate::action::{Failure, Outcome, Refusal};
use crate::path::RelativePath;
use crate::workspace::WorkCopy;
use diffy::patch_set::{FileMode, FileOperation, FilePatch, ParseOptions, PatchSet};
use diffy::{Hunk, Line};
use std::collections::BTreeSet;
use std::io::Read;

/// What a patch does to one file.
struct FileChange<'a> {
    path: RelativePath,
    /// Whether it is there before.
    before: bool,
    /// Whether it is there after.
    after: bool,
    executable: Option<bool>,
    patch: FilePatch<'a, str>,
}

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let changes = parse(job.required("patch")?)?;
    let limits = &job.executor.config.limits;
    let paths: Vec<RelativePath> = changes.iter().map(|change| change.path.clone()).collect();
    let copy = WorkCopy::of(&job.executor.work, job.project(), &paths, limits)?;
    for change in &changes {
        change.apply(&copy, limits.text_bytes)?;
    }
    job.conclude(&copy, &format!("applied a patch to {} files", changes.len()))
}

fn parse(text: &str) -> Result<Vec<FileChange<'_>>, Refusal> {
    let git = text.lines().any(|line| line.starts_with("diff --git "));
    let options = if git { ParseOptions::gitdiff() } else { ParseOptions::unidiff() };
    let patches: Vec<FilePatch<'_, str>> = PatchSet::parse(text, options)
        .collect::<Result<_, _>>()
        .map_err(|e| refused(format!("the patch is malformed: {e}")))?;
    // Every hunk of a patch that somebody approved is applied: none may hide where the parser does not look.
    let understood: usize = patches.iter().filter_map(|p| p.patch().as_text()).map(|patch| patch.hunks().len()).sum();
    if patches.is_empty() || understood != text.lines().filter(|line| line.starts_with("@@ ")).count() {
        return Err(refused("a part of the patch is no unified diff"));
    }
    let prefixed = patches.iter().all(|patch| is_prefixed(patch.operation()));
    let changes: Vec<FileChange<'_>> =
        patches.into_iter().map(|file| change(file, prefixed)).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    match changes.iter().find(|change| !seen.insert(change.path.clone())) {
        Some(twice) => Err(refused(format!("`{}` is in the patch twice", twice.path))),
        None => Ok(changes),
    }
}

/// Whether the paths are written with `a/` and `b/` in front, as git does.
fn is_prefixed(operation: &FileOperation<'_, str>) -> bool {
    match operation {
        FileOperation::Delete(old) => old.starts_with("a/"),
        FileOperation::Create(new) => new.starts_with("b/"),
        FileOperation::Modify { original, modified } => original.starts_with("a/") && modified.starts_with("b/"),
        // Git writes these without.
        FileOperation::Rename { .. } | FileOperation::Copy { .. } => true,
    }
}

fn change(file: FilePatch<'_, str>, prefixed: bool) -> Result<FileChange<'_>, Refusal> {
    let path = |text: &str| {
        let text = if prefixed { text.get(2..).unwrap_or_default() } else { text };
        RelativePath::new_for_writing("patch", text)
    };
    let (path, before, after) = match file.operation() {
        FileOperation::Delete(old) => (path(old)?, true, false),
        FileOperation::Create(new) => (path(new)?, false, true),
        FileOperation::Modify { original, modified } => {
            let (old, new) = (path(original)?, path(modified)?);
            if old != new {
                return Err(refused(format!("`{old}` would become `{new}`; renames are not supported")));
            }
            (new, true, true)
        }
        FileOperation::Rename { from, .. } => {
            return Err(refused(format!("renaming `{from}` is not supported")));
        }
        FileOperation::Copy { from, .. } => {
            return Err(refused(format!("copying `{from}` is not supported")));
        }
    };
    let executable = match file.new_mode() {
        None => None,
        Some(FileMode::Regular) => Some(false),
        Some(FileMode::Executable) => Some(true),
        Some(FileMode::Symlink | FileMode::Gitlink) => {
            return Err(refused(format!("`{path}` would be no regular file")));
        }
    };
    if file.patch().is_binary() {
        return Err(refused(format!("the patch of `{path}` is a binary one")));
    }
    Ok(FileChange { path, before, after, executable, patch: file })
}

impl FileChange<'_> {
    fn apply(&self, copy: &WorkCopy, most: u64) -> Result<(), Refusal> {
        let state = copy.root().state(&self.path)?;
        match (&state, self.before) {
            (None, true) => return Err(refused(format!("`{}` is not there", self.path))),
            (Some(_), false) => return Err(refused(format!("`{}` is there already", self.path))),
            _ => {}
        }
        let base = self.base(copy, most)?;
        let hunks = self.patch.patch().as_text().map(diffy::Patch::hunks).unwrap_or_default();
        let result = patched(&base, hunks).map_err(|reason| refused(format!("`{}`: {reason}", self.path)))?;
        if !self.after {
            return if result.is_empty() {
                copy.remove(&self.path)
            } else {
                Err(refused(format!("`{}` is to be deleted, but the patch does not have all of it", self.path)))
            };
        }
        let executable = self.executable.unwrap_or(state.is_some_and(|state| state.executable));
        copy.store(&self.path, result.as_bytes(), most, executable).map(|_| ())
    }

    fn base(&self, copy: &WorkCopy, most: u64) -> Result<String, Refusal> {
        let Some(file) = copy.root().file(&self.path)? else {
            return Ok(String::new());
        };
        let mut content = Vec::new();
        file.take(most + 1).read_to_end(&mut content).map_err(|e| Refusal::runner(self.path.as_str(), e))?;
        if u64::try_from(content.len()).is_ok_and(|length| length > most) {
            return Err(Refusal::new(Failure::TooLarge, format!("`{}` is larger than {most} bytes", self.path)));
        }
        String::from_utf8(content).map_err(|_| refused(format!("`{}` is not UTF-8", self.path)))
    }
}

/// The text with the hunks applied, each exactly at its place.
fn patched(base: &str, hunks: &[Hunk<'_, str>]) -> Result<String, String> {
    let lines: Vec<&str> = base.split_inclusive('\n').collect();
    let mut result = String::with_capacity(base.len());
    let mut done = 0;
    for (number, hunk) in hunks.iter().enumerate() {
        let range = hunk.old_range();
        // A hunk that removes and shows nothing stands behind the line that it names.
        let start = if range.is_empty() { range.start() } else { range.start().saturating_sub(1) };
        let old: Vec<&str> = hunk.lines().iter().filter_map(old_line).collect();
        let place = start..start.saturating_add(old.len());
        let kept =
            lines.get(done..start).ok_or_else(|| format!("hunk {} is out of order or beyond the end", number + 1))?;
        if lines.get(place.clone()) != Some(old.as_slice()) {
            return Err(format!("hunk {} does not fit exactly at line {}", number + 1, range.start()));
        }
        result.extend(kept.iter().copied().chain(hunk.lines().iter().filter_map(new_line)));
        done = place.end;
    }
    result.extend(lines.get(done..).unwrap_or_default().iter().copied());
    Ok(result)
}

fn old_line<'a>(line: &Line<'a, str>) -> Option<&'a str> {
    match line {
        Line::Context(text) | Line::Delete(text) => Some(text),
        Line::Insert(_) => None,
    }
}

fn new_line<'a>(line: &Line<'a, str>) -> Option<&'a str> {
    match line {
        Line::Context(text) | Line::Insert(text) => Some(text),
        Line::Delete(_) => None,
    }
}

fn refused(detail: impl Into<String>) -> Refusal {
    Refusal::new(Failure::PatchRefused, detail)
}
