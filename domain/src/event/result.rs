//! `result.recorded`: what a runner says it did.

use crate::content::Text;
use crate::id::{JobId, ToolName};
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultStatus {
    /// Every action succeeded.
    Completed,
    /// An action did not.
    Failed,
    /// The runner refused its warrant and ran nothing.
    Rejected,
}

/// A file as the runner hashed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// `file`, `log` or `receipt`.
    pub kind: String,
    /// Where, relative to the project; or a log's name.
    pub path: String,
    /// Of its bytes.
    pub sha256: Hash,
    /// Bytes.
    pub length: u64,
}

/// How one action ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    /// Which tool.
    pub tool: ToolName,
    /// Whether it succeeded.
    pub completed: bool,
    /// Exit code of its program, if it ran one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What it printed or read, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Text>,
    /// In a few words, when it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// What a runner says it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// Which job.
    pub job_id: JobId,
    /// Which try; 0 without a lease.
    pub attempt: u32,
    /// The lease it acted under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeafIndex>,
    /// How it ended.
    pub status: ResultStatus,
    /// Each action that was run.
    pub actions: Vec<ActionResult>,
    /// Everything it can show for it.
    pub artifacts: Vec<Artifact>,
    /// Which confinement was active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<String>,
    /// In a few words, when it did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a result rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The runner verified a warrant and signed.
    Warrant,
    /// An API key's word.
    None,
}

/// `result.recorded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRecorded {
    /// What the runner says.
    pub result: JobResult,
    /// What it rests on.
    pub evidence: Evidence,
    /// The runner's statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authored: Option<Envelope>,
}
