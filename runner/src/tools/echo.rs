//! `echo {message}`: answers with its message. No process, no file.

use super::Job;
use crate::action::{Outcome, Refusal};

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    Ok(Outcome::completed("echoed").saying(job.required("message")?.as_bytes()))
}
