//! `POST /api/v1/jobs/lease`, `POST /api/v1/jobs/{id}/result`, `GET /api/v1/jobs/{id}/result`.

use crate::body::Body;
use domain::event::result::JobResult;
use domain::id::JobId;
use proof::hash::Hash;
use proof::index::{LeafIndex, TreeSize};
use proof::receipt::Receipt;
use serde::{Deserialize, Serialize};

/// All that a runner demands before it acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warrant {
    /// Which job.
    pub job_id: JobId,
    /// Under one checkpoint: genesis, the runner's registration, the proposal, its decisions, its approvals with the
    /// keys that gave them, the job, and the lease in this runner's name.
    pub receipt: Receipt,
    /// That the checkpoint extends the head the runner named.
    pub consistency: Consistency,
    /// Bodies of the job's inputs.
    pub bodies: Vec<Body>,
}

/// A consistency proof (RFC 6962).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// The older size.
    pub old: TreeSize,
    /// The newer size.
    pub new: TreeSize,
    /// The proof.
    pub path: Vec<Hash>,
}

/// The result stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultAccepted {
    /// Which job.
    pub job_id: JobId,
    /// `completed`, `failed` or `rejected`.
    pub status: String,
    /// Leaf index of the result.
    pub seq: LeafIndex,
    /// Proof of the result and of the job's end.
    pub receipt: Receipt,
}

/// A result with what the tools printed and read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobOutput {
    /// Which job.
    pub job_id: JobId,
    /// `ready`, `leased`, `completed`, `failed`, `rejected` or `unknown`.
    pub status: String,
    /// What the runner said, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// Each action's output in clear, in order; absent when it had none or when it was erased.
    pub outputs: Vec<Option<String>>,
}
