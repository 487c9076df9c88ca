//! The tools, one file each.

mod apply_patch;
mod build;
mod echo;
mod file_write;
mod program;
mod publish;
mod read_file;
mod run_tests;
mod search;

use crate::action::{ActionSpec, Failure, Mode, Outcome, Refusal};
use crate::executor::Executor;
use crate::limits::Pace;
use crate::root::Root;
use crate::workspace::{WorkCopy, put_back};
use std::path::PathBuf;
use std::sync::PoisonError;

/// Every tool that this runner has, in order.
pub const NAMES: &[&str] =
    &["apply_patch", "build", "echo", "file_write", "publish", "read_file", "run_tests", "search"];

/// One action at work.
pub(crate) struct Job<'a> {
    pub(crate) executor: &'a Executor,
    pub(crate) action: &'a ActionSpec,
    pub(crate) pace: Pace,
}

/// Runs the action's tool.
pub(crate) fn run(job: &Job<'_>) -> Result<Outcome, Refusal> {
    match job.action.tool.as_str() {
        "apply_patch" => apply_patch::run(job),
        "build" => build::run(job),
        "echo" => echo::run(job),
        "file_write" => file_write::run(job),
        "publish" => publish::run(job),
        "read_file" => read_file::run(job),
        "run_tests" => run_tests::run(job),
        "search" => search::run(job),
        other => Err(Refusal::new(Failure::ManifestRejected, format!("this runner has no tool `{other}`"))),
    }
}

impl Job<'_> {
    /// A string input that the manifest requires.
    fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::new(Failure::InputRefused, format!("input `{name}` is missing")))
    }

    /// A string input.
    fn text(&self, name: &str) -> Option<&str> {
        self.action.inputs.get(name).and_then(serde_json::Value::as_str)
    }

    /// A boolean input, false when it is not there.
    fn flag(&self, name: &str) -> bool {
        self.action.inputs.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    fn project(&self) -> &Root {
        &self.executor.project
    }

    /// Where the files are that builds made.
    fn build_outputs(&self) -> PathBuf {
        self.executor.config.data.join("build")
    }

    /// What became of a work copy: put into the project in `commit`, only told in the other modes.
    fn conclude(&self, copy: &WorkCopy, what: &str) -> Result<Outcome, Refusal> {
        let differences = copy.differences(&self.executor.config.limits, &self.pace)?;
        let commit = self.action.mode == Mode::Commit;
        if commit {
            let _changing = self.executor.changing.lock().unwrap_or_else(PoisonError::into_inner);
            self.pace.check()?;
            put_back(self.project(), copy, &differences)?;
        }
        let done = if commit { "" } else { " (not put into the project: mode " };
        let close = if commit { String::new() } else { format!("{})", self.action.mode.name()) };
        let mut outcome = Outcome::completed(format!("{what}{done}{close}"));
        outcome.changes = differences.iter().map(crate::workspace::Difference::change).collect();
        outcome.artifacts = differences.iter().filter_map(crate::workspace::Difference::artifact).collect();
        Ok(outcome)
    }
}
