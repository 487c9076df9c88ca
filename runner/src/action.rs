//! What goes into the executor and what comes out of it. Plain data, without a trace of warrants, leases or HTTP.

use crate::confine::Layers;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How far an action goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// For real: what it changes is put into the project.
    Commit,
    /// Carried out on a copy that is then thrown away; the project stays as it is.
    Draft,
    /// The same, to show what would happen.
    Preview,
}

impl Mode {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Draft => "draft",
            Self::Preview => "preview",
        }
    }
}

/// One action to carry out. All its bodies are in the inputs already.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionSpec {
    /// The tool's name in the manifest.
    pub tool: String,
    /// The inputs, in full.
    pub inputs: Map<String, Value>,
    /// How far it goes.
    pub mode: Mode,
    /// A shorter time than the manifest allows, such as what is left of a lease.
    pub timeout: Option<Duration>,
}

impl ActionSpec {
    /// An action with the manifest's own timeout.
    pub fn new(tool: &str, mode: Mode, inputs: Map<String, Value>) -> Self {
        Self { tool: tool.to_owned(), inputs, mode, timeout: None }
    }
}

/// Whether an action did what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It did, all of it.
    Completed,
    /// It did not, and the project is as it was.
    Failed,
}

/// Why an action failed: a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It does not fit the tool manifest.
    ManifestRejected,
    /// An input has a value that the tool cannot take, or holds a secret.
    InputRefused,
    /// A path leads, or might lead, somewhere it must not.
    PathRefused,
    /// What it names is not there.
    NotFound,
    /// Something is larger than its limit.
    TooLarge,
    /// The patch is malformed or does not fit the files exactly.
    PatchRefused,
    /// The project changed between copying and putting back.
    ProjectChanged,
    /// A different file has been released under that name.
    AlreadyReleased,
    /// The program ran and ended with an error.
    ProgramFailed,
    /// It was still running at its deadline.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// It could not be confined, so it was not run.
    Unconfined,
    /// The runner could not do its part: a disk, a process, a descriptor.
    Runner,
}

/// An action, or a step of one, that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub failure: Failure,
    /// For people: what and why.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its explanation.
    pub fn new(failure: Failure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into() }
    }

    /// A failure of the runner itself, while it was busy with `what`.
    pub fn runner(what: &str, error: impl fmt::Display) -> Self {
        Self::new(Failure::Runner, format!("{what}: {error}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}

/// A file as it is: its raw content, not a redacted one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Relative to the project, or to the build outputs.
    pub path: String,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub length: u64,
}

/// What became of a file of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there before.
    Created,
    /// Its content or its executable bit is another.
    Modified,
    /// It is not there any more.
    Deleted,
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Relative to the project.
    pub path: String,
    /// What became of it.
    pub kind: ChangeKind,
}

/// A stream of output as it is recorded: after redaction, and after the middle was dropped if it was too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogArtifact {
    /// `stdout` or `stderr`.
    pub source: String,
    /// SHA-256 of the recorded text, in hexadecimal.
    pub sha256: String,
    /// The recorded text's length in bytes.
    pub length: u64,
    /// How many bytes were dropped from its middle.
    pub dropped: u64,
}

/// What the tool says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Without secrets.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
}

/// The media type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of a program's output: an object with `stdout`, `stderr`, `exit_code` and `signal`.
pub const JSON: &str = "application/json";

/// What became of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Completed or failed.
    pub status: Status,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// The program's exit code, when a program ran and exited.
    pub exit_code: Option<i32>,
    /// The signal that ended the program, when one did.
    pub signal: Option<i32>,
    /// What the tool says, redacted.
    pub output: Output,
    /// The files it made, changed or read.
    pub artifacts: Vec<Artifact>,
    /// What it changed in the project, or would have in `draft` and `preview`.
    pub changes: Vec<Change>,
    /// The streams of a program.
    pub logs: Vec<LogArtifact>,
    /// How many secrets of each kind were replaced in the output.
    pub redactions: BTreeMap<String, u64>,
    /// What confined the program, when one ran.
    pub confinement: Option<Layers>,
    /// How long it took.
    pub duration: Duration,
    /// For people, redacted.
    pub detail: String,
}

impl Outcome {
    /// A completed action that says nothing yet.
    pub(crate) fn completed(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Completed,
            failure: None,
            exit_code: None,
            signal: None,
            output: Output { bytes: Vec::new(), media_type: TEXT },
            artifacts: Vec::new(),
            changes: Vec::new(),
            logs: Vec::new(),
            redactions: BTreeMap::new(),
            confinement: None,
            duration: Duration::ZERO,
            detail: detail.into(),
        }
    }

    /// A refused action.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { status: Status::Failed, failure: Some(refusal.failure), ..Self::completed(refusal.detail) }
    }

    /// The same with a text to say, redacted here.
    pub(crate) fn saying(mut self, text: &[u8]) -> Self {
        let redacted = inspect::redact(text, inspect::Context::Text);
        self.count(&redacted.findings);
        self.output = Output { bytes: redacted.text.into_bytes(), media_type: TEXT };
        self
    }

    /// Counts what was redacted.
    pub(crate) fn count(&mut self, findings: &[inspect::Finding]) {
        for finding in findings {
            *self.redactions.entry(finding.kind.name().to_owned()).or_default() += 1;
        }
    }
}
