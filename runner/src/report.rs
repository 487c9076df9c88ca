//! From what the executor did to what the runner signs.

use crate::action::{Failure, Outcome, Refusal as Refused, Status};
use crate::warrant::{Refusal, VerifiedWarrant};
use domain::content::Text;
use domain::event::result::{ActionResult, Artifact, JobResult, ResultStatus};
use domain::event::{Event, EventData};
use domain::limits;
use proof::commitment::{Commitment, Salt};
use proof::hash::{Hash, sha256};
use proof::leaf::Leaf;
use schemas::body::Body;
use schemas::job::Warrant;

/// A result and the bodies that it commits to.
pub(crate) struct Report {
    pub(crate) result: JobResult,
    pub(crate) bodies: Vec<Body>,
}

impl Report {
    /// Leaves out artifacts until the statement fits its bound, and says so: a result that cannot be recorded would leave
    /// the job unknown.
    fn fit(&mut self) {
        let all = self.result.artifacts.len();
        while self.result.artifacts.len() > 1
            && proof::canonical::to_vec(&self.result).is_ok_and(|bytes| bytes.len() > limits::COMMAND_BYTES - 1024)
        {
            self.result.artifacts.pop();
        }
        let left = self.result.artifacts.len();
        if left < all && self.result.detail.is_none() {
            self.result.detail = Some(format!("{left} of {all} artifacts are listed; more do not fit"));
        }
    }

    /// How it ended, in a word.
    pub(crate) fn word(&self) -> &'static str {
        match self.result.status {
            ResultStatus::Completed => "completed",
            ResultStatus::Failed => "failed",
            ResultStatus::Rejected => "rejected",
        }
    }
}

/// What was done under a warrant.
pub(crate) fn of(warrant: &VerifiedWarrant, outcomes: &[Outcome]) -> Report {
    let mut bodies = Vec::new();
    let mut artifacts = Vec::new();
    let mut actions = Vec::new();
    for (action, outcome) in warrant.actions().iter().zip(outcomes) {
        let completed = outcome.status == Status::Completed;
        actions.push(ActionResult {
            tool: action.tool.clone(),
            completed,
            exit_code: outcome.exit_code,
            output: output(outcome, &mut bodies),
            detail: (!completed).then(|| few_words(&outcome.detail)),
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
        });
        artifacts.extend(proven(outcome));
        if artifacts.is_empty() && completed {
            artifacts.push(said(outcome));
        }
    }
    artifacts.truncate(limits::RESULT_ARTIFACTS);
    let completed = outcomes.len() == warrant.actions().len() && outcomes.iter().all(|o| o.status == Status::Completed);
    let failed = outcomes.iter().find(|outcome| outcome.status == Status::Failed);
    let confinement = outcomes.iter().find_map(|outcome| outcome.confinement.as_ref());
    let result = JobResult {
        job_id: warrant.job().job_id.clone(),
        attempt: warrant.attempt(),
        lease: Some(warrant.lease()),
        status: if completed { ResultStatus::Completed } else { ResultStatus::Failed },
        actions,
        artifacts,
        confinement: confinement.map(|layers| few_words(&layers.to_string())),
        detail: failed.map(|outcome| few_words(&outcome.detail)),
    };
    let mut report = Report { result, bodies };
    report.fit();
    report
}

/// That a warrant was refused, if it says which lease it is about.
pub(crate) fn refused(warrant: &Warrant, refusal: &Refusal) -> Option<Report> {
    let lease = warrant.receipt.entries.iter().find_map(|entry| {
        let leaf = Leaf::parse(entry.leaf.as_bytes()).ok()?;
        match Event::parse(leaf.payload).ok()?.data {
            EventData::JobLeased(e) if e.job_id == warrant.job_id => Some((entry.index, e.attempt)),
            _ => None,
        }
    });
    let (at, attempt) = lease?;
    let result = JobResult {
        job_id: warrant.job_id.clone(),
        attempt,
        lease: Some(at),
        status: ResultStatus::Rejected,
        actions: Vec::new(),
        artifacts: Vec::new(),
        confinement: None,
        detail: Some(few_words(&refusal.to_string())),
    };
    Some(Report { result, bodies: Vec::new() })
}

/// A tool that panicked: the project is as it was, since nothing is put back before a tool has ended well.
pub(crate) fn crashed(what: &str) -> Outcome {
    Outcome::refused(Refused::new(Failure::Runner, format!("the runner failed: {what}")))
}

fn output(outcome: &Outcome, bodies: &mut Vec<Body>) -> Option<Text> {
    let bytes = &outcome.output.bytes;
    if bytes.is_empty() {
        return None;
    }
    if bytes.len() <= limits::INLINE_TEXT_BYTES {
        return Some(Text::Inline(String::from_utf8_lossy(bytes).into_owned()));
    }
    let mut salt = [0; 32];
    if getrandom::fill(&mut salt).is_err() {
        return Some(Text::Inline("(no entropy to commit to the output with)".into()));
    }
    let salt = Salt::new(salt);
    let commit = Commitment::new(&salt, bytes, outcome.output.media_type);
    bodies.push(Body::new(salt, outcome.output.media_type, bytes));
    Some(Text::Committed { commit })
}

/// Files and logs that the outcome can show.
fn proven(outcome: &Outcome) -> Vec<Artifact> {
    let hash = |hex: &str| hex.parse::<Hash>().ok();
    let files = outcome.artifacts.iter().filter_map(|file| {
        let sha256 = hash(&file.sha256)?;
        Some(Artifact { kind: "file".into(), path: file.path.clone(), sha256, length: file.length })
    });
    let logs = outcome.logs.iter().filter_map(|log| {
        let sha256 = hash(&log.sha256)?;
        Some(Artifact { kind: "log".into(), path: log.source.clone(), sha256, length: log.length })
    });
    files.chain(logs).collect()
}

/// What a tool without files or logs can show: what it said.
fn said(outcome: &Outcome) -> Artifact {
    let bytes = &outcome.output.bytes;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Artifact { kind: "log".into(), path: "output".into(), sha256: sha256(bytes), length }
}

fn few_words(text: &str) -> String {
    let mut short: String = text.chars().take(240).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
