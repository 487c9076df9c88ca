//! `search {pattern, path?}`: the lines that hold a piece of text, as `file:line:text`.
//!
//! Secrets are replaced before the search, not after it: otherwise the answer "found" would tell a guesser what a secret
//! is.

use super::Job;
use crate::action::{Failure, Outcome, Refusal};
use crate::listing;
use crate::path::RelativePath;
use std::fmt::Write;
use std::io::Read;

/// A longer line is shown up to here.
const LINE_BYTES_MAX: usize = 300;
/// A file with a NUL byte in its beginning is no text.
const SNIFFED_BYTES: usize = 8 * 1024;

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let pattern = job.required("pattern")?;
    let most = job.executor.config.limits.search_bytes;
    let mut outcome = Outcome::completed("");
    let (mut answer, mut found, mut more) = (String::new(), 0_u64, "");
    'files: for path in files(job)? {
        job.pace.check()?;
        let Some(content) = text(job, &path)? else {
            continue;
        };
        let findings = inspect::findings(content.as_bytes(), inspect::Context::Text);
        let mut told = false;
        for (index, line) in masked(&content, &findings).lines().enumerate().filter(|(_, line)| line.contains(pattern))
        {
            if answer.len() >= most {
                more = ", and there are more";
                break 'files;
            }
            let shown = line.get(..line.floor_char_boundary(LINE_BYTES_MAX)).unwrap_or_default();
            let _infallible = writeln!(answer, "{path}:{}:{shown}", index + 1);
            found += 1;
            told = true;
        }
        if told {
            outcome.count(&findings);
        }
    }
    outcome.detail = format!("{found} lines found{more}");
    Ok(outcome.saying(answer.as_bytes()))
}

/// The file that is named, or all in the folder that is named, or all.
fn files(job: &Job<'_>) -> Result<Vec<RelativePath>, Refusal> {
    let start = job.text("path").map(|path| RelativePath::new("path", path)).transpose()?;
    if let Some(path) = &start
        && job.project().folder(Some(path.as_str()))?.is_none()
    {
        return match job.project().file(path)? {
            Some(_) => Ok(vec![path.clone()]),
            None => Err(Refusal::new(Failure::NotFound, format!("`{path}` is not in the project"))),
        };
    }
    let executor = job.executor;
    let listing = listing::list(job.project(), start.as_ref(), &executor.excluded, &executor.config.limits, &job.pace)?;
    let mut files = listing.files;
    files.sort();
    Ok(files)
}

/// A file's content, unless it is too large or no text.
fn text(job: &Job<'_>, path: &RelativePath) -> Result<Option<String>, Refusal> {
    let most = job.executor.config.limits.text_bytes;
    let Some(file) = job.project().file(path)? else {
        return Ok(None);
    };
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content).map_err(|e| Refusal::runner(path.as_str(), e))?;
    let too_long = u64::try_from(content.len()).is_ok_and(|length| length > most);
    if too_long || content.iter().take(SNIFFED_BYTES).any(|byte| *byte == 0) {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&content).into_owned()))
}

/// The text with its secrets replaced, line by line as before.
fn masked(text: &str, findings: &[inspect::Finding]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut place = 0;
    for finding in findings {
        masked.push_str(text.get(place..finding.start).unwrap_or_default());
        let _infallible = write!(masked, "[REDACTED:{}]", finding.kind);
        let secret = text.get(finding.start..finding.end()).unwrap_or_default();
        masked.extend(secret.chars().filter(|c| *c == '\n'));
        place = finding.end();
    }
    masked.push_str(text.get(place..).unwrap_or_default());
    masked
}
