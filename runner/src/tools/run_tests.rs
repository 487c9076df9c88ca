//! `run_tests {}`: the project's test command, confined, on a copy that is then thrown away.

use super::{Job, program};
use crate::action::{Outcome, Refusal};

pub(super) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    let command = program::command(job, job.executor.config.commands.test.as_deref(), &["cargo", "test"])?;
    let (_copy, outcome) = program::run(job, &command)?;
    Ok(outcome)
}
