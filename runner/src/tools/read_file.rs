//! `read_file {path}`: one file of the project, whole or not at all.

use super::Job;
use crate::action::{Failure, Outcome, Refusal};
use crate::digest;
use crate::path::RelativePath;
use crate::workspace::artifact;
use std::io::Read;

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let path = RelativePath::new("path", job.required("path")?)?;
    let most = job.executor.config.limits.read_bytes;
    let Some(file) = job.project().file(&path)? else {
        return Err(Refusal::new(Failure::NotFound, format!("`{path}` is not in the project")));
    };
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content).map_err(|e| Refusal::runner(path.as_str(), e))?;
    if u64::try_from(content.len()).is_ok_and(|length| length > most) {
        return Err(Refusal::new(Failure::TooLarge, format!("`{path}` is larger than {most} bytes")));
    }
    let mut outcome = Outcome::completed(format!("read `{path}`")).saying(&content);
    outcome.artifacts.push(artifact(&path, &digest::of(&content)));
    Ok(outcome)
}
