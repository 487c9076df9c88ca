//! `POST /api/v1/approvals`, `GET /api/v1/approvals`.

use domain::event::approval::{Challenge, Verb};
use domain::event::decision::Required;
use domain::id::{JobId, ProposalId};
use proof::index::LeafIndex;
use proof::receipt::Receipt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An answer by API key; the weaker kind. A signed one travels as [`Signed`](crate::Signed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitAnswer {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// `grant` or `deny`.
    pub verb: Verb,
    /// The open challenge's nonce: says that this challenge, and no other, was seen.
    pub nonce: String,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerAccepted {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// What was said.
    pub verb: Verb,
    /// Leaf index of the answer.
    pub seq: LeafIndex,
    /// The job, when this was the last yes that policy demands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Proof of the answer and all that followed from it at once.
    pub receipt: Receipt,
}

/// A proposal that waits for a human, with what the human should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingApproval {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// What to answer to.
    pub challenge: Challenge,
    /// What is demanded.
    pub required: Required,
    /// Leaf index of the decision that asks.
    pub decision: LeafIndex,
    /// What the challenge's `preview_digest` is the SHA-256 of, in canonical form.
    pub preview: Value,
    /// Yeses so far.
    pub grants: Vec<Value>,
}
