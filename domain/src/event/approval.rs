//! `approval.*`: a human is asked, and answers.

use crate::content::Text;
use crate::event::decision::Required;
use crate::event::proposal::Seed;
use crate::id::ProposalId;
use crate::time::Timestamp;
use proof::dsse::Envelope;
use proof::hash::Hash;
use proof::index::LeafIndex;
use serde::{Deserialize, Serialize};

/// What an approver answers to. Single use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// 128 bits, never used again.
    pub nonce: String,
    /// Digest of what was put forward.
    pub action_digest: Hash,
    /// Digest of the policy bundle that demands the approval.
    pub policy_digest: Hash,
    /// Digest of what the approver is shown.
    pub preview_digest: Hash,
    /// When it lapses.
    pub expires: Timestamp,
}

/// `approval.requested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// What to answer to.
    pub challenge: Challenge,
    /// What is demanded.
    pub required: Required,
    /// The decision that asks.
    pub decision: LeafIndex,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Yes.
    Grant,
    /// No.
    Deny,
}

/// What an approver says. A signature over it covers the challenge, and so what was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// Yes or no.
    pub verb: Verb,
    /// The challenge it answers, whole.
    pub challenge: Challenge,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// How well an answer is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// By an API key: the server asserts who it was.
    ApiKey,
    /// By the approver's own key: nobody else could have said it.
    Signed,
}

/// `approval.granted`, `approval.denied`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAnswered {
    /// What was said.
    pub answer: Answer,
    /// How well it is proven.
    pub strength: Strength,
    /// The approver is the proposer; only an admin of a `dev` ledger can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approved: bool,
    /// Minted entropy.
    pub seed: Seed,
    /// The approver's statement, if they signed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authored: Option<Envelope>,
}

/// `approval.expired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalExpired {
    /// Which proposal.
    pub proposal_id: ProposalId,
    /// The challenge that lapsed.
    pub nonce: String,
}
